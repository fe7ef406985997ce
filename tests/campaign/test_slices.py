"""slices: what is due for many is planned in parts that are whole each, so that nobody waits long, and a crash costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from benchmarks.planning import NOW, make_workspace
from om_campaigns import store
from om_campaigns.app import App, open_app
from om_campaigns.campaign import slices as sliced
from om_campaigns.pipeline import tick
from om_campaigns.pipeline.staff.desk import pause_campaign, resume_campaign
from om_campaigns.pipeline.tick import look, plan_all

pytestmark = pytest.mark.slow

PEOPLE, SIZE = 600, 50


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Six hundred people for whom a step is due, planned fifty at a time."""
    monkeypatch.setattr(sliced, "FIRST", SIZE)
    monkeypatch.setattr(sliced, "MOST", SIZE)
    make_workspace(tmp_path / "office", PEOPLE)
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


def broken_after(parts: int) -> Any:
    """``slices`` of a process that ends after so many parts."""

    def work(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        for done, part in enumerate(sliced.slices(numbers)):
            if done == parts:
                raise CrashError
            yield part

    return work


@pytest.mark.parametrize("parts", [0, 1, 7, 11])
def test_a_crash_between_two_slices_loses_and_doubles_nothing(app: App, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """Then the next tick plans the rest, and owes what the plan had shown before: the same checksum."""
    shown = look(app, NOW)
    with monkeypatch.context() as broken:
        broken.setattr(tick, "slices", broken_after(parts))
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

    def paused_after_three(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        for done, part in enumerate(sliced.slices(numbers)):
            if done == 3:
                pause_campaign(app, "wir", NOW, "test")
            yield part

    with monkeypatch.context() as disturbed:
        disturbed.setattr(tick, "slices", paused_after_three)
        plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == 3 * SIZE
    resume_campaign(app, "wir", NOW, "test")
    plan_all(app, NOW, NOW)
    with store.read(app.engine) as session:
        assert session.execute(text("SELECT count(*) FROM dispatch")).scalar() == PEOPLE


def test_no_transaction_that_keeps_others_out_plans_more_than_a_slice(app: App) -> None:
    """Somebody who unsubscribes while a large step is planned waits for a slice and not for the step."""
    rows: list[int] = []

    def count(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("BEGIN IMMEDIATE"):
            rows.append(0)
        elif statement.startswith("INSERT INTO dispatch"):
            rows[-1] += cursor.rowcount

    event.listen(app.engine, "after_cursor_execute", count)
    plan_all(app, NOW, NOW)
    assert max(rows) == SIZE
    assert sum(rows) == PEOPLE
