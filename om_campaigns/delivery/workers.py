"""Who is alive: a row and a lock per sending process, and the clean-up after those whose lock is free.

The lock is a file lock on SQLite and a session lock on PostgreSQL; both vanish with the process, however it ends.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from om_campaigns import events
from om_campaigns.columns import new_claim
from om_campaigns.delivery.models import Worker
from om_campaigns.delivery.recovery import recover_claims
from om_campaigns.private_files import make_private_folder
from om_campaigns.store import read, write

_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Recovered:
    """Letters whose fate is unknown after their worker died, and letters that go back to what is owed."""

    uncertain: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Registered:
    """This process as a worker; ``release`` frees the lock."""

    id: int
    name: str
    release: Callable[[], None]


def start_worker(engine: Engine, lock_folder: Path, now: datetime) -> Registered:
    """Take a lock, then appear in ``worker``: nobody ever sees a living worker whose lock is free."""
    name = f"{socket.gethostname()}-{os.getpid()}-{new_claim()}"
    release = take_lock(engine, lock_folder, name)
    if release is None:
        raise RuntimeError(f"the lock of the new worker {name} is taken")
    with write(engine) as session:
        worker = Worker(name=name, boot=load_boot(engine), started_at=now)
        session.add(worker)
        session.flush()
        number = worker.id or 0
    return Registered(number, name, release)


def end_worker(engine: Engine, worker: Registered, now: datetime) -> None:
    """Say goodbye: nothing of this worker is open. The lock is freed in any case."""
    try:
        with write(engine) as session:
            row = session.get(Worker, worker.id)
            if row is not None:
                row.ended_at = now
    finally:
        worker.release()


def recover(engine: Engine, *, lock_folder: Path, now: datetime) -> Recovered:
    """Settle the claims of workers that died: ``sending`` → uncertain, ``claimed`` → owed again.

    After a loss of power claimed letters are uncertain too, because what was recorded after the claim may be lost.
    """
    with read(engine) as session:
        rows = session.exec(select(Worker.id, Worker.name, Worker.boot).where(col(Worker.ended_at).is_(None))).all()
    boot = load_boot(engine) if rows else ""
    uncertain = dropped = 0
    for number, name, its_boot in rows:
        release = take_lock(engine, lock_folder, name)
        if release is None:
            continue
        try:
            with write(engine) as session:
                one = recover_claims(session, number or 0, now, lost_power=its_boot != boot)
        finally:
            release()
        uncertain, dropped = uncertain + one[0], dropped + one[1]
        events.worker_recovered(number or 0, uncertain=one[0], dropped=one[1], lost_power=its_boot != boot)
    return Recovered(uncertain, dropped)


def load_boot(engine: Engine) -> str:
    """Changes when what was committed but not forced to disk may be lost: with the machine, or with the PostgreSQL server."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT extract(epoch FROM pg_postmaster_start_time())")).scalar_one())
    if _BOOT_FILE.is_file():
        return _BOOT_FILE.read_text(encoding="ascii").strip()
    return f"since-{int((time.time() - time.monotonic()) // 600)}"  # a wrong guess makes letters uncertain, never doubles


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
