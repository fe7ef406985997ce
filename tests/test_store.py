"""store: one row about the installation, transactions that keep or lose everything."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from om_campaigns.engines import FAULTS, name_fault, naming_faults, open_engine
from om_campaigns.errors import InstallationError
from om_campaigns.store import Mode, instance, read, turns, write


def test_rehearsal_is_the_mode_of_a_new_installation(engine: Engine) -> None:
    with write(engine) as session:
        assert instance(session).mode is Mode.rehearsal


def test_an_exception_loses_the_whole_transaction(engine: Engine) -> None:
    with pytest.raises(RuntimeError), write(engine) as session:  # noqa: PT012
        instance(session).halt_reason = "half"
        raise RuntimeError
    with read(engine) as session:
        assert instance(session).halt_reason == ""


def test_a_naive_datetime_is_refused(engine: Engine) -> None:
    with pytest.raises(Exception, match="naive datetime"), write(engine) as session:
        instance(session).halted_at = datetime(2027, 1, 4)  # noqa: DTZ001


@pytest.mark.parametrize(("said", "told"), [(words, told) for words, told, _ in FAULTS])
def test_faults_of_the_database_have_a_name_and_a_hint(said: str, told: str) -> None:
    with pytest.raises(InstallationError, match=told) as caught, naming_faults():
        raise sqlite3.OperationalError(said)
    assert caught.value.hint


def test_what_is_no_fault_of_the_database_keeps_its_own_name() -> None:
    assert name_fault(sqlite3.IntegrityError("UNIQUE constraint failed")) is None
    assert name_fault(ValueError("database is locked")) is None


def test_whoever_waits_to_write_comes_in_between_two_turns(tmp_path: Path) -> None:
    """SQLite keeps no queue: without a break, twelve turns in a row are twelve turns to wait for, or the end of patience."""
    engine = open_engine(f"sqlite:///{tmp_path / 'om.db'}")
    with write(engine) as session:
        session.execute(text("CREATE TABLE slice (number INTEGER)"))
    begun, done = threading.Event(), []

    def work() -> None:
        with turns(engine) as own:
            for number in range(12):
                with own.writing() as session:
                    session.execute(text("INSERT INTO slice VALUES (1)"))
                    begun.set()
                    time.sleep(0.2)
                done.append(number)

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(10)
    with write(engine) as session:
        session.execute(text("INSERT INTO slice VALUES (2)"))
    waited_for = len(done)
    worker.join()
    engine.dispose()
    assert waited_for <= 4
