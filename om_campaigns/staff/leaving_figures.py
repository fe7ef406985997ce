"""Who left, hour by hour: what they left and through which door, without a name."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Organisation
from om_campaigns.columns import table_of
from om_campaigns.reader.leaving_waves import is_leaving, said_leaving


def load_leaving(session: Session, since: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    """One row per local hour, scope and door, the newest first: hour (when it begins), scope, name (slug of list or house), through,
    left, taken_back."""
    change, house = table_of(Change), table_of(Organisation)
    slugs: dict[str, str] = dict(session.execute(select(house.c.public_id, house.c.slug)).all())
    columns = (change.c.at, change.c.old, change.c.new, change.c.actor)
    rows = session.execute(select(*columns).where(said_leaving(), change.c.at >= since, or_(is_leaving(), change.c.old.is_not(None))))
    left: Counter[tuple[datetime, str, str]] = Counter()
    back: Counter[tuple[datetime, str, str]] = Counter()
    for at, old, new, actor in rows:
        hour = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if old is None:
            left[hour, new, actor] += 1
        elif old != new:
            back[hour, old, actor] += 1
    return [
        {
            "hour": hour,
            "scope": scope.partition(" ")[0],
            "name": slugs.get(scope.partition(" ")[2], scope.partition(" ")[2]),
            "through": actor,
            "left": left[hour, scope, actor],
            "taken_back": back[hour, scope, actor],
        }
        for hour, scope, actor in sorted({*left, *back}, key=lambda each: (-each[0].timestamp(), each[1:]))
    ]
