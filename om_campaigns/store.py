"""Databases: one engine, two ways in (``read`` and ``write``), one row about this installation.

SQLite (WAL) is a real database here, not a toy: writers queue for at most ``BUSY_SECONDS`` with BEGIN IMMEDIATE,
because a transaction that read first and then wants to write fails at once; readers never block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Executable, MetaData, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlmodel import Field, Session, SQLModel

from om_campaigns.columns import Instant, by_value, one_of
from om_campaigns.errors import InstallationError

BUSY_SECONDS = 30

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


def open_engine(url: str, *, root: Path | None = None) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql+psycopg://…``; relative SQLite paths count from ``root``.

    Raises InstallationError for any other kind of database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed.database or "", root)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    raise InstallationError(
        f"'{parsed.get_backend_name()}' is not a database this engine knows",
        hint="use sqlite:///om.db or postgresql://user@host/name",
    )


def _open_sqlite(database: str, root: Path | None) -> Engine:
    if not database or database == ":memory:":
        raise InstallationError("an SQLite database needs a file", hint="for example sqlite:///om.db")
    path = Path(database) if root is None else root / database
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # our BEGIN, not the driver's: see read() and write()
        cursor = connection.cursor()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "temp_store = FILE", "cache_size = -16384"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("om_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def read(engine: Engine) -> Iterator[Session]:
    """A session for looking only; whatever was changed in it is rolled back."""
    with Session(engine) as session:
        try:
            yield session
        finally:
            session.rollback()


@contextmanager
def write(engine: Engine) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises InstallationError when another writer holds an SQLite file for longer than ``BUSY_SECONDS``.
    """
    with engine.connect().execution_options(om_write=True) as connection:
        try:
            with Session(bind=connection) as session:
                yield session
                session.commit()
        except OperationalError as error:
            if "database is locked" in str(error):
                raise InstallationError(
                    f"the database was busy for more than {BUSY_SECONDS} seconds",
                    hint="another command is writing; wait for it, then run this again (nothing was changed)",
                ) from error
            raise


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


def change(session: Session, statement: Executable) -> int:
    """Execute an INSERT, UPDATE or DELETE; returns how many rows it touched (SQLAlchemy does not tell for an INSERT unasked)."""
    result: Any = session.execute(statement, execution_options={"preserve_rowcount": True})
    return int(result.rowcount)


def add_new(session: Session, table: Table, **values: Any) -> bool:
    """Insert one row unless a unique key holds it already, also when somebody else does so at the same moment; True when it is new."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return change(session, dialect.insert(table).values(**values).on_conflict_do_nothing()) == 1


def instance(session: Session) -> Instance:
    """The row about this installation, made on first use."""
    row = session.get(Instance, 1)
    if row is None:
        row = Instance()
        session.add(row)
        session.flush()
    return row
