"""What is due now: candidates for the next claim. Looking claims nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, or_, select
from sqlmodel import Session, col

from om_campaigns.audience.models import Address, Organisation, Person
from om_campaigns.audience.vocabulary import RecipientKind, Route
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.delivery.destinations import domains_of
from om_campaigns.delivery.letters import Due, Earlier
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part
from om_campaigns.store import Instance

_WAITING: ColumnElement[bool] = literal_column("dispatch.status IN ('planned', 'retry')")
"""Spelled out, because a bound value would not match the partial index on ``due_at``."""

Chosen = ColumnElement[bool]
"""Which of what is due is meant: a condition on Dispatch."""

_COLUMNS: list[Any] = [
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
        "left_out",
        "status",
    )
] + [
    col(Address.domain),
    col(Campaign.name),
    case(
        (
            col(Dispatch.recipient_kind) == RecipientKind.person,
            select(col(Person.public_id)).where(col(Person.id) == col(Dispatch.recipient_id)).scalar_subquery(),
        ),
        else_=select(col(Organisation.public_id)).where(col(Organisation.id) == col(Dispatch.recipient_id)).scalar_subquery(),
    ),
]


PACK_PARTS = (Part.cover, Part.ready)

SERVED = (MessageState.sent, MessageState.uncertain)
"""A part in one of these has left, or may have: it is never made a second time."""


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(col(Dispatch.open_until).is_(None), col(Dispatch.open_until) > now)


def of_campaign(campaign_id: int) -> Chosen:
    """Only what one campaign owes."""
    return col(Dispatch.campaign_id) == campaign_id


def due_by(moment: datetime) -> Chosen:
    """Only what is due by then, however long the sending takes."""
    return col(Dispatch.due_at) <= moment


def tried_before() -> Chosen:
    """Only what was offered before and did not leave: what was put off, and what failed and is owed once more."""
    return col(Dispatch.attempts) > 0


def of_correction(step: str, suffix: str) -> Chosen:
    """Only one correction of a step, by the end of its occasion."""
    return and_(col(Dispatch.step) == step, col(Dispatch.occasion).endswith(suffix, autoescape=True))


def not_to(destinations: Iterable[str], campaigns: Iterable[int]) -> list[Chosen]:
    """Leave out destinations and campaigns that must wait."""
    domains, full = domains_of(destinations), list(campaigns)
    return [*([col(Address.domain).not_in(domains)] if domains else []), *([col(Dispatch.campaign_id).not_in(full)] if full else [])]


def is_halted(session: Session) -> bool:
    """Somebody stopped all sending."""
    return session.execute(select(col(Instance.id)).where(col(Instance.halted_at).is_not(None))).first() is not None


def load_due(session: Session, now: datetime, limit: int, *, chosen: Sequence[Chosen] = (), offset: int = 0) -> list[Due]:
    """Up to ``limit`` rows of running campaigns, due and in an open window at ``now``, oldest first.

    ``chosen`` are conditions on Dispatch and Address; ``offset`` steps aside for other processes.
    """
    query = (
        select(*_COLUMNS)
        .join(Campaign, col(Campaign.id) == col(Dispatch.campaign_id))
        .join(Address, col(Address.id) == col(Dispatch.address_id))
        .where(_WAITING, col(Dispatch.due_at) <= now, _open(now), col(Campaign.status) == CampaignStatus.running, *chosen)
        .order_by(col(Dispatch.due_at), col(Dispatch.id))
        .limit(limit)
        .offset(offset)
    )
    dues = [Due(*row) for row in session.execute(query)]
    made = _load_made(session, [due.id for due in dues])
    return [replace(due, **_of_made(made[due.id])) if due.id in made else due for due in dues]


def count_mails(session: Session, dues: Sequence[Due]) -> dict[int, int]:
    """How many mails go out together for each pack among these, by dispatch, at most; everything else is one mail."""
    packs = [due for due in dues if due.route not in (Route.list_address, Route.newsletter_block)]
    query = select(col(Pack.dispatch_id)).where(col(Pack.dispatch_id).in_([due.id for due in packs]))
    found = set(session.execute(query).scalars())
    return {due.id: sum(not due.is_served(part) for part in PACK_PARTS) for due in packs if due.id in found}


def _load_made(session: Session, dispatch_ids: list[int]) -> dict[int, list[tuple[Part, Message]]]:
    """The messages that were made before, by dispatch."""
    query = (
        select(col(MessageDispatch.dispatch_id), col(MessageDispatch.part), Message)
        .join(Message, col(Message.id) == col(MessageDispatch.message_id))
        .where(col(MessageDispatch.dispatch_id).in_(dispatch_ids))
    )
    found: dict[int, list[tuple[Part, Message]]] = {}
    for dispatch, part, message in session.execute(query):
        found.setdefault(dispatch, []).append((part, message))
    return found


def _of_made(made: Sequence[tuple[Part, Message]]) -> dict[str, Any]:
    """After a kill or a refusal between the parts of a pack, only what is missing goes out; no name is given twice."""
    earlier = tuple(
        Earlier(part, each.id or 0, each.ref, each.message_id, each.attempts, each.claimed_at, each.state in SERVED)
        for part, each in made
        if each.state in (MessageState.retry, *SERVED)
    )
    return {"earlier": earlier, "refs": frozenset(each.ref for _, each in made)}
