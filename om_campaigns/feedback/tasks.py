"""What people of OM have to look at: asked for once, closed by somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from om_campaigns import store
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.feedback.models import Task, TaskKind


def open_task(
    session: Session,
    kind: TaskKind,
    source_key: str,
    now: datetime,
    *,
    organisation_id: int | None = None,
    address_id: int | None = None,
    **detail: Any,
) -> bool:
    """Ask people to look at something; False where they were asked for the same before, done or not."""
    return store.add_new(
        session,
        table_of(Task),
        kind=kind,
        source_key=source_key,
        organisation_id=organisation_id,
        address_id=address_id,
        detail=detail,
        at=now,
        closed_by="",
    )


def close_task(session: Session, number: int, now: datetime, actor: str) -> bool:
    """Say that somebody has seen to it; False where that was said before. Raises InputError for a number nobody was given."""
    task = session.get(Task, number)
    if task is None:
        raise InputError(f"there is no task {number}", hint="see 'om-campaigns todo list'")
    if task.closed_at is not None:
        return False
    task.closed_at, task.closed_by = now, actor
    session.flush()
    return True
