"""The change log: what changed, from what to what, by whom. Imports write theirs in bulk (``intake/journal``)."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from om_campaigns.audience.models import Change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import new_ref


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
