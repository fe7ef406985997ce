"""From what a server said to what stands in the ledger, and what a person decides where nobody knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, select, update
from sqlmodel import Session, col

from om_campaigns.audience.consent import is_suppressed
from om_campaigns.audience.models import Address, Organisation, Touch
from om_campaigns.audience.vocabulary import BounceState
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.delivery.handover import Done
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState
from om_campaigns.delivery.pacing import make_retry_at
from om_campaigns.delivery.send_queue import SERVED
from om_campaigns.delivery.smtp_replies import OURS, Fault, is_hard, make_fault
from om_campaigns.delivery.states import check_dispatch, check_message
from om_campaigns.store import change
from om_campaigns.transport import Kind, Outcome, Stage

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

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The states after an attempt. ``suppress``: the address is not there (BNC-07). ``ours``: the refusal is about us (BNC-13)."""

    message: MessageState
    dispatch: DispatchStatus
    reason: Reason = Reason.none
    detail: str = ""
    retry_at: datetime | None = None
    suppress: bool = False
    ours: bool = False


SENT = Verdict(MessageState.sent, DispatchStatus.sent)


def make_verdict(done: Done) -> Verdict:
    """What one outcome means for message and dispatch."""
    outcome = done.outcome
    if outcome.kind is Kind.accepted:
        return SENT
    said = make_detail(outcome, done.letter.prepared.envelope_to)
    if outcome.kind is Kind.uncertain:
        return Verdict(MessageState.uncertain, DispatchStatus.uncertain, detail=said)
    fault = make_fault(outcome.code, outcome.reply)
    if outcome.kind is Kind.temporary:
        letter = done.letter
        retry_at = make_retry_at(
            letter.attempts + 1, letter.first_claimed_at, done.at, greylisted=fault is Fault.greylist, ref=letter.prepared.ref
        )
        if retry_at is not None:
            return Verdict(MessageState.retry, DispatchStatus.retry, detail=said, retry_at=retry_at)
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.gave_up, said)
    if outcome.needs_smtputf8:
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.needs_smtputf8, said)
    if outcome.at_stage is Stage.rcpt and is_hard(outcome.code, outcome.reply):
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.hard_bounce, said, suppress=True)
    return Verdict(MessageState.failed, DispatchStatus.failed, Reason.refused, said, ours=fault in OURS)


def make_detail(outcome: Outcome, recipient: str) -> str:
    """Stage, code and text for people; the recipient's address, which servers like to repeat, is left out (MSG-25)."""
    said = re.sub(re.escape(recipient), "…", outcome.reply, flags=re.IGNORECASE)
    return " ".join(part for part in (f"{outcome.at_stage.value}:", str(outcome.code or ""), said) if part)


def make_day(at: datetime, zone: str) -> int:
    """The local calendar day of an instant as days since 1970-01-01."""
    return _day_of_quarter(int(at.timestamp()) // 900, zone)


@lru_cache(maxsize=256)
def _day_of_quarter(quarter: int, zone: str) -> int:
    return datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).toordinal() - _EPOCH


def settle(session: Session, message: Message, now: datetime, *, arrived: bool) -> dict[int, DispatchStatus]:
    """Settle one uncertain letter; returns what its dispatches are now, by id. Nothing happens to a letter that is not uncertain.

    Arrived: its touch becomes certain. Not arrived: the touch is cancelled, and it is owed again with the same Message-ID.
    """
    if message.state is not MessageState.uncertain:
        return {}
    new = MessageState.sent if arrived else MessageState.retry
    check_message(message.state, new)
    message.state = new
    message.sent_at = _left_at(session, message) if arrived else None
    if not arrived:
        message.claimed_at = now  # five days of trying begin anew
    session.add(message)
    session.flush()
    found = select(Dispatch).join(MessageDispatch, col(MessageDispatch.dispatch_id) == col(Dispatch.id))
    dispatches = session.execute(found.where(col(MessageDispatch.message_id) == message.id)).scalars().all()
    moved = {each.id or 0: _settle_dispatch(session, each, now) for each in dispatches if each.status is DispatchStatus.uncertain}
    session.flush()
    return moved


def _left_at(session: Session, message: Message) -> datetime:
    """When its content went out, as far as we know: its touch says so."""
    query = select(col(Touch.at)).join_from(MessageDispatch, Dispatch, col(Dispatch.id) == col(MessageDispatch.dispatch_id))
    query = query.join(Touch, _same_key()).where(col(MessageDispatch.message_id) == message.id)
    return session.execute(query.limit(1)).scalar() or message.claimed_at


def _same_key() -> ColumnElement[bool]:
    names = ("campaign_id", "occasion", "step", "recipient_kind", "recipient_id")
    return and_(*(col(getattr(Touch, name)) == col(getattr(Dispatch, name)) for name in names))


def _settle_dispatch(session: Session, dispatch: Dispatch, now: datetime) -> DispatchStatus:
    """All of its parts are known: it is sent, or what is missing is owed. One part that nobody knows keeps it uncertain."""
    query = select(col(MessageDispatch.part), col(Message.state)).join(Message, col(Message.id) == col(MessageDispatch.message_id))
    parts = session.execute(query.where(col(MessageDispatch.dispatch_id) == dispatch.id)).all()
    if any(state is MessageState.uncertain for _, state in parts):
        return dispatch.status
    served = {part for part, state in parts if state in SERVED}
    if served == {part for part, _ in parts}:
        _move(dispatch, DispatchStatus.sent, Reason.settled)
        dispatch.sent_at = _touch_of(session, dispatch, certain=True)
    else:
        _move(dispatch, DispatchStatus.planned)
        dispatch.due_at, dispatch.open_until = now, None  # the planner finds its next opening
        _touch_of(session, dispatch, certain=bool(served))
        if session.get_one(Campaign, dispatch.campaign_id).status is CampaignStatus.stopped:
            _move(dispatch, DispatchStatus.cancelled, Reason.campaign_stopped)
    session.add(dispatch)
    return dispatch.status


def _move(dispatch: Dispatch, new: DispatchStatus, reason: Reason = Reason.none) -> None:
    check_dispatch(dispatch.status, new)
    dispatch.status, dispatch.reason, dispatch.detail = new, reason, ""


def _touch_of(session: Session, dispatch: Dispatch, *, certain: bool) -> datetime | None:
    """Make the touch of a dispatch certain, or cancel it; returns when it was."""
    query = select(Touch).join_from(Dispatch, Touch, _same_key()).where(col(Dispatch.id) == dispatch.id)
    touch: Touch | None = session.execute(query).scalar_one_or_none()
    if touch is None:
        return None
    if certain:
        touch.certain = True
        session.add(touch)
    else:
        session.delete(touch)
    return touch.at


def reopen_failed(session: Session, campaign_id: int, now: datetime) -> int:
    """Owe once more what failed in a campaign; returns how many. Whose address is not there or suppressed stays failed."""
    check_dispatch(DispatchStatus.failed, DispatchStatus.planned)
    dispatch, address, house, campaign = (table_of(each) for each in (Dispatch, Address, Organisation, Campaign))
    may_get_it = (
        select(dispatch.c.id)
        .join_from(dispatch, address, address.c.id == dispatch.c.address_id)
        .join(house, house.c.id == dispatch.c.organisation_id)
        .join(campaign, campaign.c.id == dispatch.c.campaign_id)
        .where(
            dispatch.c.campaign_id == campaign_id,
            dispatch.c.status == DispatchStatus.failed,
            address.c.bounce_state != BounceState.hard,
            ~is_suppressed(address, house, campaign.c.mailing_list),
        )
    )
    owed = {"status": DispatchStatus.planned, "reason": Reason.none, "detail": "", "due_at": now, "open_until": None}
    return change(session, update(dispatch).where(dispatch.c.id.in_(may_get_it)).values(owed))


def find_uncertain(session: Session, chosen: Sequence[ColumnElement[bool]] = ()) -> list[Message]:
    """Letters whose fate nobody knows, the oldest first; ``chosen`` are conditions on Message and Dispatch."""
    query = (
        select(Message)
        .join(MessageDispatch, col(MessageDispatch.message_id) == col(Message.id))
        .join(Dispatch, col(Dispatch.id) == col(MessageDispatch.dispatch_id))
        .where(col(Message.state) == MessageState.uncertain, *chosen)
        .order_by(col(Message.id))
        .distinct()
    )
    return list(session.execute(query).scalars())
