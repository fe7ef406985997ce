"""The dates that must be shown: one drip of six steps for houses in two Länder, walked through 120 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

STEPS = ("a1 day = 0", "a2 day = 7", "a3 day = 21", "a4 day = 42", "a5 day = 63", "a6 day = 90")
NEW = "status == 'active' and 0 <= days_since(joined_on) <= 90 and 'contact' in roles and has_basis('wir-gedanke')"


@pytest.fixture(scope="module", params=[pytest.param(30, id="when due"), pytest.param(1, id="every day", marks=pytest.mark.slow)])
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """120 days, with ticks when something is due and every so many days: more ticks must not change what goes out (R11)."""
    return walk_4a(Workspace(tmp_path_factory.mktemp("dates")), pause=timedelta(days=request.param))


def walk_4a(office: Workspace, pause: timedelta) -> Workspace:
    """4a from Monday 2027-01-04 08:00 UTC on; a house in Bayern enters on Tuesday at 13:00 local time."""
    office.now = datetime(2027, 1, 4, 8, tzinfo=UTC)
    office.houses(house("nw", "05"))
    office.people(person("Anna Amsel", "nw"))
    office.segment("alle", NEW)
    office.campaign("wir", *STEPS)
    office.publish()
    second = local("2027-01-05", "13:00")

    def joins() -> None:
        office.houses(house("by", "09", joined_on="2027-01-05"))
        office.people(person("Berta Buche", "by"))

    office.walk(local("2027-05-04"), at={second: joins}, pause=pause)
    return office


def test_a_house_in_nordrhein_westfalen_gets_4a_on_its_dates(walked: Workspace) -> None:
    """Rule 6, rule 11 (S01 ends after 90 days, A6 goes on day 90 all the same), SCH-07, SCH-13."""
    assert walked.sent(to="anna") == [
        ("a1", "2027-01-05 09:00"),
        ("a2", "2027-01-12 09:00"),
        ("a3", "2027-01-26 09:00"),
        ("a4", "2027-02-16 09:00"),
        ("a5", "2027-03-09 09:00"),
        ("a6", "2027-04-06 09:00"),
    ]


def test_a_house_in_bayern_waits_for_the_day_after_epiphany_and_the_cap(walked: Workspace) -> None:
    """Rules 6 and 8: entered on Tuesday 5 January at 13:00, after the window; the 6th is a holiday there; day 7 is too soon."""
    assert walked.sent(to="berta")[:2] == [("a1", "2027-01-07 09:00"), ("a2", "2027-01-14 09:00")]


def test_everybody_came_to_the_end_once_and_within_the_caps(walked: Workspace) -> None:
    """Rule 8, SCH-11, SCH-16: all finished, nobody twice, nobody over the cap."""
    assert walked.ask("SELECT state, count(*) FROM enrolment GROUP BY state") == [("finished", 2)]
    assert len(walked.sent()) == 12
    assert_no_double(walked)
    assert_caps(walked)


@pytest.mark.slow
def test_the_same_dates_on_postgresql(tmp_path: Path, empty_postgres: str) -> None:
    walked = walk_4a(Workspace(tmp_path, database=empty_postgres), timedelta(days=30))
    assert walked.sent(to="berta")[:2] == [("a1", "2027-01-07 09:00"), ("a2", "2027-01-14 09:00")]
    assert [day for _, day in walked.sent(to="anna")][-1] == "2027-04-06 09:00"
    assert_no_double(walked)
    assert_caps(walked)
