"""The page on data protection says what is really kept, in the figures of code and settings, and stands behind every page and letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from om_campaigns.audience.access import ENTRANCE_DAYS, SESSION_LIFE
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.partner.signing_in import count_request
from om_campaigns.reader import opting_in
from om_campaigns.web.application import make_application
from om_campaigns.wiring import open_app
from tests.journeys.workspace import Workspace, local
from tests.web.portal_help import open_office
from tests.web.postbox import body, letters

pytestmark = pytest.mark.slow


def shown(workspace: Workspace, settings: str = "", path: str = "/datenschutz") -> str:
    """A page under these settings, as words."""
    workspace.write("config.toml", f'format = 1\n{settings}\n[database]\nurl = "sqlite:///om-campaigns.db"\n')
    pages = TestClient(make_application(open_app(workspace.folder, clock=lambda: workspace.now)))
    return pages.get(path).text


def test_law_05_law_07_law_14_it_promises_what_is_done(workspace: Workspace) -> None:
    page = shown(workspace, "[retention]\nslot_days = 91\nmail_days = 33\n[privacy]\nsmallest_group = 17")
    for promise in (
        f"Ohne Bestätigung löschen wir alles nach {opting_in.FORGOTTEN_AFTER.days} Tagen.",
        f"Den Nachweis löschen wir {opting_in.PROOF_YEARS} Jahre nach dem Ende des Jahres",
        f"gilt höchstens {SESSION_LIFE.seconds // 3600} Stunden. Wer wann angemeldet war, löschen wir nach {ENTRANCE_DAYS} Tagen.",
        "nur, wenn mindestens 17 Menschen denselben Link bekommen",
        "<dd>91 Tage</dd>",
        "<dd>33 Tage</dd>",
    ):
        assert promise in page, promise


def test_law_15_it_names_who_answers_and_what_this_installation_adds(workspace: Workspace) -> None:
    page = shown(workspace, '[sender]\nimprint = "OM, Hauptstraße 1"\nreply_to = "frage@om.example"')
    assert "OM, Hauptstraße 1" in page
    assert 'href="mailto:frage@om.example"' in page
    own = '[privacy]\ncontact = "A. Sicher, ds@om.example"\nnotes = "Zuständig: <Amt>.\\n\\nNoch eins."\nnotes_en = "Authority: X."'
    page = shown(workspace, own)
    assert "A. Sicher, ds@om.example" in page
    assert page.count('<p class="address">') == 4  # imprint, contact, two paragraphs
    assert "Zuständig: &lt;Amt&gt;." in page
    assert "Authority: X." in shown(workspace, own, "/datenschutz?lang=en")


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ("", "/datenschutz"),
        ('[web]\nbase_url = "https://om.example"\n[sender]\nprivacy_url = "https://om.example/datenschutz"', "/datenschutz"),
        ('[web]\nbase_url = "https://om.example/briefe"', "/briefe/datenschutz"),
        ('[sender]\nprivacy_url = "https://anderswo.example/ds"', "https://anderswo.example/ds"),
    ],
)
def test_every_page_leads_to_it_or_to_the_one_that_is_named(workspace: Workspace, settings: str, link: str) -> None:
    for path in ("/", "/impressum", "/archiv", "/wer-hilft", "/portal", "/nichts"):
        found = re.search(r'<a href="([^"]*)">Datenschutz</a>', shown(workspace, settings, path))
        assert found is not None, path
        assert found[1] == link


def test_letters_and_notices_lead_there_too(tmp_path: Path) -> None:
    office = open_office(tmp_path)
    for content in [body(each) for each in letters(office)]:
        if "Abmelden" in content:
            assert "https://om.example/datenschutz" in content
            break
    else:
        raise AssertionError("no letter with a foot")


def test_law_05_who_asked_how_often_is_forgotten_after_two_days(workspace: Workspace) -> None:
    count_request(workspace.app, "joerg@hwk-tal.example", "203.0.113.9")
    assert workspace.count("pace") == 2
    forget_old_values(workspace.app, local("2027-01-05"))
    assert workspace.count("pace") == 2
    forget_old_values(workspace.app, local("2027-01-07"))
    assert workspace.count("pace") == 0
