"""Opening databases, and naming what is wrong with them.

SQLite (WAL) is a real database here, not a toy; PostgreSQL takes the same statements. Faults of either come in words for people.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url

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


def empty_log(engine: Engine) -> None:
    """Move what SQLite's log still holds of older rows into the file, and cut it: after erasing, nothing of it is left on the disk."""
    if engine.dialect.name == "sqlite":
        with naming_faults(), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
