"""What waits for people: listing it, and saying that somebody has seen to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience import tasks
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.tasks import Task
from om_campaigns.columns import table_of


def load_tasks(app: App, *, with_closed: bool = False) -> list[dict[str, Any]]:
    """What people of OM have to look at, the oldest first: number, kind, organisation, address, detail, at, closed_at, closed_by."""
    task, organisation, address = table_of(Task), table_of(Organisation), table_of(Address)
    columns = (task.c.id, task.c.kind, organisation.c.slug, address.c.address, task.c.detail, task.c.at, task.c.closed_at, task.c.closed_by)
    query = select(*columns).outerjoin(organisation, organisation.c.id == task.c.organisation_id)
    query = query.outerjoin(address, address.c.id == task.c.address_id).order_by(task.c.at, task.c.id)
    if not with_closed:
        query = query.where(task.c.closed_at.is_(None))
    with store.read(app.engine) as session:
        rows = session.execute(query).all()
    keys = ("number", "kind", "organisation", "address", "detail", "at", "closed_at", "closed_by")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def close_task(app: App, number: int, now: datetime, actor: str) -> bool:
    """Say that somebody has seen to a task; False where that was said before. Raises InputError for an unknown number."""
    with store.write(app.engine) as session:
        return tasks.close_task(session, number, now, actor)
