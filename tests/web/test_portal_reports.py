"""Action reports, cases for the letter, and versions of toolkits, as houses tell them in the portal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.cli.shell import om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.workspace import Workspace
from tests.web.portal_help import form_key, open_office, sign_in

pytestmark = pytest.mark.slow

NETWORKS = "slug;name;kind;regions;organisations\nak;Arbeitskreis Fachkräfte;other;05;dach,fremd\nom-nord;OM Nord;om;05;dach\n"
TOOLKITS = (
    "code;name;version;status;change_kind;released_on;changes\nBZ;Check Betrieb;2.0;superseded;major;2026-01-01;\n"
    "BZ;Check Betrieb;2.1;current;minor;2026-12-01;Frage 7 ist klarer.\n"
)
USES = "organisation;toolkit;version\ndach;BZ;2.0\nfremd;BZ;2.0\n"
REPORT = {
    "haus": "dach",
    "text": "Wir haben den Check\r\nvorgestellt.",
    "wirkung": "2",
    "mit": "Kammer Tal und Niemand, Innung Fremd",
    "netzwerk": "ak",
    "gedanke": "we_opportunities",
    "brief": "nameless",
}


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    office = open_office(tmp_path, database=database)
    office.take(networks=NETWORKS, toolkits=TOOLKITS, toolkit_uses=USES)
    return office


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def send(client: TestClient, path: str = "/berichte", **fields: str) -> str:
    answer = client.post(f"/portal{path}", data={"formular": form_key(client.get("/portal/berichte").text), **fields})
    return client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def test_r7_a_report_is_recorded_once_with_all_that_follows(office: Workspace, doris: TestClient) -> None:
    page = send(doris, **REPORT)
    assert "Danke, dass Sie davon erzählen" in page
    assert "Wir haben den Check vorgestellt." in page
    assert "Arbeitskreis Fachkräfte" in page
    assert office.ask("SELECT effect_level, idea, letter_use, origin, actor FROM action_report") == [
        (2, "we_opportunities", "nameless", "partner", "Doris Dach")
    ]
    partners = "SELECT o.slug FROM action_report_partner p JOIN organisation o ON o.id = p.organisation_id ORDER BY o.slug"
    assert office.ask(partners) == [("fremd",), ("tal",)], "names are found among what was written"
    assert office.ask("SELECT kind FROM response") == [("action_report",)]
    assert office.ask("SELECT kind FROM task") == [("case_offered",)]
    carried = "SELECT carried_over_on FROM network_organisation m JOIN organisation o ON o.id = m.organisation_id WHERE o.slug = 'dach'"
    assert sorted(str(row[0]) for row in office.ask(carried)) == ["2027-01-06", "None"], "in a network of others only"
    assert office.ask("SELECT field, new, origin FROM change WHERE field LIKE 'carried%'") == [
        ("carried over in ak", "2027-01-06", "partner")
    ]
    before = office.dump()
    send(doris, **REPORT)
    assert office.dump() == before, "twice is once"
    listed = om(office.folder, "action", "list", "--for-letter", "--format", "json")
    assert find_difference(EXAMPLES["action list"], json.loads(listed.out)) == ""
    assert "Niemand" in om(office.folder, "action", "list", "--house", "dach").out


def test_a_report_that_is_sent_again_with_other_answers_is_corrected(office: Workspace, doris: TestClient) -> None:
    """It is counted once, and people of OM see no case that may not be told any more."""

    def open_cases() -> list[object]:
        return office.ask("SELECT kind FROM task WHERE closed_at IS NULL")

    told = REPORT | {"brief": "no", "mit": ""}
    send(doris, **told)
    for other in ({"brief": "named"}, {"mit": "Kammer Tal"}, {"gedanke": "", "brief": "named"}):
        send(doris, **told | other)
        assert office.count("action_report") == office.ask("SELECT count(*) FROM response WHERE kind = 'action_report'")[0][0] == 1
        assert office.count("action_report_partner") == ("mit" in other)
        assert open_cases() == [("case_offered",)] * ("brief" in other)
    assert office.ask("SELECT letter_use, together_with, idea FROM action_report") == [("named", "", "")]
    before = office.dump()
    send(doris, **told | {"gedanke": "", "brief": "named"})
    assert office.dump() == before
    send(doris, **told | {"text": "Noch etwas ganz anderes."})
    assert office.count("action_report") == 2


def test_every_fault_is_told_at_once_and_what_was_typed_stays(office: Workspace, doris: TestClient) -> None:
    before = office.dump()
    page = send(doris, **REPORT | {"haus": "fremd", "text": " ", "wirkung": "4", "netzwerk": "geheim", "gedanke": "x", "brief": ""})
    for told in ("eines Ihrer Häuser", "was daraus geworden ist", "in ein paar Sätzen", "eines der genannten", "fünf Gedanken", "erzählen"):
        assert told in page
    assert "Kammer Tal und Niemand" in page
    assert office.dump() == before


def test_r20_the_current_version_is_confirmed(office: Workspace, doris: TestClient) -> None:
    page = doris.get("/portal/hilfen").text
    assert "Aktuell ist Fassung 2.1. Frage 7 ist klarer." in page.replace("\n", " ")
    page = send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="ja")
    assert "Fassung 2.1, bestätigt am 6. Januar 2027" in page
    assert office.ask("SELECT field, old, new, origin FROM change WHERE field LIKE 'uses BZ%' AND origin = 'partner' ORDER BY field") == [
        ("uses BZ confirmed_on", None, "2027-01-06", "partner"),
        ("uses BZ version", "2.0", "2.1", "partner"),
    ]
    assert office.ask("SELECT kind FROM response") == [("confirmed_version",)]
    before = office.dump()
    send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="ja")
    assert office.dump() == before


def test_what_is_not_used_any_more_is_not_asked_for_again(office: Workspace, doris: TestClient) -> None:
    assert "keine Hilfe eingetragen" in send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="nein")
    assert office.ask("SELECT old, new FROM change WHERE field = 'uses BZ version' AND origin = 'partner'") == [("2.0", None)]
    before = office.dump()
    key = form_key(doris.get("/portal").text)
    for data in ({"haus": "dach", "hilfe": "BZ"}, {"haus": "fremd", "hilfe": "BZ"}, {"haus": "dach", "hilfe": "XX"}):
        assert doris.post("/portal/hilfen", data={"formular": key, **data}).status_code == 404
    assert office.dump() == before


def test_what_is_not_used_any_more_can_be_taken_up_again(office: Workspace, doris: TestClient) -> None:
    uses = "SELECT o.slug, v.version FROM toolkit_use u JOIN organisation o ON o.id = u.organisation_id JOIN toolkit_version v"
    uses += " ON v.id = u.version_id ORDER BY o.slug"
    assert "Nutzen wir doch" not in doris.get("/portal/hilfen").text
    page = send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="nein")
    assert "Nutzen wir doch: Check Betrieb" in page
    before = office.dump()
    assert "wir haben es eingetragen" in send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="nein")
    assert office.dump() == before, "not used twice is not used"
    assert "Nutzen wir doch" not in sign_in(office, "frieda@fremd.example").get("/portal/hilfen").text
    page = send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="wieder")
    assert "Bei Ihnen eingetragen: Fassung 2.0." in page
    assert "Nutzen wir doch" not in page
    assert office.ask(uses) == [("dach", "2.0"), ("fremd", "2.0")]
    before = office.dump()
    send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="wieder")
    assert office.dump() == before
    send(doris, "/hilfen", haus="dach", hilfe="BZ", nutzen="nein")
    office.take(toolkit_uses=USES)
    assert office.ask(uses) == [("fremd", "2.0")], "the same file takes nothing back"


def test_sec_14_networks_and_reports_of_others_are_not_shown(office: Workspace, doris: TestClient) -> None:
    send(doris, **REPORT)
    frieda = sign_in(office, "frieda@fremd.example").get("/portal/berichte").text
    assert "vorgestellt" not in frieda
    assert "OM Nord" not in frieda
    assert "Arbeitskreis" in frieda
