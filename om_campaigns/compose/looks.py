"""The looks that houses chose, as they are stored."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.models import Organisation
from om_campaigns.columns import table_of
from om_campaigns.compose.models import HouseLook, LogoPicture
from om_campaigns.compose.own_look import KEY, Logo, OwnLook


def load_looks(session: Session, public_id: str = "") -> dict[int, OwnLook]:
    """By house (or of one only), what holds: a file that names another brand than it did then has the last word."""
    house, look, picture = table_of(Organisation), table_of(HouseLook), table_of(LogoPicture)
    query = (
        select(house.c.id, house.c.public_id, house.c.name, look, picture.c.width, picture.c.height)
        .join_from(look, house, house.c.id == look.c.organisation_id)
        .outerjoin(picture, picture.c.name == look.c.logo)
        .where(look.c.over == func.coalesce(house.c.brand, ""))
    )
    if public_id:
        query = query.where(house.c.public_id == public_id)
    return {
        row.id: OwnLook(KEY + row.public_id, row.name, row.over, row.accent, Logo(row.logo, row.width, row.height) if row.logo else None)
        for row in session.execute(query)
        if row.accent or row.logo
    }
