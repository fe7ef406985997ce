"""Contact lines (Anlaufstellen): what a house agreed to show to everybody, where it holds, and who agreed to it when.

An address that is a person's own is shown only where that person agreed, whatever the house said, and whichever of the two
was recorded first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, UniqueConstraint, delete, or_, select, union, update
from sqlmodel import Field, Session, SQLModel

from om_campaigns.audience.changes import Change
from om_campaigns.audience.german import name_key
from om_campaigns.audience.models import Address, Organisation, OrganisationRegion, Person, Seat
from om_campaigns.audience.vocabulary import NATIONWIDE, AddressKind, OrganisationStatus, Origin, PersonStatus
from om_campaigns.columns import by_value, key, one_of, reference, table_of


class ContactLine(SQLModel, table=True):
    """One line of a house. ``source`` says how the agreement reached us; ``until`` is the last day on which it holds."""

    __tablename__ = "contact_line"
    __table_args__ = (UniqueConstraint("organisation_id", "name"), one_of("origin", Origin))

    id: int = Field(default=None, primary_key=True)
    organisation_id: int = Field(sa_column=reference("organisation.id", index=False))
    name: str
    name_en: str = ""
    phone: str = ""
    email: str = ""
    email_key: str = key(default="", index=True)
    url: str = ""
    hours: str = ""
    hours_en: str = ""
    agreed_on: date
    agreed_by: str = ""
    source: str
    until: date | None = None
    origin: Origin = Field(default=Origin.file, sa_type=by_value(Origin), nullable=False)


class ContactLineRegion(SQLModel, table=True):
    """Where a line helps; without a row wherever its house works."""

    __tablename__ = "contact_line_region"

    contact_line_id: int = Field(foreign_key="contact_line.id", primary_key=True)
    ags: str = key(primary_key=True)


class ContactLineTopic(SQLModel, table=True):
    """What a line helps with; without a row with everything."""

    __tablename__ = "contact_line_topic"

    contact_line_id: int = Field(foreign_key="contact_line.id", primary_key=True)
    topic: str = key(primary_key=True)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as anybody may read it."""

    house: str
    name: str
    phone: str
    email: str
    url: str
    hours: str
    regions: tuple[str, ...]
    topics: tuple[str, ...]
    agreed_on: date


_line, _house, _person, _seat, _address = (table_of(each) for each in (ContactLine, Organisation, Person, Seat, Address))


def load_public(session: Session, today: date, language: str) -> list[Line]:
    """Every line that may be shown today, by house and name."""
    holds = (
        _house.c.status == OrganisationStatus.active,
        _line.c.agreed_on <= today,
        or_(_line.c.until.is_(None), _line.c.until >= today),
    )
    english = language == "en"
    return [
        Line(
            house=each["house"],
            name=(each["name_en"] if english else "") or each["name"],
            hours=(each["hours_en"] if english else "") or each["hours"],
            **{name: each[name] for name in ("phone", "email", "url", "regions", "topics", "agreed_on")},
        )
        for each in _load(session, *holds)
        if each["agreed"]
    ]


def load_of_house(session: Session, organisation_id: int) -> list[dict[str, Any]]:
    """The lines of one house as staff see them; ``agreed`` is false for the address of a person who did not agree."""
    return list(_load(session, _line.c.organisation_id == organisation_id))


def _load(session: Session, *conditions: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    rows = session.execute(
        select(_line, _house.c.name.label("house"))
        .join_from(_line, _house, _house.c.id == _line.c.organisation_id)
        .where(*conditions)
        .order_by(_house.c.name_key, _line.c.name)
    ).all()
    regions, topics, work = table_of(ContactLineRegion), table_of(ContactLineTopic), table_of(OrganisationRegion)
    own = _lists(session, regions.c.contact_line_id, regions.c.ags, {row.id for row in rows})
    lent = _lists(session, work.c.organisation_id, work.c.ags, {row.organisation_id for row in rows})
    about = _lists(session, topics.c.contact_line_id, topics.c.topic, {row.id for row in rows})
    owners = find_owners(session, {row.email_key for row in rows})
    for row in rows:
        yield {
            **{name: value for name, value in row._mapping.items() if name not in ("id", "organisation_id", "email_key")},
            "regions": own[row.id] or lent[row.organisation_id] or (NATIONWIDE,),
            "topics": about[row.id],
            "agreed": is_agreed(row.agreed_by, owners[row.email_key]),
        }


def _lists(session: Session, owner: Any, value: Any, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = defaultdict(tuple)
    query = select(owner, value).order_by(owner, value)
    for each, entry in session.execute(query.where(owner.in_(ids)) if len(ids) <= 500 else query):
        found[each] = (*found[each], entry)
    return found


def is_agreed(agreed_by: str, owners: Collection[str]) -> bool:
    """Whether an address may be shown: it is nobody's own, or one of its ``owners`` (keys of names) is who agreed."""
    return not owners or name_key(agreed_by) in owners


def find_owners(session: Session, keys: Collection[str]) -> dict[str, set[str]]:
    """Key of an address → keys of the names of the people whose own address it is; nobody owns the address of an office."""
    asked = select(_address.c.id).where(_address.c.normal_key.in_(set(keys) - {""}), _address.c.kind == AddressKind.personal)
    owned = union(
        select(_person.c.id.label("person_id"), _person.c.main_address_id.label("address_id")).where(_person.c.main_address_id.in_(asked)),
        select(_seat.c.person_id, _seat.c.address_id).where(_seat.c.person_id.is_not(None), _seat.c.address_id.in_(asked)),
    ).subquery()
    query = (
        select(_address.c.normal_key, _person.c.name_key)
        .join_from(owned, _person, _person.c.id == owned.c.person_id)
        .join(_address, _address.c.id == owned.c.address_id)
        .where(_person.c.status != PersonStatus.erased)
    )
    found: dict[str, set[str]] = defaultdict(set)
    for address, name in session.execute(query):
        found[address].add(name)
    return found


def forget_person(session: Session, names: Collection[str], keys: Collection[str]) -> int:
    """Whoever is erased stands in no line: lines with their addresses go, and their names where they agreed. Returns how many."""
    doomed, emptied, forgotten = [], [], {name_key(each) for each in names}
    for row in session.execute(select(_line.c.id, _line.c.email_key, _line.c.agreed_by)):
        if row.email_key and row.email_key in keys:
            doomed.append(row.id)
        elif row.agreed_by and name_key(row.agreed_by) in forgotten:
            emptied.append(row.id)
    change = table_of(Change)
    known = change.c.entity == "contact_line", change.c.entity_id.in_(doomed + emptied)
    session.execute(update(change).where(*known).values(old=None, new=None))
    for table in (table_of(ContactLineRegion), table_of(ContactLineTopic)):
        session.execute(delete(table).where(table.c.contact_line_id.in_(doomed)))
    session.execute(delete(_line).where(_line.c.id.in_(doomed)))
    session.execute(update(_line).where(_line.c.id.in_(emptied)).values(agreed_by=""))
    return len(doomed) + len(emptied)
