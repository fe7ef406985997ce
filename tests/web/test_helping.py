"""Who helps in my region: for everybody, by place and topic, never empty while somebody can help, and nothing of anybody (FWD-01)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from om_campaigns.compose.links import holds_token
from om_campaigns.web.application import make_application
from om_campaigns.web.site import _call
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture

pytestmark = pytest.mark.slow

REGIONS = "ags;name\n05881;Kreis Talau\n05882;Kreis Ahornfeld\n058;Regierungsbezirk Westerfurt\n09881;Landkreis Lechmoos\n"
LINES = """organisation;name;name_en;regions;topics;phone;email;url;agreed_on;agreed_by;source
talau;Lotsenstelle;Guide;05881;;0221 4710 120;lotse@talau.example;;2027-01-02;Leitung;Mail
talau;Nachfolge;;05881;succession;+49 221 4710-130;;https://talau.example/nachfolge;2027-01-02;Leitung;Mail
bezirk;Sprechtag;;058;health;(0221) 4710 140;;;2027-01-02;Leitung;Mail
land;Auskunft;;05;;0221 4710 150;;;2027-01-02;Leitung;Mail
bund;Präventionstelefon;;DE;safety;030 23125 105;;;2027-01-02;Leitung;Mail
bayern;Gesundheit;;09881;health;;gesund@bayern.example;;2027-01-02;Leitung;Mail
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.houses(*(house(slug, "05", name=f"Haus {slug.title()}") for slug in ("talau", "bezirk", "land", "bund", "bayern")))
    made.people(person("Mira Feldkamp", "talau", email="mira@talau.example"))
    made.take(regions=REGIONS)
    made.take(contact_lines=LINES.replace("(0221)", "0221"))
    return made


@pytest.fixture
def pages(workspace: Workspace) -> TestClient:
    return TestClient(make_application(workspace.app), base_url="https://om.example", follow_redirects=False)


def names(body: str) -> dict[str, list[str]]:
    """Heading → names of the lines below it."""
    parts = re.split(r"<h2>(.*?)</h2>", body)
    return {head: re.findall(r"<h3>(.*?)</h3>", part) for head, part in zip(parts[1::2], parts[2::2], strict=True)}


def test_near_ones_come_first_then_the_district_the_land_and_the_country(pages: TestClient) -> None:
    answer = pages.get("/wer-hilft/05881")
    assert answer.status_code == 200
    assert "<h1>Kreis Talau</h1>" in answer.text
    assert names(answer.text) == {
        "Vor Ort": ["Lotsenstelle", "Nachfolge"],
        "Zuständig für: Regierungsbezirk Westerfurt": ["Sprechtag"],
        "Zuständig für: Nordrhein-Westfalen": ["Auskunft"],
        "Bundesweit": ["Präventionstelefon"],
    }
    assert 'href="tel:+492214710120"' in answer.text
    assert 'href="mailto:lotse@talau.example"' in answer.text
    assert "Vom Haus freigegeben am 2. Januar 2027." in answer.text


def test_a_municipality_is_helped_by_its_county_and_a_land_by_all_in_it(pages: TestClient, workspace: Workspace) -> None:
    workspace.take(regions=REGIONS + "05881004;Gemeinde Tal\n")
    assert names(pages.get("/wer-hilft/05881004").text)["Vor Ort"] == ["Lotsenstelle", "Nachfolge"]
    assert names(pages.get("/wer-hilft/05").text)["Vor Ort"] == ["Sprechtag", "Auskunft", "Lotsenstelle", "Nachfolge"]


def test_a_topic_leaves_who_helps_with_it_and_who_helps_with_everything(pages: TestClient) -> None:
    found = pages.get("/wer-hilft/05881?thema=succession").text
    assert names(found)["Vor Ort"] == ["Nachfolge", "Lotsenstelle"]
    assert "Sprechtag" not in found
    assert '<option value="succession" selected>Nachfolge</option>' in found
    country = names(pages.get("/wer-hilft?thema=health").text)
    assert country["In den Ländern und Kreisen"] == ["Gesundheit", "Sprechtag", "Auskunft", "Lotsenstelle"]


def test_an_empty_county_is_answered_with_who_is_next(pages: TestClient, workspace: Workspace) -> None:
    found = pages.get("/wer-hilft/05882").text
    assert "Hier hat noch kein Haus eine Anlaufstelle genannt." in found
    assert "Diese Häuser helfen weiter:" in found
    assert names(found)["Aus der weiteren Umgebung"] == ["Lotsenstelle", "Nachfolge"]
    alone = pages.get("/wer-hilft/09881?thema=climate").text
    assert "Zu diesem Thema hat hier noch kein Haus eine Anlaufstelle genannt." in alone
    assert 'href="/wer-hilft/09881">Alle Themen zeigen</a>' in alone
    workspace.do("UPDATE organisation SET status = 'paused'")
    nobody = pages.get("/wer-hilft/05881").text
    assert "Diese Häuser helfen weiter" not in nobody
    assert "mailto:redaktion@om-mail.example" in nobody


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/wer-hilft?region=05881&thema=health&lang=en", "/wer-hilft/05881?thema=health&lang=en"),
        ("/wer-hilft/05999", "/wer-hilft/05"),
        ("/wer-hilft/05881999?thema=health", "/wer-hilft/05881?thema=health"),
        ("/wer-hilft/99", "/wer-hilft"),
        ("/wer-hilft/DE", "/wer-hilft"),
    ],
)
def test_the_form_and_an_unknown_place_lead_to_a_page_with_a_name(pages: TestClient, asked: str, leads: str) -> None:
    answer = pages.get(asked)
    assert (answer.status_code, answer.headers["location"]) == (303, leads)
    assert pages.get(leads).status_code == 200


def test_what_is_no_place_and_no_topic_is_no_page(pages: TestClient) -> None:
    for path in ("/wer-hilft/x", "/wer-hilft/058811", '/wer-hilft?thema="><script>', "/wer-hilft?region=//evil.example"):
        assert pages.get(path).status_code == 404, path
    assert pages.get("/wer-hilft?region=&thema=").status_code == 200


def test_nothing_of_anybody_stands_there_and_search_engines_may_list_it(pages: TestClient) -> None:
    for path in ("/wer-hilft", "/wer-hilft/05", "/wer-hilft/05881?lang=en"):
        answer = pages.get(path)
        assert answer.headers["x-robots-tag"] == "all"
        assert "set-cookie" not in answer.headers
        assert "Mira" not in answer.text
        assert not any(holds_token(url) for url in re.findall(r'(?:href|action)="([^"]+)"', answer.text))


def test_in_english(pages: TestClient) -> None:
    found = pages.get("/wer-hilft/05881?lang=en").text
    assert "Who helps in my region" in found
    assert names(found)["In this region"] == ["Guide", "Nachfolge"]
    assert '<option value="succession">Succession</option>' in found


def test_every_page_and_the_archive_lead_there(pages: TestClient) -> None:
    for path in ("/", "/archiv", "/impressum", "/nichts"):
        assert 'href="/wer-hilft">Wer hilft in meiner Region</a>' in pages.get(path).text, path


def test_the_house_sees_its_lines_with_their_origin(workspace: Workspace) -> None:
    shown = om(workspace.folder, "org", "show", "talau").out
    for word in ("contact line", "Lotsenstelle", "0221 4710 120", "2027-01-02", "Leitung", "Mail", "file"):
        assert word in shown
    (first, _) = om(workspace.folder, "org", "show", "talau", "--format", "json").json["contact_lines"]
    assert (first["name"], first["regions"], first["agreed"], first["origin"]) == ("Lotsenstelle", ["05881"], True, "file")


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("0221 4710-120", "tel:+492214710120"),
        ("+49 (0)221 4710120", "tel:+492214710120"),
        ("0049 221 4710120", "tel:+492214710120"),
        ("+43 1 234567", "tel:+431234567"),
        ("115", "tel:115"),
        ("116 117", "tel:116117"),
    ],
)
def test_a_number_is_dialled_from_everywhere(phone: str, dialled: str) -> None:
    assert _call(phone) == dialled


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_pages_are_sound(pages: TestClient, visit: Open, lang: str, tmp_path: Path) -> None:
    paths = {
        "country": f"/wer-hilft?lang={lang}",
        "topic": f"/wer-hilft?thema=health&lang={lang}",
        "county": f"/wer-hilft/05881?lang={lang}",
        "empty": f"/wer-hilft/05882?lang={lang}",
        "nobody": f"/wer-hilft/09881?thema=climate&lang={lang}",
    }
    for name, path in paths.items():
        for width, dark in ((1280, False), (360, False), (320, True)):
            page = visit(path, width=width, dark=dark)
            assert axe(page) == [], name
            assert overflow(page) <= 0, name
            picture(page, f"helping-{name}-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    assert html_faults({name: pages.get(path).text for name, path in paths.items()}, folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_ren_19_a_person_finds_help_by_keyboard(visit: Open, scripts: bool) -> None:
    page = visit("/archiv", width=360, scripts=scripts)
    page.get_by_role("main").get_by_role("link", name="Wer hilft in meiner Region").press("Enter")
    page.focus("#region")
    page.keyboard.type("Kreis Ta")
    page.keyboard.press("Tab")
    page.keyboard.type("Nachf")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Kreis Talau')")
    assert page.locator("h3").all_inner_texts()[:2] == ["Nachfolge", "Lotsenstelle"]
