"""The way in for the people of a house: links that open once, sessions that can be ended, and who may act for whom (SEC-14).

Nothing here is a secret: a link's token is signed when its mail is written, of a session only the hash of its key is kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlmodel import Field, Session, SQLModel

from om_campaigns import store
from om_campaigns.audience.models import Address
from om_campaigns.audience.seats import ADDRESS, HOUSE, PERSON, RECEIVING_ROLES, SEAT, has_role, seats_at, select_sitting
from om_campaigns.audience.tree import load_below
from om_campaigns.audience.vocabulary import BounceState, OrganisationStatus, Origin
from om_campaigns.columns import Instant, key, new_ref, reference, table_of

SESSION_LIFE = timedelta(hours=12)
"""A working day: whoever comes back tomorrow asks for a new link."""

ENTRANCE_DAYS = 30
"""Who signed in when is kept so long after it ended."""


class AccessLink(SQLModel, table=True):
    """A link to sign in, for one address: good until ``useful_until``, and once."""

    __tablename__ = "entrance_link"

    ref: str = key(default_factory=new_ref, primary_key=True)
    address_id: int = Field(sa_column=reference("address.id"))
    made_at: datetime = Field(sa_type=Instant, nullable=False)
    useful_until: datetime = Field(sa_type=Instant, nullable=False)
    used_at: datetime | None = Field(default=None, sa_type=Instant)


class AccessSession(SQLModel, table=True):
    """Somebody who signed in. ``key_hash`` is SHA-256 of the cookie, which is kept nowhere here."""

    __tablename__ = "entrance_session"

    id: int = Field(default=None, primary_key=True)
    key_hash: str = key(unique=True)
    address_id: int = Field(sa_column=reference("address.id"))
    began_at: datetime = Field(sa_type=Instant, nullable=False)
    useful_until: datetime = Field(sa_type=Instant, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


@dataclass(frozen=True, slots=True)
class Acting:
    """Who does something for houses: one of their people, signed in or with the link of a mail, or our staff, who name the house.

    ``own`` are the houses of their seats, ``below`` the offices under them (ids, the highest first); staff have none.
    """

    name: str
    """'' for a role address."""
    origin: Origin = Origin.staff
    language: str = ""
    own: tuple[int, ...] = ()
    below: tuple[int, ...] = ()
    slug: str = ""
    """Of the first house in ``own``."""
    address_id: int = 0
    address: str = ""

    @property
    def actor(self) -> str:
        """What change logs say."""
        return self.name or "role address"

    @property
    def houses(self) -> tuple[int, ...]:
        """Every house they may act for."""
        return self.own + self.below


def find_acting(session: Session, address_id: int, today: date) -> Acting | None:
    """Who stands behind an address today; None for one that may act for no active house, or is gone."""
    columns = (SEAT.c.organisation_id, PERSON.c.full_name, PERSON.c.language, HOUSE.c.language, ADDRESS.c.address, HOUSE.c.slug)
    query = (
        select_sitting(today, *columns)
        .where(
            SEAT.c.id.in_(seats_at(address_id)),
            ADDRESS.c.bounce_state != BounceState.hard,
            has_role(RECEIVING_ROLES),
            HOUSE.c.status == OrganisationStatus.active,
        )
        .order_by(SEAT.c.is_primary_home.desc(), SEAT.c.strength, SEAT.c.id)
    )
    rows = session.execute(query).all()
    if not rows:
        return None
    own = tuple(dict.fromkeys(row[0] for row in rows))
    names = {row[1] or "" for row in rows}
    language = next((each for row in rows for each in (row[2], row[3]) if each), "")
    name = names.pop() if len(names) == 1 else ""
    return Acting(name, Origin.partner, language, own, load_below(session, own), rows[0][5], address_id, rows[0][4])


@dataclass(frozen=True, slots=True)
class HouseReceiver:
    """Somebody who receives packs in a house; ``name`` is that of the person, or the role address."""

    address_id: int
    ref: str
    name: str


def find_receivers(session: Session, organisation_id: int, today: date) -> list[HouseReceiver]:
    """Everybody who receives in one house, by name; one per address."""
    query = select_sitting(today, ADDRESS.c.id, ADDRESS.c.ref, func.coalesce(PERSON.c.full_name, ADDRESS.c.address).label("name")).where(
        SEAT.c.organisation_id == organisation_id, ADDRESS.c.id.is_not(None), has_role(RECEIVING_ROLES)
    )
    found = {row.id: HouseReceiver(row.id, row.ref, row.name) for row in session.execute(query)}
    return sorted(found.values(), key=lambda each: (each.name, each.ref))


def find_address(session: Session, normal_key: str) -> int | None:
    """The address somebody typed, where it is known."""
    address = table_of(Address)
    query = select(address.c.id).where(address.c.normal_key == normal_key, address.c.erased_at.is_(None))
    return session.execute(query).scalar_one_or_none()


def make_link(session: Session, address_id: int, now: datetime, useful_until: datetime) -> str:
    """A new link; returns the public name its token carries."""
    link = AccessLink(address_id=address_id, made_at=now, useful_until=useful_until)
    session.add(link)
    session.flush()
    return link.ref


def find_link(session: Session, ref: str, now: datetime) -> int | None:
    """The address of a link that can still be used."""
    link = session.get(AccessLink, ref)
    return link.address_id if link is not None and link.used_at is None and now < link.useful_until else None


def use_link(session: Session, ref: str, now: datetime) -> int | None:
    """Use a link up; the address it is for, or None where it was used or is too old. Of two at once, one gets in."""
    link = table_of(AccessLink)
    taken = update(link).where(link.c.ref == ref, link.c.used_at.is_(None), link.c.useful_until > now).values(used_at=now)
    if not store.change(session, taken):
        return None
    return int(session.execute(select(link.c.address_id).where(link.c.ref == ref)).scalar_one())


def hash_key(session_key: str) -> str:
    """What is kept of the key of a session: it has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def begin_session(session: Session, session_key: str, address_id: int, now: datetime, useful_until: datetime) -> None:
    session.add(AccessSession(key_hash=hash_key(session_key), address_id=address_id, began_at=now, useful_until=useful_until))
    session.flush()


def find_session(session: Session, session_key: str, now: datetime) -> int | None:
    """The address of a session that holds."""
    row = table_of(AccessSession)
    query = select(row.c.address_id).where(row.c.key_hash == hash_key(session_key), row.c.ended_at.is_(None), row.c.useful_until > now)
    return session.execute(query).scalar_one_or_none()


def end_sessions(session: Session, now: datetime, *, session_key: str = "", address_id: int | None = None) -> int:
    """End one session, or all of an address; returns how many."""
    row = table_of(AccessSession)
    whose = row.c.address_id == address_id if address_id is not None else row.c.key_hash == hash_key(session_key)
    return store.change(session, update(row).where(whose, row.c.ended_at.is_(None)).values(ended_at=now))


def forget_access(session: Session, before: datetime) -> int:
    """Delete links and sessions that ended before; returns how many."""
    return sum(
        store.change(session, table.delete().where(table.c.useful_until < before))
        for table in (table_of(AccessLink), table_of(AccessSession))
    )
