"""Who stands for a house: deputies chosen in the portal receive, come in, and are not taken back by an old file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from om_campaigns.web.forms import KEY
from tests.journeys.test_cascade import to_house
from tests.journeys.workspace import PEOPLE_COLUMNS, Workspace, local, person
from tests.web.portal_help import ask, form_key, make_client, open_office, sign_in

pytestmark = pytest.mark.slow

PEOPLE = "/portal/haus/dach/menschen"
LEA = person("Lea Leitung", "dach", email="lea@dach.example", roles="leadership")


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    made = open_office(tmp_path, database=database)
    made.people(LEA, person("Ada Adler", "dach", email="ada@dach.example", roles="adviser"))
    return made


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def ref(office: Workspace, name: str) -> str:
    return str(office.ask("SELECT public_id FROM person WHERE full_name = :name", name=name)[0][0])


def deputise(client: TestClient, *chosen: str, page: str = "") -> str:
    """Sends the form with these ticks, from the page as it was opened or as it is now."""
    page = page or client.get(PEOPLE).text
    shown = dict(re.findall(r'name="(gezeigt-\w+)" value="([^"]*)"', page))
    data = {KEY: form_key(page), **shown, "vertretung": list(chosen)}
    answer = client.post(PEOPLE, data=data)
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def roles(office: Workspace, name: str) -> list[str]:
    query = "SELECT r.role FROM seat_role r JOIN seat s ON s.id = r.seat_id JOIN person p ON p.id = s.person_id WHERE p.full_name = :name"
    return sorted(str(row[0]) for row in office.ask(query, name=name))


def test_a_deputy_receives_and_comes_in(office: Workspace, doris: TestClient) -> None:
    page = doris.get(PEOPLE).text
    assert "Lea Leitung" in page
    assert "Ada Adler" not in page, "people who advise are not shown to their house for nothing"
    assert ask(make_client(office), office, "lea@dach.example") == []
    assert "Gespeichert" in deputise(doris, ref(office, "Lea Leitung"))
    assert roles(office, "Lea Leitung") == ["deputy", "leadership"]
    assert roles(office, "Vera Vertretung") == []
    log = office.ask("SELECT old, new, actor FROM change WHERE entity = 'seat' AND field = 'roles' AND origin = 'partner' ORDER BY id")
    assert log == [("leadership", "deputy,leadership", "Doris Dach"), ("deputy", None, "Doris Dach")]
    before = office.dump()
    deputise(doris, ref(office, "Lea Leitung"))
    assert office.dump() == before
    assert len(ask(make_client(office), office, "lea@dach.example")) == 1
    assert ask(make_client(office), office, "vera@dach.example") == [], "who no longer deputises no longer comes in"
    office.do("UPDATE person SET status = 'left' WHERE full_name = 'Doris Dach'")
    office.walk(local("2027-01-20"))
    mails = [mail for mail in to_house(office, "dach") if "b2" in str(mail["Subject"])]
    assert len(mails) == 2
    assert all("lea@dach.example" in str(mail["To"]) for mail in mails)


def test_a_second_window_takes_no_role_it_has_not_seen(office: Workspace, doris: TestClient) -> None:
    office.people(person("Berta Neu", "dach", email="berta@dach.example", roles="leadership"))
    lea, vera, berta = (ref(office, name) for name in ("Lea Leitung", "Vera Vertretung", "Berta Neu"))
    opened = doris.get(PEOPLE).text
    assert "Gespeichert" in deputise(doris, lea, vera)
    assert "Gespeichert" in deputise(doris, berta, page=opened), "from a page where Vera alone was ticked"
    assert [roles(office, name) for name in ("Lea Leitung", "Vera Vertretung", "Berta Neu")] == [
        ["deputy", "leadership"],
        [],
        ["deputy", "leadership"],
    ]


def test_who_no_longer_deputises_can_do_so_again(office: Workspace, doris: TestClient) -> None:
    vera = ref(office, "Vera Vertretung")
    assert "Gespeichert" in deputise(doris)
    assert roles(office, "Vera Vertretung") == []
    assert "Vera Vertretung" in doris.get(PEOPLE).text, "deputising was all she did, and she is still there"
    assert "Gespeichert" in deputise(doris, vera)
    assert roles(office, "Vera Vertretung") == ["deputy"]
    assert len(ask(make_client(office), office, "vera@dach.example")) == 1
    office.do("UPDATE seat SET until = '2026-12-31' WHERE person_id = (SELECT id FROM person WHERE full_name = 'Vera Vertretung')")
    assert "Vera Vertretung" not in doris.get(PEOPLE).text


def test_a_second_window_undoes_nothing_that_was_saved_in_the_first(office: Workspace, doris: TestClient) -> None:
    """Like the form of settings: only what was changed in a window is saved; the page with a fault goes on knowing what it showed."""
    lea, vera = ref(office, "Lea Leitung"), ref(office, "Vera Vertretung")
    page = doris.get(PEOPLE).text
    stale = {KEY: form_key(page), "gezeigt-vertretung": vera}
    assert f'name="gezeigt-vertretung" value="{vera}"' in page
    assert doris.post(PEOPLE, data={**stale, "vertretung": [lea]}).status_code == 303  # the first window: Lea instead of Vera
    before = office.dump()
    assert doris.post(PEOPLE, data={**stale, "vertretung": [vera]}).status_code == 303  # the second one, in which nothing was changed
    assert office.dump() == before
    assert (roles(office, "Lea Leitung"), roles(office, "Vera Vertretung")) == (["deputy", "leadership"], [])
    wrong = doris.post(PEOPLE, data={**stale, "vertretung": ["gibt-es-nicht"]}).text
    assert f'name="gezeigt-vertretung" value="{vera}"' in wrong
    office.do("UPDATE person SET status = 'left' WHERE full_name = 'Vera Vertretung'")
    assert doris.post(PEOPLE, data={**stale, "vertretung": [vera]}).status_code == 303, "who has left meanwhile was not chosen here"
    assert doris.post(PEOPLE, data={**stale, "gezeigt-vertretung": lea, "vertretung": []}).status_code == 303
    assert roles(office, "Lea Leitung") == ["leadership"]


def test_the_same_file_takes_no_deputy_back_and_a_new_one_does(office: Workspace, doris: TestClient) -> None:
    deputise(doris, ref(office, "Lea Leitung"))
    office.people(LEA)
    assert roles(office, "Lea Leitung") == ["deputy", "leadership"]
    office.take(people=PEOPLE_COLUMNS + LEA.replace("leadership", "press"))
    assert roles(office, "Lea Leitung") == ["press"]
    office.people(LEA)
    assert roles(office, "Lea Leitung") == ["leadership"], "the file has spoken since"


def test_only_people_of_the_list_can_be_chosen(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    for name in ("Ada Adler", "Tim Tal", "Frieda Fremd", "Doris Dach"):
        assert "Menschen aus dieser Liste" in deputise(doris, ref(office, name)), name
    assert "Menschen aus dieser Liste" in deputise(doris, "gibt-es-nicht")
    assert office.dump() == before


def test_offices_are_shown_with_who_receives_there(office: Workspace, doris: TestClient) -> None:
    assert "Tim Tal" in doris.get(PEOPLE).text
    office.do("UPDATE seat SET until = '2026-12-31' WHERE person_id = (SELECT id FROM person WHERE full_name = 'Tim Tal')")
    assert "Dort nimmt niemand Pakete an; sie kommen zu Ihnen." in doris.get(PEOPLE).text
    assert "Regionalstellen" not in sign_in(office, "frieda@fremd.example").get("/portal/haus/fremd/menschen").text


def test_interests_that_were_answered_hold_against_the_file_they_came_after(office: Workspace) -> None:
    """An answer on a page is a house's own word like one in the portal."""
    said = "slug;interests\ndach;health\n"
    office.take(organisations=said)
    number = office.ask("SELECT id FROM organisation WHERE slug = 'dach'")[0][0]
    office.do("INSERT INTO organisation_interest (organisation_id, topic) VALUES (:id, 'leadership')", id=number)
    office.do(
        "INSERT INTO change (batch, entity, entity_id, field, old, new, origin, actor, at) VALUES"
        " ('b', 'organisation', :id, 'interests', 'health', 'health,leadership', 'answer', 'answer page', :at)",
        id=number,
        at=office.bound(office.now),
    )
    office.take(organisations=said)
    mine = "SELECT topic FROM organisation_interest WHERE organisation_id = :id ORDER BY topic"
    assert [row[0] for row in office.ask(mine, id=number)] == ["health", "leadership"]
    office.take(organisations="slug;interests\ndach;succession\n")
    assert [row[0] for row in office.ask(mine, id=number)] == ["succession"]
