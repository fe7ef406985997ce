"""What staff do to a campaign that many are in is done in slices: nobody waits long to write, and an interruption costs nothing."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from om_campaigns.campaign import slices as sliced
from om_campaigns.staff import corrections, entering, moving, pausing, skipping
from om_campaigns.tick import tick
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

PEOPLE, SIZE = 7, 2
MAIN = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM) (?!plan_|temp)", re.IGNORECASE)


class CrashError(Exception):
    """The process ended here."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Seven people who got ``w1``; ``w2`` is owed to all of them, and has not left."""
    made = Workspace(tmp_path_factory.mktemp("kept") / "ws")
    made.segment("alle", "status == 'active'")
    made.houses(house("k", "05"))
    made.people(*(person(f"Karla Nummer{number}", "k") for number in range(PEOPLE)))
    made.campaign("wir", "w1 day = 0", "w2 day = 7")
    made.publish()
    made.tick(local("2027-01-05"))
    stopped = threading.Event()
    stopped.set()
    made.now = local("2027-01-12")
    tick(made.app, made.now, stop=stopped)
    assert [each.status for each in made.ledger(step="w2")] == ["planned"] * PEOPLE
    return made


@pytest.fixture
def office(kept: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two of them at a time."""
    monkeypatch.setattr(sliced, "FIRST", SIZE)
    monkeypatch.setattr(sliced, "MOST", SIZE)
    return kept.copy(tmp_path / "ws")


def resume(office: Workspace) -> object:
    if not office.ask("SELECT 1 FROM change WHERE new = 'paused'"):
        pausing.pause_campaign(office.app, "wir", office.now, "test")
        office.now += timedelta(days=10)
    return pausing.resume_campaign(office.app, "wir", office.now, "test")


def stop(office: Workspace) -> object:
    return pausing.stop_campaign(office.app, "wir", office.now, "test")


def skip(office: Workspace) -> object:
    return skipping.skip_step(office.app, "wir", "w2", office.now, "test")


def publish_longer(office: Workspace) -> None:
    """``w2`` comes later now, behind a new step, and is followed by one more."""
    office.campaign("wir", "w1 day = 0", "neu day = 3", "w2 day = 9", "w3 day = 20")
    office.publish()


def move(office: Workspace) -> object:
    if office.count("campaign_version") == 1:
        publish_longer(office)
    return moving.move_to_latest(office.app, "wir", office.now, "test")


def correct(office: Workspace) -> object:
    if office.count("campaign_version") == 1:
        office.text("wir", "w1.de", "Guten Tag,\n\nandere Worte.")
        office.publish()
    return corrections.send_correction(office.app, "wir", "w1", office.now)


def close_gaps(office: Workspace) -> object:
    if not office.ask("SELECT 1 FROM dispatch WHERE detail = 'lost'"):
        office.do("UPDATE dispatch SET status = 'failed', detail = 'lost' WHERE step = 'w2'")
        office.do("UPDATE dispatch SET detail = 'lost' WHERE step = 'w1'")
    return corrections.send_gaps(office.app, "wir", office.now)


Command = Callable[[Workspace], object]
COMMANDS: dict[str, tuple[Command, Any]] = {
    "resume": (resume, pausing),
    "stop": (stop, pausing),
    "skip": (skip, skipping),
    "move": (move, moving),
    "correction": (correct, corrections),
    "gaps": (close_gaps, corrections),
}


def standing(office: Workspace) -> list[Any]:
    """Where everybody stands, what is owed to whom, and what left."""
    queries = (
        "SELECT status, paused_at FROM campaign",
        "SELECT count(*) FROM resumption",
        "SELECT step FROM skipped_step",
        "SELECT subject_id, state, version_id, next_step, next_due_at, promised_at, shift_seconds, left_out FROM enrolment ORDER BY 1",
        "SELECT step, occasion, recipient_id, status, reason, due_at, open_until, version_id FROM dispatch ORDER BY 1, 2, 3",
    )
    left = sorted((envelope.recipient, content.count(b"Korrektur")) for envelope, content in office.transport.letters)
    return [*(office.ask(query) for query in queries), left]


def crash_after(parts: int) -> Callable[[Sequence[int]], Iterator[Sequence[int]]]:
    """``slices`` whose process ends after so many of them, whatever they are of."""
    done = iter(range(1_000))

    def cut(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        for part in sliced.slices(numbers):
            if next(done) == parts:
                raise CrashError
            yield part

    return cut


@pytest.mark.parametrize("parts", [0, 1, 2, 3])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_crash_between_two_slices_loses_and_doubles_nothing(
    office: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, parts: int
) -> None:
    """The same command again does the rest; then everything is as if it had not been interrupted, and a third time changes nothing."""
    command, module = COMMANDS[name]
    whole = office.copy(tmp_path / "whole")
    command(whole)
    with monkeypatch.context() as broken:
        broken.setattr(module, "slices", crash_after(parts))
        with pytest.raises(CrashError):
            command(office)
    command(office)
    assert standing(office) == standing(whole)
    before = office.dump()
    command(office)
    assert office.dump() == before


@pytest.mark.parametrize("name", COMMANDS)
def test_no_transaction_of_a_command_changes_more_than_a_slice(office: Workspace, name: str) -> None:
    changed: list[tuple[int, str]] = []

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if re.match(r"(UPDATE|INSERT INTO) (enrolment|dispatch)\b", statement):
            changed.append((cursor.rowcount, statement))

    if name in ("move", "correction"):
        publish_longer(office)
        office.text("wir", "w1.de", "Guten Tag,\n\nandere Worte.")
        office.publish()
    command, _ = COMMANDS[name]
    event.listen(office.app.engine, "after_cursor_execute", count)
    if name == "gaps":
        office.do("UPDATE dispatch SET detail = 'lost'")
        office.do("UPDATE dispatch SET status = 'failed' WHERE step = 'w2'")
        changed.clear()
    command(office)
    assert sum(number for number, _ in changed) >= PEOPLE
    assert max(number for number, _ in changed) == SIZE


def test_a_pause_that_went_on_after_an_interruption_counts_whole(
    office: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after some had moved by ten days; said again three days later, everybody has moved by thirteen."""
    whole = office.copy(tmp_path / "whole")
    for each in (office, whole):
        pausing.pause_campaign(each.app, "wir", each.now, "test")
    office.now += timedelta(days=10)
    with monkeypatch.context() as broken:
        broken.setattr(pausing, "slices", crash_after(2))
        with pytest.raises(CrashError):
            pausing.resume_campaign(office.app, "wir", office.now, "test")
    assert office.ask("SELECT status FROM campaign") == [("paused",)]
    office.now += timedelta(days=3)
    whole.now += timedelta(days=13)
    for each in (office, whole):
        assert pausing.resume_campaign(each.app, "wir", each.now, "test")
        assert not pausing.resume_campaign(each.app, "wir", each.now, "test")
    assert standing(office) == standing(whole)


def listen_for_writers(office: Workspace) -> list[str]:
    """What is asked that keeps other writers out of SQLite."""
    heard: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement == "BEGIN IMMEDIATE" or MAIN.match(statement):
            heard.append(statement)

    event.listen(office.app.engine, "after_cursor_execute", listen)
    return heard


def test_looking_keeps_nobody_out(office: Workspace) -> None:
    """What would be moved, corrected or sent again is counted without a lock."""
    publish_longer(office)
    office.text("wir", "w1.de", "Guten Tag,\n\nandere Worte.")
    office.publish()
    office.do("UPDATE dispatch SET status = 'failed' WHERE step = 'w2' AND recipient_id <= 3")
    heard = listen_for_writers(office)
    assert corrections.look_at_gaps(office.app, "wir") == 3
    assert corrections.look_at_correction(office.app, "wir", "w1").owed == PEOPLE
    office.do("UPDATE dispatch SET status = 'planned' WHERE step = 'w2'")
    heard.clear()
    assert moving.move_to_latest(office.app, "wir", office.now, "test", is_dry_run=True).readers == PEOPLE
    assert heard == []


def listen_for_questions(office: Workspace) -> list[bool]:
    """For each time that a segment is asked of everybody, whether others are kept out meanwhile."""
    asked: list[bool] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO plan_candidate"):
            asked.append(is_held(office))

    event.listen(office.app.engine, "after_cursor_execute", listen)
    return asked


def is_held(office: Workspace) -> bool:
    """Somebody who wants to write would have to wait."""
    with closing(sqlite3.connect(office.app.engine.url.database or "", timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def test_whoever_is_admitted_is_counted_before_anybody_is_kept_out(office: Workspace) -> None:
    office.people(*(person(f"Neu Nummer{number:03}", "k") for number in range(120)))
    office.do("DELETE FROM permission")
    office.tick()
    asked = listen_for_questions(office)
    assert entering.admit(office.app, "wir", 120, office.now, "test").until is not None
    assert asked == [False]


@pytest.mark.parametrize("head", ["", "backfill = false"])
def test_whom_a_publication_concerns_is_asked_before_anybody_is_kept_out(office: Workspace, head: str) -> None:
    """Whoever would enter a new campaign, or is left out of one without backfill."""
    office.campaign("neu", "n1 day = 0", head=head)
    asked = listen_for_questions(office)
    office.publish("neu")
    assert asked
    assert not any(asked)
    office.tick()
    present = [("exited", "already_there")] if head else [("active", "")]
    query = "SELECT DISTINCT state, e.reason FROM enrolment e JOIN campaign c ON c.id = campaign_id AND c.name = 'neu'"
    assert office.ask(query) == present


def test_nothing_that_changes_a_slice_goes_through_the_whole_table(office: Workspace) -> None:
    """Moving on, finishing, moving for a cap and after a missed opening: millions of rows would be read for each few thousand."""
    scanned: dict[str, list[str]] = {}

    def explain(_connection: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if re.match(r"UPDATE (enrolment|dispatch) SET .* FROM plan_", statement) and not many:
            asked = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)
            scanned[statement] = [row[3] for row in asked if re.match(r"SCAN (enrolment|dispatch)", row[3])]

    event.listen(office.app.engine, "before_cursor_execute", explain)
    office.campaign("andere", "o1 day = 0", "o2 day = 7")
    office.publish("andere")
    resume(office)
    office.tick()
    office.walk(office.now + timedelta(days=40), pause=timedelta(days=30))
    kinds = {match.groups() for each in scanned if (match := re.match(r"UPDATE (\w+) SET .*? FROM (plan_\w+)", each))}
    assert kinds == {("enrolment", "plan_crowded"), ("enrolment", "plan_done"), ("dispatch", "plan_crowded")}
    assert len(scanned) >= 4
    assert [each for each in scanned.values() if each] == []
