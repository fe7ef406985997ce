"""Packs in the portal and behind the link of a cover mail: looked at, fetched, answered; never those of another house."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.compose.pack import FILE_NAMES
from om_campaigns.partner.packs import write_pack
from om_campaigns.partner.show_house_packs import MOST_DONE
from tests.journeys.test_cascade import to_house
from tests.journeys.workspace import Workspace, local, person
from tests.web.portal_help import form_key, make_client, open_office, sign_in

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    return open_office(tmp_path, database=database)


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def pack_of(office: Workspace, house: str) -> str:
    """The path of a house's pack in the portal."""
    rows = office.ask("SELECT p.public_id FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = :slug", slug=house)
    return f"/portal/pakete/{rows[0][0]}"


def state_of(office: Workspace, house: str) -> str:
    query = "SELECT p.relay_state FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = :slug"
    return str(office.ask(query, slug=house)[0][0])


def act(client: TestClient, path: str, **fields: str) -> str:
    """Send a form of a pack's page; the page that follows."""
    answer = client.post(path, data={"formular": form_key(client.get(path).text), **fields})
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def test_the_portal_shows_what_waits_for_the_house_and_its_offices(office: Workspace, doris: TestClient) -> None:
    page = doris.get("/portal").text
    assert "2 Pakete warten" in page
    assert "Dachverband Nord" in page
    assert "Kammer Tal" in page
    assert "Fremd" not in page
    tim = sign_in(office, "tim@tal.example").get("/portal").text
    assert "Ein Paket wartet" in tim
    assert "Dach" not in tim.replace("dachverband", "")


def hand_over_more(office: Workspace, number: int, state: RelayState) -> None:
    """Later packs for *dach*, copied from the one that is there."""
    (pack_id,) = office.ask("SELECT p.id FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'dach'")[0]
    with Session(office.app.engine) as session:
        pack = session.get_one(Pack, pack_id)
        dispatch = session.get_one(Dispatch, pack.dispatch_id)
        for each in range(1, number + 1):
            step, later = f"{state.value}-{each}", timedelta(hours=each)
            copy = Dispatch(**dispatch.model_dump(exclude={"id", "message_id"}) | {"step": step, "sent_at": dispatch.sent_at + later})
            session.add(copy)
            session.flush()
            new = {"dispatch_id": copy.id, "step": step, "code": f"{pack.code}-{step}", "relay_state": state}
            due_on = pack.due_on + timedelta(days=each) if pack.due_on else None
            session.add(Pack(**pack.model_dump(exclude={"id", "public_id"}) | new | {"due_on": due_on}))
        session.commit()


def test_no_pack_that_waits_is_cut_off_and_the_mirror_counts_all(office: Workspace, doris: TestClient) -> None:
    oldest = pack_of(office, "dach")
    hand_over_more(office, 65, RelayState.offered)
    hand_over_more(office, MOST_DONE, RelayState.skipped)
    page = doris.get("/portal").text
    assert "67 Pakete warten" in page
    first, last = page.index(oldest), page.index("offered-65")
    assert first < page.index("offered-1<") < last < page.index("Erledigt"), "the most urgent comes first"
    assert f"skipped-{MOST_DONE}<" in page
    assert "Hier stehen die neuesten" not in page
    act(doris, oldest, tun="skipped")
    page = doris.get("/portal").text
    assert "66 Pakete warten" in page
    assert f"Hier stehen die neuesten {MOST_DONE}." in page
    assert oldest not in page, "the oldest of those that are done"
    assert f"{67 + MOST_DONE} Pakete" in doris.get("/portal/spiegel").text


def test_soon_is_said_before_it_is_late(office: Workspace, doris: TestClient) -> None:
    assert "bald: bis" not in doris.get("/portal").text
    due = office.ask("SELECT max(due_on) FROM pack")[0][0]
    office.now += timedelta(days=20)
    again = sign_in(office, "doris@dach.example")
    assert due
    assert "bald: bis" in again.get("/portal").text


def test_what_becomes_of_a_pack_is_one_click(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    for choice, said in (("skipped", "Auch das hilft"), ("accepted", "vorgemerkt"), ("forwarded", "Danke für das Weitergeben")):
        assert said in act(doris, path, tun=choice)
        assert state_of(office, "dach") == choice
        before = office.dump()
        act(doris, path, tun=choice)
        assert office.dump() == before, "twice is once"


def test_a_choice_throws_away_no_answer_that_was_begun(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    begun = {"stufe": "regional", "zahl": "ca. 12", "satz": "Kam gut an."}
    page = act(doris, path, tun="forwarded", **begun)
    assert "Danke für das Weitergeben" in page
    assert state_of(office, "dach") == "forwarded"
    assert re.search(r'value="regional" checked', page)
    assert 'value="ca. 12"' in page
    assert "Kam gut an.</textarea>" in page
    assert office.count("acknowledgement") == 0, "sent is only what somebody sends"
    act(doris, path, **begun)
    assert office.ask("SELECT level, count, sentence FROM acknowledgement") == [("regional", 12, "Kam gut an.")]


def test_the_enter_key_in_the_field_of_the_day_puts_off(office: Workspace, doris: TestClient) -> None:
    assert "Verschoben" in act(doris, pack_of(office, "dach"), bis="2027-03-01")
    assert state_of(office, "dach") == "postponed"


def test_a_pack_is_put_off_to_a_day_that_makes_sense(office: Workspace, doris: TestClient) -> None:
    path, before = pack_of(office, "dach"), office.dump()
    for wrong, told in (
        ("", "Nennen Sie bitte einen Tag"),
        ("morgen", "Nennen Sie bitte einen Tag"),
        ("2027-01-06", "in der Zukunft"),
        ("2028-01-06", "höchstens ein halbes Jahr"),
    ):
        page = act(doris, path, tun="postponed", bis=wrong)
        assert told in page
        assert f'value="{wrong}"' in page, "what was typed stays"
        assert office.dump() == before
    assert "Verschoben" in act(doris, path, tun="postponed", bis="2027-03-01")
    assert office.ask("SELECT relay_state, due_on FROM pack WHERE relay_state = 'postponed'")[0][1] is not None


def test_what_is_over_cannot_be_taken_up_again(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    act(doris, path, stufe="regional")
    page = act(doris, path, tun="accepted")
    assert "nicht mehr möglich" in page
    assert state_of(office, "dach") == "reported"


def test_acknowledging_takes_two_clicks_and_counts_once(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    page = act(doris, path, stufe="regional", zahl="ca. 1.200 Personen", satz="Kam\r\ngut an.")
    assert "Ihre Rückmeldung ist angekommen" in page
    assert "Regionalstellen" in page
    assert "etwa 1200" in page
    assert "„Kam gut an.“" in page
    assert office.ask("SELECT level, count, sentence, origin, actor FROM acknowledgement") == [
        ("regional", 1200, "Kam gut an.", "partner", "Doris Dach")
    ]
    assert office.ask("SELECT kind FROM response") == [("acknowledgement",)]
    act(doris, path, stufe="regional", zahl="1200", satz="Kam gut an.")
    assert office.count("acknowledgement") == 1
    assert state_of(office, "dach") == "reported"


def test_no_is_an_answer(office: Workspace, doris: TestClient) -> None:
    act(doris, pack_of(office, "dach"), stufe="no", zahl="12")
    assert office.ask("SELECT is_declined, level, count FROM acknowledgement") == [(1, None, None)]
    assert state_of(office, "dach") == "skipped"


WRONG = (
    ({}, "wie weit es kam"),
    ({"stufe": "mond"}, "wie weit es kam"),
    ({"stufe": "regional", "zahl": "viele"}, "eine Zahl bis 999.999"),
    ({"stufe": "regional", "zahl": "-3"}, "eine Zahl bis 999.999"),
    ({"stufe": "regional", "zahl": "80–100"}, "Spannen wie 80–100"),
    ({"stufe": "regional", "zahl": "9999999"}, "eine Zahl bis 999.999"),
    ({"stufe": "regional", "satz": "x" * 501}, "höchstens 500"),
    ({"stufe": "regional", "haus": "fremd"}, "eines der genannten"),
)


def test_a_wrong_answer_is_explained_and_changes_nothing(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    for fields, told in WRONG:
        page = act(doris, pack_of(office, "dach"), **fields)
        assert told in page
        assert 'role="alert"' in page
    assert office.dump() == before


def test_fwd_01_the_files_of_the_portal_are_those_staff_write(office: Workspace, doris: TestClient, tmp_path: Path) -> None:
    """Every format, byte for byte; a draft is served as a mail and saved under an ASCII name (FWD-07)."""
    path = pack_of(office, "dach")
    code = office.ask("SELECT code FROM pack WHERE public_id = :id", id=path.rsplit("/", 1)[1])[0][0]
    written = {each.name: each.read_bytes() for each in write_pack(office.app, code, tmp_path / "out", office.now)}
    page = doris.get(f"{path}/weitergeben").text
    for name in FILE_NAMES.values():
        answer = doris.get(f"{path}/dateien/{name}")
        assert answer.content == written[name], name
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert f"/dateien/{name}" in page
    assert doris.get(f"{path}/dateien/weiterleiten.eml").headers["content-type"] == "message/rfc822"
    assert doris.get(f"{path}/dateien/../../x").status_code == 404


def test_fwd_08_fwd_11_the_page_says_what_works_where_and_what_is_allowed(office: Workspace, doris: TestClient) -> None:
    page = doris.get(pack_of(office, "dach") + "/weitergeben").text
    for word in ("Outlook", "Thunderbird", "Apple Mail", "GMX", "10.000 Empfänger", "500 je Nachricht", "Bcc"):
        assert word in page


def test_the_letter_stands_alone_and_runs_nothing(office: Workspace, doris: TestClient) -> None:
    path = pack_of(office, "dach")
    letter = doris.get(f"{path}/brief")
    assert "sandbox" in letter.headers["content-security-policy"]
    assert "script-src" not in letter.headers["content-security-policy"]
    assert letter.headers["x-frame-options"] == "SAMEORIGIN"
    assert letter.content == doris.get(f"{path}/dateien/weiterleiten.html").content
    assert doris.get(f"{path}/brief.txt").content == doris.get(f"{path}/dateien/weiterleiten.txt").content
    for screen in ("breit", "schmal", "text", "nichts"):
        page = doris.get(f"{path}/vorschau?als={screen}")
        assert page.status_code == 200
        assert "unsafe" not in page.headers["content-security-policy"]


def test_looking_changes_nothing(office: Workspace, doris: TestClient) -> None:
    path, before = pack_of(office, "dach"), office.dump()
    for each in ("", "/vorschau", "/weitergeben", "/brief", "/brief.txt", "/dateien/blatt.pdf"):
        assert doris.get(path + each).status_code == 200
        assert doris.head(path + each).status_code == 200
    assert office.dump() == before


def cover_link(office: Workspace, house: str) -> str:
    cover = message_from_bytes(bytes(to_house(office, house)[0]), policy=policy.default)
    text = cover.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    return re.search(r"https://[^/\s]+(/paket/[\w.-]*\w)", text)[1]  # type: ignore[index]


def test_uns_04_the_cover_mail_answers_without_signing_in(office: Workspace) -> None:
    """A link of the cover opens a page; only its buttons act, and only on this pack."""
    client, link, before = make_client(office), cover_link(office, "dach"), office.dump()
    for _ in range(2):
        page = client.get(link)
        assert page.status_code == 200
        assert "set-cookie" not in page.headers
    assert client.post(link, data={"tun": "accepted"}).status_code == 400
    assert office.dump() == before, "opening, and a POST without the hidden field, change nothing"
    done = client.post(link, data={"formular": form_key(page.text), "tun": "accepted"})
    assert done.headers["location"] == f"{link}?gut=accepted"
    assert state_of(office, "dach") == "accepted"
    answer = client.post(link, data={"formular": form_key(page.text), "stufe": "adviser", "zahl": "80"})
    assert answer.status_code == 303
    assert office.ask("SELECT level, count, origin, actor FROM acknowledgement") == [("adviser", 80, "partner", "Doris Dach")]
    assert state_of(office, "tal") == "offered"
    for each in ("/vorschau", "/weitergeben", "/brief", "/brief.txt", "/dateien/weiterleiten.eml"):
        assert client.get(link + each).status_code == 200, "who fetches packs needs no session"


def test_a_pack_is_handed_over_to_a_colleague(office: Workspace, doris: TestClient) -> None:
    """From the portal only: a cover may have been forwarded, and its link shows and moves nobody (FWD-03)."""
    path, link = pack_of(office, "dach"), cover_link(office, "dach")
    vera = office.ask("SELECT ref FROM address WHERE address LIKE 'vera@%'")[0][0]
    by_link, before = make_client(office), office.dump()
    page = by_link.get(link).text
    assert "Vera" not in page
    assert by_link.post(link, data={"formular": form_key(page), "an": vera}).status_code == 422
    tim = office.ask("SELECT ref FROM address WHERE address LIKE 'tim@%'")[0][0]
    assert "kann das Paket nicht bekommen" in act(doris, path, an=tim)
    assert office.dump() == before
    assert "Vera Vertretung" in doris.get(path).text
    assert "Übergeben." in act(doris, path, an=vera)
    assert "Übergeben." in act(doris, path, an=vera), "pressed twice"
    assert office.ask("SELECT origin, actor FROM change WHERE entity = 'pack'") == [("partner", "Doris Dach")]
    assert "Doris Dach</option>" in doris.get(path).text, "and Doris could take it back"
    office.tick(local("2027-01-07"))
    covers = [str(mail["To"]) for mail in to_house(office, "dach")]
    assert "Vera Vertretung <vera@dach.example>" in covers


def test_the_cover_link_ends_with_the_role(office: Workspace) -> None:
    client, link = make_client(office), cover_link(office, "tal")
    office.people(person("Tim Tal", "tal", email="tim@tal.example", roles="adviser"))
    assert client.get(link).status_code == 404


def test_sec_08_a_cover_link_opens_no_other_pack(office: Workspace) -> None:
    client, mine, other = make_client(office), cover_link(office, "dach"), cover_link(office, "fremd")
    head, _, pack = other.rpartition(".")
    assert client.get(f"{mine.rpartition('.')[0]}.{pack}").status_code == 404
    assert client.get(mine[:-1]).status_code == 404
    assert client.get(mine.replace("/paket/", "/portal/anmelden/")).status_code == 404
    assert "Dieser Link öffnet nichts mehr" in client.get(mine.replace("/paket/", "/portal/anmelden/")).text
    key = form_key(client.get(mine).text)
    assert client.post(other, data={"formular": key, "tun": "accepted"}).status_code == 400
    assert state_of(office, "fremd") == "offered"
    assert head


def test_the_pages_speak_the_partners_language(office: Workspace) -> None:
    frieda = sign_in(office, "frieda@fremd.example")
    assert "Your packs" in frieda.get("/portal").text
    path = pack_of(office, "fremd")
    assert 'lang="de"' in frieda.get(f"{path}?lang=de").text
    key = form_key(frieda.get(path).text)
    assert f'href="{path}/vorschau?als=text&amp;lang=de"' in frieda.get(f"{path}/vorschau?lang=de").text
    moved = frieda.post(f"{path}?lang=de", data={"formular": key, "tun": "accepted"})
    assert moved.headers["location"] == f"{path}?gut=accepted&lang=de", "what was clicked stays"
