"""What a house decides in the portal holds in planning and against older files; its mirror shows nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.cli.shell import om
from tests.journeys.test_cascade import taker, to_house
from tests.journeys.workspace import Workspace, local
from tests.web.portal_help import form_key, open_office, sign_in
from tests.web.test_portal_packs import act, pack_of

pytestmark = pytest.mark.slow

HERE = "/portal/haus/dach"
NOW = {"weg": "forward_pack", "zustellung": "", "frist": "", "worte": "edit_allowed", "sprache": "", "takt": "as_it_comes", "berater": "5"}


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
    page = save(doris, weg="newsletter_block", zustellung="portal", frist="14", worte="as_is", sprache="en", berater="1.200")
    assert "Saved." in page, "and in the language that was just chosen"
    assert settings(office) == ("portal", "14", "as_is", "en", "1200", "2027-01-06", ["newsletter_block", "forward_pack"])
    log = office.ask("SELECT field, old, new FROM change WHERE origin = 'partner' AND actor = 'Doris Dach' ORDER BY field")
    assert log == [
        ("adviser_headcount", "5", "1200"),
        ("forward_policy", "edit_allowed", "as_is"),
        ("headcount_as_of", None, "2027-01-06"),
        ("language", None, "en"),
        ("pack_delivery", None, "portal"),
        ("routes", "forward_pack", "newsletter_block,forward_pack"),
        ("shelf_life_days", None, "14"),
    ]
    before = office.dump()
    save(doris, weg="newsletter_block", zustellung="portal", frist="14", worte="as_is", sprache="en", berater="1200")
    assert office.dump() == before


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
    save(doris, weg="newsletter_block", worte="as_is", berater="80")
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
    ({"berater": "viele"}, "nur mit Ziffern"),
    ({"berater": "99999999"}, "nur mit Ziffern"),
)


def test_a_fault_changes_nothing_at_all(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    for fields, told in WRONG:
        page = save(doris, **{"frist": "10"} | fields)
        assert told in page, fields
        assert office.dump() == before, fields


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
