"""The ledger: who was sent what, who is owed it, and who was not sent it and why."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.matching import LOST, OPEN, dispatches_to, is_lost, is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.releases import get_campaign
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState

KEYS = ("campaign", "occasion", "step", "route", "recipient", "organisation", "status", "due_at", "sent_at", "message_id")
"""What JSON and CSV of the ledger have, in this order."""


INDEXED = ((OPEN, is_open), (LOST, is_lost))
"""What an index of few rows holds, and its condition."""


def load_ledger(
    session: Session,
    *,
    campaign: str = "",
    status: str = "",
    person_id: int | None = None,
    organisation_id: int | None = None,
    limit: int = 0,
) -> tuple[list[dict[str, Any]], int]:
    """Rows with ``KEYS``, ``reason`` and ``detail``, the earliest due first, and how many there are in all.

    ``recipient`` is the address, ``organisation`` the house's slug. ``limit`` keeps those that were planned last; 0 means all.
    Raises InputError for a campaign or status that does not exist.
    """
    dispatch, address, house, campaigns = (table_of(each) for each in (Dispatch, Address, Organisation, Campaign))
    conditions = []
    if campaign:
        conditions.append(dispatch.c.campaign_id == get_campaign(session, campaign).id)
    if status:
        asked = DispatchStatus(status)
        conditions += [dispatch.c.status == asked, *(spelled(dispatch) for statuses, spelled in INDEXED if asked in statuses)]
    if person_id is not None:
        conditions.append(dispatch.c.id.in_(dispatches_to(RecipientKind.person, person_id)))
    if organisation_id is not None:
        conditions.append(dispatch.c.organisation_id == organisation_id)
    total = session.execute(select(func.count()).select_from(dispatch).where(*conditions)).scalar_one()
    query = (
        select(
            campaigns.c.name.label("campaign"),
            dispatch.c.occasion,
            dispatch.c.step,
            dispatch.c.route,
            address.c.address.label("recipient"),
            house.c.slug.label("organisation"),
            dispatch.c.status,
            dispatch.c.due_at,
            dispatch.c.sent_at,
            _message_id(dispatch).label("message_id"),
            dispatch.c.reason,
            dispatch.c.detail,
        )
        .join_from(dispatch, campaigns, campaigns.c.id == dispatch.c.campaign_id)
        .join(address, address.c.id == dispatch.c.address_id)
        .join(house, house.c.id == dispatch.c.organisation_id)
        .where(*conditions)
    )
    if limit:  # the latest by number, so that nobody has to sort the whole ledger
        latest = select(dispatch.c.id).where(*conditions).order_by(dispatch.c.id.desc()).limit(limit)
        query = query.where(dispatch.c.id.in_(latest))
    rows = session.execute(query.order_by(dispatch.c.due_at, dispatch.c.id)).mappings().all()
    return [dict(row) for row in rows], total


def _message_id(dispatch: Any) -> Any:
    """The Message-ID of the letter that served it last; one that was dropped after a kill does not count."""
    message, served = table_of(Message), table_of(MessageDispatch)
    return (
        select(message.c.message_id)
        .join_from(served, message, message.c.id == served.c.message_id)
        .where(served.c.dispatch_id == dispatch.c.id, message.c.state != MessageState.dropped)
        .order_by(message.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
