"""Looking and repeating: a plan that is shown changes nothing, its checksum is the plan's, and time never runs backwards."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from om_campaigns.errors import RefusedError
from om_campaigns.operate.installation import halt, unhalt
from om_campaigns.tick import TickResult, look, tick
from tests.journeys.workspace import Workspace, house, is_quiet, local, person

pytestmark = pytest.mark.slow

START = local("2027-01-05")


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    office = Workspace(tmp_path_factory.mktemp("looking"))
    office.now = START
    office.houses(house("k", "05"))
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Ohne Basis", "k", basis=""))
    office.segment("alle", "status == 'active'")
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    return office


def look_at(office: Workspace, **options: object) -> TickResult:
    """Look, and prove that nothing changed."""
    before = office.dump()
    result = look(office.app, office.now, **options)  # type: ignore[arg-type]
    assert office.dump() == before
    return result


def test_looking_changes_nothing_and_tells_what_the_tick_then_does(office: Workspace) -> None:
    """R11: byte for byte the same database before and after; the same numbers as the tick."""
    shown = look_at(office)
    assert (shown.enrolled, shown.planned) == (2, 2)
    assert {str(reason): count for reason, count in shown.campaigns[0].not_enrolled.items()} == {"no_basis": 1}
    done = office.tick()
    assert (done.enrolled, done.planned, done.sent.sent) == (2, 2, 2)
    assert look_at(office).planned == 0


def test_looking_ahead_shows_what_becomes_due_until_then(office: Workspace) -> None:
    office.tick()
    assert look_at(office, until=local("2027-01-11")).planned == 0
    assert look_at(office, until=local("2027-01-12")).planned == 2


def test_the_checksum_is_the_same_until_something_that_counts_changes(office: Workspace) -> None:
    """The same plan twice, then another text, another recipient, another house name: each gives another checksum."""
    seen = [look_at(office).checksum, look_at(office).checksum]
    assert seen[0] == seen[1]
    office.text("wir", "w1.de", "Guten Tag {{ contact.full_name }}, {{ org.name }} hat andere Worte.")
    office.publish()
    seen.append(look_at(office).checksum)
    office.people(person("Kurt", "k"))
    seen.append(look_at(office).checksum)
    office.houses(house("k", "05", name="Haus mit neuem Namen"))
    seen.append(look_at(office).checksum)
    assert len(set(seen)) == 4


def test_a_reviewed_plan_is_recognised_while_it_is_being_served(office: Workspace) -> None:
    """``--expect`` with ``--as-of``: what was served since counts as it stood in the reviewed plan, half way and at the end."""
    reviewed = look_at(office).checksum
    stop = threading.Event()
    stop.set()
    tick(office.app, office.now, stop=stop)
    assert {each.status for each in office.ledger()} == {"planned"}
    assert look_at(office, expect=reviewed, since=START).is_expected
    office.now = START + timedelta(minutes=5)
    office.tick()
    assert {each.status for each in office.ledger()} == {"sent"}
    assert look_at(office, expect=reviewed).is_expected
    office.now = START
    assert look_at(office, expect=reviewed, since=START).is_expected


def test_an_earlier_moment_changes_nothing_in_rehearsal(office: Workspace) -> None:
    """SCH-18: played up to the 12th, then asked to play the 8th again."""
    office.tick()
    office.tick(local("2027-01-12"))
    before = office.dump()
    office.now = local("2027-01-08")
    result = tick(office.app, office.now)
    assert result.is_clock_behind
    assert is_quiet(result)
    assert office.dump() == before


def test_a_halted_installation_plans_and_sends_nothing(office: Workspace) -> None:
    halt(office.app, office.now, "test", "Fehler im Text")
    before = office.dump()
    with pytest.raises(RefusedError, match="Fehler im Text"):
        tick(office.app, office.now)
    assert office.dump() == before
    unhalt(office.app, office.now, "test")
    assert office.tick().sent.sent == 2


@pytest.mark.slow
def test_one_campaign_alone_leaves_the_others_as_they_are(office: Workspace) -> None:
    office.campaign("andere", "o1 day = 0")
    office.publish()
    result = tick(office.app, office.now, campaign="andere")
    assert [each.campaign for each in result.campaigns] == ["andere"]
    assert {each.campaign for each in office.ledger()} == {"andere"}
    assert office.ask("SELECT DISTINCT c.name FROM enrolment e JOIN campaign c ON c.id = e.campaign_id") == [("andere",)]


@pytest.mark.slow
def test_the_same_journey_on_postgresql(tmp_path_factory: pytest.TempPathFactory, empty_postgres: str) -> None:
    """Looking, re-entering, caps by groups and late letters speak both dialects alike."""
    office = Workspace(tmp_path_factory.mktemp("postgres"), database=empty_postgres)
    office.now = START
    office.houses(house("k", "05"), house("b", "09"))
    office.people(person("Karla", "k"), person("Bea", "b"))
    office.segment("alle", "'contact' in roles")
    office.campaign("wir", "w1 day = 0", head='re_enter = "after_finish"')
    office.campaign("andere", 'o1 after = "24h"', "o2 day = 2", head='priority = 10\nstarts_after = ["wir"]\nthen = "wir"')
    office.publish()
    shown = look_at(office)
    assert (shown.enrolled, shown.planned) == (2, 2)
    stop = threading.Event()
    stop.set()
    tick(office.app, office.now, stop=stop)
    assert look_at(office, expect=shown.checksum, since=START).is_expected
    leave = {local("2027-01-14"): lambda: office.people(person("Karla", "k", roles="press"))}
    leave[local("2027-01-20")] = lambda: office.people(person("Karla", "k"))
    office.now = local("2027-01-05", "12:30")
    office.walk(local("2027-02-04"), at=leave, pause=timedelta(days=30))
    wir = [(each.to[:5], each.occasion, each.at) for each in office.ledger("wir", status="sent")]
    assert wir == [("karla", "", "2027-01-06 09:00"), ("bea@b", "", "2027-01-07 09:00"), ("karla", "r2", "2027-01-20 09:00")]
    assert office.sent("andere", to="karla") == [("o1", "2027-01-13 09:00"), ("o2", "2027-01-27 09:00")]
