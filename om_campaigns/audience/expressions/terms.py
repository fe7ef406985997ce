"""What each field and function is in SQL. Correlated subqueries only; no text is ever put together into SQL.

Every condition made here is two-valued: it is never NULL, so ``NOT`` may stand before it. Every scalar may be NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    exists,
    false,
    func,
    inspect,
    literal,
    or_,
    select,
)

from om_campaigns.audience import consent, seats, toolkits
from om_campaigns.audience import models as m
from om_campaigns.audience.expressions.catalogue import Term
from om_campaigns.audience.tree import select_stating
from om_campaigns.audience.vocabulary import NATIONWIDE, NetworkKind, RecipientKind, ResponseKind, Role, Sender, ToolkitStatus

Column = ColumnElement[Any]
Condition = ColumnElement[bool]

EPOCH = date(1970, 1, 1)
NEVER = date(1900, 1, 1)
"""From when a network is idle of which no day at all is recorded."""


def table(entity: Any) -> FromClause:
    """The table or alias behind a table, a table class or ``aliased(class)``."""
    return entity if isinstance(entity, FromClause) else cast("FromClause", inspect(entity).selectable)


SEAT, PERSON, ORGANISATION = table(m.Seat), table(m.Person), table(m.Organisation)

# Aliases of our own, so that nothing inside a subquery is taken for the table of the query around it.
ASKED = ORGANISATION.alias("x_asked")
"""A house asked on its own, once, when a condition over seats concerns only the house."""

_seat = SEAT.alias("x_seat")
_house = ORGANISATION.alias("x_house")
_seat_role = table(m.SeatRole).alias("x_seat_role")
_region = table(m.OrganisationRegion).alias("x_region")
_sector = table(m.OrganisationSector).alias("x_sector")
_interest = table(m.OrganisationInterest).alias("x_interest")
_basis = table(m.Basis).alias("x_basis")
_network = table(m.Network).alias("x_network")
_in_network = table(m.NetworkOrganisation).alias("x_in_network")
_by_person = table(m.NetworkPerson).alias("x_by_person")
_toolkit = table(toolkits.Toolkit).alias("x_toolkit")
_use = table(toolkits.ToolkitUse).alias("x_use")
_used = table(toolkits.ToolkitVersion).alias("x_used")
_newer = table(toolkits.ToolkitVersion).alias("x_newer")
_touch = table(m.Touch).alias("x_touch")
_response = table(m.Response).alias("x_response")


_route, _own_route = (table(m.OrganisationRoute).alias(name) for name in ("x_route", "x_own_route"))
_route_source = select_stating("x_route_source", lambda house: exists().where(_own_route.c.organisation_id == house.c.id))
"""Every house that receives somewhere → the house whose routes hold for it."""


@dataclass(frozen=True, slots=True)
class Around:
    """The tables of the query around a condition, and what it may know: the day, and campaign name → id."""

    seat: FromClause | None
    person: FromClause | None
    organisation: FromClause
    today: date
    campaigns: Mapping[str, int]

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)


def _there(query: Select[Any], *inner: FromClause) -> Condition:
    return query.correlate_except(*inner).exists()


def _scalar(query: Select[Any], *inner: FromClause) -> ScalarSelect[Any]:
    return query.correlate_except(*inner).scalar_subquery()


def address_of(around: Around) -> Column:
    """The seat's effective address: its own, else the person's main one."""
    assert around.seat is not None and around.person is not None  # noqa: S101, PT018  the reader refuses it before
    return seats.address_id_of(around.seat, around.person)


# ---- seats of the house


def _has_role(around: Around, term: Term) -> Condition:
    return seats.named(around.organisation, Role(str(term.arguments[0])), around.today).exists()


def _adviser_count(around: Around, _term: Term) -> Column:
    return seats.adviser_count(around.organisation, around.today)


def _home(column: str) -> Callable[[Around, Term], Column]:
    def found(around: Around, _term: Term) -> Column:
        assert around.person is not None  # noqa: S101  the reader refuses it before
        # min() of the one primary home: no sorting, and one value even if two were marked
        query = (
            select(func.min(_house.c[column]))
            .select_from(_seat)
            .join(_house, _house.c.id == _seat.c.organisation_id)
            .where(_seat.c.person_id == around.person.c.id, _seat.c.is_primary_home, seats.holds_on(around.today, _seat))
        )
        return _scalar(query, _seat, _house)

    return found


# ---- the tree


def _children(around: Around, term: Term) -> Column:
    query = select(func.count()).select_from(_house)
    query = query.where(_house.c.parent_id == around.organisation.c.id, _house.c.status == term.arguments[0])
    return _scalar(query, _house)


def _takes(around: Around, term: Term) -> Condition:
    receiving = (
        select(_route_source.c.house_id)
        .join(_route, _route.c.organisation_id == _route_source.c.source_id)
        .where(_route.c.route == term.arguments[0])
    )
    return around.organisation.c.id.in_(receiving)


def _within(around: Around, term: Term) -> Condition:
    return _region_there(around, _inside(str(term.arguments[1])))


def _serves(around: Around, term: Term) -> Condition:
    wanted = str(term.arguments[1])
    containing = [wanted[:length] for length in (2, 3, 5, 8) if length < len(wanted) and wanted != NATIONWIDE]
    return _region_there(around, or_(_inside(wanted), _region.c.ags.in_([*containing, NATIONWIDE])))


def _inside(ags: str) -> Condition:
    """A prefix as a range, which an index can follow; DE holds everything."""
    if ags == NATIONWIDE:
        return _region.c.ags.is_not(None)
    return and_(_region.c.ags >= ags, _region.c.ags < ags[:-1] + chr(ord(ags[-1]) + 1))


def _region_there(around: Around, condition: Condition) -> Condition:
    return _there(select(literal(1)).where(_region.c.organisation_id == around.organisation.c.id, condition), _region)


# ---- networks


def _networks(around: Around, condition: Condition) -> Condition:
    """The house sits in such a network, somebody sits there for it, or the person does, not for another house."""
    for_house = _by_person.c.for_organisation_id == around.organisation.c.id
    if around.person is not None:
        himself = and_(_by_person.c.person_id == around.person.c.id, _by_person.c.for_organisation_id.is_(None))
        for_house = or_(for_house, himself)
    house = select(literal(1)).select_from(_in_network).join(_network, _network.c.id == _in_network.c.network_id)
    people = select(literal(1)).select_from(_by_person).join(_network, _network.c.id == _by_person.c.network_id)
    return or_(
        _there(house.where(_in_network.c.organisation_id == around.organisation.c.id, condition), _in_network, _network),
        _there(people.where(for_house, condition), _by_person, _network),
    )


def _member_of(around: Around, term: Term) -> Condition:
    return _networks(around, _network.c.slug == term.arguments[0])


def _sits_in(around: Around, term: Term) -> Condition:
    return _networks(around, _network.c.kind == term.arguments[0])


def _coordinates(around: Around, term: Term) -> Condition:
    query = select(literal(1)).where(_network.c.coordinator_id == around.organisation.c.id, _network.c.kind == term.arguments[0])
    return _there(query, _network)


def _idle_from(around: Around) -> Column:
    day = func.coalesce(_network.c.last_activity_on, _network.c.recognised_on, NEVER)
    query = select(func.min(day)).where(_network.c.coordinator_id == around.organisation.c.id, _network.c.kind == NetworkKind.om)
    return _scalar(query, _network)


def _carried_over_within(around: Around, term: Term) -> Condition:
    query = (
        select(literal(1))
        .select_from(_in_network)
        .join(_network, _network.c.id == _in_network.c.network_id)
        .where(
            _in_network.c.organisation_id == around.organisation.c.id,
            _in_network.c.carried_over_on >= around.ago(int(term.arguments[0])),
            _network.c.kind == NetworkKind.other,
        )
    )
    return _there(query, _in_network, _network)


# ---- toolkits


def _uses(around: Around, term: Term) -> Column:
    query = (
        select(_used.c.sort_key)
        .select_from(_use)
        .join(_toolkit, _toolkit.c.id == _use.c.toolkit_id)
        .join(_used, _used.c.id == _use.c.version_id)
        .where(_use.c.organisation_id == around.organisation.c.id, _toolkit.c.code == term.arguments[0])
    )
    return _scalar(query, _use, _toolkit, _used)


def _uses_outdated(around: Around, _term: Term) -> Condition:
    newer = (
        select(literal(1))
        .where(
            _newer.c.toolkit_id == _use.c.toolkit_id,
            _newer.c.status == ToolkitStatus.current,
            _newer.c.sort_key > _used.c.sort_key,
            or_(_use.c.confirmed_on.is_(None), _use.c.confirmed_on < _newer.c.released_on),
        )
        .correlate_except(_newer)
        .exists()
    )
    query = (
        select(literal(1))
        .select_from(_use)
        .join(_used, _used.c.id == _use.c.version_id)
        .where(_use.c.organisation_id == around.organisation.c.id, or_(_used.c.status == ToolkitStatus.withdrawn, newer))
    )
    return _there(query, _use, _used)


# ---- what touched whom, and what came back


def _received(around: Around, term: Term) -> Condition:
    name, _, step = str(term.arguments[0]).partition("/")
    campaign_id = around.campaigns.get(name)
    if campaign_id is None:
        return false()
    served = [_touch.c.campaign_id == campaign_id, _touch.c.certain, *([_touch.c.step == step] if step else [])]
    of_house = around.organisation.c.id.in_(select(_touch.c.organisation_id).where(*served))
    if around.seat is None or around.person is None:
        return of_house
    kind, recipient = _touch.c.recipient_kind, select(_touch.c.recipient_id)
    to_person = around.person.c.id.in_(recipient.where(*served, kind == RecipientKind.person))
    to_role_address = around.organisation.c.id.in_(recipient.where(*served, kind == RecipientKind.organisation))
    return or_(
        and_(around.person.c.id.is_not(None), to_person),
        and_(around.person.c.id.is_(None), around.seat.c.id.is_not(None), to_role_address),
        and_(around.person.c.id.is_(None), around.seat.c.id.is_(None), of_house),
    )


def _answered(around: Around, term: Term) -> Condition:
    name, _, step = str(term.arguments[0]).partition("/")
    campaign_id = around.campaigns.get(name)
    if campaign_id is None:
        return false()
    given = [_response.c.kind == ResponseKind.answer, _response.c.campaign_id == campaign_id, *([_response.c.step == step] if step else [])]
    return around.organisation.c.id.in_(select(_response.c.organisation_id).where(*given))


def _touches_within(around: Around, term: Term) -> Column:
    since = (around.ago(int(term.arguments[0])) - EPOCH).days
    query = select(func.count()).select_from(_touch)
    query = query.where(_touch.c.organisation_id == around.organisation.c.id, _touch.c.day >= since, _touch.c.certain, ~_touch.c.service)
    return _scalar(query, _touch)


def _responded_within(around: Around, term: Term) -> Condition:
    since = datetime.combine(around.ago(int(term.arguments[0])), time(), UTC)
    query = select(literal(1)).where(_response.c.organisation_id == around.organisation.c.id, _response.c.at >= since)
    return _there(query, _response)


# ---- basis


def _has_basis(around: Around, term: Term) -> Condition:
    house = SimpleNamespace(id=around.organisation.c.id, data_role=around.organisation.c.data_role)
    return consent.has_basis(address_of(around), house, str(term.arguments[0]), Sender.om)


def _language(around: Around, _term: Term) -> Column:
    house = around.organisation.c.language
    return house if around.person is None else func.coalesce(around.person.c.language, house)


CONDITIONS: dict[str, Callable[[Around, Term], Condition]] = {
    "within": _within,
    "serves": _serves,
    "has_role": _has_role,
    "takes": _takes,
    "member_of": _member_of,
    "sits_in": _sits_in,
    "coordinates": _coordinates,
    "carried_over_within": _carried_over_within,
    "uses_outdated": _uses_outdated,
    "received": _received,
    "answered": _answered,
    "responded_within": _responded_within,
    "has_basis": _has_basis,
}

SCALARS: dict[str, Callable[[Around, Term], Column]] = {
    "type": lambda around, _term: around.organisation.c.org_type,
    "language": _language,
    "adviser_count": _adviser_count,
    "home.type": _home("org_type"),
    "home.level": _home("level"),
    "home.status": _home("status"),
    "home.slug": _home("slug"),
    "children": _children,
    "uses": _uses,
    "touches_within": _touches_within,
}
"""Scalars that are not simply a column of their own name."""

PLAIN = frozenset({"type", "level", "status", "slug", "forward_policy", "data_role", "joined_on", "left_on", "headcount_as_of"})
"""Columns of the house itself: cheap for every row, and an index may stand on them."""


def scalar(around: Around, term: Term) -> Column:
    """The SQL value of a scalar term; NULL where it is missing. Terms of kind ``days`` have ``day_from`` instead."""
    if term.name in SCALARS:
        return SCALARS[term.name](around, term)
    return _column(around, term.name)


def day_from(around: Around, term: Term) -> Column:
    """The date from which a term of kind ``days`` counts."""
    return _idle_from(around) if term.name == "network_idle_days" else _column(around, str(term.arguments[0]))


def _column(around: Around, name: str) -> Column:
    side = around.seat if name in {"since", "until"} else around.organisation
    assert side is not None  # noqa: S101  the reader refuses it before
    return side.c[name]


def holds(around: Around, term: Term, value: str) -> Condition:
    """A list-valued term holds a text."""
    house = around.organisation.c.id
    if term.name == "networks":
        return _networks(around, _network.c.slug == value)
    if term.name == "roles":
        assert around.seat is not None  # noqa: S101  the reader refuses it before
        query, inner = select(literal(1)).where(_seat_role.c.seat_id == around.seat.c.id, _seat_role.c.role == value), _seat_role
    elif term.name == "basis":
        query = select(literal(1)).where(_basis.c.address_id == address_of(around), _basis.c.kind == value, _basis.c.withdrawn_at.is_(None))
        inner = _basis
    else:
        inner, column = {"regions": (_region, "ags"), "sectors": (_sector, "sector"), "interests": (_interest, "topic")}[term.name]
        query = select(literal(1)).where(inner.c.organisation_id == house, inner.c[column] == value)
    return _there(query, inner)
