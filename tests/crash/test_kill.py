"""Kill -9 in the middle of sending (SCH-16): no letter lost, none twice, at most one uncertain per connection and kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.crash.harness import run_until_done
from tests.delivery.stage import make_stage

LETTERS = 2000
CONNECTIONS = 3


@pytest.mark.slow
def test_kill_at_random_points_loses_nothing_and_doubles_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    make_stage(sqlite_engine, LETTERS)
    url = f"sqlite:///{tmp_path / 'test.db'}"
    found = run_until_done(sqlite_engine, url, tmp_path, most_kills=30, connections=CONNECTIONS, patience=0.25, seed=20270105)
    assert found.kills >= 20
    assert found.most_uncertain <= CONNECTIONS
    assert (found.lost, found.doubled, found.unfinished, found.open_letters) == ([], [], [], 0)
    assert found.touches == LETTERS
