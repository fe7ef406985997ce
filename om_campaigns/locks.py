"""Locks that vanish with their process: a file lock on SQLite, a session lock on PostgreSQL."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from om_campaigns.private_files import make_private_folder


def take_lock(engine: Engine, lock_folder: Path, name: str) -> Callable[[], None] | None:
    """A lock that vanishes with the process; call what is returned to free it. None: somebody else holds it."""
    return _take_session_lock(engine, name) if engine.dialect.name == "postgresql" else _take_file_lock(lock_folder / f"{name}.lock")


def _take_session_lock(engine: Engine, name: str) -> Callable[[], None] | None:
    number = _lock_number(name)
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    if connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one():

        def release() -> None:
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            except SQLAlchemyError:
                connection.invalidate()  # the session is gone, and the lock with it
            connection.close()

        return release
    connection.close()
    return None


def _lock_number(name: str) -> int:
    """The key of an advisory lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def is_locked(engine: Engine, lock_folder: Path, name: str) -> bool:
    """Whether some process holds this lock now. Looking takes nothing away from whoever is just about to take it."""
    if engine.dialect.name == "postgresql":
        held = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = :number"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        with engine.connect() as connection:
            return bool(connection.execute(held, {"number": _lock_number(name)}).scalar_one())
    try:
        with (lock_folder / f"{name}.lock").open("r+b") as handle:
            _look_at_lock(handle)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _take_file_lock(path: Path) -> Callable[[], None] | None:
    make_private_folder(path.parent)  # who holds a lock of ours keeps us from sending
    while True:
        handle = path.open("a+b")
        try:
            _lock(handle)
        except OSError:
            handle.close()
            return None
        if _is_file_at(path, handle):
            break
        handle.close()  # whoever held it removed the file meanwhile: a lock on what nobody else can open keeps nobody out

    def release() -> None:
        if sys.platform == "win32":
            handle.close()
            path.unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
            handle.close()

    return release


def _is_file_at(path: Path, handle: Any) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: Any) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)

    def _look_at_lock(handle: Any) -> None:
        _lock(handle)

else:
    import fcntl

    def _lock(handle: Any) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _look_at_lock(handle: Any) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
