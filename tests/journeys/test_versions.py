"""A campaign that changes while people are in it: what a letter says of the series is what its reader gets."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns.planning import plan_all
from om_campaigns.staff.moving import Moved, move_to_latest
from om_campaigns.staff.skipping import Skipping, skip_step
from tests.journeys.workspace import SQLITE, Workspace, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

SETTINGS = "[caps]\nper_week = 7\nper_month = 30\n"
TOOLKIT = "code;name;version;released_on;status;change_kind\nBZ;Check;2.0;2026-01-01;{};new\n"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """Karla and Klaus, who may get every series, on both databases."""
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Workspace(tmp_path, settings=SETTINGS, database=database)
    made.now = local("2027-01-05")
    made.segment("alle", "status == 'active'")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k"), person("Klaus", "k"))
    return made


def bodies(office: Workspace, to: str = "karla") -> dict[str, str]:
    """Subject → text part of everything somebody got."""
    found = {}
    for envelope, content in office.transport.letters:
        if envelope.recipient.startswith(to):
            mail = email.message_from_bytes(content, policy=email.policy.default)
            part = mail.get_body(("plain",))
            assert part is not None
            found[str(mail["Subject"])] = part.get_content()
    return found


def test_a_step_added_later_is_not_promised_to_who_will_not_get_it(office: Workspace) -> None:
    """Karla is in the series of two; the newest version has three, whose text of the second she gets."""
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick()
    assert "Teil 1 von 2" in bodies(office)["wir w1.de"]
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "schluss day = 21")
    office.text("wir", "w2.de", body="Guten Tag {{ contact.full_name }},\n\nverbesserte Worte.")
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.publish()
    office.walk(local("2027-02-04"), pause=timedelta(days=30))
    old, new = bodies(office)["wir w2.de"], bodies(office, "neu")["wir w2.de"]
    assert "verbesserte Worte" in old
    assert "Teil 2 von 2" in old
    assert "schluss" not in old
    assert "Teil 2 von 3" in new
    assert "wir schluss.de" in new
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "w2"]
    assert [step for step, _ in office.sent(to="neu")] == ["w1", "w2", "schluss"]


def test_a_step_taken_out_later_still_counts_for_who_gets_it(office: Workspace) -> None:
    """Its words are the newest it ever had, though no newer version has the step."""
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    office.publish()
    office.tick()
    office.text("wir", "w2.de", body="Guten Tag {{ contact.full_name }},\n\nverbesserte Worte.")
    office.publish()
    office.campaign("wir", "w1 day = 0", "w3 day = 14")
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.publish()
    office.walk(local("2027-01-30"), pause=timedelta(days=30))
    old, new = bodies(office), bodies(office, "neu")
    assert "Teil 2 von 3" in old["wir w2.de"]
    assert "verbesserte Worte" in old["wir w2.de"]
    assert "wir w3.de" in old["wir w2.de"]
    assert "Teil 3 von 3" in old["wir w3.de"]
    assert "Teil 1 von 2" in new["wir w1.de"]
    assert "wir w3.de" in new["wir w1.de"]
    assert "Teil 2 von 2" in new["wir w3.de"]
    assert_no_double(office)


def take_out(office: Workspace, campaign: str, step: str) -> Skipping:
    """Twice; the second time changes nothing."""
    done = skip_step(office.app, campaign, step, office.now, "test")
    before = office.dump()
    assert skip_step(office.app, campaign, step, office.now, "test").was_skipped
    assert office.dump() == before
    return done


def move(office: Workspace, campaign: str) -> Moved:
    """Twice; the second time changes nothing."""
    shown = move_to_latest(office.app, campaign, office.now, "test", is_dry_run=True)
    done = move_to_latest(office.app, campaign, office.now, "test")
    assert (done.moves, done.stays) == (shown.moves, shown.stays)
    before = office.dump()
    assert move_to_latest(office.app, campaign, office.now, "test").readers == 0
    assert office.dump() == before
    return done


def test_a_step_taken_out_is_not_sent_and_everything_goes_on_as_if_it_had_passed(office: Workspace) -> None:
    """Klaus had w2 already and reads "3 von 3"; Karla and who enters later never get it and are told so by their numbers."""
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14", head='then = "dann"')
    office.campaign("dann", "d1 day = 0", segment="keiner")
    office.campaign("danach", "n1 day = 0", head='starts_after = ["wir"]')
    office.segment("keiner", "'press' in roles")
    office.people(person("Klaus", "k"))
    office.people(person("Karla", "k", status="paused"))
    office.publish()
    office.tick()
    office.now = local("2027-01-07")
    office.people(person("Karla", "k"))
    office.walk(local("2027-01-13"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent("wir", to="klaus")] == ["w1", "w2"]
    done = take_out(office, "wir", "w2")
    assert (done.ahead, done.owed) == (1, 0)
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.walk(local("2027-02-20"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent("wir", to="klaus")] == ["w1", "w2", "w3"]
    for name in ("karla", "neu"):
        assert [step for step, _ in office.sent("wir", to=name)] == ["w1", "w3"]
        assert [each.reason for each in office.ledger("wir", to=name, status="skipped")] == ["step_skipped"]
        assert [step for step, _ in office.sent("dann", to=name)] == ["d1"]
        assert [step for step, _ in office.sent("danach", to=name)] == ["n1"]
    assert "Teil 3 von 3" in bodies(office, "klaus")["wir w3.de"]
    assert "Teil 1 von 3" in bodies(office, "karla")["wir w1.de"]
    assert "Teil 2 von 2" in bodies(office, "karla")["wir w3.de"]
    first = bodies(office, "neu")["wir w1.de"]
    assert "Teil 1 von 2" in first
    assert "In zwei Wochen" in first
    assert "wir w3.de" in first
    assert_no_double(office)


def test_letters_of_a_step_that_are_owed_already_do_not_leave(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick()
    office.now = local("2027-01-12")
    plan_all(office.app, office.now, office.now)
    assert {each.status for each in office.ledger(step="w2")} == {"planned"}
    assert take_out(office, "wir", "w2").owed == 2
    office.walk(local("2027-01-20"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="karla")] == ["w1"]
    assert office.ask("SELECT state FROM enrolment") == [("finished",)] * 2


def test_who_is_under_way_is_moved_and_gets_what_lies_ahead_of_them(office: Workspace) -> None:
    """A new step before the next one is left out (SCH-17), a new one behind it is not; numbers are those of the newest version."""
    office.campaign("wir", "w1 day = 0", "w2 day = 14")
    office.publish()
    office.tick()
    office.now = local("2027-01-07")
    office.campaign("wir", "w1 day = 0", "neu day = 7", "w2 day = 14", "schluss day = 21")
    office.publish()
    done = move(office, "wir")
    assert (done.readers, done.stays) == (2, [])
    assert [(each.version, each.step, each.next_step, each.skipped) for each in done.moves] == [(1, "w2", "w2", ("neu",))]
    office.walk(local("2027-02-01"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "w2", "schluss"]
    assert [(each.step, each.reason) for each in office.ledger(to="karla", status="skipped")] == [("neu", "step_skipped")]
    assert "Teil 2 von 3" in bodies(office)["wir w2.de"]
    assert "wir schluss.de" in bodies(office)["wir w2.de"]
    assert "Teil 3 von 3" in bodies(office)["wir schluss.de"]
    assert_no_double(office)


def test_who_had_a_step_that_is_gone_stays_and_who_had_it_ahead_is_moved(office: Workspace) -> None:
    """Karla had x, Neu did not: she stays on version 1, Neu goes on with what follows in version 2, at its time."""
    office.campaign("wir", "w1 day = 0", "x day = 7", "w3 day = 14")
    office.publish()
    office.walk(local("2027-01-12"), pause=timedelta(days=30))
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.tick()
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "x"]
    office.now = local("2027-01-14")
    office.campaign("wir", "w1 day = 0", "w3 day = 9")
    (office.folder / "templates/campaigns/wir/x.de.md").unlink()
    office.publish()
    done = move(office, "wir")
    assert [(each.step, each.next_step, each.readers) for each in done.moves] == [("x", "w3", 1)]
    assert [(each.version, each.step, each.readers) for each in done.stays] == [(1, "w3", 2)]
    assert "'x'" in done.stays[0].reason
    office.walk(local("2027-02-10"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "x", "w3"]
    assert office.sent(to="neu") == [("w1", "2027-01-12 09:00"), ("w3", "2027-01-21 09:00")]
    assert "Teil 3 von 3" in bodies(office)["wir w3.de"]
    assert "Teil 2 von 2" in bodies(office, "neu")["wir w3.de"]


def test_who_has_nothing_left_comes_to_the_end_and_into_the_next_campaign(office: Workspace) -> None:
    office.campaign("dann", "d1 day = 0", segment="keiner")
    office.segment("keiner", "'press' in roles")
    office.campaign("wir", "w1 day = 0", "w2 day = 14", head='then = "dann"')
    office.publish()
    office.tick()
    office.now = local("2027-01-12")
    office.campaign("wir", "w1 day = 0", head='then = "dann"')
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    office.publish()
    assert [(each.step, each.next_step) for each in move(office, "wir").moves] == [("w2", None)]
    office.walk(local("2027-02-01"), pause=timedelta(days=30))
    assert office.sent("wir", to="karla") == [("w1", "2027-01-05 09:00")]
    assert office.sent("dann", to="karla") == [("d1", "2027-01-12 09:00")]


def test_a_letter_that_is_owed_is_sent_once_by_the_newest_version(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick()
    office.now = local("2027-01-12")
    plan_all(office.app, office.now, office.now)
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "schluss day = 14")
    office.publish()
    assert move(office, "wir").readers == 2
    office.walk(local("2027-02-01"), pause=timedelta(days=30))
    assert office.sent(to="karla") == [("w1", "2027-01-05 09:00"), ("w2", "2027-01-12 09:00"), ("schluss", "2027-01-19 09:00")]
    assert "Teil 2 von 3" in bodies(office)["wir w2.de"]
    assert_no_double(office)


def test_who_has_had_nothing_yet_waits_by_the_newest_version(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 14")
    office.publish()
    office.tick()
    office.campaign("wir", "w1 day = 7", "w2 day = 14")
    office.publish()
    assert move(office, "wir").readers == 2
    office.walk(local("2027-02-01"), pause=timedelta(days=30))
    assert office.sent(to="karla") == [("w1", "2027-01-12 09:00"), ("w2", "2027-01-19 09:00")]


def test_a_withdrawn_toolkit_is_not_promised_either(office: Workspace) -> None:
    """Its step is skipped and counts for nobody who has not had it."""
    office.take(toolkits=TOOLKIT.format("current"))
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    office.text("wir", "w2.de", head='toolkits = ["BZ"]')
    office.publish()
    office.take(toolkits=TOOLKIT.format("withdrawn"))
    office.walk(local("2027-02-01"), pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "w3"]
    assert "Teil 1 von 2" in bodies(office)["wir w1.de"]
    assert "wir w3.de" in bodies(office)["wir w1.de"]
    assert "Teil 2 von 2" in bodies(office)["wir w3.de"]
