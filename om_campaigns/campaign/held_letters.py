"""Letters that are held back – a value is missing, a text cannot be made – are something to look at, until none is held any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.tasks import Task, TaskKind, open_task
from om_campaigns.campaign.matching import is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import table_of

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
