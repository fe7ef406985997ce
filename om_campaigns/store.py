"""Databases: one engine, two ways in (``read`` and ``write``), one row about this installation.

SQLite (WAL) is a real database here, not a toy: writers queue for at most ``BUSY_SECONDS`` with BEGIN IMMEDIATE,
because a transaction that read first and then wants to write fails at once; readers never block.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, MetaData, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError
from sqlmodel import Field, Session, SQLModel

from om_campaigns.columns import Instant, by_value, one_of
from om_campaigns.errors import InstallationError
from om_campaigns.private_files import make_private_file

BUSY_SECONDS = 30

PRAGMAS = (
    "page_size = 8192",  # of a new database: half as many pages as usual to write and to copy, where many rows go in at once
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",  # what was erased stands nowhere in the file; most systems build SQLite that way
    "temp_store = FILE",
    "cache_size = -16384",
)
"""How every connection to SQLite is set."""

ROOM_NEEDED = 32_000_000
"""Bytes that must be free where an SQLite database lies before letters are claimed: what is claimed must be recorded too."""

OVERTAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT)
"""What SQLite says to a transaction that has read and wants to write, when somebody else is writing or has written meanwhile."""

FAULTS: tuple[tuple[str, str, str], ...] = (
    (
        "database is locked",
        f"the database was busy for more than {BUSY_SECONDS} seconds",
        "another command is writing; wait for it, then again",
    ),
    ("disk is full", "the disk of the database is full", "make room; what was not recorded is settled with the next run"),
    (
        "readonly database",
        "the database cannot be written to",
        "is its disk mounted read-only, and may this user write the file and its folder?",
    ),
    ("unable to open database file", "the database cannot be opened", "is its folder there, and may this user write to it?"),
    ("disk I/O error", "the disk of the database fails", "look at the system's log before anything else"),
    ("file is not a database", "the file of the database is none", "restore it from a backup"),
    ("is malformed", "the file of the database is damaged", "restore it from a backup"),
)
"""What SQLite says, what it means, and what to do. Nothing is half done after any of them."""

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


def open_engine(url: str, *, root: Path | None = None) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql+psycopg://…``; relative SQLite paths count from ``root``.

    Raises InstallationError for any other kind of database.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed.database or "", root)
    if parsed.get_backend_name() == "postgresql":
        return _open_postgres(parsed)
    raise InstallationError(
        f"'{parsed.get_backend_name()}' is not a database this engine knows",
        hint="use sqlite:///om.db or postgresql://user@host/name",
    )


def _open_postgres(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute("SET jit = off")  # it compiles each large statement for half a second, and each runs once
        connection.commit()

    return engine


def _open_sqlite(database: str, root: Path | None) -> Engine:
    if not database or database == ":memory:":
        raise InstallationError("an SQLite database needs a file", hint="for example sqlite:///om.db")
    path = Path(database) if root is None else root / database
    options = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{path}", connect_args=options, hide_parameters=True)  # values are people's, faults are logged

    @event.listens_for(engine, "do_connect")
    def _make_private(*_: Any) -> None:
        if not path.exists():
            with suppress(OSError):  # SQLite says better what is wrong with the folder; its -wal and -shm take the rights of the file
                make_private_file(path)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # our BEGIN, not the driver's: see read() and write()
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("om_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def name_fault(error: BaseException) -> InstallationError | None:
    """A fault of the database in words for people, by any of its drivers; None where it is none of those that are known."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        said = str(cause)
        return next((InstallationError(text, hint=hint) for words, text, hint in FAULTS if words in said), None)
    if any(
        kind.__module__.startswith("psycopg") and kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(cause).__mro__
    ):
        why = (str(cause).strip().splitlines() or ["no reason given"])[0]
        return InstallationError(f"no connection to the database: {why}", hint="is the server there? the next run tries again")
    return None


@contextmanager
def naming_faults() -> Iterator[None]:
    """Raise the faults of a database as InstallationError, whichever driver they come from."""
    try:
        yield
    except Exception as error:
        named = name_fault(error)
        if named is None:
            raise
        raise named from error


def require_room(engine: Engine) -> None:
    """Raises InstallationError where an SQLite database could not grow. How full a server's disk is it must know itself."""
    if engine.dialect.name != "sqlite":
        return
    folder = Path(engine.url.database or "").parent
    free = shutil.disk_usage(folder).free
    if free < ROOM_NEEDED:
        raise InstallationError(
            f"the disk of the database is nearly full: {free / 1e6:.0f} MB are left in {folder}",
            hint=f"make room, {ROOM_NEEDED / 1e6:.0f} MB at least; nothing was claimed, and it goes on by itself",
        )


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


def empty_log(engine: Engine) -> None:
    """Move what SQLite's log still holds of older rows into the file, and cut it: after erasing, nothing of it is left on the disk."""
    if engine.dialect.name == "sqlite":
        with naming_faults(), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Turns:
    """Transactions that take turns on one connection, so that temporary tables filled in one are still there in the next.

    Objects stay readable after the transaction they were loaded in. ``reading`` writes to temporary tables only.
    """

    keeps = True
    """What is written stays, because the transactions are its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reading(self) -> AbstractContextManager[Session]:
        return self._turn(writes=False)

    def writing(self) -> AbstractContextManager[Session]:
        return self._turn(writes=True)

    @contextmanager
    def _turn(self, *, writes: bool) -> Iterator[Session]:
        self._connection.execution_options(om_write=writes)
        with Session(bind=self._connection, expire_on_commit=False) as session:
            yield session
            session.commit()


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
