"""Caps over several campaigns for 120 days: nobody over the cap, everybody served, the higher priority first (domain rule 8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

LANDS = {"nw": "05", "by": "09", "sn": "14"}


@pytest.fixture(scope="module", params=["", "[caps]\nper_week = 2\nper_month = 5\n"], ids=["1 in 7, 4 in 30", "2 in 7, 5 in 30"])
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three campaigns that would send far more than the caps allow, to people of whom some are in all three."""
    office = Workspace(tmp_path_factory.mktemp("caps"), settings=request.param)
    office.houses(*(house(slug, land) for slug, land in LANDS.items()))
    office.people(*(person(f"{slug} {number}", slug) for slug in LANDS for number in range(2)), person("Nur Eine", "sn", roles="adviser"))
    office.segment("alle", "status == 'active'")
    office.segment("kontakte", "'contact' in roles")
    office.campaign("hoch", "h1 day = 0", "h2 day = 7", "h3 day = 30", head="priority = 80", segment="kontakte")
    office.campaign("mitte", *(f"m{number} day = {number * 3}" for number in range(8)), head="priority = 50")
    office.campaign("tief", "t1 day = 0", 't2 after = "36h"', 't3 after = "2d"', head='priority = 20\nmailing_list = "hilfen"')
    office.publish()
    office.walk(local("2027-05-04"), pause=timedelta(days=5))
    return office


def allowed(walked: Workspace) -> tuple[int, int]:
    return walked.app.settings.caps.per_week, walked.app.settings.caps.per_month


def test_nobody_is_ever_over_the_cap(walked: Workspace) -> None:
    """Rule 8, SCH-11: over all touches, in any 7 and any 30 local days."""
    assert len(walked.sent()) > 60
    assert_caps(walked, *allowed(walked))
    with pytest.raises(AssertionError):
        assert_caps(walked, allowed(walked)[0] - 1, allowed(walked)[1])


def test_nobody_gets_a_step_twice_in_any_campaign(walked: Workspace) -> None:
    assert_no_double(walked)


def test_the_cap_delays_and_never_drops(walked: Workspace) -> None:
    """Every step of every campaign went out to everybody; the ledger tells nothing but sent."""
    assert {each.status for each in walked.ledger()} == {"sent"}
    assert len(walked.ledger("hoch")) == 3 * 6
    assert len(walked.ledger("mitte")) == 8 * 7
    assert len(walked.ledger("tief")) == 3 * 7


def test_the_higher_priority_speaks_first(walked: Workspace) -> None:
    """On the first day everybody gets the campaign that matters most to them; the others follow by priority."""
    first = {}
    for each in walked.ledger():
        first.setdefault((each.to, each.campaign), each.at)
    for slug in LANDS:
        address = f"{slug}.0@{slug}.example"
        assert first[address, "hoch"] < first[address, "mitte"] or allowed(walked)[0] > 1
        assert first[address, "mitte"] <= first[address, "tief"]
    assert first["nur.eine@sn.example", "mitte"] <= first["nur.eine@sn.example", "tief"]
