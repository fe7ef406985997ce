"""What is owed already: letters planned before, those among them that are held, and the task that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, func, literal_column, or_, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.tasks import Task, TaskKind, open_task
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


BY_ITSELF = "by itself"
"""Who closed a task that nobody had to close."""


@dataclass(frozen=True)
class Held:
    """Letters of one step that are held for one reason. ``first`` is the earliest of them, ``why`` what is wrong with it."""

    campaign: str
    step: str
    reason: str
    letters: int
    first: int
    why: str

    @property
    def detail(self) -> dict[str, Any]:
        """What the task says of them."""
        return {"campaign": self.campaign, "step": self.step, "reason": self.reason, "letters": self.letters, "why": self.why}

    def is_told_by(self, detail: Any) -> bool:
        return isinstance(detail, dict) and all(detail.get(key) == self.detail[key] for key in ("campaign", "step", "reason"))


def watch_held(app: App, now: datetime) -> int:
    """Open a task for each step with letters that are held, keep its figure, close it when none is; returns how many are new.

    A task that somebody closed is not opened again for the same letters.
    """
    with store.read(app.engine) as session:
        held, tasks = _load_held(session), _load_tasks(session)
    if sorted(map(str, (each.detail for each in held))) == sorted(str(detail) for _, detail in tasks):
        return 0
    with store.write(app.engine) as session:
        held, tasks = _load_held(session), _load_tasks(session)
        _close_past(session, held, tasks, now)
        return sum(_tell(session, each, tasks, now) for each in held)


def _load_held(session: Session) -> list[Held]:
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    keys = (campaign.c.name, dispatch.c.step, dispatch.c.reason)
    query = (
        select(*keys, func.count(), func.min(dispatch.c.id), func.min(dispatch.c.detail))
        .join_from(dispatch, campaign, campaign.c.id == dispatch.c.campaign_id + 0)  # leaves SQLite the index of what waits
        .where(is_open(dispatch), dispatch.c.status == DispatchStatus.held)
        .group_by(*keys)
        .order_by(*keys)
    )
    return [Held(*row) for row in session.execute(query)]


def _load_tasks(session: Session) -> list[tuple[int, Any]]:
    task = table_of(Task)
    query = select(task.c.id, task.c.detail).where(task.c.kind == TaskKind.letters_held, task.c.closed_at.is_(None)).order_by(task.c.id)
    return [(number, detail) for number, detail in session.execute(query)]


def _tell(session: Session, held: Held, tasks: Sequence[tuple[int, Any]], now: datetime) -> bool:
    """True where a task is new."""
    task = table_of(Task)
    for number, detail in tasks:
        if held.is_told_by(detail):
            session.execute(update(task).where(task.c.id == number).values(detail=held.detail))
            return False
    source = f"held:{held.campaign}/{held.step}:{held.reason}:{held.first}"
    is_new = open_task(session, TaskKind.letters_held, source, now, **held.detail)
    if is_new:
        events.letters_held(held.campaign, held.step, held.reason, held.letters)
    return is_new


def _close_past(session: Session, held: Sequence[Held], tasks: Sequence[tuple[int, Any]], now: datetime) -> None:
    """What is held no more needs nobody."""
    task = table_of(Task)
    past = [number for number, detail in tasks if not any(each.is_told_by(detail) for each in held)]
    if past:
        session.execute(update(task).where(task.c.id.in_(past)).values(closed_at=now, closed_by=BY_ITSELF))
