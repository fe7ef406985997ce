"""Who sits in a house, and at which address they are written to: asked here by letters, cascade, portal, segments, reports and figures.

A seat holds from ``since`` to ``until``, both days included; without a day it is open on that side. It is read at its own address, else at
the main address of its person. A seat without a person (info@) counts like any other; whoever pauses, left or was erased sits nowhere.

Conditions take the tables as they stand in the query around them, so aliases will do. What is asked about one address starts from that
address (``seats_at``, ``people_at``): two look-ups in an index, however many people there are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select, and_, exists, func, or_, select, true, union
from sqlmodel import Session

from om_campaigns.audience.models import Address, Organisation, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import PersonStatus, Role
from om_campaigns.columns import table_of

RECEIVING_ROLES = (Role.distributor, Role.contact, Role.deputy)
"""Who receives the packs of a house and may act for it, the first choice first."""

SEAT, ROLE, PERSON, ADDRESS, HOUSE = (table_of(each) for each in (Seat, SeatRole, Person, Address, Organisation))

_at, _at_person = SEAT.alias("at_seat"), PERSON.alias("at_person")
_named, _named_role, _named_person = SEAT.alias("n_seat"), ROLE.alias("n_role"), PERSON.alias("n_person")


def holds_on(day: date, seat: FromClause = SEAT) -> ColumnElement[bool]:
    """The seat holds on this day."""
    return and_(or_(seat.c.since.is_(None), seat.c.since <= day), or_(seat.c.until.is_(None), seat.c.until >= day))


def holds_after(day: date, seat: FromClause = SEAT) -> ColumnElement[bool]:
    """The seat holds longer than to this day."""
    return or_(seat.c.until.is_(None), seat.c.until > day)


def last_days(session: Session) -> dict[int, date]:
    """The last day of every seat that has one, by its number."""
    return dict(session.execute(select(SEAT.c.id, SEAT.c.until).where(SEAT.c.until.is_not(None))).all())


def sits_on(day: date, seat: FromClause = SEAT, person: FromClause = PERSON) -> ColumnElement[bool]:
    """The seat holds on this day, and who sits there is active, or nobody (``person`` is joined from outside)."""
    return and_(holds_on(day, seat), or_(seat.c.person_id.is_(None), person.c.status == PersonStatus.active))


def address_id_of(seat: FromClause = SEAT, person: FromClause = PERSON) -> ColumnElement[Any]:
    """The effective address: that of the seat, else the main one of the person."""
    return func.coalesce(seat.c.address_id, person.c.main_address_id)


def has_role(roles: Collection[Role], seat: FromClause = SEAT) -> ColumnElement[bool]:
    """One of these roles is among those of the seat."""
    return exists().where(ROLE.c.seat_id == seat.c.id, ROLE.c.role.in_(tuple(roles)))


def select_sitting(day: date, *columns: Any) -> Select[Any]:
    """Everybody who sits on this day: ``columns`` of ``SEAT``, ``HOUSE``, ``PERSON`` (or none) and ``ADDRESS`` (or none, as if erased)."""
    joined = (
        SEAT.join(HOUSE, HOUSE.c.id == SEAT.c.organisation_id)
        .outerjoin(PERSON, PERSON.c.id == SEAT.c.person_id)
        .outerjoin(ADDRESS, and_(ADDRESS.c.id == address_id_of(), ADDRESS.c.erased_at.is_(None)))
    )
    return select(*columns).select_from(joined).where(sits_on(day))


def seats_at(address_id: Any) -> CompoundSelect[Any]:
    """The ids of the seats that are read at an address, whether they hold or not: their own, or the main one of their person."""
    by_person = select(_at.c.id).join(_at_person, _at_person.c.id == _at.c.person_id)
    return union(
        select(_at.c.id).where(_at.c.address_id == address_id),
        by_person.where(_at_person.c.main_address_id == address_id, _at.c.address_id.is_(None)),
    )


def people_at(address_id: Any, day: date | None = None) -> CompoundSelect[Any]:
    """The ids of the people who are written to at an address on this day, or ever were by a seat; nobody who was erased."""
    by_seat = select(_at_person.c.id).join(_at, _at.c.person_id == _at_person.c.id)
    is_known = _at_person.c.status != PersonStatus.erased
    return union(
        select(_at_person.c.id).where(_at_person.c.main_address_id == address_id, is_known),
        by_seat.where(_at.c.address_id == address_id, is_known, true() if day is None else holds_on(day, _at)),
    )


def people_of(session: Session, address_id: int, day: date | None = None) -> list[int]:
    """The ids of ``people_at``."""
    return sorted(session.execute(people_at(address_id, day)).scalars())


def person_of(session: Session, address_id: int, day: date) -> int | None:
    """The one person behind an address; None where there are none or several."""
    found = people_of(session, address_id, day)
    return found[0] if len(found) == 1 else None


def named(house: FromClause, role: Role, day: date) -> Select[Any]:
    """Who sits in ``house``, a table of the query around it, with a role on this day: their seats' ids, to count or to ask for."""
    joined = _named.join(_named_role, and_(_named_role.c.seat_id == _named.c.id, _named_role.c.role == role)).outerjoin(
        _named_person, _named_person.c.id == _named.c.person_id
    )
    query = select(_named.c.id).select_from(joined).where(_named.c.organisation_id == house.c.id, sits_on(day, _named, _named_person))
    return query.correlate_except(_named, _named_role, _named_person)


def adviser_count(house: FromClause, day: date) -> ColumnElement[int]:
    """How many advisers ``house`` has: as it says itself, else those it named."""
    counted = named(house, Role.adviser, day).with_only_columns(func.count(), maintain_column_froms=True)
    return func.coalesce(house.c.adviser_headcount, counted.scalar_subquery())
