"""Two ways into a database (``read`` and ``write``), turns for long work, and the one row about this installation.

On SQLite writers queue for at most ``engines.BUSY_SECONDS`` with BEGIN IMMEDIATE, because a transaction that read first and then
wants to write fails at once; readers never block.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, MetaData, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError
from sqlmodel import Field, Session, SQLModel

from om_campaigns.columns import Instant, by_value, one_of
from om_campaigns.engines import naming_faults

OVERTAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT)
"""What SQLite says to a transaction that has read and wants to write, when somebody else is writing or has written meanwhile."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING
metadata: MetaData = SQLModel.metadata


class Mode(StrEnum):
    """Rehearsal runs the real pipeline but mail stays in the house; live mail leaves it."""

    rehearsal = "rehearsal"
    live = "live"


class Instance(SQLModel, table=True):
    """The single row about this installation: what it is allowed to do and how far its clock has come."""

    __tablename__ = "instance"
    __table_args__ = (one_of("mode", Mode),)

    id: int = Field(default=1, primary_key=True)
    mode: Mode = Field(default=Mode.rehearsal, sa_type=by_value(Mode), nullable=False)
    halted_at: datetime | None = Field(default=None, sa_type=Instant)
    halted_by: str = ""
    halt_reason: str = ""
    leader: str = ""
    fingerprint: str = ""
    send_counter: int = 0
    rehearsal_now: datetime | None = Field(default=None, sa_type=Instant)
    live_now: datetime | None = Field(default=None, sa_type=Instant)
    clock_doubted_at: datetime | None = Field(default=None, sa_type=Instant)
    """The instant at which somebody was asked whether the clock is right; ``clock_doubt`` says why."""
    clock_doubt: str = ""


@contextmanager
def read(engine: Engine) -> Iterator[Session]:
    """A session for looking only; whatever was changed in it is rolled back. Raises InstallationError (see ``name_fault``)."""
    with naming_faults(), Session(engine) as session:
        try:
            yield session
        finally:
            session.rollback()


@contextmanager
def write(engine: Engine) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises InstallationError when another writer holds an SQLite file for longer than ``BUSY_SECONDS``, and for every other fault
    of the database that has a name.
    """
    with naming_faults(), engine.connect().execution_options(om_write=True) as connection, Session(bind=connection) as session:
        yield session
        session.commit()


BREAK_SECONDS = 0.12
"""Between two long writing turns on SQLite: whoever waits to write there looks every tenth of a second whether it may."""


class Turns:
    """Transactions that take turns on one connection, so that temporary tables filled in one are still there in the next.

    Objects stay readable after the transaction they were loaded in. ``reading`` writes to temporary tables only. After a writing turn
    that took a while others have a moment to write: SQLite keeps no queue, and whoever begins again at once is always the first.
    """

    keeps = True
    """What is written stays, because the transactions are its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._free_until = 0.0
        """Until when nobody of us begins to write."""

    def reading(self) -> AbstractContextManager[Session]:
        return self._turn(writes=False)

    def writing(self) -> AbstractContextManager[Session]:
        return self._turn(writes=True)

    @contextmanager
    def _turn(self, *, writes: bool) -> Iterator[Session]:
        if writes:
            time.sleep(max(0.0, self._free_until - time.monotonic()))
        self._connection.execution_options(om_write=writes)
        began = time.monotonic()
        with Session(bind=self._connection, expire_on_commit=False) as session:
            yield session
            session.commit()
        ended = time.monotonic()
        if writes and ended - began > BREAK_SECONDS and self._connection.dialect.name == "sqlite":
            self._free_until = ended + BREAK_SECONDS


class OneTurn(Turns):
    """All turns in one transaction, which is somebody else's to keep or to undo."""

    keeps = False

    def __init__(self, session: Session) -> None:
        super().__init__(session.connection())
        self._session = session

    @contextmanager
    def _turn(self, *, writes: bool) -> Iterator[Session]:
        yield self._session


@contextmanager
def turns(engine: Engine) -> Iterator[Turns]:
    """Several transactions, one after the other, on one connection. Raises InstallationError (see ``name_fault``)."""
    with naming_faults(), engine.connect() as connection:
        yield Turns(connection)


class _UndoneError(Exception):
    """Leaves a transaction that was only meant to be looked at."""


@contextmanager
def undone(engine: Engine) -> Iterator[Session]:
    """A transaction that does the real work and is then always rolled back: how a plan is shown without changing anything."""
    try:
        with write(engine) as session:
            yield session
            raise _UndoneError
    except _UndoneError:
        pass


@contextmanager
def scratch(engine: Engine, tables: Sequence[str]) -> Iterator[Session]:
    """A transaction that may write to these tables, and is then rolled back without having kept anybody waiting.

    On SQLite, where a writer keeps out all others, the tables are copied before it begins and the copies stand in their place;
    PostgreSQL lets everybody else go on anyway.
    """
    if engine.dialect.name != "sqlite":
        with undone(engine) as session:
            yield session
        return
    with naming_faults(), engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # a copy has no parents; it can only be said between transactions
        try:
            with Session(bind=connection) as session:
                for table in tables:
                    _copy_table(session.connection(), table)
                yield session
        finally:
            connection.rollback()
            driver.execute("PRAGMA foreign_keys = ON")


@contextmanager
def stood_in(engine: Engine, tables: Sequence[Table]) -> Iterator[Session]:
    """A look in which these tables are empty and may be filled at will; nobody else sees it, and it is rolled back.

    Temporary tables of the same names stand in their place: names are looked up among temporary tables first.
    """
    with naming_faults(), Session(engine) as session:
        try:
            for table in tables:
                name = f'"{table.name}"'
                if engine.dialect.name == "sqlite":
                    made = f"CREATE TEMPORARY TABLE {name} AS SELECT * FROM main.{name} WHERE 0"
                else:
                    made = f"CREATE TEMPORARY TABLE {name} (LIKE {name}) ON COMMIT DROP"
                session.connection().exec_driver_sql(made)
            yield session
        finally:
            session.rollback()


def _copy_table(connection: Connection, table: str) -> None:
    """A temporary table with the name, the rows and the indexes of a table: names are looked up among temporary tables first."""
    made = "SELECT type, name, sql FROM main.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL AND type IN ('table', 'index')"
    parts = connection.exec_driver_sql(made + " ORDER BY type DESC", (table,)).all()
    for kind, name, sql in parts:
        connection.exec_driver_sql(re.sub(rf'({kind.upper()})\s+"?{name}"?', rf'\1 temp."{name}"', sql, count=1, flags=re.IGNORECASE))
        if kind == "table":
            connection.exec_driver_sql(f'INSERT INTO temp."{table}" SELECT * FROM main."{table}"')


T = TypeVar("T")


def write_late(engine: Engine, work: Callable[[Session], T], *, keeps: bool = True) -> T:
    """Do ``work`` in one transaction that keeps other writers out only from its first change to its end, if it changes anything.

    Without ``keeps`` it is rolled back in the end: work that is only looked at. Where somebody else wrote between what it read and its
    first change (SQLite), it is rolled back and done again, keeping them out from the start. ``work`` may not do anything that a
    rollback leaves behind.
    """
    if engine.dialect.name == "sqlite":
        try:
            with Session(engine) as session:
                done = work(session)
                if keeps:
                    session.commit()
                return done
        except (sqlite3.OperationalError, OperationalError) as error:
            if getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) not in OVERTAKEN:
                with naming_faults():
                    raise
    with write(engine) if keeps else undone(engine) as session:
        return work(session)


def change(session: Session, statement: Executable) -> int:
    """Execute an INSERT, UPDATE or DELETE; returns how many rows it touched (SQLAlchemy does not tell for an INSERT unasked)."""
    result: Any = session.execute(statement, execution_options={"preserve_rowcount": True})
    return int(result.rowcount)


def insert_into(session: Session, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of the session's database. Loading those of PostgreSQL takes a while."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_ignoring(session: Session, table: Table, columns: list[str], chosen: Any) -> Any:
    """INSERT … SELECT that keeps what is already there; the unique keys are the rule, not a check before it."""
    return insert_into(session, table).from_select(columns, chosen).on_conflict_do_nothing()


def add_new(session: Session, table: Table, **values: Any) -> bool:
    """Insert one row unless a unique key holds it already, also when somebody else does so at the same moment; True when it is new."""
    return change(session, insert_into(session, table).values(**values).on_conflict_do_nothing()) == 1


def instance(session: Session) -> Instance:
    """The row about this installation, made on first use."""
    row = session.get(Instance, 1)
    if row is None:
        row = Instance()
        session.add(row)
        session.flush()
    return row
