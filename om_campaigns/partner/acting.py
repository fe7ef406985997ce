"""What every page about a house needs: finding it among those somebody acts for, the log of what they change, and a word to staff.

Nobody can enter an address on these pages: the engine never writes to one that a partner typed in. What needs one is said to the people
of OM.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import digest, new_ref
from om_campaigns.partner.pack_form import Reach

SAY_LENGTH = 1000


def find_house(session: Session, reach: Reach, slug: str, *, locks: bool = False) -> Organisation | None:
    """A house somebody acts for; every other one is not there (SEC-14).

    ``locks``: until the end of the transaction nobody else changes it here. Whatever reads what a house has and writes it anew asks for
    that, because PostgreSQL lets two read the same at once.
    """
    query = select(Organisation).where(col(Organisation.slug) == slug, col(Organisation.id).in_(reach.houses))
    if locks:
        query = query.with_for_update(key_share=True)
    found: Organisation | None = session.execute(query).scalar_one_or_none()
    return found


def show_house(app: App, reach: Reach, slug: str) -> dict[str, Any] | None:
    """house {slug, name}, houses [{slug, name}] to go on to; None for a foreign house."""
    with store.read(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None:
            return None
        rows = session.execute(select(Organisation).where(col(Organisation.id).in_(reach.houses)).order_by(col(Organisation.name)))
        return {
            "house": {"slug": house.slug, "name": house.name},
            "houses": [{"slug": each.slug, "name": each.name} for each in rows.scalars()],
        }


def record_changes(
    session: Session, entity: str, entity_id: int, changes: Sequence[tuple[str, str | None, str | None]], actor: str, now: datetime
) -> None:
    """Write (field, old, new) into the change log, said by a partner."""
    batch = new_ref()
    for field, old, new in changes:
        record_change(session, entity, entity_id, field, old, new, now, actor, Origin.partner, batch)


def say_to_staff(app: App, reach: Reach, slug: str, words: str) -> bool:
    """A sentence to the people of OM, as a task for them, once a day; False for one that is empty or too long."""
    now, text = app.now(), " ".join(words.split())
    if not text or len(text) > SAY_LENGTH:
        return False
    with store.write(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is not None:
            tell_staff(session, house, reach, now, text)
    return house is not None


def tell_staff(session: Session, house: Organisation, reach: Reach, now: datetime, text: str) -> None:
    """A task for the people of OM, in the words of a house or about what it did; once a day."""
    source_key = digest("says", house.slug, text, now.date().isoformat())
    open_task(session, TaskKind.house_says, source_key, now, organisation_id=house.id, by=reach.actor, says=text)
