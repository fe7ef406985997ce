"""Taking back that one has left: the series goes on where it stopped, also where letters were due meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import SuppressionScope
from om_campaigns.reader.leaving import Channel, Leaver, record_leaving
from om_campaigns.reader.leaving_page import take_back_leaving
from tests.journeys.workspace import SQLITE, Workspace, assert_no_double, house, local, person

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Workspace(tmp_path, database=database)
    made.segment("alle", "'contact' in roles")
    made.houses(house("k", "05"))
    made.people(person("Anna Amt", "k"), person("Ben Berg", "k"))
    made.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    made.publish("wir")
    return made


@pytest.mark.parametrize("scope", [SuppressionScope.mailing_list, SuppressionScope.all])
def test_letters_that_were_due_meanwhile_come_still(office: Workspace, scope: SuppressionScope) -> None:
    """The last two of three letters were passed over and the series had ended: after 20 days it goes on with the second."""
    ((address, home),) = office.ask("SELECT a.id, o.id FROM address a, organisation o WHERE a.address = 'anna.amt@k.example'")
    leaver, left_at = Leaver(address, home, "wir-gedanke"), local("2027-01-06")

    def leave() -> None:
        with store.write(office.app.engine) as session:
            assert record_leaving(session, leaver, scope, Channel.page, left_at, office.app.today(left_at))

    def come_back() -> None:
        with store.write(office.app.engine) as session:
            assert take_back_leaving(session, leaver, scope, left_at, left_at + timedelta(days=20))
            assert not take_back_leaving(session, leaver, scope, left_at, left_at + timedelta(days=20))

    office.walk(local("2027-03-01"), at={left_at: leave, left_at + timedelta(days=20): come_back})
    assert [step for step, _ in office.sent(to="ben")] == ["w1", "w2", "w3"]
    assert office.sent(to="anna") == [("w1", "2027-01-05 09:00"), ("w2", "2027-01-26 09:00"), ("w3", "2027-02-02 09:00")]
    assert office.ask("SELECT DISTINCT state FROM enrolment") == [("finished",)]
    assert_no_double(office)
