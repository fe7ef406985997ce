"""The tree of houses: who stands above and below, and which house's word holds where one states nothing itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import CTE, ColumnElement, FromClause, select
from sqlmodel import Session

from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import OrganisationStatus
from om_campaigns.columns import table_of

ParentOf = Callable[[int], int | None]
"""The house right above one; None at the top, and for a house that is not known."""

_house = table_of(Organisation)


def upwards(house_id: int, parent_of: ParentOf) -> Iterator[int]:
    """The house itself, then those above, the nearest first. A circle, which intake refuses, ends the way."""
    seen: set[int] = set()
    current: int | None = house_id
    while current is not None and current not in seen:
        seen.add(current)
        yield current
        current = parent_of(current)


def find_stating(house_id: int, parent_of: ParentOf, states: Callable[[int], object]) -> int | None:
    """The house whose word holds for this one: itself, else the nearest above of which ``states`` is true."""
    return next((each for each in upwards(house_id, parent_of) if states(each)), None)


def load_parents(session: Session) -> dict[int, int | None]:
    """Every house with the one right above it."""
    return dict(session.execute(select(_house.c.id, _house.c.parent_id)).all())


def load_below(session: Session, above: Iterable[int]) -> tuple[int, ...]:
    """The active houses under these, level by level and by name; never one of those themselves, none behind one that is not active."""
    start = set(above)
    below = select(_house.c.id, _house.c.parent_id, _house.c.name).where(
        _house.c.parent_id.in_(start), _house.c.status == OrganisationStatus.active
    )
    found = below.cte("below", recursive=True)
    deeper = (
        select(_house.c.id, _house.c.parent_id, _house.c.name)
        .join(found, _house.c.parent_id == found.c.id)
        .where(_house.c.status == OrganisationStatus.active)
    )
    found = found.union(deeper)
    children: dict[int, list[int]] = defaultdict(list)
    for house_id, parent_id in session.execute(select(found.c.id, found.c.parent_id).order_by(found.c.name, found.c.id)):
        children[parent_id].append(house_id)
    ordered, level = [], sorted(start)
    while level:
        level = [child for parent in level for child in children[parent] if child not in start]
        start.update(level)
        ordered += level
    return tuple(ordered)


def select_stating(name: str, states: Callable[[FromClause], ColumnElement[bool]]) -> CTE:
    """``find_stating`` for all houses at once: ``house_id``, ``source_id`` of each for which any house states it.

    One pass over the tree per query, not one walk upwards per row. ``name`` is that of the common table in the query.
    """
    own, child = _house.alias(f"{name}_own"), _house.alias(f"{name}_child")
    sources = select(own.c.id.label("house_id"), own.c.id.label("source_id")).where(states(own)).cte(name, recursive=True)
    below = select(child.c.id, sources.c.source_id).join(sources, child.c.parent_id == sources.c.house_id).where(~states(child))
    return sources.union(below)
