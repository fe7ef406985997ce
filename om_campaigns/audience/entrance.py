"""The way in for the people of a house: links that open once, sessions that can be ended, and who may act for whom (SEC-14).

Nothing here is a secret: a link's token is signed when its mail is written, of a session only the hash of its key is kept.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, or_, select, update
from sqlmodel import Field, Session, SQLModel

from om_campaigns import store
from om_campaigns.audience.models import Address, Organisation, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import BounceState, OrganisationStatus, PersonStatus, Role
from om_campaigns.columns import Instant, key, new_ref, reference, table_of

ENTERING_ROLES = (Role.contact, Role.deputy, Role.distributor)
"""Who may act for a house: those who receive its packs."""


class EntranceLink(SQLModel, table=True):
    """A link to sign in, for one address: good until ``useful_until``, and once."""

    __tablename__ = "entrance_link"

    ref: str = key(default_factory=new_ref, primary_key=True)
    address_id: int = Field(sa_column=reference("address.id"))
    made_at: datetime = Field(sa_type=Instant, nullable=False)
    useful_until: datetime = Field(sa_type=Instant, nullable=False)
    used_at: datetime | None = Field(default=None, sa_type=Instant)


class EntranceSession(SQLModel, table=True):
    """Somebody who signed in. ``key_hash`` is SHA-256 of the cookie, which is kept nowhere here."""

    __tablename__ = "entrance_session"

    id: int | None = Field(default=None, primary_key=True)
    key_hash: str = key(unique=True)
    address_id: int = Field(sa_column=reference("address.id"))
    began_at: datetime = Field(sa_type=Instant, nullable=False)
    useful_until: datetime = Field(sa_type=Instant, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


@dataclass(frozen=True, slots=True)
class Steward:
    """Somebody who may act for houses: ``own`` are those of their seats, ``below`` the offices under them (ids, the highest first)."""

    address_id: int
    address: str
    name: str
    language: str
    slug: str
    """Of the first house in ``own``."""
    own: tuple[int, ...]
    below: tuple[int, ...]

    @property
    def houses(self) -> tuple[int, ...]:
        """Every house they may act for."""
        return self.own + self.below


def find_steward(session: Session, address_id: int, today: date) -> Steward | None:
    """Who stands behind an address today; None for one that may act for no active house, or is gone."""
    address, seat, role, person, house = (table_of(each) for each in (Address, Seat, SeatRole, Person, Organisation))
    effective = func.coalesce(seat.c.address_id, person.c.main_address_id)
    query = (
        select(seat.c.organisation_id, person.c.full_name, person.c.language, house.c.language, address.c.address, house.c.slug)
        .join_from(seat, role, role.c.seat_id == seat.c.id)
        .join(house, house.c.id == seat.c.organisation_id)
        .outerjoin(person, person.c.id == seat.c.person_id)
        .join(address, address.c.id == effective)
        .where(
            address.c.id == address_id,
            address.c.erased_at.is_(None),
            address.c.bounce_state != BounceState.hard,
            role.c.role.in_(ENTERING_ROLES),
            or_(seat.c.until.is_(None), seat.c.until >= today),
            or_(person.c.id.is_(None), person.c.status == PersonStatus.active),
            house.c.status == OrganisationStatus.active,
        )
        .order_by(seat.c.is_primary_home.desc(), seat.c.strength, seat.c.id)
    )
    rows = session.execute(query).all()
    if not rows:
        return None
    own = tuple(dict.fromkeys(row[0] for row in rows))
    names = {row[1] or "" for row in rows}
    language = next((each for row in rows for each in (row[2], row[3]) if each), "")
    return Steward(address_id, rows[0][4], names.pop() if len(names) == 1 else "", language, rows[0][5], own, find_below(session, own))


@dataclass(frozen=True, slots=True)
class HouseReceiver:
    """Somebody who receives packs in a house; ``name`` is that of the person, or the role address."""

    address_id: int
    ref: str
    name: str


def find_receivers(session: Session, organisation_id: int, today: date) -> list[HouseReceiver]:
    """Everybody with an entering role in one house, by name; one per address."""
    address, seat, role, person = (table_of(each) for each in (Address, Seat, SeatRole, Person))
    query = (
        select(address.c.id, address.c.ref, func.coalesce(person.c.full_name, address.c.address).label("name"))
        .join_from(seat, role, role.c.seat_id == seat.c.id)
        .outerjoin(person, person.c.id == seat.c.person_id)
        .join(address, address.c.id == func.coalesce(seat.c.address_id, person.c.main_address_id))
        .where(
            seat.c.organisation_id == organisation_id,
            address.c.erased_at.is_(None),
            role.c.role.in_(ENTERING_ROLES),
            or_(seat.c.until.is_(None), seat.c.until >= today),
            or_(person.c.id.is_(None), person.c.status == PersonStatus.active),
        )
    )
    found = {row.id: HouseReceiver(row.id, row.ref, row.name) for row in session.execute(query)}
    return sorted(found.values(), key=lambda each: (each.name, each.ref))


def find_below(session: Session, above: Iterable[int]) -> tuple[int, ...]:
    """The active offices under these houses, level by level; never one of those themselves."""
    house = table_of(Organisation)
    query = select(house.c.id, house.c.parent_id).where(house.c.status == OrganisationStatus.active, house.c.parent_id.is_not(None))
    children: dict[int, list[int]] = defaultdict(list)
    for number, parent in session.execute(query.order_by(house.c.name, house.c.id)):
        children[parent].append(number)
    found, known = [], set(above)
    level = list(known)
    while level:
        level = [child for parent in level for child in children[parent] if child not in known]
        known.update(level)
        found += level
    return tuple(found)


def find_address(session: Session, normal_key: str) -> int | None:
    """The address somebody typed, where it is known."""
    address = table_of(Address)
    query = select(address.c.id).where(address.c.normal_key == normal_key, address.c.erased_at.is_(None))
    return session.execute(query).scalar_one_or_none()


def make_link(session: Session, address_id: int, now: datetime, useful_until: datetime) -> str:
    """A new link; returns the public name its token carries."""
    link = EntranceLink(address_id=address_id, made_at=now, useful_until=useful_until)
    session.add(link)
    session.flush()
    return link.ref


def find_link(session: Session, ref: str, now: datetime) -> int | None:
    """The address of a link that can still be used."""
    link = session.get(EntranceLink, ref)
    return link.address_id if link is not None and link.used_at is None and now < link.useful_until else None


def use_link(session: Session, ref: str, now: datetime) -> int | None:
    """Use a link up; the address it is for, or None where it was used or is too old. Of two at once, one gets in."""
    link = table_of(EntranceLink)
    taken = update(link).where(link.c.ref == ref, link.c.used_at.is_(None), link.c.useful_until > now).values(used_at=now)
    if not store.change(session, taken):
        return None
    return int(session.execute(select(link.c.address_id).where(link.c.ref == ref)).scalar_one())


def hash_key(session_key: str) -> str:
    """What is kept of the key of a session: it has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def begin_session(session: Session, session_key: str, address_id: int, now: datetime, useful_until: datetime) -> None:
    session.add(EntranceSession(key_hash=hash_key(session_key), address_id=address_id, began_at=now, useful_until=useful_until))
    session.flush()


def find_session(session: Session, session_key: str, now: datetime) -> int | None:
    """The address of a session that holds."""
    row = table_of(EntranceSession)
    query = select(row.c.address_id).where(row.c.key_hash == hash_key(session_key), row.c.ended_at.is_(None), row.c.useful_until > now)
    return session.execute(query).scalar_one_or_none()


def end_sessions(session: Session, now: datetime, *, session_key: str = "", address_id: int | None = None) -> int:
    """End one session, or all of an address; returns how many."""
    row = table_of(EntranceSession)
    whose = row.c.address_id == address_id if address_id is not None else row.c.key_hash == hash_key(session_key)
    return store.change(session, update(row).where(whose, row.c.ended_at.is_(None)).values(ended_at=now))


def forget_entrances(session: Session, before: datetime) -> int:
    """Delete links and sessions that ended before; returns how many."""
    return sum(
        store.change(session, table.delete().where(table.c.useful_until < before))
        for table in (table_of(EntranceLink), table_of(EntranceSession))
    )
