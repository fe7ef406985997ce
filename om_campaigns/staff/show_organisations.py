"""Organisations as staff see them: the tree, who sits where, how they receive, what they use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlmodel import Session

from om_campaigns.audience.contact_lines import load_of_house
from om_campaigns.audience.german import name_key
from om_campaigns.audience.models import (
    Address,
    Network,
    NetworkOrganisation,
    Organisation,
    OrganisationInterest,
    OrganisationRegion,
    OrganisationRelation,
    OrganisationRoute,
    OrganisationSector,
    OrganisationType,
    Person,
    Seat,
    SeatRole,
)
from om_campaigns.audience.seats import address_id_of, select_sitting
from om_campaigns.audience.toolkits import Toolkit, ToolkitUse, ToolkitVersion
from om_campaigns.audience.tree import ParentOf, find_stating, load_parents, upwards
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import load_looks

_house = table_of(Organisation)
_region = table_of(OrganisationRegion)
_seat = table_of(Seat)


def load_organisations(
    session: Session, today: date, *, text: str = "", org_type: str = "", status: str = "", region: str = ""
) -> list[dict[str, Any]]:
    """Houses by name: slug, name, short_name, type, level, parent (slug), status, regions, seats (of those who
    sit there today), adviser_headcount.

    ``text``: part of name, short name or slug; ``region``: an AGS that a region of the house begins with, or DE.
    """
    parent = _house.alias("parent")
    sitting = select_sitting(today, _seat.c.organisation_id, func.count().label("seats")).group_by(_seat.c.organisation_id).subquery()
    conditions: list[ColumnElement[bool]] = []
    if text:
        conditions.append(_named_like(text))
    if org_type:
        conditions.append(_house.c.org_type == org_type)
    if status:
        conditions.append(_house.c.status == status)
    if region:
        conditions.append(exists().where(_region.c.organisation_id == _house.c.id, _region.c.ags.startswith(region, autoescape=True)))
    rows = session.execute(
        select(
            _house.c.id,
            _house.c.slug,
            _house.c.name,
            _house.c.short_name,
            _house.c.org_type.label("type"),
            _house.c.level,
            parent.c.slug.label("parent"),
            _house.c.status,
            func.coalesce(sitting.c.seats, 0).label("seats"),
            _house.c.adviser_headcount,
        )
        .outerjoin(parent, parent.c.id == _house.c.parent_id)
        .outerjoin(sitting, sitting.c.organisation_id == _house.c.id)
        .where(*conditions)
        .order_by(_house.c.name_key, _house.c.id)
    ).all()
    regions = _lists(session, _region.c.organisation_id, _region.c.ags, [row.id for row in rows])
    return [{name: value for name, value in row._mapping.items() if name != "id"} | {"regions": regions[row.id]} for row in rows]


def _named_like(text: str) -> ColumnElement[bool]:
    key = name_key(text)
    return or_(
        _house.c.name_key.contains(key, autoescape=True),
        _house.c.slug.contains(key, autoescape=True),
        func.lower(_house.c.short_name).contains(key, autoescape=True),
    )


def _lists(session: Session, owner: Any, value: Any, ids: Iterable[int]) -> dict[int, list[Any]]:
    """Owner id → sorted values of a link table."""
    found: dict[int, list[Any]] = defaultdict(list)
    wanted = list(ids)
    query = select(owner, value).order_by(owner, value)
    for owner_id, each in session.execute(query.where(owner.in_(wanted)) if len(wanted) <= 500 else query):
        found[owner_id].append(each)
    return found


def load_organisation(session: Session, organisation_id: int) -> dict[str, Any]:
    """One house: its data, ``parents`` from the nearest to the top, ``children``, ``also_in``, ``seats``, ``routes`` with
    where they come from, ``networks``, ``toolkits``, ``contact_lines``."""
    row = session.execute(select(_house).where(_house.c.id == organisation_id)).one()
    own = {name: value for name, value in row._mapping.items() if name not in HIDDEN}
    slugs = dict(session.execute(select(_house.c.id, _house.c.slug)).all())
    parent_of = load_parents(session).get
    parents = [slugs[each] for each in upwards(organisation_id, parent_of) if each != organisation_id]
    only = [organisation_id]
    types, address = table_of(OrganisationType), table_of(Address)
    type_name = session.execute(select(types.c.name).where(types.c.code == row.org_type)).scalar()
    list_address = session.execute(select(address.c.address).where(address.c.id == row.list_address_id)).scalar()
    stating, routes = _routes(session, organisation_id, parent_of)
    sectors, interests = table_of(OrganisationSector), table_of(OrganisationInterest)
    look = load_looks(session, row.public_id).get(organisation_id)
    return own | {
        "own_accent": look.accent if look else "",
        "own_logo": look.logo.name if look and look.logo else "",
        "type": row.org_type,
        "type_name": type_name,
        "list_address": list_address,
        "regions": _lists(session, _region.c.organisation_id, _region.c.ags, only)[organisation_id],
        "sectors": _lists(session, sectors.c.organisation_id, sectors.c.sector, only)[organisation_id],
        "interests": _lists(session, interests.c.organisation_id, interests.c.topic, only)[organisation_id],
        "parents": parents,
        "children": list(
            session.execute(select(_house.c.slug).where(_house.c.parent_id == organisation_id).order_by(_house.c.slug)).scalars()
        ),
        "also_in": _also_in(session, organisation_id),
        "routes": routes,
        "routes_from": slugs.get(stating, ""),
        "seats": _seats(session, organisation_id),
        "networks": _networks(session, organisation_id),
        "toolkits": _toolkits(session, organisation_id),
        "contact_lines": load_of_house(session, organisation_id),
    }


HIDDEN = ("id", "name_key", "org_type", "parent_id", "list_address_id", "merged_into_id")


def _also_in(session: Session, organisation_id: int) -> list[str]:
    relation = table_of(OrganisationRelation)
    query = select(_house.c.slug).join_from(relation, _house, _house.c.id == relation.c.related_id)
    return list(session.execute(query.where(relation.c.organisation_id == organisation_id).order_by(_house.c.slug)).scalars())


def _routes(session: Session, organisation_id: int, parent_of: ParentOf) -> tuple[int, list[Any]]:
    """The house that states the routes (0 if nobody does), and those in order of preference."""
    route = table_of(OrganisationRoute)
    own: dict[int, list[Any]] = defaultdict(list)
    for house_id, each in session.execute(select(route.c.organisation_id, route.c.route).order_by(route.c.position)):
        own[house_id].append(each)
    stating = find_stating(organisation_id, parent_of, own.get) or 0
    return stating, own[stating]


def _seats(session: Session, organisation_id: int) -> list[dict[str, Any]]:
    """name (empty for a role address), email, roles, primary, since, until, status."""
    person, address, role = table_of(Person), table_of(Address), table_of(SeatRole)
    rows = session.execute(
        select(
            _seat.c.id,
            person.c.full_name,
            address.c.address,
            _seat.c.is_primary_home,
            _seat.c.since,
            _seat.c.until,
            person.c.status,
        )
        .select_from(_seat)
        .outerjoin(person, person.c.id == _seat.c.person_id)
        .outerjoin(address, address.c.id == address_id_of(_seat, person))
        .where(_seat.c.organisation_id == organisation_id)
        .order_by(_seat.c.strength, person.c.name_key, _seat.c.id)
    ).all()
    roles = _lists(session, role.c.seat_id, role.c.role, [row.id for row in rows])
    return [
        {
            "name": row.full_name or "",
            "email": row.address,
            "roles": roles[row.id],
            "primary": row.is_primary_home,
            "since": row.since,
            "until": row.until,
            "status": row.status,
        }
        for row in rows
    ]


def _networks(session: Session, organisation_id: int) -> list[dict[str, Any]]:
    """slug, name, kind, whether the house coordinates it, carried_over_on."""
    network, member = table_of(Network), table_of(NetworkOrganisation)
    rows = session.execute(
        select(network.c.slug, network.c.name, network.c.kind, network.c.coordinator_id, member.c.carried_over_on)
        .select_from(network)
        .outerjoin(member, and_(member.c.network_id == network.c.id, member.c.organisation_id == organisation_id))
        .where(or_(member.c.organisation_id.is_not(None), network.c.coordinator_id == organisation_id))
        .order_by(network.c.slug)
    )
    return [
        {
            "slug": row.slug,
            "name": row.name,
            "kind": row.kind,
            "coordinates": row.coordinator_id == organisation_id,
            "carried_over_on": row.carried_over_on,
        }
        for row in rows
    ]


def _toolkits(session: Session, organisation_id: int) -> list[dict[str, Any]]:
    """code, name, version, status of that version, since, confirmed_on."""
    use, toolkit, version = table_of(ToolkitUse), table_of(Toolkit), table_of(ToolkitVersion)
    rows = session.execute(
        select(toolkit.c.code, toolkit.c.name, version.c.version, version.c.status, use.c.since, use.c.confirmed_on)
        .join_from(use, toolkit, toolkit.c.id == use.c.toolkit_id)
        .join(version, version.c.id == use.c.version_id)
        .where(use.c.organisation_id == organisation_id)
        .order_by(toolkit.c.code)
    )
    return [dict(row) for row in rows.mappings()]
