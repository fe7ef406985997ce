"""slices: many enter and are planned in parts that are whole each, so that nobody waits long, and a crash costs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from benchmarks.planning import NOW, make_workspace
from om_campaigns import planning, store
from om_campaigns.app import App
from om_campaigns.campaign import slices as sliced
from om_campaigns.planning import plan_all
from om_campaigns.staff.pausing import pause_campaign, resume_campaign
from om_campaigns.staff.why import explain_recipient
from om_campaigns.tick import look
from om_campaigns.wiring import open_app

pytestmark = pytest.mark.slow

PEOPLE, SIZE = 600, 50


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hundred people who may enter, and for whom a step is due then; made once and copied."""
    folder = tmp_path_factory.mktemp("ready") / "office"
    make_workspace(folder, PEOPLE)
    return folder


@pytest.fixture
def app(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Fifty of them at a time."""
    monkeypatch.setattr(sliced, "FIRST", SIZE)
    monkeypatch.setattr(sliced, "MOST", SIZE)
    shutil.copytree(ready, tmp_path / "office")
    opened = open_app(tmp_path / "office", now=NOW)
    yield opened
    opened.engine.dispose()


def owed(app: App) -> list[Any]:
    """What is owed to whom, and where everybody stands."""
    with store.read(app.engine) as session:
        query = "SELECT step, recipient_kind, recipient_id, address_id, route, status, reason, due_at FROM dispatch ORDER BY 1, 2, 3"
        standing = "SELECT subject_id, state, next_step, next_due_at FROM enrolment ORDER BY 1"
        return [tuple(row) for each in (query, standing) for row in session.execute(text(each))]


class CrashError(Exception):
    """The process ended here."""


ENTERING, PLANNING = 1, 2
"""The works that are sliced, in the order in which they come."""


def disturbed(work: int, parts: int, act: Callable[[], object]) -> Any:
    """``slices`` where something happens after so many parts of the one work."""
    works = iter(range(1, 1000))

    def cut(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        number = next(works) if numbers else 0
        for done, part in enumerate(sliced.slices(numbers)):
            if (number, done) == (work, parts):
                act()
            yield part

    return cut


def crash() -> None:
    raise CrashError


def largest(app: App) -> int:
    with store.read(app.engine) as session:
        return int(session.execute(text("SELECT largest_entry FROM campaign")).scalar_one())


@pytest.mark.parametrize("parts", [0, 1, 11])
def test_a_crash_while_many_enter_loses_and_doubles_nothing(app: App, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """The next tick lets the rest in on the same permission; the day counts once, and what is owed is what the plan had shown."""
    shown = look(app, NOW)
    assert (shown.enrolled, shown.planned) == (PEOPLE, PEOPLE)
    with monkeypatch.context() as broken:
        broken.setattr(planning, "slices", disturbed(ENTERING, parts, crash))
        with pytest.raises(CrashError):
            plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM enrolment")).scalar() == parts * SIZE
    assert largest(app) == 0
    rest = look(app, NOW)
    assert (rest.enrolled, rest.checksum) == (PEOPLE - parts * SIZE, shown.checksum)
    (done,) = plan_all(app, NOW, NOW)
    assert (done.enrolled, done.planned.planned, done.held) == (PEOPLE - parts * SIZE, PEOPLE, None)
    assert largest(app) == PEOPLE
    before = owed(app)
    assert len(before) == 2 * PEOPLE
    assert look(app, NOW).checksum == shown.checksum
    assert all(each.is_quiet for each in plan_all(app, NOW, NOW))
    assert owed(app) == before


def test_whoever_is_beyond_the_bound_stays_out_after_a_crash_too(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The brake sees those who entered before the crash and those who would enter now as one day."""
    with monkeypatch.context() as broken:
        broken.setattr(planning, "slices", disturbed(ENTERING, 3, crash))
        with pytest.raises(CrashError):
            plan_all(app, NOW, NOW)
    with store.write(app.engine) as session:
        session.execute(text("DELETE FROM permission"))
    (done,) = plan_all(app, NOW, NOW)
    assert done.held is not None
    assert (done.enrolled, done.held.lately.people, done.held.entering.people) == (0, 3 * SIZE, PEOPLE - 3 * SIZE)


def test_whoever_pauses_a_campaign_while_many_enter_stops_that(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as paused:
        paused.setattr(planning, "slices", disturbed(ENTERING, 3, lambda: pause_campaign(app, "wir", NOW, "test")))
        plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM enrolment")).scalar() == 3 * SIZE
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == 0
    resume_campaign(app, "wir", NOW, "test")
    (done,) = plan_all(app, NOW, NOW)
    assert (done.enrolled, done.planned.planned) == (PEOPLE - 3 * SIZE, PEOPLE)


@pytest.mark.parametrize("parts", [0, 1, 7, 11])
def test_a_crash_between_two_slices_loses_and_doubles_nothing(app: App, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """Then the next tick plans the rest, and owes what the plan had shown before: the same checksum."""
    shown = look(app, NOW)
    with monkeypatch.context() as broken:
        broken.setattr(planning, "slices", disturbed(PLANNING, parts, crash))
        with pytest.raises(CrashError):
            plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == parts * SIZE
    assert look(app, NOW).checksum == shown.checksum
    assert sum(each.planned.planned for each in plan_all(app, NOW, NOW)) == PEOPLE - parts * SIZE
    before = owed(app)
    assert len(before) == 2 * PEOPLE
    assert look(app, NOW).checksum == shown.checksum
    assert all(each.is_quiet for each in plan_all(app, NOW, NOW))
    assert owed(app) == before


def test_slices_owe_what_one_transaction_would(app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan_all(app, NOW, NOW)
    monkeypatch.setattr(sliced, "FIRST", 10 * PEOPLE)
    make_workspace(tmp_path / "whole", PEOPLE)
    whole = open_app(tmp_path / "whole", now=NOW)
    plan_all(whole, NOW, NOW)
    assert owed(app) == owed(whole)
    whole.engine.dispose()


def test_whoever_pauses_a_campaign_between_two_slices_stops_its_planning(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is owed by it until it goes on; then the rest is."""
    with monkeypatch.context() as paused:
        paused.setattr(planning, "slices", disturbed(PLANNING, 3, lambda: pause_campaign(app, "wir", NOW, "test")))
        plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == 3 * SIZE
    resume_campaign(app, "wir", NOW, "test")
    plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == PEOPLE


def test_no_transaction_that_keeps_others_out_does_more_than_a_slice(app: App) -> None:
    """Somebody who unsubscribes while hundreds enter, or a large step is planned, waits for a slice and not for the whole."""
    rows: dict[str, list[int]] = {"enrolment": [], "dispatch": []}

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN IMMEDIATE"):
            for each in rows.values():
                each.append(0)
        elif statement.startswith(("INSERT INTO enrolment", "INSERT INTO dispatch")):
            rows[statement.split()[2]][-1] += cursor.rowcount

    event.listen(app.engine, "after_cursor_execute", count)
    plan_all(app, NOW, NOW)
    for each in rows.values():
        assert max(each) == SIZE
        assert sum(each) == PEOPLE


def test_whoever_may_enter_is_found_while_others_write(app: App) -> None:
    """No segment is asked of everybody in a transaction that keeps others out."""
    keeps_out, asked = [False], []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN"):
            keeps_out[0] = statement == "BEGIN IMMEDIATE"
        elif statement.startswith("INSERT INTO plan_candidate"):
            asked.append(keeps_out[0])

    event.listen(app.engine, "after_cursor_execute", listen)
    plan_all(app, NOW, NOW)
    assert asked == [False]


def test_why_somebody_gets_a_letter_is_asked_of_them_alone(app: App) -> None:
    """Six hundred would enter and are due; what is planned to tell why one of them gets it is one enrolment and one letter."""
    with store.read(app.engine) as session:
        person_id = session.execute(text("SELECT max(id) FROM person")).scalar_one()
    rows: dict[str, int] = {"enrolment": 0, "dispatch": 0}

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT INTO enrolment", "INSERT INTO dispatch")):
            rows[statement.split()[2]] += cursor.rowcount

    event.listen(app.engine, "after_cursor_execute", count)
    for _ in range(2):
        answer = explain_recipient(app, "wir", NOW, person_id=person_id)
        assert (answer.gets, answer.would_enter, answer.next_due_at) == (True, True, NOW)
        assert [row["status"] for row in answer.history] == ["planned"]
    assert rows == {"enrolment": 2, "dispatch": 2}


def test_a_slice_is_read_by_its_own_rows(app: App) -> None:
    """An index of everybody who is due would be gone through once for each slice: a million would take hours, not seconds."""
    read: dict[str, str] = {}

    @event.listens_for(app.engine, "before_cursor_execute")
    def explain(_connection: Any, cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if "FROM plan_slice)" in statement and not many:
            asked = cursor.connection.cursor()
            read[statement] = asked.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()[0][3]

    plan_all(app, NOW, NOW)
    assert len(read) >= 2
    assert [first for first in read.values() if "USING INTEGER PRIMARY KEY (rowid=?)" not in first] == []
