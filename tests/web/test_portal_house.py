"""What a house decides in the portal holds in planning and against older files; its mirror shows nobody else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.cli.shell import om
from tests.journeys.test_cascade import BODY, taker, to_house
from tests.journeys.workspace import Workspace, local
from tests.web.portal_help import form_key, open_office, sign_in
from tests.web.test_portal_packs import act, pack_of

pytestmark = pytest.mark.slow

HERE = "/portal/haus/dach"
NOW = {"weg": "forward_pack", "zustellung": "", "frist": "", "worte": "edit_allowed", "sprache": "", "takt": "as_it_comes", "berater": "5"}
"""The form as it is shown at first."""


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    return open_office(tmp_path, database=database)


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def save(client: TestClient, path: str = HERE, **fields: str) -> str:
    answer = client.post(path, data={"formular": form_key(client.get("/portal/haus/tal" if "tal" in path else HERE).text), **NOW, **fields})
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def settings(office: Workspace, house: str = "dach") -> tuple[object, ...]:
    columns = "pack_delivery, shelf_life_days, forward_policy, language, adviser_headcount, headcount_as_of"
    row = office.ask(f"SELECT {columns} FROM organisation WHERE slug = :slug", slug=house)[0]
    routes = office.ask(
        "SELECT route FROM organisation_route r JOIN organisation o ON o.id = r.organisation_id WHERE o.slug = :slug ORDER BY position",
        slug=house,
    )
    return (*(str(each) if each is not None else None for each in row), [each[0] for each in routes])


def test_what_was_chosen_holds_with_its_author_and_once(office: Workspace, doris: TestClient) -> None:
    assert doris.get("/portal/haus").headers["location"] == HERE
    chosen = {
        "weg": "newsletter_block",
        "sonst": "forward_pack",
        "zustellung": "portal",
        "frist": "14 Tage",
        "worte": "as_is",
        "sprache": "en",
    }
    page = save(doris, **chosen, berater="ca. 1.200", farbe="#9c1f4a")
    assert "Saved." in page, "and in the language that was just chosen"
    assert settings(office) == ("portal", "14", "as_is", "en", "1200", "2027-01-06", ["newsletter_block", "forward_pack"])
    log = office.ask("SELECT field, old, new FROM change WHERE origin = 'partner' AND actor = 'Doris Dach' ORDER BY field")
    assert log == [
        ("adviser_headcount", "5", "1200"),
        ("forward_policy", "edit_allowed", "as_is"),
        ("headcount_as_of", None, "2027-01-06"),
        ("language", None, "en"),
        ("own_accent", None, "#9c1f4a"),
        ("pack_delivery", None, "portal"),
        ("routes", "forward_pack", "newsletter_block,forward_pack"),
        ("shelf_life_days", None, "14"),
    ]
    before = office.dump()
    save(doris, **chosen, berater="1200", farbe="9C1F4A")
    assert office.dump() == before


def fields_of(page: str) -> dict[str, str]:
    """What goes along in the form of the settings unseen."""
    return dict(re.findall(r'name="(gezeigt-[a-z]+)" value="([^"]*)"', page))


def test_a_second_window_undoes_nothing_that_was_saved_in_the_first(office: Workspace, doris: TestClient) -> None:
    opened = fields_of(doris.get(HERE).text)
    assert opened["gezeigt-berater"] == "5"
    days, ways = "24.12.2026 – 06.01.2027\r\n01.05.2027", {"weg": "newsletter_block", "sonst": "forward_pack"}
    assert "Gespeichert" in save(doris, **opened, ruhe=days, frist="14", **ways)
    page = save(doris, **opened, berater="viele")
    assert "eine Zahl bis 999.999" in page
    assert fields_of(page) == opened, "a fault forgets nothing of what was shown first"
    assert "Gespeichert" in save(doris, **opened, berater="9")
    assert settings(office)[1:5] == ("14", "edit_allowed", None, "9")
    assert settings(office)[6] == ["newsletter_block", "forward_pack"]
    page = doris.get(HERE).text
    assert "01.05.2027" in re.search(r"<textarea.*?</textarea>", page, re.DOTALL)[0]  # type: ignore[index]
    assert "Gespeichert" in save(doris, **fields_of(page), **ways, ruhe="", frist="14", berater="9")
    assert office.ask("SELECT quiet_days FROM organisation WHERE slug = 'dach'") == [(None,)], "who empties what is shown means it"


def test_the_next_pack_comes_as_the_house_wants_it(office: Workspace, doris: TestClient) -> None:
    save(doris, zustellung="portal", frist="7")
    office.walk(local("2027-01-20"))
    [last] = [mail for mail in to_house(office, "dach") if "b2" in str(mail["Subject"])]
    assert "/paket/" in last.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert list(last.iter_attachments()) == []
    due = office.ask(
        "SELECT p.due_on, d.sent_at FROM pack p JOIN dispatch d ON d.id = p.dispatch_id JOIN organisation o ON o.id = p.organisation_id"
        " WHERE o.slug = 'dach' AND p.step = 'b2'"
    )
    assert str(due[0][0]) == "2027-01-26"


def test_a_file_that_says_what_it_said_before_takes_nothing_back(office: Workspace, doris: TestClient) -> None:
    save(doris, weg="newsletter_block", sonst="forward_pack", worte="as_is", berater="80")
    before = settings(office)
    row = {"name": "Dachverband Nord", "forward_policy": "edit_allowed"}
    office.houses(taker("dach", **row))
    assert settings(office) == before, "the same file again"
    office.houses(taker("dach", **row | {"forward_policy": "block_only", "adviser_headcount": "90"}))
    assert settings(office)[2] == "block_only", "a file that says something new"
    assert settings(office)[4] == "90"
    assert settings(office)[6] == ["newsletter_block", "forward_pack"]


WRONG = (
    ({"weg": "list_address"}, "einen der genannten Wege"),
    ({"zustellung": "taube"}, "wie Pakete ankommen"),
    ({"frist": "0"}, "zwischen 1 und 365"),
    ({"frist": "bald"}, "zwischen 1 und 365"),
    ({"worte": ""}, "wie Ihr Haus Texte"),
    ({"sprache": "fr"}, "eine der Sprachen"),
    ({"takt": "stündlich"}, "wie oft Pakete kommen"),
    ({"ruhe": "Weihnachten"}, "in jede Zeile einen Tag"),
    ({"newsletter": "montags"}, "Tage des Monats"),
    ({"weitergabe": "alle"}, "wer Pakete bekommt"),
    ({"berater": ""}, "Ohne Zahl wüssten wir nicht"),
    ({"berater": "viele"}, "eine Zahl bis 999.999"),
    ({"berater": "80–100"}, "Spannen wie"),
    ({"berater": "99999999"}, "eine Zahl bis 999.999"),
    ({"weg": "taube"}, "einen der genannten Wege"),
    ({"sonst": "taube"}, "nur Wege aus der Liste"),
    ({"weg": "", "sonst": "forward_pack"}, "Einen zweiten Weg gibt es nur"),
    ({"farbe": "rot"}, "# mit sechs Zeichen"),
    ({"farbe": "#ffd400"}, "Ihr Kontrast ist 1,4 : 1"),
)


TYPED = {"frist": "10", "ruhe": "24.12.2027", "newsletter": "15", "berater": "rund 200", "farbe": "#9c1f4a"}


def test_a_fault_changes_nothing_at_all_and_loses_nothing(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    for fields, told in WRONG:
        page = save(doris, **TYPED | fields)
        assert told in page, fields
        for name in TYPED:
            assert (TYPED | fields)[name] in page, (fields, name, "what was typed stands there again")
        assert office.dump() == before, fields


def test_a_page_that_was_open_for_too_long_loses_nothing(office: Workspace, doris: TestClient) -> None:
    old = form_key(doris.get(HERE).text)
    again = sign_in(office, "doris@dach.example")
    before = office.dump()
    answer = again.post(HERE, data={"formular": old, **NOW, **TYPED})
    assert answer.status_code == 400
    for text in ("lag zu lange offen", *TYPED.values()):
        assert text in answer.text
    answer = again.post(f"{HERE}/nachricht", data={"formular": old, "nachricht": "Ein langer Satz."})
    assert "Ein langer Satz." in answer.text
    answer = again.post("/portal/berichte", data={"formular": old, "text": "Wir haben viel getan.", "mit": "der Kammer"})
    assert (answer.status_code, "viel getan" in answer.text, "der Kammer" in answer.text) == (400, True, True)
    assert office.dump() == before


def test_ways_are_ordered_dropped_and_taken_up_again(office: Workspace, doris: TestClient) -> None:
    """What a house dropped itself it can choose again; what OM has taken from it since, it cannot."""
    office.take(organisations="slug;routes\ndach;forward_pack,direct_email,newsletter_block\n")
    page = doris.get(HERE).text
    assert page.count('name="sonst"') == 2
    assert re.search(r'value="direct_email" selected', page)
    assert "Gespeichert" in save(doris, weg="newsletter_block")
    assert settings(office)[6] == ["newsletter_block"]
    assert "Gespeichert" in save(doris, weg="")
    assert settings(office)[6] == []
    assert "Sie nennen keinen Weg" in doris.get(HERE).text
    assert "Gespeichert" in save(doris, weg="direct_email", sonst="newsletter_block")
    assert settings(office)[6] == ["direct_email", "newsletter_block"]
    office.take(organisations="slug;routes\ndach;forward_pack,direct_email,newsletter_block\n")
    assert settings(office)[6] == ["direct_email", "newsletter_block"], "the same file again"
    office.take(organisations="slug;routes\ndach;forward_pack\n")
    assert settings(office)[6] == ["forward_pack"]
    assert "einen der genannten Wege" in save(doris, weg="direct_email")
    before = office.dump()
    save(doris, sonst="forward_pack")
    assert office.dump() == before, "the same way twice is one"


def test_a_way_that_was_dropped_brings_no_letters_any_more(office: Workspace, doris: TestClient) -> None:
    office.campaign("nur-pakete", "c1 day = 0", audience='routes = ["forward_pack"]\nsender = "om"', segment="berater", texts=False)
    office.text("nur-pakete", "c1.de", BODY)
    office.publish("nur-pakete")
    save(doris, weg="newsletter_block")
    office.walk(local("2027-01-27"))
    told = {each.organisation: each.status for each in office.ledger("nur-pakete")}
    assert told == {"tal": "sent", "fremd": "sent"}, "offices have ways of their own"


def test_no_house_loses_its_advisers_unsaid(office: Workspace, doris: TestClient) -> None:
    """The head count is the pool of a house whose advisers OM does not know; without one, campaigns for advisers pass it by."""
    page = save(doris, berater="0")
    assert "dass in Ihrem Haus niemand Betriebe berät" in page
    assert "nobody advises in this house any more" in " ".join(om(office.folder, "todo", "list").out.split())
    tim = sign_in(office, "tim@tal.example")
    assert "Gespeichert" in save(tim, "/portal/haus/tal", berater="", worte="edit_allowed"), "advisers that are known are counted"
    assert "niemand Betriebe" not in tim.get("/portal/haus/tal").text


def test_what_needs_an_address_is_said_to_people(office: Workspace, doris: TestClient) -> None:
    """No address can be entered in the portal: the engine never mails one that a partner typed in."""
    assert "ist bei uns angekommen" in save(doris, f"{HERE}/nachricht", nachricht="Neue Stellvertretung: Vera.\nBitte eintragen.")
    said = om(office.folder, "todo", "list").out
    assert "wrote in the portal" in " ".join(said.split())
    before = office.dump()
    save(doris, f"{HERE}/nachricht", nachricht="Neue Stellvertretung: Vera. Bitte eintragen.")
    assert office.dump() == before, "once a day"
    assert "Schreiben Sie uns bitte einen Satz" in save(doris, f"{HERE}/nachricht", nachricht=" ")


def test_the_mirror_shows_how_far_the_packs_came_and_nobody_else(office: Workspace, doris: TestClient) -> None:
    act(doris, pack_of(office, "dach"), stufe="regional", zahl="12")
    page = doris.get("/portal/spiegel").text
    for told in ("2 Pakete", "Bis: Regionalstellen", "etwa 12", "noch keine Rückmeldung", "Wir vergleichen Sie mit niemandem"):
        assert told in page
    assert "Fremd" not in page
    assert "Ihr Haus und die Häuser darunter, seit dem" in page
    tim = sign_in(office, "tim@tal.example").get("/portal/spiegel").text
    assert "ein Paket" in tim
    assert "Nur Ihr Haus, seit dem" in tim
    assert "etwa 12" not in tim
