"""What is owed already: letters planned before, which leave with the next sending unless something is in their way.

They belong to every plan, beside those that are newly due: after a limit, a kill, a halt or a refusal of the mail server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal_column, or_, select
from sqlmodel import Session

from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.matching import is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import table_of

HELD = (Reason.missing_value, Reason.broken_text)
"""Why letters are held; they are tried again with each sending."""


class Why(StrEnum):
    """Why a letter stands in a plan, beside those that are newly due."""

    owed = "owed"
    held = "held"
    retry = "retry"
    in_hand = "in_hand"


@dataclass(frozen=True, slots=True)
class Owed:
    """Letters of one step that are owed for one reason. ``since``: when the first of them was planned; ``next_at``: the next is due.

    ``is_due``: they leave with the next sending. What a mail server put off waits until ``next_at`` and belongs to the plan all the same.
    """

    campaign: str
    step: str
    route: Route
    why: Why
    letters: int
    since: datetime
    next_at: datetime
    is_due: bool


def is_owed(dispatch: FromClause, until: datetime) -> ColumnElement[bool]:
    """In the plan of ``until``, newly due or not: due by then, or put off by a mail server until whenever."""
    return and_(is_open(dispatch), or_(dispatch.c.due_at <= until, dispatch.c.status == literal_column("'retry'")))


def newest_dispatch(session: Session) -> int:
    """The number of the latest letter that was planned; 0 before the first."""
    return int(session.execute(select(func.coalesce(func.max(table_of(Dispatch).c.id), 0))).scalar_one())


def load_owed(session: Session, until: datetime, newest: int | None = None) -> list[Owed]:
    """What running campaigns owe by ``until``, of what was planned up to the letter ``newest`` or of all; the longest owed first."""
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    why = case(
        (dispatch.c.status == DispatchStatus.retry, Why.retry.value),
        (dispatch.c.status == DispatchStatus.claimed, Why.in_hand.value),
        (or_(dispatch.c.status == DispatchStatus.held, dispatch.c.reason.in_(HELD)), Why.held.value),
        else_=Why.owed.value,
    ).label("why")
    is_due = (dispatch.c.due_at <= until).label("is_due")
    keys = (campaign.c.name, dispatch.c.step, dispatch.c.route, why, is_due)
    since = func.min(dispatch.c.planned_at).label("since")
    query = (
        select(*keys, func.count(), since, func.min(dispatch.c.due_at))
        .join_from(dispatch, campaign, campaign.c.id == dispatch.c.campaign_id + 0)  # "+ 0" leaves SQLite only the index of what waits
        .where(is_owed(dispatch, until), campaign.c.status == CampaignStatus.running)
        .group_by(*keys)
        .order_by(since, campaign.c.name, dispatch.c.step, dispatch.c.route, why)
    )
    if newest is not None:
        query = query.where(dispatch.c.id <= newest)
    return [
        Owed(name, step, route, Why(reason), count, first, next_at, bool(due))
        for name, step, route, reason, due, count, first, next_at in session.execute(query)
    ]


def count_uncertain(session: Session) -> dict[tuple[str, str], int]:
    """Letters of running campaigns nobody knows the fate of, by campaign and step: they are told, and never leave by themselves."""
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    query = (
        select(campaign.c.name, dispatch.c.step, func.count())
        .join_from(dispatch, campaign, campaign.c.id == dispatch.c.campaign_id)
        .where(dispatch.c.status == DispatchStatus.uncertain, campaign.c.status == CampaignStatus.running)
        .group_by(campaign.c.name, dispatch.c.step)
        .order_by(campaign.c.name, dispatch.c.step)
    )
    return {(name, step): count for name, step, count in session.execute(query)}
