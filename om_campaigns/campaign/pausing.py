"""Pausing, going on and stopping: a pause freezes every due time, going on moves them by its length, stopping is for good.

A campaign may have hundreds of thousands of due times, so they are moved, and ended, in slices (``slices``). How far moving them has
come stands in ``resumption``: what was interrupted is taken up where it ended, and nothing moves twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Table, delete, insert, select, update
from sqlmodel import Session

from om_campaigns.campaign.house_values import renew_temporary, temporary
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, Resumption
from om_campaigns.campaign.slices import fill_slice, in_slice
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import Instant, table_of
from om_campaigns.errors import RefusedError
from om_campaigns.store import change

MOVED = Table(
    "plan_moved",
    temporary,
    Column("before", Instant, primary_key=True),
    Column("after", Instant, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Where a pause moves each instant that somebody waits for."""

FROZEN = (DispatchStatus.planned, DispatchStatus.held)
"""Letters whose time a pause moves."""
WAITING = (*FROZEN, DispatchStatus.retry)
"""Letters that will not leave once their campaign is stopped."""


def pause(session: Session, campaign: Campaign, now: datetime) -> bool:
    """Freeze a running campaign; False when it is paused already."""
    if campaign.status is not CampaignStatus.running:
        return refuse_stopped(campaign)
    campaign.status, campaign.paused_at = CampaignStatus.paused, now
    session.add(campaign)
    return True


def begin_resuming(session: Session, campaign: Campaign, now: datetime) -> Resumption | None:
    """How far going on has come, from its beginning or from where it was interrupted; None where the campaign runs."""
    if campaign.status is not CampaignStatus.paused or campaign.paused_at is None:
        refuse_stopped(campaign)
        return None
    begun = session.get(Resumption, campaign.id)
    if begun is None:
        begun = Resumption(campaign_id=campaign.id, until=max(now, campaign.paused_at))
        session.add(begun)
        session.flush()
    return begun


def find_frozen(session: Session, begun: Resumption) -> tuple[Sequence[int], Sequence[int]]:
    """The enrolments and the letters of a paused campaign whose time is still to be moved."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    enrolments = select(enrolment.c.id).where(
        enrolment.c.campaign_id == begun.campaign_id, is_active(enrolment), enrolment.c.id > begun.last_enrolment
    )
    letters = select(dispatch.c.id).where(
        dispatch.c.campaign_id == begun.campaign_id, dispatch.c.status.in_(FROZEN), dispatch.c.id > begun.last_dispatch
    )
    return (
        session.execute(enrolments.order_by(enrolment.c.id)).scalars().all(),
        session.execute(letters.order_by(dispatch.c.id)).scalars().all(),
    )


def move_enrolments(session: Session, campaign_id: int, part: Sequence[int]) -> bool:
    """Move one slice of ``find_frozen`` by the length of the pause; False where somebody else has gone on, or stopped it, meanwhile."""
    begun, length = _load_begun(session, campaign_id)
    if begun is None:
        return False
    enrolment = table_of(Enrolment)
    fill_slice(session, [number for number in part if number > begun.last_enrolment])
    shift = enrolment.c.shift_seconds + int(length.total_seconds())
    _move(session, enrolment, ("next_due_at", "promised_at"), is_active(enrolment), length, shift_seconds=shift)
    begun.last_enrolment = max(begun.last_enrolment, part[-1])
    session.add(begun)
    return True


def move_letters(session: Session, campaign_id: int, part: Sequence[int]) -> bool:
    """As ``move_enrolments``, for letters; their openings are computed anew."""
    begun, length = _load_begun(session, campaign_id)
    if begun is None:
        return False
    dispatch = table_of(Dispatch)
    fill_slice(session, [number for number in part if number > begun.last_dispatch])
    _move(session, dispatch, ("due_at",), dispatch.c.status.in_(FROZEN), length, open_until=None)
    begun.last_dispatch = max(begun.last_dispatch, part[-1])
    session.add(begun)
    return True


def end_resuming(session: Session, campaign_id: int, now: datetime) -> bool:
    """Everything has moved: the campaign runs. False where the pause went on after an interruption, so that its rest is still to move."""
    begun, _ = _load_begun(session, campaign_id)
    if begun is None:
        return False
    campaign = session.get_one(Campaign, campaign_id)
    is_whole = begun.until >= now
    if is_whole:
        campaign.status, campaign.paused_at = CampaignStatus.running, None
    else:
        campaign.paused_at = begun.until
    session.add(campaign)
    session.delete(begun)
    return is_whole


def _load_begun(session: Session, campaign_id: int) -> tuple[Resumption | None, timedelta]:
    """How far it has come, held until the transaction ends, and the length of the pause."""
    begun = session.get(Resumption, campaign_id, with_for_update=True, populate_existing=True)
    campaign = session.get_one(Campaign, campaign_id, populate_existing=True)
    if begun is None or campaign.status is not CampaignStatus.paused or campaign.paused_at is None:
        return None, timedelta()
    return begun, begun.until - campaign.paused_at


def _move(session: Session, table: Table, instants: Sequence[str], is_frozen: Any, length: timedelta, **values: Any) -> None:
    """Move these columns of the slice by ``length`` and set ``values``, all in one statement.

    Databases count with instants in different ways, but there are few distinct ones, however many rows have them.
    """
    renew_temporary(session, MOVED)
    rows = (in_slice(table), is_frozen)
    moments = {moment for name in instants for moment in session.execute(select(table.c[name]).where(*rows).distinct()).scalars()}
    if pairs := [{"before": moment, "after": moment + length} for moment in moments if moment is not None]:
        session.execute(insert(MOVED), pairs)
    moved = {name: select(MOVED.c.after).where(MOVED.c.before == table.c[name]).scalar_subquery() for name in instants}
    session.execute(update(table).where(*rows).values(**moved, **values))


def stop(session: Session, campaign: Campaign) -> None:
    """End a campaign for good: nobody enters it and nothing of it leaves from now on. What it still has is to be ended (``find_open``)."""
    session.execute(delete(table_of(Resumption)).where(table_of(Resumption).c.campaign_id == campaign.id))
    campaign.status, campaign.paused_at = CampaignStatus.stopped, None
    session.add(campaign)


def find_open(session: Session, campaign: Campaign) -> tuple[Sequence[int], Sequence[int]]:
    """The enrolments and the owed letters that a stopped campaign still has."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    active = select(enrolment.c.id).where(enrolment.c.campaign_id == campaign.id, is_active(enrolment)).order_by(enrolment.c.id)
    owed = select(dispatch.c.id).where(dispatch.c.campaign_id == campaign.id, dispatch.c.status.in_(WAITING)).order_by(dispatch.c.id)
    return session.execute(active).scalars().all(), session.execute(owed).scalars().all()


def end_enrolments(session: Session, part: Sequence[int], now: datetime) -> None:
    """End one slice of the enrolments of a stopped campaign."""
    enrolment = table_of(Enrolment)
    fill_slice(session, part)
    ended = {"state": EnrolmentState.stopped, "reason": Reason.campaign_stopped, "ended_at": now}
    session.execute(update(enrolment).where(in_slice(enrolment), is_active(enrolment)).values(ended))


def cancel_letters(session: Session, part: Sequence[int]) -> int:
    """Cancel one slice of the owed letters of a stopped campaign; returns how many."""
    dispatch = table_of(Dispatch)
    fill_slice(session, part)
    cancelled = {"status": DispatchStatus.cancelled, "reason": Reason.campaign_stopped}
    return change(session, update(dispatch).where(in_slice(dispatch), dispatch.c.status.in_(WAITING)).values(cancelled))


def refuse_stopped(campaign: Campaign) -> bool:
    """False; raises RefusedError for a campaign that was stopped."""
    if campaign.status is CampaignStatus.stopped:
        raise RefusedError(f"campaign '{campaign.name}' was stopped for good")
    return False
