"""The cascade walked through time: covers, ready mails and lists reach the right houses, each pool once, whatever changes between."""

from __future__ import annotations

import email
import random
import re
from collections import Counter
from datetime import date, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.compose.links import Door, read_token
from om_campaigns.compose.pack import FILE_NAMES
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.partner.acknowledgements import acknowledge_line, import_acknowledgements
from om_campaigns.partner.packs import Acting, hand_over_pack, move_pack, write_pack
from om_campaigns.partner.show_house_packs import load_file, show_pack
from om_campaigns.partner.signing_in import open_pack_link
from om_campaigns.staff.show_packs import load_packs, who_passes_on
from om_campaigns.tick import tick
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

PACKS = 'routes = ["forward_pack", "list_address", "newsletter_block"]\nsender = "om"'
STAFF = Acting("t")
BODY = """{{ contact.greeting }},

ein Gedanke für {{ org.name }}.

::: offers {#offers locked}
Checks, mit denen Betriebe selbst sehen, wo etwas brachliegt.
:::

::: say {#say editable}
„Wollen wir eine halbe Stunde darauf schauen?“
:::

::: do {#do editable}
Notieren Sie **einen** Nebensatz.
:::
"""


def series(office: Workspace, *steps: str, text: str = BODY) -> None:
    """A series for the advisers of every active house, passed on by their houses."""
    office.segment("berater", "status == 'active' and adviser_count >= 1", "organisations")
    office.campaign("reihe", *(steps or ("b1 day = 0", "b2 day = 14")), audience=PACKS, segment="berater", texts=False)
    for step in steps or ("b1", "b2"):
        office.text("reihe", f"{step.split()[0]}.de", text)
    office.publish()


def taker(slug: str, **values: str) -> str:
    return house(slug, "05", **{"routes": "forward_pack", "adviser_headcount": "5", **values})


def letters(office: Workspace) -> list[EmailMessage]:
    return [email.message_from_bytes(content, policy=default) for _, content in office.transport.letters]  # type: ignore[misc]


def to_house(office: Workspace, slug: str) -> list[EmailMessage]:
    """Cover first: two connections may hand them over in either order."""
    found = [each for each in letters(office) if slug in str(each["To"])]
    return sorted(found, key=lambda each: each.get_content_type() != "multipart/mixed")


def packs(office: Workspace) -> list[dict[str, object]]:
    with store.read(office.app.engine) as session:
        return load_packs(session)


@pytest.fixture(scope="module")
def chamber(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An umbrella, a state body and two offices, one of them without anybody; two steps, an answer, a change of contact."""
    office = Workspace(tmp_path_factory.mktemp("chamber"))
    office.houses(
        taker("dach", level="umbrella", regions="DE"),
        taker("land", level="state", parent="dach", routes="direct_email"),
        taker("amt", parent="land", pack_delivery="attachment"),
        taker("leer", parent="land"),
    )
    office.people(
        person("Dora Dach", "dach", roles="distributor"),
        person("Lea Land", "land", roles="contact"),
        person("Anna Amt", "amt", roles="contact"),
    )
    series(office)
    office.walk(local("2027-01-06"))
    return office


def test_each_pool_is_in_one_pack_and_the_empty_office_goes_through_the_distributor(chamber: Workspace) -> None:
    """Domain rule 2: the state body takes direct mail only, so the umbrella relays for it; the empty office has nobody."""
    served = {(row["house"], slug) for row in packs(chamber) for slug in row["serves"]}  # type: ignore[attr-defined]
    assert served == {("dach", "dach"), ("dach", "land"), ("dach", "leer"), ("amt", "amt")}


def test_a_cover_and_at_once_the_ready_mail(chamber: Workspace) -> None:
    """FWD-02: two mails in one touch; the house that wants an attachment gets one mail with the draft in it."""
    to_dach = to_house(chamber, "dach")
    assert [each.get_content_type() for each in to_dach] == ["multipart/mixed", "multipart/alternative"]
    to_amt = to_house(chamber, "amt")
    assert [[part.get_filename() for part in each.iter_attachments()] for each in to_amt] == [["weiterleiten.eml", "blatt.pdf"]]
    draft = next(to_amt[0].iter_attachments())
    assert (draft.get_content_type(), draft["Content-Transfer-Encoding"]) == ("application/octet-stream", "base64")
    assert chamber.count("touch") == 2


def test_the_cover_has_code_note_and_way_out_the_ready_mail_none_of_them(chamber: Workspace) -> None:
    """FWD-01, UNS-01: nothing has to be deleted before the ready mail is forwarded."""
    cover, ready = to_house(chamber, "dach")
    code = next(row["code"] for row in packs(chamber) if row["house"] == "dach")
    told = cover.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert str(code) in told
    assert "So leiten Sie weiter" in told
    assert "Haus leer" in told, "for: the office without anybody (domain rule 2)"
    assert "/abmelden/" in told
    passed_on = ready.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    for foreign in (str(code), "So leiten Sie weiter", "abmelden", "Dora", "d…@", "wurde"):
        assert foreign not in passed_on
    assert passed_on.startswith("Haus dach")
    assert not [name for name in ready if name.lower().startswith("list-") or name == "Feedback-ID"]
    assert ready["To"].addresses[0].display_name == ""
    assert ready["Subject"] == "reihe b1.de"


def test_the_ready_mails_body_is_the_drafts_apart_from_the_boundary(chamber: Workspace, tmp_path: Path) -> None:
    """FWD-01, FWD-07: the same parts, byte for byte; the draft has no sender, nobody in To, no date."""
    sent = (content for envelope, content in chamber.transport.letters if "dach" in envelope.recipient)
    [ready] = [content for content in sent if b"multipart/mixed" not in content]
    code = str(next(row["code"] for row in packs(chamber) if row["house"] == "dach"))
    write_pack(chamber.app, code, tmp_path, chamber.now)
    draft = (tmp_path / "weiterleiten.eml").read_bytes()

    def body(content: bytes) -> bytes:
        boundary = email.message_from_bytes(content).get_boundary()
        return content[content.index(b"Content-Type: multipart/alternative") :].replace(str(boundary).encode(), b"B")

    assert body(ready) == body(draft)
    head = email.message_from_bytes(draft)
    assert (head["X-Unsent"], head["To"], head["Cc"]) == ("1", "", "")
    assert not {"From", "Date", "Message-ID", "List-Id", "Reply-To"} & set(head.keys())


def test_writing_a_pack_twice_gives_the_same_files(chamber: Workspace, tmp_path: Path) -> None:
    code = str(packs(chamber)[0]["code"])
    one, two = (write_pack(chamber.app, code, tmp_path / name, chamber.now) for name in ("one", "two"))
    assert [path.name for path in one] == [
        "weiterleiten.eml",
        "weiterleiten.html",
        "weiterleiten.txt",
        "baustein.md",
        "baustein.html",
        "blatt.pdf",
        "manifest.json",
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert chamber.count("pack_revision") == len(packs(chamber)), "nothing was changed, so there is no new revision"


def test_plan_says_who_passes_on_and_why(chamber: Workspace) -> None:
    with store.read(chamber.app.engine) as session:
        [found] = who_passes_on(chamber.app, session, chamber.now)
    assert found["unserved"] == []
    by_house = {row["house"]: row for row in found["served"]}
    assert by_house["land"]["relay"] == "dach"
    assert (by_house["leer"]["relay"], by_house["leer"]["receiver"]) == ("leer", "dach")
    assert "so dach above does" in by_house["leer"]["why"]


def make_office(folder: Path) -> Workspace:
    office = Workspace(folder)
    office.houses(taker("amt"))
    office.people(person("Anna Amt", "amt"))
    return office


@pytest.mark.slow
def test_answers_move_a_pack_and_are_recorded_once(tmp_path: Path) -> None:
    """Relay states: a late acknowledgement counts, the same line twice changes nothing, an unknown code is named."""
    office = make_office(tmp_path)
    series(office)
    office.walk(local("2027-01-06"))
    [row] = packs(office)
    code = str(row["code"])
    assert (row["state"], str(row["due_on"])) == (RelayState.offered, "2027-02-02"), "28 days from the hand-over"
    assert move_pack(office.app, STAFF, code, RelayState.accepted, office.now)
    assert not move_pack(office.app, STAFF, code, RelayState.accepted, office.now)
    line = f"Gern! {code.lower()} – Beratende – etwa 40"
    assert acknowledge_line(office.app, STAFF, line, office.now).is_new
    assert not acknowledge_line(office.app, STAFF, line, office.now).is_new
    [row] = packs(office)
    assert (row["state"], row["level"], row["count"]) == (RelayState.reported, "adviser", 40)
    assert office.count("response") == office.count("acknowledgement") == 1
    with pytest.raises(InputError, match="is no code"):
        acknowledge_line(office.app, STAFF, "K7M-2X9X – Beratende", office.now)
    with pytest.raises(InputError, match="cannot become skipped"):
        move_pack(office.app, STAFF, code, RelayState.skipped, office.now)


def test_the_last_word_of_a_house_counts_even_where_it_was_said_before(tmp_path: Path) -> None:
    """4, then 9, then 4 after all; and a list of old answers takes nothing back."""
    office = make_office(tmp_path)
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    code = packs(office)[0]["code"]
    for said, is_new, shown in (
        ("Beratende – 4", True, ("adviser", 4)),
        ("Beratende – 9", True, ("adviser", 9)),
        ("Beratende – 9", False, ("adviser", 9)),
        ("Beratende – 4", True, ("adviser", 4)),
        ("nein", True, ("no", None)),
        ("Beratende – 4", True, ("adviser", 4)),
    ):
        assert acknowledge_line(office.app, STAFF, f"{code} – {said}", office.now).is_new is is_new, said
        assert (packs(office)[0]["level"], packs(office)[0]["count"]) == shown
    path = office.write("alt.csv", f"Kennwort;Stufe;Zahl\n{code};Beratende;9\n{code};Regionalstellen;2\n")
    for new in (1, 0):
        assert import_acknowledgements(office.app, path, office.now, STAFF).new == new
        assert packs(office)[0]["count"] == 2


def test_a_file_of_answers_takes_good_rows_and_names_bad_ones(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    series(office)
    office.walk(local("2027-01-06"))
    code = packs(office)[0]["code"]
    path = office.write(
        "antworten.csv", f"Kennwort;Stufe;Zahl;Satz\n{code};Regionalstellen;3;Gut angekommen.\n{code};hoch;3;\nABC-DEFG;nein;;\n"
    )
    first = import_acknowledgements(office.app, path, office.now, STAFF)
    assert (first.new, first.known, [row["line"] for row in first.rejected]) == (1, 0, [3, 4])
    second = import_acknowledgements(office.app, path, office.now, STAFF)
    assert (second.new, second.known, office.count("acknowledgement")) == (0, 1, 1)
    later = import_acknowledgements(office.app, path, office.now + timedelta(days=1), STAFF)
    assert (later.new, later.known, office.count("acknowledgement")) == (0, 1, 1), "the same file on another day"


def test_a_file_of_answers_as_offices_save_it_and_what_nobody_can_read(tmp_path: Path) -> None:
    """Windows-1252, another heading for the number, a number below zero, a column nobody knows, a correction."""
    office = make_office(tmp_path)
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    code = packs(office)[0]["code"]
    path = tmp_path / "antworten.csv"
    path.write_bytes(f"Code;Stufe;Anzahl;Satz\r\n{code};Regionalstellen;12;für alle\r\n{code};Beratende;-4;\r\n".encode("cp1252"))
    taken = import_acknowledgements(office.app, path, office.now, STAFF)
    assert (taken.new, [row["line"] for row in taken.rejected], packs(office)[0]["count"]) == (1, [3], 12)
    assert acknowledge_line(office.app, STAFF, f"{code} – Regionalstellen", office.now, count=15).count == 15
    assert packs(office)[0]["count"] == 15, "a correction is heard"
    path.write_text(f"code;level;Hauss\n{code};Beratende;amt\n", encoding="utf-8")
    with pytest.raises(InputError, match="unknown column 'Hauss'"):
        import_acknowledgements(office.app, path, office.now, STAFF)
    path.write_bytes(b"\x00\x01\x02")
    with pytest.raises(ProblemsError):
        import_acknowledgements(office.app, path, office.now, STAFF)


def test_numbers_of_people_are_read_in_one_way_everywhere(tmp_path: Path) -> None:
    """By a file, a line and the portal alike: never ten times as many as somebody wrote."""
    office = make_office(tmp_path)
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    code, path = packs(office)[0]["code"], tmp_path / "zahlen.csv"
    for wrong in ("12.5", "1.5", "1 200,0", "80–100"):
        path.write_text(f"code;stufe;zahl\n{code};Regionalstellen;{wrong}\n", encoding="utf-8")
        (row,) = import_acknowledgements(office.app, path, office.now, STAFF).rejected
        assert "is not a whole number" in row["reason"], wrong
    for typed, number in (("ca. 12", 12), ("1.200", 1200)):
        path.write_text(f"code;stufe;zahl\n{code};Regionalstellen;{typed}\n", encoding="utf-8")
        assert import_acknowledgements(office.app, path, office.now, STAFF).rejected == []
        assert packs(office)[0]["count"] == number


def test_a_pack_is_put_off_to_a_day_that_comes(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    code = packs(office)[0]["code"]
    for day in ("1999-01-01", "2027-01-05", "2099-01-01"):
        with pytest.raises(InputError, match="can be put off"):
            move_pack(office.app, STAFF, code, RelayState.postponed, office.now, until=date.fromisoformat(day))
    assert move_pack(office.app, STAFF, code, RelayState.postponed, office.now, until=date(2027, 2, 1))


@pytest.mark.slow
def test_the_next_pack_replaces_one_nobody_took_and_time_ends_the_last(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    series(office)
    office.walk(local("2027-01-20"))
    assert [row["state"] for row in packs(office)] == [RelayState.replaced, RelayState.offered]
    office.walk(local("2027-03-01"), pause=timedelta(days=7))
    assert [row["state"] for row in packs(office)] == [RelayState.replaced, RelayState.expired]
    acknowledge_line(office.app, STAFF, f"{packs(office)[1]['code']} – nein", office.now)
    assert packs(office)[1]["state"] is RelayState.expired, "a late no is recorded and changes nothing"


@pytest.mark.slow
def test_the_series_goes_on_with_a_new_contact_and_serves_no_pool_again(tmp_path: Path) -> None:
    """A house's series belongs to the house; a new office of its own starts with what its advisers have not had."""
    office = Workspace(tmp_path)
    office.houses(taker("land", level="state"), taker("amt", parent="land", routes="none"))
    office.people(person("Lea Land", "land"))
    series(office, "b1 day = 0", "b2 day = 14", "b3 day = 28")
    office.walk(local("2027-01-10"))
    office.people(person("Lea Land", "land", until="2027-01-09"), person("Neu Land", "land"), person("Anna Amt", "amt"))
    office.houses(taker("land", level="state"), taker("amt", parent="land"))
    office.walk(local("2027-03-20"))
    told = sorted((row["step"], row["house"], row["receiver"], row["serves"]) for row in packs(office))
    assert told == [
        ("b1", "land", "Lea Land", ["amt", "land"]),
        ("b2", "amt", "Anna Amt", ["amt"]),
        ("b2", "land", "Neu Land", ["land"]),
        ("b3", "amt", "Anna Amt", ["amt"]),
        ("b3", "land", "Neu Land", ["land"]),
    ]
    skipped = [(each.step, each.organisation, each.reason) for each in office.ledger(status="skipped")]
    assert skipped == [("b1", "amt", "nobody_to_serve")], "its advisers had b1 through the house above"


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_contact_who_deputises_elsewhere_receives_for_their_own_house(tmp_path: Path, order: str) -> None:
    """Anna is contact of A; Uwe is contact of B, his home, and deputy in A: two packs, whichever house was stored first."""
    office = Workspace(tmp_path)
    office.houses(*(taker(slug) for slug in order))
    office.people(
        person("Anna Anfang", "a"),
        person("Uwe Ufer", "b"),
        person("Uwe Ufer", "a", email="uwe.ufer@b.example", roles="deputy", primary="no"),
    )
    series(office, "b1 day = 0")
    with store.read(office.app.engine) as session:
        (told,) = who_passes_on(office.app, session, office.now)
    assert {(row["house"], row["receiver"], row["why"]) for row in told["served"]} == {
        ("a", "a", "it takes packs itself"),
        ("b", "b", "it takes packs itself"),
    }
    office.tick(local("2027-01-05"))
    assert sorted((row["house"], row["receiver"], row["serves"]) for row in packs(office)) == [
        ("a", "Anna Anfang", ["a"]),
        ("b", "Uwe Ufer", ["b"]),
    ]


@pytest.mark.slow
def test_a_house_with_a_list_gets_one_mail_for_it_without_one_click_uns_12(tmp_path: Path) -> None:
    """UNS-12: one reader's button would unsubscribe the whole house; the way out is the owner of the list, whose help the portal is."""
    office = Workspace(tmp_path, settings='[web]\nbase_url = "https://briefe.om-probe.de"')
    office.houses(taker("verband", routes="list_address", list_address="verteiler@verband.example"))
    office.people(person("", "verband", email="verteiler@verband.example", roles=""), person("Vera Verband", "verband", basis=""))
    series(office, "b1 day = 0")
    office.walk(local("2027-01-06"))
    [mail] = letters(office)
    assert str(mail["To"]) == "verteiler@verband.example"
    assert mail["List-Unsubscribe-Post"] is None
    assert mail["List-Unsubscribe"] == "<mailto:vera.verband@verband.example>"
    assert "https://" not in str(mail["List-Unsubscribe"])
    assert mail["List-Help"] == "<https://briefe.om-probe.de/portal>"
    assert [row["state"] for row in packs(office)] == [RelayState.forwarded]
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert str(packs(office)[0]["code"]) not in text


def test_a_house_that_fetches_its_packs_gets_a_cover_with_a_link_and_nothing_else(tmp_path: Path) -> None:
    """``pack_delivery = portal``; the token names address, house and pack, and opens no other door (UNS-06)."""
    office = Workspace(tmp_path, settings='[web]\nbase_url = "https://om.example"\n')
    office.houses(taker("amt", pack_delivery="portal"))
    office.people(person("Anna Amt", "amt"))
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    [mail] = letters(office)
    assert list(mail.iter_attachments()) == []
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    [link] = set(re.findall(r"https://om\.example/paket/(\S+?)>?[\s)>]", text))
    [(address, house_ref, pack)] = office.ask(
        "SELECT a.ref, o.public_id, p.public_id FROM pack p JOIN organisation o ON o.id = p.organisation_id"
        " JOIN dispatch d ON d.id = p.dispatch_id JOIN address a ON a.id = d.address_id"
    )
    assert read_token(office.app.keyring, Door.pack, link) == (address, house_ref, pack)
    assert read_token(office.app.keyring, Door.unsubscribe, link) is None
    assert "zweite Nachricht" not in text
    code = str(packs(office)[0]["code"])
    assert code in text
    opened = open_pack_link(office.app, link)
    assert opened is not None
    shown = show_pack(office.app, *opened)
    assert shown is not None
    assert (opened[0].actor, shown["code"], shown["title"], shown["house"]) == ("Anna Amt", code, "reihe b1.de", "Haus amt")
    assert ([each["slug"] for each in shown["serves"]], shown["state"]) == (["amt"], RelayState.offered)
    written = {path.name: path.read_bytes() for path in write_pack(office.app, code, tmp_path / "paket", office.now)}
    assert {name: (load_file(office.app, *opened, name) or (None, b""))[1] for name in FILE_NAMES.values()} == written
    for forged in (link[:-1], link.replace(".", ",", 1), ""):
        assert open_pack_link(office.app, forged) is None
    office.people(person("Anna Amt", "amt", until="2027-01-04"), person("Neu Amt", "amt"))
    assert open_pack_link(office.app, link) is None, "whoever left the house has no key to it any more"


def test_a_newsletter_block_is_one_cover_with_the_draft(tmp_path: Path) -> None:
    office = Workspace(tmp_path)
    office.houses(taker("kasse", forward_policy="block_only"))
    office.people(person("Karl Kasse", "kasse"))
    series(office, "b1 day = 0")
    office.walk(local("2027-01-06"))
    [mail] = letters(office)
    assert [part.get_filename() for part in mail.iter_attachments()] == ["weiterleiten.eml"]
    assert "Ein Baustein für Ihren eigenen Hausbrief" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_pack_that_is_also_for_a_house_of_blocks_says_so(tmp_path: Path) -> None:
    """Domain rules 2 and 5: the distributor above receives for an office that takes text blocks only; the plan names the pack's way."""
    office = Workspace(tmp_path)
    office.houses(taker("dach", level="umbrella", regions="DE"), taker("leer", parent="dach", forward_policy="block_only"))
    office.people(person("Dora Dach", "dach", roles="distributor"))
    series(office, "b1 day = 0")
    with store.read(office.app.engine) as session:
        [row] = who_passes_on(office.app, session, office.now)
    assert {each["house"]: each["route"] for each in row["served"]} == {"dach": "forward_pack", "leer": "forward_pack"}
    office.walk(local("2027-01-06"))
    cover, _ready = to_house(office, "dach")
    told = " ".join(cover.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "Auch für: Haus leer." in told
    assert "Nur als Textbaustein, nicht als ganzer Brief, für: Haus leer." in told


def test_a_letter_with_a_pack_of_its_own_is_the_cover_and_goes_to_one_person_per_house(tmp_path: Path) -> None:
    """A4: the letter itself is the cover, the ready mail another text; a colleague is told why not in ``why``."""
    office = Workspace(tmp_path)
    office.houses(house("neu", "05", adviser_headcount="9"))
    office.people(person("Erste Neu", "neu"), person("Zweite Neu", "neu"))
    office.segment("alle", "'contact' in roles")
    office.campaign("wir", "a4 day = 0", "a5 day = 21", "a6 day = 30\nwhen = \"status == 'active'\"", audience='sender = "om"')
    office.text("wir", "a4.de", "Guten Tag {{ contact.full_name }},\n\nIhr Kennwort: {{ pack.ack_code }}")
    office.text("wir", "a4.pack.de", BODY)
    office.publish()
    office.walk(local("2027-01-06"))
    cover, ready = to_house(office, "neu")
    code = str(packs(office)[0]["code"])
    assert f"Ihr Kennwort: {code}" in cover.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (ready["Subject"], ready["To"].addresses[0].display_name) == ("wir a4.pack.de", "")
    told, passed_on = (each.get_body(("plain",)).get_content() for each in (cover, ready))  # type: ignore[union-attr]
    assert "Teil 1 von 2" in told, "a step that only some get does not count"
    assert "In drei Wochen lesen Sie „wir a5.de“." in told
    assert ("Teil 1" in passed_on, "In drei Wochen" in passed_on) == (False, False), "advisers get no other letter of this series"
    assert [(each.to, each.reason) for each in office.ledger(status="skipped")] == [("zweite.neu@neu.example", "colleague_relays")]


@pytest.mark.slow
def test_home_first_an_adviser_is_written_to_directly_only_on_a_subscription_of_their_own(tmp_path: Path) -> None:
    """Domain rule 3."""
    office = Workspace(tmp_path)
    office.houses(taker("haus", routes="forward_pack,direct_email"))
    office.people(
        person("Klara Kontakt", "haus"),
        person("Eigen Adviser", "haus", roles="adviser", basis="consent_doi"),
        person("Still Adviser", "haus", roles="adviser"),
    )
    office.segment("direkt", "'adviser' in roles")
    office.segment("berater", "adviser_count >= 1", "organisations")
    office.campaign(
        "reihe", "b1 day = 0", audience=f'sender = "om"\n\n[[audience]]\nsegment = "berater"\n{PACKS}', segment="direkt", texts=False
    )
    office.text("reihe", "b1.de", BODY)
    office.publish()
    result = office.tick(local("2027-01-05"))
    assert {str(reason): count for each in result.campaigns for reason, count in each.not_enrolled.items()} == {"through_house": 1}
    assert sorted(envelope.recipient for envelope, _ in office.transport.letters) == [
        "eigen.adviser@haus.example",
        "klara.kontakt@haus.example",
        "klara.kontakt@haus.example",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_on_random_trees_each_pool_is_served_once_per_step_while_everything_changes(seed: int, tmp_path: Path) -> None:
    """The promise of the cascade on a real database: routes, policies, contacts and relays change between the steps."""
    dice = random.Random(seed)
    office = Workspace(tmp_path)
    slugs = [f"h{number}" for number in range(14)]
    levels = {0: "umbrella", 1: "state", 2: "state"}

    def draw() -> None:
        rows, people = [], []
        for number, slug in enumerate(slugs):
            routes = dice.choice(["forward_pack", "forward_pack", "newsletter_block", "direct_email", "none", "forward_pack,direct_email"])
            rows.append(
                taker(
                    slug,
                    level=levels.get(number, "regional"),
                    parent=f"h{(number - 1) // 3}" if number else "",
                    routes=routes,
                    relay=dice.choice(["", "", "", "lowest", "top"]),
                    forward_policy=dice.choice(["as_is", "edit_allowed", "block_only", "no_forwarding"]),
                    adviser_headcount=dice.choice(["", "3", "9"]),
                )
            )
            if dice.random() < 0.7:
                people.append(person(f"P {dice.choice('AB')}{number}", slug, roles=dice.choice(["contact", "distributor", "deputy"])))
        office.houses(*rows)
        office.people(*people)

    draw()
    series(office, "b1 day = 0", "b2 day = 14", "b3 day = 28")
    office.walk(local("2027-02-20"), at={local("2027-01-12"): draw, local("2027-01-26"): draw})
    rows = packs(office)
    assert rows
    served = Counter((row["step"], slug) for row in rows for slug in row["serves"])  # type: ignore[attr-defined]
    assert max(served.values()) == 1, served.most_common(3)
    sent = Counter((row["step"], row["receiver"]) for row in rows)
    assert max(sent.values()) == 1
    assert {Route(row["route"]) for row in rows} <= {Route.forward_pack, Route.newsletter_block}


@pytest.mark.slow
def test_a_pack_is_handed_over_to_a_deputy_with_its_code_and_all_its_time(tmp_path: Path) -> None:
    """The mails go once more, to somebody else; the pack, its code and whom it serves stay what they are."""
    office = make_office(tmp_path)
    office.people(person("Anna Amt", "amt"), person("Dirk Deputy", "amt", roles="deputy"), person("Ada Adviser", "amt", roles="adviser"))
    series(office, "b1 day = 0", "b2 day = 14")
    office.walk(local("2027-01-12"))
    [before] = packs(office)
    code = str(before["code"])
    with pytest.raises(InputError, match="neither distributor, contact nor deputy"):
        hand_over_pack(office.app, STAFF, code, office.now, to="ada.adviser@amt.example")
    move_pack(office.app, STAFF, code, RelayState.accepted, office.now)
    told = hand_over_pack(office.app, STAFF, code, office.now)
    assert (told.code, told.receiver, told.is_new) == (code, "Dirk Deputy", True)
    assert not hand_over_pack(office.app, STAFF, code, office.now, to="Dirk.Deputy@amt.example").is_new
    office.tick()
    deputy = sorted(each["Subject"] for each in letters(office) if "dirk" in str(each["To"]))
    assert deputy == ["Zum Weitergeben: „reihe b1.de“", "reihe b1.de"], "at once, though the caps allow one a week"
    [after] = packs(office)
    assert (after["receiver"], after["state"], str(after["due_on"])) == ("Dirk Deputy", RelayState.offered, "2027-02-09")
    assert {key for key in after if after[key] != before[key]} == {"receiver", "state_at", "due_on"}
    assert acknowledge_line(office.app, STAFF, f"{code} – Beratende – 3", office.now).is_new
    with pytest.raises(InputError, match="nothing to hand over"):
        hand_over_pack(office.app, STAFF, code, office.now, to="anna.amt@amt.example")
    office.walk(local("2027-01-27"))
    assert [(row["step"], row["receiver"]) for row in packs(office)] == [("b1", "Dirk Deputy"), ("b2", "Anna Amt")]
    assert office.ask("SELECT old <> new FROM change WHERE entity = 'pack'") in ([(1,)], [(True,)])


def test_a_pack_that_has_not_left_or_came_back_goes_to_the_new_contact_only(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    series(office, "b1 day = 0", "b2 day = 1")
    office.tick(local("2027-01-05"))
    office.people(person("Anna Amt", "amt", until="2027-01-05"), person("Neu Amt", "amt"))
    code = str(packs(office)[0]["code"])
    assert hand_over_pack(office.app, STAFF, code, office.now).receiver == "Neu Amt"
    second = hand_over_pack(office.app, STAFF, code, office.now, to="neu.amt@amt.example")
    assert not second.is_new
    office.people(person("Anna Amt", "amt", until="2027-01-05"), person("Neu Amt", "amt"), person("Dirk Deputy", "amt", roles="deputy"))
    assert hand_over_pack(office.app, STAFF, code, office.now, to="dirk.deputy@amt.example").is_new
    office.tick()
    reached = sorted(envelope.recipient for envelope, _ in office.transport.letters)
    assert reached == ["anna.amt@amt.example"] * 2 + ["dirk.deputy@amt.example"] * 2
    assert [(each.occasion, each.to, each.status) for each in office.ledger(step="b1")] == [
        ("", "anna.amt@amt.example", "sent"),
        ("+h1", "neu.amt@amt.example", "cancelled"),
        ("+h2", "dirk.deputy@amt.example", "sent"),
    ]


def test_a_line_that_only_says_it_was_passed_on_moves_the_pack_and_records_no_level(tmp_path: Path) -> None:
    """A colleague has already passed it on."""
    office = make_office(tmp_path)
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    code = packs(office)[0]["code"]
    said = acknowledge_line(office.app, STAFF, f"{code} – hat eine Kollegin schon weitergegeben", office.now)
    assert (said.state, said.level, said.is_new) == ("forwarded", "", True)
    assert not acknowledge_line(office.app, STAFF, f"{code}: weitergeleitet!", office.now).is_new
    assert office.count("acknowledgement") == 0
    assert acknowledge_line(office.app, STAFF, f"{code} – an Beratende weitergegeben – 9", office.now).level == "adviser"


def test_a_limit_keeps_cover_and_ready_mail_together(tmp_path: Path) -> None:
    """FWD-02 with ``per_hour = 3``: one pack an hour, never a cover whose ready mail comes an hour later."""
    office = Workspace(tmp_path)
    office.houses(taker("eins"), taker("zwei"))
    office.people(person("Eva Eins", "eins"), person("Zoe Zwei", "zwei"))
    office.segment("berater", "status == 'active' and adviser_count >= 1", "organisations")
    office.campaign("reihe", "b1 day = 0", head="per_hour = 3", audience=PACKS, segment="berater", texts=False)
    office.text("reihe", "b1.de", BODY)
    office.publish()
    for _ in range(2):
        office.now = local("2027-01-05")
        tick(office.app, office.now)
        assert sorted(len(to_house(office, slug)) for slug in ("eins", "zwei")) == [0, 2]
    office.tick(local("2027-01-05", "10:02"))
    assert [len(to_house(office, slug)) for slug in ("eins", "zwei")] == [2, 2]
