"""Settling what a dead worker left behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part, Worker
from om_campaigns.delivery.outcomes import make_day
from om_campaigns.delivery.states import check_dispatch, check_message
from om_campaigns.store import insert_into

TOUCH_COLUMNS = (
    "campaign_id",
    "occasion",
    "step",
    "recipient_kind",
    "recipient_id",
    "address_id",
    "organisation_id",
    "route",
    "service",
)
"""What a touch takes over from its dispatch."""


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
