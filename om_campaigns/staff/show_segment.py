"""Who a segment matches, as rows for people."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.seats import address_id_of
from om_campaigns.audience.segments import Segment, subjects
from om_campaigns.campaign.releases import load_campaign_ids
from om_campaigns.columns import table_of

_house, _person, _seat, _address = (table_of(each) for each in (Organisation, Person, Seat, Address))


def count_members(session: Session, segment: Segment, *, today: date) -> int:
    """How many seats or organisations match now."""
    matched = subjects(segment, today=today, campaigns=load_campaign_ids(session)).subquery()
    return int(session.execute(select(func.count()).select_from(matched)).scalar_one())


def load_members(session: Session, segment: Segment, *, today: date, limit: int = 0) -> list[dict[str, Any]]:
    """Members by house and name: name, email, organisation (slug), organisation_name; for a segment of organisations the
    first two are empty. ``limit`` 0 means all."""
    matched = subjects(segment, today=today, campaigns=load_campaign_ids(session)).subquery()
    if segment.selects is Selects.organisations:
        query = select(_house.c.slug, _house.c.name).join_from(matched, _house, _house.c.id == matched.c.organisation_id)
        rows = session.execute(_limited(query.order_by(_house.c.name_key), limit))
        return [{"name": "", "email": None, "organisation": row.slug, "organisation_name": row.name} for row in rows]
    query = (
        select(_person.c.full_name, _address.c.address, _house.c.slug, _house.c.name)
        .join_from(matched, _seat, _seat.c.id == matched.c.seat_id)
        .join(_house, _house.c.id == matched.c.organisation_id)
        .outerjoin(_person, _person.c.id == matched.c.person_id)
        .outerjoin(_address, _address.c.id == address_id_of())
        .order_by(_house.c.name_key, _person.c.name_key, _seat.c.id)
    )
    return [
        {"name": row.full_name or "", "email": row.address, "organisation": row.slug, "organisation_name": row.name}
        for row in session.execute(_limited(query, limit))
    ]


def _limited(query: Any, limit: int) -> Any:
    return query.limit(limit) if limit else query
