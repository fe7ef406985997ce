"""What is owed stands in every plan: after a limit, a stop, a halt or a refusal, until it has left."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.errors import RefusedError
from om_campaigns.operate.installation import halt
from om_campaigns.tick import TickResult, look, tick
from om_campaigns.transport import Envelope, Kind, Outcome, Stage
from tests.cli.shell import om
from tests.journeys.workspace import SQLITE, Workspace, house, local, person

pytestmark = pytest.mark.slow

START = local("2027-01-05")
AT = "2027-01-05T09:00"
EMPTY = "e3b0c44298fc1c14"
NAMES = ("Ada", "Ben", "Cem", "Dora")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """Four readers whose first letter is due now."""
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    office = Workspace(tmp_path / "ws", database=database, settings="[smtp]\nconnections = 1\n[caps]\nper_week = 9\nper_month = 9")
    office.now = START
    office.houses(house("k", "05"))
    office.people(*(person(name, "k") for name in NAMES))
    office.segment("alle", "'contact' in roles")
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    return office


def plan_only(office: Workspace) -> None:
    """A tick that is stopped before its first letter: all of them are owed."""
    stop = threading.Event()
    stop.set()
    tick(office.app, office.now, stop=stop)


class Ending(MemoryTransport):
    """A mail server that takes so many letters; the run is stopped with the last of them."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.left, self.stop = letters, threading.Event()

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        self.left -= 1
        if not self.left:
            self.stop.set()
        return super().keep(envelope, content)


def send_some(office: Workspace, letters: int) -> None:
    """A tick that ends after so many letters: the others are owed."""
    transport = Ending(letters)
    tick(office.app, office.now, transport=transport, stop=transport.stop)


class Greylisting(MemoryTransport):
    """A mail server that puts everything off."""

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        return Outcome(Kind.temporary, 451, "4.7.1 greylisted", Stage.rcpt)


def lines(result: TickResult) -> list[tuple[str, str, int]]:
    return [(each.step, each.why.value, each.letters) for plan in result.campaigns for each in plan.owed]


def test_what_was_planned_and_has_not_left_stands_in_the_plan(office: Workspace) -> None:
    plan_only(office)
    office.now += timedelta(minutes=5)
    found = look(office.app, office.now)
    assert lines(found) == [("w1", "owed", 4)]
    assert (found.owed, found.planned, found.letters) == (4, 0, 4)
    assert found.campaigns[0].owed[0].since == START
    assert found.checksum != EMPTY


def test_owed_letters_whose_window_is_over_wait_and_are_not_told_as_leaving(office: Workspace) -> None:
    plan_only(office)
    office.now = local("2027-01-05", "13:00")
    assert look(office.app, office.now).letters == 0
    assert look(office.app, office.now).checksum == EMPTY
    office.now = local("2027-01-06")
    assert lines(look(office.app, office.now)) == [("w1", "owed", 4)]


def test_owed_and_newly_due_are_told_apart(office: Workspace) -> None:
    plan_only(office)
    office.people(*(person(name, "k") for name in (*NAMES, "Emil")))
    found = look(office.app, office.now)
    assert (found.owed, found.planned, found.letters) == (4, 1, 5)


def test_what_the_mail_server_put_off_belongs_to_the_plan(office: Workspace) -> None:
    tick(office.app, office.now, transport=Greylisting())
    found = look(office.app, office.now)
    assert lines(found) == [("w1", "retry", 4)]
    assert (found.owed, found.put_off, found.letters) == (0, 4, 0)
    assert found.checksum != EMPTY
    office.now = local("2027-01-05", "11:00")
    found = look(office.app, office.now)
    assert (found.owed, found.put_off) == (4, 0)


def test_held_letters_are_tried_again_and_stand_in_the_plan(office: Workspace) -> None:
    office.tick()
    office.do("UPDATE dispatch SET status = 'held', reason = 'missing_value', detail = 'org.x' WHERE id = 1")
    found = look(office.app, office.now)
    assert lines(found) == [("w1", "held", 1)]
    assert office.ask("SELECT status, reason FROM dispatch WHERE id = 1") == [("held", "missing_value")]


def test_uncertain_letters_are_told_apart_and_never_leave(office: Workspace) -> None:
    office.tick()
    office.do("UPDATE dispatch SET status = 'uncertain' WHERE id = 1")
    found = look(office.app, office.now)
    assert (found.uncertain, found.letters, found.checksum) == (1, 0, EMPTY)
    assert found.campaigns[0].uncertain == {"w1": 1}


def test_what_a_process_that_died_had_in_hand_stands_in_the_plan(office: Workspace) -> None:
    plan_only(office)
    office.do("UPDATE dispatch SET status = 'claimed' WHERE id = 1")
    found = look(office.app, office.now)
    assert sorted(lines(found)) == [("w1", "in_hand", 1), ("w1", "owed", 3)]
    assert found.letters == 4


def test_after_an_hourly_limit_what_is_left_is_owed_and_in_the_checksum(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 0", "w2 day = 7", head="per_hour = 3")
    office.publish()
    tick(office.app, office.now)
    assert len(office.sent()) == 3
    found = look(office.app, office.now)
    assert (lines(found), found.planned) == ([("w1", "owed", 1)], 0)
    assert found.checksum != EMPTY


def test_a_paused_campaign_owes_and_nothing_of_it_leaves(office: Workspace) -> None:
    plan_only(office)
    om(office.folder, "campaign", "pause", "wir", now=AT)
    found = look(office.app, office.now)
    assert (found.letters, found.checksum) == (0, EMPTY)


def test_letters_of_a_reviewed_plan_that_left_meanwhile_are_no_difference(office: Workspace) -> None:
    """With and without the moment of the review, for letters that were owed before it and for new ones, until the last has left."""
    plan_only(office)
    office.people(*(person(name, "k") for name in (*NAMES, "Emil")))
    office.now += timedelta(minutes=5)
    reviewed, at = look(office.app, office.now), office.now
    assert (reviewed.owed, reviewed.planned) == (4, 1)
    for left in (0, 1, 3, 5):
        if more := left - len(office.sent()):
            office.now += timedelta(minutes=5)
            send_some(office, more)
        assert len(office.sent()) == left
        for since in (None, at):
            moment = since or office.now
            assert look(office.app, moment, expect=reviewed.checksum, since=since).is_expected, (left, since)
            assert not look(office.app, moment, expect="0" * 16, since=since).is_expected
    office.people(*(person(name, "k") for name in (*NAMES, "Emil", "Fritz")))
    assert not look(office.app, office.now, expect=reviewed.checksum).is_expected


def test_a_letter_that_was_put_off_since_is_no_difference(office: Workspace) -> None:
    reviewed = look(office.app, office.now)
    tick(office.app, office.now, transport=Greylisting())
    office.now += timedelta(minutes=2)
    assert look(office.app, office.now, expect=reviewed.checksum).is_expected


def test_what_nobody_reviewed_does_not_leave_with_what_was(office: Workspace) -> None:
    """Somebody new comes between the review and the sending: refused before the first letter, and what is due later stays."""
    reviewed = look(office.app, office.now)
    office.people(*(person(name, "k") for name in (*NAMES, "Emil")))
    with pytest.raises(RefusedError, match="the plan has changed"):
        tick(office.app, office.now, reviewed=reviewed.checksum)
    assert office.sent() == []
    tick(office.app, office.now, reviewed=look(office.app, office.now).checksum)
    assert len(office.sent()) == 5


def test_letters_that_follow_from_a_reviewed_plan_wait_for_their_own_review(office: Workspace) -> None:
    office.segment("niemand", "'press' in roles")
    office.campaign("danach", "d1 day = 0", segment="niemand")
    office.campaign("vorher", "v1 day = 0", head='then = "danach"')
    office.publish()
    done = tick(office.app, office.now, reviewed=look(office.app, office.now).checksum)
    assert done.sent.sent == 8
    assert {each.campaign for each in office.ledger()} == {"vorher", "wir"}
    found = look(office.app, office.now)
    assert (found.planned, tick(office.app, office.now, reviewed=found.checksum).sent.sent) == (4, 4)


def test_every_screen_before_a_confirmation_shows_what_is_owed(office: Workspace) -> None:
    send_some(office, 3)
    at = "2027-01-05T09:05"
    for words in (("plan",), ("send", "--all-due", "--dry-run")):
        said = om(office.folder, *words, now=at)
        assert "1 letter would leave now: 1 owed." in said.out, words
        assert "nothing is due" not in said.out
        assert "1  owed  wir/w1  direct mail  since Tue 5 Jan 09:00" in said.out
        assert max(map(len, said.out.splitlines())) <= 80
    told = om(office.folder, "plan", "--format", "json", now=at).json
    assert (told["letters"], told["owed"], told["planned"]) == (1, 1, 0)
    assert told["campaigns"][0]["owed"] == [
        {
            "step": "w1",
            "route": "direct_email",
            "why": "owed",
            "letters": 1,
            "since": "2027-01-05T08:00:00Z",
            "next_at": "2027-01-05T08:00:00Z",
            "due": True,
        }
    ]
    assert om(office.folder, "send", "--all-due", "--dry-run", "--format", "json", now=at).json["owed"] == 1
    halt(office.app, office.now, "test", "")
    assert "1 letter would leave now: 1 owed." in om(office.folder, "unhalt", now=at).out
    status = om(office.folder, now=at).out
    assert "1 letter since Tue 5 Jan 09:00" in status


def test_an_empty_plan_says_so(office: Workspace) -> None:
    office.tick()
    said = om(office.folder, "plan", now="2027-01-05T09:05").out
    assert said.startswith("Nothing would leave now.\n")
    assert f"checksum {EMPTY} (an empty plan)" in said
    assert "owed" not in said


def test_live_mail_is_asked_for_once_and_the_answer_is_kept(office: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal: refused with the command that answers. A no sends nothing; what was confirmed is not asked again."""
    from om_campaigns import gate

    monkeypatch.setattr(gate, "find_fault", lambda *_: None)
    settings = (
        'mode = "live"\n[smtp]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n[sender]\nimprint = "OM, Weg 1, 10115 Berlin, post@om.de"\n'
    )
    url = office.app.engine.url.render_as_string(hide_password=False) if office.app.engine.dialect.name == "postgresql" else SQLITE
    office.write("config.toml", f'format = 1\n{settings}[database]\nurl = "{url}"\n')
    plan_only(office)
    office.do("UPDATE instance SET mode = 'live'")
    at = "2026-01-05 08:00:00.000000"  # commands that write go by the machine's clock in live mode
    office.do(f"UPDATE dispatch SET due_at = '{at}', planned_at = '{at}', open_until = '2999-01-01 00:00:00.000000'")
    said = om(office.folder, "send", "--all-due", now="")
    assert (said.code, "there is nobody to ask" in said.err) == (3, True), said
    assert "send --all-due --expect " in said.err
    assert "owed" in said.out
    assert om(office.folder, "send", "--all-due", now="", typed="n\n").code == 3
    assert office.count("permission") == 0
    assert om(office.folder, "send", "--all-due", now="", typed="y\n").code == 4  # nobody listens there
    assert office.ask("SELECT what, figure FROM permission") == [("plan", 4)]
    assert om(office.folder, "send", "--all-due", now="").code == 4
    assert office.count("permission") == 1
