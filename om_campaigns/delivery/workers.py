"""Who sends: a row and a lock per process, and the clean-up after those whose lock is free because they died."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, text, update
from sqlmodel import Session, col

from om_campaigns import events
from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import new_claim, table_of
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part, Worker
from om_campaigns.delivery.outcomes import TOUCH_COLUMNS, make_day
from om_campaigns.delivery.states import check_dispatch, check_message
from om_campaigns.locks import take_lock
from om_campaigns.store import insert_into, read, write

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
    _post_sent(session, worker_id)
    uncertain = dropped = 0
    for message in sorted(messages, key=lambda each: each.state is not MessageState.sending):  # a pack's uncertain part decides first
        if message.state is MessageState.sending or lost_power:
            _make_uncertain(session, message, max(message.claimed_at, worker.started_at))
            uncertain += 1
        else:
            _give_back(session, message)
            dropped += 1
    session.flush()
    return uncertain, dropped


def _post_sent(session: Session, worker_id: int) -> None:
    """Letters recorded as sent whose touches and dispatches had not followed yet."""
    query = (
        select(Dispatch, Message)
        .join(MessageDispatch, col(MessageDispatch.dispatch_id) == col(Dispatch.id))
        .join(Message, col(Message.id) == col(MessageDispatch.message_id))
        .where(
            col(Message.worker_id) == worker_id,
            col(Message.state) == MessageState.sent,
            col(MessageDispatch.part) == Part.mail,
            col(Dispatch.status) == DispatchStatus.claimed,
        )
    )
    for dispatch, message in session.execute(query).all():
        check_dispatch(dispatch.status, DispatchStatus.sent)
        dispatch.status, dispatch.sent_at = DispatchStatus.sent, message.sent_at
        dispatch.reason, dispatch.detail = Reason.none, ""
        dispatch.attempts += 1
        session.add(dispatch)
        _record_touch(session, dispatch, message, message.sent_at or message.claimed_at, certain=True)
    session.flush()


def _dispatch_ids(session: Session, message: Message) -> list[int]:
    query = select(MessageDispatch.dispatch_id).where(col(MessageDispatch.message_id) == message.id)  # type: ignore[call-overload]
    return list(session.execute(query).scalars())


def _make_uncertain(session: Session, message: Message, at: datetime) -> None:
    _move(message, MessageState.uncertain)
    message.attempts += 1
    session.add(message)
    for number in _dispatch_ids(session, message):
        if _move_dispatch(session, number, DispatchStatus.uncertain):
            _record_touch(session, session.get_one(Dispatch, number), message, at, certain=False)


def _give_back(session: Session, message: Message) -> None:
    """A letter that was tried before keeps its row and its Message-ID (MSG-04)."""
    again = message.attempts > 0
    _move(message, MessageState.retry if again else MessageState.dropped)
    session.add(message)
    for number in _dispatch_ids(session, message):
        _move_dispatch(session, number, DispatchStatus.retry if again else DispatchStatus.planned)


def _move(message: Message, new: MessageState) -> None:
    check_message(message.state, new)
    message.state = new


def _move_dispatch(session: Session, number: int, new: DispatchStatus) -> bool:
    check_dispatch(DispatchStatus.claimed, new)
    moved: Any = session.execute(
        update(Dispatch).where(col(Dispatch.id) == number, col(Dispatch.status) == DispatchStatus.claimed).values(status=new)
    )
    return bool(moved.rowcount)


def _record_touch(session: Session, dispatch: Dispatch, message: Message, at: datetime, *, certain: bool) -> None:
    """What the message row says about its letter; not certain where the letter may have arrived."""
    values = {name: getattr(dispatch, name) for name in TOUCH_COLUMNS}
    values.update(at=at, day=make_day(at, message.zone), ideas=message.ideas, items=message.items, certain=certain)
    session.execute(insert_into(session, table_of(Touch)).values(**values).on_conflict_do_nothing())
