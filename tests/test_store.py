"""store: one row about the installation, transactions that keep or lose everything."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest
from sqlalchemy import Engine

from om_campaigns.engines import FAULTS, name_fault, naming_faults
from om_campaigns.errors import InstallationError
from om_campaigns.store import Mode, instance, read, write


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
