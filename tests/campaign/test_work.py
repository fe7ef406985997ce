"""Nothing grows faster than its work: twice as many people are twice as many steps of the database, in each thing done at size.

Counted in steps of SQLite's machine, because a clock on a shared machine says more of the neighbours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from benchmarks.planning import NOW, make_workspace
from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.planning import plan_all
from om_campaigns.staff.pausing import pause_campaign, resume_campaign
from om_campaigns.tick import look
from om_campaigns.wiring import open_app

PEOPLE = 2000
AT_MOST = 1.3
"""Times the growth of the work itself."""
GRAIN = 100
"""Steps of SQLite's machine per count."""


@contextmanager
def counted_steps(app: App) -> Iterator[list[int]]:
    """How many times ``GRAIN`` steps SQLite makes for this workspace inside the block: the only item of the list."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def prepare(connection: object, *_: object) -> None:
        connection.set_progress_handler(count, GRAIN)  # type: ignore[attr-defined]

    event.listen(app.engine, "checkout", prepare)
    yield steps
    event.remove(app.engine, "checkout", prepare)


def everybody_has_had_letters(app: App) -> None:
    """Every address got five letters on days of the last four weeks, hardly any two of them on the same ones."""
    chance = random.Random(2027)
    with store.write(app.engine) as session:
        addresses = session.execute(text("SELECT id FROM address")).scalars().all()
        rows = [
            {"address": address, "step": f"s{number}", "day": day, "at": NOW - timedelta(days=NOW.toordinal() - 719163 - day)}
            for address in addresses
            for number, day in enumerate(chance.sample(range(NOW.toordinal() - 719163 - 26, NOW.toordinal() - 719163), 5))
        ]
        session.execute(
            text(
                "INSERT INTO touch (at, day, address_id, organisation_id, campaign_id, occasion, step, recipient_kind, recipient_id, route,"
                " ideas, items, service, certain) SELECT :at, :day, :address, 1, 99, '', :step, 'person', :address, 'direct_email',"
                " '[]', '[]', 0, 1"
            ),
            rows,
        )


def plan_crowded(app: App) -> None:
    assert plan_all(app, NOW, NOW)[0].planned.deferred


def look_at_the_first_step(app: App) -> None:
    assert look(app, NOW).planned


def they_wait_for_many_times(app: App) -> None:
    """Everybody is in the campaign, which is paused; they wait for a growing number of different instants."""
    plan_all(app, NOW, NOW)
    with store.write(app.engine) as session:
        session.execute(
            text(
                "UPDATE enrolment SET next_step = 'a2', next_due_at = datetime(next_due_at, (id % (:people / 20)) || ' minutes')"
                " || '.000000', promised_at = datetime(promised_at, (id % (:people / 20)) || ' minutes') || '.000000'"
            ),
            {"people": session.execute(text("SELECT count(*) FROM person")).scalar_one()},
        )
    pause_campaign(app, "wir", NOW, "test")


def resume(app: App) -> None:
    assert resume_campaign(app, "wir", NOW + timedelta(days=2), "test")


def nothing(_app: App) -> None:
    """The workspace as it is."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "work"),
    [(everybody_has_had_letters, plan_crowded), (they_wait_for_many_times, resume), (nothing, look_at_the_first_step)],
    ids=["a step for many who had letters lately", "resume", "look"],
)
def test_twice_the_people_are_twice_the_steps(tmp_path: Path, before: Callable[[App], None], work: Callable[[App], None]) -> None:
    steps = []
    for people in (PEOPLE, 2 * PEOPLE):
        make_workspace(tmp_path / str(people), people)
        app = open_app(tmp_path / str(people), now=NOW)
        before(app)
        with counted_steps(app) as counted:
            work(app)
        app.engine.dispose()
        steps += counted
    assert steps[1] / steps[0] <= 2 * AT_MOST, steps
