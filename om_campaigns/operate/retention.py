"""What is forgotten once it is old enough: in small steps, each a short transaction, so that nobody outside waits (LAW-07).

What is kept for ever are facts: ``touch`` says what reached whom, ``enrolment`` who was in. They answer what the ledger answered before
its rows went, so nobody gets anything twice. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, literal_column, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience import opt_ins
from om_campaigns.audience.access import ENTRANCE_DAYS, forget_access
from om_campaigns.audience.models import Touch
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Dispatch, Enrolment, Pack
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Message, MessageDispatch, MessageSlots, MessageState, Notice
from om_campaigns.delivery.service_mails import close_old_notices
from om_campaigns.reader import opting_in

AT_ONCE = 2_000
"""Rows that are looked at, and at most forgotten, in one go: a few hundredths of a second."""

UNDER_WAY = (MessageState.claimed, MessageState.sending, MessageState.retry)
"""Letters that still need their address."""

SETTLED = (MessageState.sent, MessageState.failed, MessageState.dropped)
"""Letters whose fate is known for good."""

OWING = tuple(status for status in DispatchStatus if status not in (DispatchStatus.sent, DispatchStatus.skipped, DispatchStatus.cancelled))
"""What is owed, uncertain, or failed and may be made good: its letters stay."""

_message, _slots, _served, _notice = (table_of(each) for each in (Message, MessageSlots, MessageDispatch, Notice))
_dispatch, _enrolment, _touch, _pack = (table_of(each) for each in (Dispatch, Enrolment, Touch, Pack))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many letters lost their values and address, and how many rows of letters and of the ledger went."""

    values: int
    messages: int
    dispatches: int


def forget_old_values(app: App, now: datetime) -> Forgotten:
    """Forget what the settings in ``[retention]`` say, who signed in long ago, unconfirmed subscriptions and old mails that came in."""
    retention = app.settings.retention
    values_before = now - timedelta(days=retention.slot_days)
    letters_before = months_before(now, retention.letter_months)
    done = Forgotten(
        _sweep(app, _old_values(values_before), _forget_values),
        _sweep(app, _old_messages(letters_before), _forget_messages),
        _sweep(app, _old_dispatches(letters_before), _forget_dispatches),
    )
    with store.write(app.engine) as session:
        opting_in.forget_old(session, now)
        close_old_notices(session, now - opt_ins.VALID)
        forget_access(session, now - timedelta(days=ENTRANCE_DAYS))
    for path in app.inbox.glob("*.eml"):
        if path.stat().st_mtime < (now - timedelta(days=retention.mail_days)).timestamp():
            path.unlink(missing_ok=True)
    if done != Forgotten(0, 0, 0):
        events.values_forgotten(done.values, done.messages, done.dispatches)
    return done


def months_before(now: datetime, months: int) -> datetime:
    """The same day so many months ago, the 28th at the latest."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, 28))


def _sweep(app: App, pages: Select[Any], forget: Callable[[Session, Sequence[int]], int]) -> int:
    """Go through ``pages`` (number, is_old, may_go) from the oldest row to the first that is young; returns how many went.

    Numbers rise with time, so a run with nothing to forget looks at one page. What is old and must stay is passed over.
    """
    last, total = 0, 0
    number = pages.selected_columns[0]
    while True:
        with store.read(app.engine) as session:
            page = session.execute(pages.where(number > last).order_by(number).limit(AT_ONCE)).all()
        going = [row[0] for row in page if row.is_old and row.may_go]
        if going:
            with store.write(app.engine) as session:
                total += forget(session, going)
        if not any(row.is_old for row in page):
            return total
        last = page[-1][0]


def _pages(number: Any, is_old: ColumnElement[bool], may_go: ColumnElement[bool]) -> Select[Any]:
    return select(number, is_old.label("is_old"), may_go.label("may_go"))


def _old_values(before: datetime) -> Select[Any]:
    """The values of letters: kept for those under way, whose address is still needed."""
    at = func.coalesce(_message.c.sent_at, _message.c.claimed_at)
    return _pages(_slots.c.message_id, at < before, _may_lose_values()).join_from(_slots, _message, _message.c.id == _slots.c.message_id)


def _may_lose_values() -> ColumnElement[bool]:
    return _message.c.state.not_in(UNDER_WAY)


def _forget_values(session: Session, messages: Sequence[int]) -> int:
    going = select(_message.c.id).where(_message.c.id.in_(messages), _may_lose_values())
    session.execute(update(_message).where(_message.c.id.in_(going)).values(envelope_to=""))
    return store.change(session, delete(_slots).where(_slots.c.message_id.in_(going)))


def _old_messages(before: datetime) -> Select[Any]:
    at = func.coalesce(_message.c.sent_at, _message.c.claimed_at)
    return _pages(_message.c.id, at < before, _is_settled())


def _is_settled() -> ColumnElement[bool]:
    """The fate of a letter, and of all that it served, is known; and it is no proof of anything."""
    owing = exists().where(_served.c.message_id == _message.c.id, _dispatch.c.id == _served.c.dispatch_id, _dispatch.c.status.in_(OWING))
    return and_(_message.c.state.in_(SETTLED), ~owing, ~exists().where(_notice.c.message_id == _message.c.id))


def _forget_messages(session: Session, messages: Sequence[int]) -> int:
    going = session.execute(select(_message.c.id).where(_message.c.id.in_(messages), _is_settled())).scalars().all()
    session.execute(delete(_slots).where(_slots.c.message_id.in_(going)))
    session.execute(delete(_served).where(_served.c.message_id.in_(going)))
    return store.change(session, delete(_message).where(_message.c.id.in_(going)))


def _old_dispatches(before: datetime) -> Select[Any]:
    """What was sent to people directly; packs, corrections and what was handed over later stay, and so does what nobody got."""
    pages = _pages(_dispatch.c.id, _dispatch.c.sent_at < before, _is_over())
    return pages.where(_dispatch.c.status == DispatchStatus.sent, ~_dispatch.c.service)


def _is_over() -> ColumnElement[bool]:
    """Its touch says the same, its series has ended, and neither a letter nor a pack points to it."""
    touched = exists().where(
        _touch.c.campaign_id == _dispatch.c.campaign_id,
        _touch.c.occasion == _dispatch.c.occasion,
        _touch.c.step == _dispatch.c.step,
        _touch.c.recipient_kind == _dispatch.c.recipient_kind,
        _touch.c.recipient_id == _dispatch.c.recipient_id,
        _touch.c.certain,
    )
    return and_(
        touched,
        ~exists().where(_enrolment.c.id == _dispatch.c.enrolment_id, is_active(_enrolment)),
        ~exists().where(_served.c.dispatch_id == _dispatch.c.id),
        ~exists().where(_pack.c.dispatch_id == _dispatch.c.id),
    )


def _forget_dispatches(session: Session, dispatches: Sequence[int]) -> int:
    is_sent = _dispatch.c.status == literal_column("'sent'")
    return store.change(session, delete(_dispatch).where(_dispatch.c.id.in_(dispatches), is_sent, _is_over()))
