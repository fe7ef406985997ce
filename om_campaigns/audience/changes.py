"""The change log: what changed, from what to what, by whom. Imports write theirs in bulk (``intake/journal``)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.models import Change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import new_ref, table_of


def record_change(
    session: Session,
    entity: str,
    entity_id: int,
    field: str,
    old: str | None,
    new: str | None,
    at: datetime,
    actor: str,
    origin: Origin,
    batch: str = "",
) -> None:
    """One value that changed; ``batch`` joins what was changed in one go."""
    session.add(
        Change(
            batch=batch or new_ref(), entity=entity, entity_id=entity_id, field=field, old=old, new=new, origin=origin, actor=actor, at=at
        )
    )


def newest_change(session: Session) -> int:
    """The number of the latest change, 0 where there is none: whether something was changed since."""
    return session.execute(select(func.max(table_of(Change).c.id))).scalar() or 0
