"""When letters to a house rest: what it says in the portal is what the planner does, on both databases (SCH-12, SCH-13)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from om_campaigns.planning import plan_all
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, local, person
from tests.web.portal_help import open_office, sign_in
from tests.web.test_portal_house import save

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    return open_office(tmp_path, database=database)


@pytest.fixture
def doris(office: Workspace) -> TestClient:
    return sign_in(office, "doris@dach.example")


def second(office: Workspace, house: str) -> list[str]:
    """When the second pack of the series left for a house."""
    return sorted({each.at for each in office.ledger("reihe", step="b2", status="sent") if each.organisation == house})


def test_what_falls_into_quiet_days_comes_after_them(office: Workspace, doris: TestClient) -> None:
    assert "Gespeichert" in save(doris, ruhe="18.01.2027 – 24.01.2027")
    office.walk(local("2027-01-28"))
    assert second(office, "dach") == ["2027-01-26 09:00"]
    assert second(office, "tal") == ["2027-01-19 09:00"], "an office has days of its own"


def test_quiet_days_hold_for_what_is_owed_already(office: Workspace) -> None:
    """Owed on Tuesday and not yet sent when the house closes on Wednesday."""
    office.walk(local("2027-01-18"))
    office.now = local("2027-01-19", "11:59")
    assert sum(each.planned.planned for each in plan_all(office.app, office.now, office.now)) == 3
    save(sign_in(office, "doris@dach.example"), ruhe="20.01.2027 – 26.01.2027")
    office.now = local("2027-01-19", "12:01")
    office.walk(local("2027-01-29"))
    assert second(office, "dach") == ["2027-01-27 09:00"]


def test_a_block_for_the_newsletter_comes_before_it(office: Workspace, doris: TestClient) -> None:
    save(doris, weg="newsletter_block", newsletter="15")
    office.walk(local("2027-02-12"))
    assert second(office, "dach") == ["2027-02-09 09:00"], "Friday the 5th and Monday lie outside of the campaign's window"


def test_what_is_no_block_does_not_wait_for_the_newsletter(office: Workspace, doris: TestClient) -> None:
    save(doris, newsletter="15")
    office.walk(local("2027-01-20"))
    assert second(office, "dach") == ["2027-01-19 09:00"]


def test_a_house_wants_no_more_than_one_pack_a_month(office: Workspace, doris: TestClient) -> None:
    save(doris, takt="monthly")
    office.take(organisations="slug;routes\ndach;forward_pack,direct_email\n")
    office.people(person("Ada Adler", "dach", email="ada@dach.example", roles="adviser"))
    office.segment("beratende", "'adviser' in roles and slug == 'dach'")
    office.campaign("direkt", "d1 day = 0", "d2 day = 7", segment="beratende")
    office.publish("direkt")
    office.walk(local("2027-02-05"))
    assert second(office, "dach") == ["2027-02-02 09:00"], "28 days after the first"
    first, later = (at for step, at in office.sent("direkt", to="ada") if step in ("d1", "d2"))
    assert local(later[:10]) - local(first[:10]) <= timedelta(days=8), "people who read OM themselves have a rhythm of their own"


def test_files_may_say_it_too_and_take_nothing_back(office: Workspace, doris: TestClient) -> None:
    said = "Slug;Stille Tage;Erscheinungstage;Rhythmus\ndach;24.12.2027 – 6.1.2028;1;monatlich\n"
    office.take(organisations=said)
    shown = json.loads(om(office.folder, "org", "show", "dach", "--format", "json").out)
    assert (shown["quiet_days"], shown["newsletter_days"], shown["rhythm"]) == ("2027-12-24..2028-01-06", "1", "monthly")
    assert "24.12.2027 – 06.01.2028" in doris.get("/portal/haus/dach").text
    save(doris, takt="quarterly", ruhe="", newsletter="20")
    office.take(organisations=said)
    assert office.ask("SELECT rhythm, quiet_days, newsletter_days FROM organisation WHERE slug = 'dach'") == [("quarterly", None, "20")]
