"""Campaigns that the brake holds (see ``campaign/entry_brake``): people are asked to look, once for as long as it lasts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session, col

from om_campaigns.audience.tasks import Task, TaskKind, close_task, open_task
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import table_of


def settle_hold(session: Session, campaign: Campaign, now: datetime, actor: str) -> None:
    """Ask people to look at a campaign that is held, or say how many it is by now; close what was asked where it is not any more."""
    if campaign.held_at is not None:
        source, detail = f"entry_held {campaign.name} {campaign.held_at.isoformat()}", _describe(campaign)
        if not open_task(session, TaskKind.entry_held, source, now, **detail):
            task = table_of(Task)
            session.execute(update(task).where(task.c.kind == TaskKind.entry_held, task.c.source_key == source).values(detail=detail))
        return
    query = select(Task).where(col(Task.kind) == TaskKind.entry_held, col(Task.closed_at).is_(None))
    for task in session.execute(query).scalars().all():
        if task.detail["campaign"] == campaign.name:
            close_task(session, task.id or 0, now, actor)


def _describe(campaign: Campaign) -> dict[str, Any]:
    return {"campaign": campaign.name, "people": campaign.held_people, "houses": campaign.held_houses}
