"""Who sends: a row and a lock per process, and the clean-up after those whose lock is free because they died."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlmodel import Session, col

from om_campaigns import events
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.clock import Clock
from om_campaigns.columns import new_claim
from om_campaigns.delivery.handover import Attempt
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part, Worker
from om_campaigns.delivery.outcomes import Recorder
from om_campaigns.locks import take_lock
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
        number = worker.id
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


@contextmanager
def working(engine: Engine, lock_folder: Path, clock: Clock) -> Iterator[int]:
    """This process is a worker while the block runs: its id. After an error its row is left to ``recover``, which finds the lock free."""
    worker = start_worker(engine, lock_folder, clock())
    try:
        yield worker.id
    except BaseException:
        worker.release()
        raise
    end_worker(engine, worker, clock())


def recover(engine: Engine, *, lock_folder: Path, now: datetime) -> Recovered:
    """Settle the claims of workers that died: ``sending`` → uncertain, ``claimed`` → owed again.

    After a loss of power claimed letters are uncertain too, because what was recorded after the claim may be lost.
    """
    with read(engine) as session:
        rows = session.execute(select(col(Worker.id), col(Worker.name), col(Worker.boot)).where(col(Worker.ended_at).is_(None))).all()
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


def recover_claims(session: Session, worker_id: int, now: datetime, *, lost_power: bool) -> tuple[int, int]:
    """Move the open messages of a dead worker on; returns (uncertain, given back). Its row is marked as ended.

    Nothing happens when somebody else has already done it. A PostgreSQL server may still be carrying out what the dead process
    asked last, so its claims and records are waited for (row locks), and whatever comes later finds the worker ended.
    """
    worker = session.get(Worker, worker_id, with_for_update=True)
    if worker is None or worker.ended_at is not None:
        return 0, 0
    worker.ended_at = now
    session.add(worker)
    query = select(Message).where(col(Message.worker_id) == worker_id, col(Message.state).in_(("claimed", "sending"))).with_for_update()
    messages = session.execute(query.order_by(col(Message.id))).scalars().all()
    recorder = Recorder.of(session)
    _post_sent(session, recorder, worker_id)
    uncertain = 0
    for message in sorted(messages, key=lambda each: each.state is not MessageState.sending):  # a pack's uncertain part decides first
        attempt = _make_attempt(session, message)
        if message.state is MessageState.sending or lost_power:
            at = max(message.claimed_at, worker.started_at)
            recorder.record_unknown(attempt, message.state, at, message.code, message.reply)
            uncertain += 1
        else:
            recorder.give_back(attempt)
    session.expire_all()
    return uncertain, len(messages) - uncertain


def _post_sent(session: Session, recorder: Recorder, worker_id: int) -> None:
    """Letters recorded as sent whose touches and dispatches had not followed yet."""
    query = (
        select(Message)
        .join(MessageDispatch, col(MessageDispatch.message_id) == col(Message.id))
        .join(Dispatch, col(Dispatch.id) == col(MessageDispatch.dispatch_id))
        .where(
            col(Message.worker_id) == worker_id,
            col(Message.state) == MessageState.sent,
            col(MessageDispatch.part) == Part.mail,
            col(Dispatch.status) == DispatchStatus.claimed,
        )
        .distinct()
    )
    for message in session.execute(query).scalars().all():
        recorder.post(recorder.make_touches(_make_attempt(session, message), message.sent_at or message.claimed_at))


def _make_attempt(session: Session, message: Message) -> Attempt:
    served = select(col(MessageDispatch.dispatch_id), col(MessageDispatch.part)).where(col(MessageDispatch.message_id) == message.id)
    rows = session.execute(served).all()
    part = rows[0].part if rows else Part.mail
    numbers = tuple(row.dispatch_id for row in rows)
    return Attempt(message.id, message.claim_id, message.attempts, numbers, part, message.zone, message.ideas, message.items)
