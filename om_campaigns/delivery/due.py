"""What is due now: candidates for the next claim. Looking claims nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, literal_column, or_, select
from sqlmodel import Session, col

from om_campaigns.campaign.models import Campaign, CampaignStatus, Dispatch, DispatchStatus
from om_campaigns.delivery.letters import Due
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState
from om_campaigns.store import Instance

_WAITING: ColumnElement[bool] = literal_column("dispatch.status IN ('planned', 'retry')")
"""Spelled out, because a bound value would not match the partial index on ``due_at``."""

_COLUMNS = [
    col(getattr(Dispatch, name))
    for name in (
        "id",
        "campaign_id",
        "occasion",
        "step",
        "recipient_kind",
        "recipient_id",
        "enrolment_id",
        "version_id",
        "address_id",
        "organisation_id",
        "seat_id",
        "audience",
        "route",
        "sender",
        "variant",
        "language",
        "service",
        "due_day",
        "status",
    )
]


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(col(Dispatch.open_until).is_(None), col(Dispatch.open_until) > now)


def is_halted(session: Session) -> bool:
    """Somebody stopped all sending."""
    return session.execute(select(col(Instance.id)).where(col(Instance.halted_at).is_not(None))).first() is not None


def load_due(session: Session, now: datetime, limit: int, *, campaign_id: int | None = None, offset: int = 0) -> list[Due]:
    """Up to ``limit`` rows of running campaigns, due and in an open window at ``now``, oldest first.

    ``offset`` steps aside for other processes.
    """
    query = (
        select(*_COLUMNS)
        .join(Campaign, col(Campaign.id) == col(Dispatch.campaign_id))
        .where(_WAITING, col(Dispatch.due_at) <= now, _open(now), col(Campaign.status) == CampaignStatus.running)
        .order_by(col(Dispatch.due_at), col(Dispatch.id))
        .limit(limit)
        .offset(offset)
    )
    if campaign_id is not None:
        query = query.where(col(Dispatch.campaign_id) == campaign_id)
    dues = [Due(*row) for row in session.execute(query)]
    again = [due.id for due in dues if due.status is DispatchStatus.retry]
    return _with_earlier(session, dues, again) if again else dues


def _with_earlier(session: Session, dues: list[Due], again: list[int]) -> list[Due]:
    query = (
        select(col(MessageDispatch.dispatch_id), Message)
        .join(Message, col(Message.id) == col(MessageDispatch.message_id))
        .where(col(MessageDispatch.dispatch_id).in_(again), col(Message.state) == MessageState.retry)
    )
    earlier: dict[int, Message] = {row[0]: row[1] for row in session.execute(query)}
    return [
        replace(
            due,
            earlier_id=message.id,
            earlier_ref=message.ref,
            earlier_message_id=message.message_id,
            earlier_attempts=message.attempts,
            first_claimed_at=message.claimed_at,
        )
        if (message := earlier.get(due.id)) is not None
        else due
        for due in dues
    ]
