"""What time does to a campaign: outages, pauses, closing windows, corrected words, the change of the clocks."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.staff.pausing import pause_campaign, resume_campaign, stop_campaign
from om_campaigns.tick import tick
from om_campaigns.transport import Envelope, Outcome
from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

MONTH = timedelta(days=30)


def make_office(folder: Path, *people: str, settings: str = "") -> Workspace:
    office = Workspace(folder, settings=settings)
    office.houses(house("k", "05"))
    office.people(*(person(name, "k") for name in people or ("Karla",)))
    office.segment("alle", "status == 'active'")
    return office


@pytest.mark.slow
def test_after_an_outage_the_steps_come_one_by_one_and_stale_ones_not_at_all(tmp_path: Path) -> None:
    """SCH-15: six weeks of silence; what is later than its grace is skipped, the rest keeps its distance, never a burst."""
    office = make_office(tmp_path)
    office.campaign("wir", "w1 day = 0", 'w2 day = 7\ngrace = "14d"', "w3 day = 14", 'w4 day = 21\ngrace = "60d"', 'w5 after = "7d"')
    office.publish()
    office.tick(local("2027-01-05"))
    office.now = local("2027-02-22")
    office.walk(local("2027-04-01"), pause=MONTH)
    assert [(each.step, each.status, each.reason) for each in office.ledger()][1] == ("w2", "skipped", "grace_over")
    assert office.sent() == [
        ("w1", "2027-01-05 09:00"),
        ("w3", "2027-02-24 09:00"),
        ("w4", "2027-03-03 09:00"),
        ("w5", "2027-03-10 09:00"),
    ]
    assert_caps(office)


def test_an_outage_without_caps_brings_one_step_a_day_at_most(tmp_path: Path) -> None:
    """SCH-15: even where the caps would allow it, late steps come on different days."""
    office = make_office(tmp_path, settings="[caps]\nper_week = 7\nper_month = 30\n")
    office.campaign("wir", "w1 day = 0", "w2 day = 1", "w3 day = 2", "w4 day = 7")
    office.publish()
    office.tick(local("2027-01-05"))
    office.now = local("2027-02-01")
    office.walk(local("2027-02-12"), pause=MONTH)
    days = [at[:10] for _, at in office.sent()]
    assert days == ["2027-01-05", "2027-02-02", "2027-02-03", "2027-02-04"]


@pytest.mark.slow
def test_a_pause_of_ten_days_moves_everything_by_ten_days(tmp_path: Path) -> None:
    """Both kinds of steps; and a letter owed while the campaign was paused goes after it, in a window and within the caps."""
    office = make_office(tmp_path)
    office.campaign("wir", "w1 day = 0", "w2 day = 7", 'w3 after = "14d"', "w4 day = 28")
    office.campaign("andere", "o1 day = 8", head="priority = 10")
    office.publish()
    office.walk(local("2027-01-08"), pause=MONTH)
    assert pause_campaign(office.app, "wir", local("2027-01-11"), "test")
    office.now = local("2027-01-11")
    office.walk(local("2027-01-20"), pause=MONTH)
    assert office.sent("wir") == [("w1", "2027-01-05 09:00")]
    assert resume_campaign(office.app, "wir", local("2027-01-21"), "test")
    office.now = local("2027-01-21")
    office.walk(local("2027-03-01"), pause=MONTH)
    assert office.sent("wir") == [
        ("w1", "2027-01-05 09:00"),
        ("w2", "2027-01-26 09:00"),  # 12 January + 10 days is a Friday
        ("w3", "2027-02-09 09:00"),
        ("w4", "2027-02-16 09:00"),  # 4 January + 28 days + 10 days is Thursday the 11th, two days after w3: the cap
    ]
    assert office.sent("andere") == [("o1", "2027-01-12 09:00")]
    assert_caps(office)


@pytest.mark.slow
def test_a_letter_owed_before_a_pause_keeps_the_caps_after_it(tmp_path: Path) -> None:
    """Rule 8: planned but not sent, then paused for ten days in which another campaign wrote; it waits for its turn again."""
    office = make_office(tmp_path)
    office.campaign("wir", "w1 day = 0")
    office.campaign("andere", "o1 day = 8", head="priority = 10")
    office.publish()
    office.now = local("2027-01-05", "11:59")
    stopped = threading.Event()
    stopped.set()
    tick(office.app, office.now, stop=stopped)
    assert [each.status for each in office.ledger("wir")] == ["planned"]
    pause_campaign(office.app, "wir", local("2027-01-05", "12:00"), "test")
    office.walk(local("2027-01-18"), pause=timedelta(days=4))
    resume_campaign(office.app, "wir", local("2027-01-18", "12:00"), "test")
    office.now = local("2027-01-18", "12:00")
    office.walk(local("2027-02-01"), pause=MONTH)
    assert office.sent() == [("o1", "2027-01-13 09:00"), ("w1", "2027-01-20 09:00")]
    assert_caps(office)


def test_stop_ends_everything_and_keeps_what_was(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick(local("2027-01-05"))
    stop_campaign(office.app, "wir", local("2027-01-06"), "test")
    office.now = local("2027-01-06")
    office.walk(local("2027-01-20"), pause=MONTH)
    assert office.sent() == [("w1", "2027-01-05 09:00")]
    assert office.ask("SELECT state, reason FROM enrolment") == [("stopped", "campaign_stopped")]


def test_a_corrected_wording_reaches_those_not_yet_served_and_the_structure_stays(tmp_path: Path) -> None:
    """Versions (SCH-17): Karla entered on the first one and keeps its days; Nina enters on the second; both read the new words."""
    office = make_office(tmp_path)
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "alt day = 21")
    office.publish()
    office.tick(local("2027-01-05"))
    office.campaign("wir", "w1 day = 0", "w2 day = 14")
    (office.folder / "templates/campaigns/wir/alt.de.md").unlink()
    office.text("wir", "w1.de", "Guten Tag {{ contact.full_name }}, ein besserer Schritt.")
    office.text("wir", "w2.de", "Guten Tag {{ contact.full_name }}, ein besserer Schritt.")
    assert office.publish() == [True]
    office.people(person("Nina", "k"))
    office.now = local("2027-01-06")
    office.walk(local("2027-02-01"), pause=MONTH)
    assert office.sent(to="karla") == [("w1", "2027-01-05 09:00"), ("w2", "2027-01-12 09:00"), ("alt", "2027-01-26 09:00")]
    assert office.sent(to="nina") == [("w1", "2027-01-06 09:00"), ("w2", "2027-01-20 09:00")]
    words = [(envelope.recipient.split("@")[0], b"besserer" in content) for envelope, content in office.transport.letters]
    assert words == [("karla", False), ("nina", True), ("karla", True), ("nina", True), ("karla", False)]
    assert_no_double(office)


class Closing(MemoryTransport):
    """Takes one letter, then the clock stands at noon."""

    office: Workspace

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        self.office.now = local("2027-01-05", "12:00")
        return super().keep(envelope, content)


def test_a_window_that_closes_while_sending_keeps_the_rest_for_the_next_opening(tmp_path: Path) -> None:
    """SCH-07: the end is exclusive; what did not go by noon goes the next day at nine, once."""
    office = make_office(tmp_path, "Anna", "Berta", "Clara", settings="[smtp]\nconnections = 1\n")
    office.campaign("wir", "w1 day = 0", 'w2 after = "7d"')
    office.publish()
    transport = Closing()
    transport.office = office
    office.transport, kept = transport, office.transport
    office.now = local("2027-01-05", "11:59")
    tick(office.app, office.now)
    assert len(transport.letters) == 1
    office.transport = kept
    office.tick(local("2027-01-05", "12:00"))
    assert kept.letters == []
    office.walk(local("2027-01-15"), pause=MONTH)
    assert sorted(at for step, at in office.sent() if step == "w1") == ["2027-01-05 12:00", "2027-01-06 09:00", "2027-01-06 09:00"]
    assert len(office.sent()) == 6
    assert_caps(office)


@pytest.mark.parametrize(
    ("wait", "arrives"),
    [
        ('after = "24h"', "2027-03-28 11:00"),  # real time: one of the night's hours did not exist
        ('after = "1d"\nat = "10:00"', "2027-03-28 10:00"),  # the next day at ten, 23 hours later
        ('after = "36h"', "2027-03-28 23:00"),
        ('after = "2d"', "2027-03-30 00:00"),  # the 29th is Easter Monday
    ],
)
def test_hours_are_counted_and_days_are_named_across_the_change_of_clocks(tmp_path: Path, wait: str, arrives: str) -> None:
    """SCH-02, SCH-03: handed over on Saturday 27 March 2027 at 10:00; at 2:00 on Sunday the clocks go forward."""
    office = make_office(tmp_path, settings="[caps]\nper_week = 7\nper_month = 30\n")
    every_day = 'window = { days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "00:00", to = "24:00" }'
    office.campaign("wir", "w1 day = 0", f"w2 {wait}", head=every_day)
    office.publish()
    office.now = local("2027-03-27", "10:00")
    office.walk(local("2027-04-01"), pause=MONTH)
    assert office.sent() == [("w1", "2027-03-27 10:00"), ("w2", arrives)]
