"""People by address, name or number; houses by slug or name: as staff type them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import Session

from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.expressions import Refers
from om_campaigns.audience.expressions.catalogue import describe_unknown
from om_campaigns.audience.german import name_key
from om_campaigns.audience.models import Address, MailingList, Organisation, Person, Seat
from om_campaigns.audience.seats import people_at
from om_campaigns.audience.segments import load_words
from om_campaigns.audience.vocabulary import NATIONWIDE, PersonStatus
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.nearest import find_nearest, make_hint

MAX_AGS = 8
"""Digits of the longest key of a region, that of a municipality."""

_organisation, _person, _seat, _address, _list = (table_of(each) for each in (Organisation, Person, Seat, Address, MailingList))


def find_person_or_organisation(session: Session, text: str) -> tuple[int | None, int | None]:
    """(person id, None) or (None, organisation id); the address of a house's own desk (info@) means the house.

    Raises InputError for nobody, or where the text names more than one.
    """
    if "@" in text:
        if not find_people(session, text) and (house := _house_of_desk(session, text)) is not None:
            return None, house
        return find_person(session, text), None
    people, houses = find_people(session, text), find_organisations(session, text)
    people = people or ([] if houses else find_by_part(session, text))
    if people and houses:
        raise InputError(f"'{text}' names a person and an organisation", hint=f"use an e-mail address, or the slug {houses[0][1]}")
    if houses:
        return None, find_organisation(session, text)
    if people:
        return find_person(session, text, by_part=True), None
    hint = _near_house(session, text) or _near_name(session, text) or "'person list' and 'org list' find them by a part of the name"
    raise InputError(f"there is no person and no organisation '{text}'", hint=hint)


def find_organisation(session: Session, text: str) -> int:
    """The id of a house by slug, public id, name or short name. Raises InputError for none or several."""
    found = find_organisations(session, text)
    if not found:
        raise InputError(f"there is no organisation '{text}'", hint=_near_house(session, text) or "'om-campaigns org list' names them")
    if len(found) > 1:
        raise InputError(f"'{text}' names several organisations", hint=f"use a slug: {', '.join(sorted(slug for _, slug in found))}")
    return found[0][0]


def require_mailing_list(session: Session, slug: str) -> None:
    """Raises InputError, with what is near, for a mailing list that is not there."""
    known = list(session.execute(select(_list.c.slug)).scalars())
    if slug not in known:
        raise InputError(f"there is no mailing list '{slug}'", hint=make_hint(slug, known, "'om-campaigns audience show' names them"))


def find_house(session: Session, text: str) -> str:
    """The slug of a house named by slug or name; '' for ''. Raises InputError as ``find_organisation`` does."""
    return session.get_one(Organisation, find_organisation(session, text)).slug if text else ""


def require_type(session: Session, code: str) -> None:
    """Raises InputError with all types there are, and the one that was probably meant, for a code that is none."""
    if text := describe_unknown(Refers.organisation_type, code, words := load_words(session)):
        raise InputError(text, hint=f"there are {', '.join(sorted(words[Refers.organisation_type]))}")


def require_region(region: str) -> None:
    """Raises InputError for what is no key of a region."""
    if region != NATIONWIDE and not (region.isascii() and region.isdigit() and len(region) <= MAX_AGS):
        raise InputError(f"'{region}' is no key of a region", hint="2 digits are a Land, 5 a county, 8 a municipality; DE is nationwide")


def find_organisations(session: Session, text: str) -> list[tuple[int, str]]:
    """(id, slug) of the house with this slug or public id, else of every house with this name or short name."""
    house = _organisation.c
    exact = or_(house.slug == text.strip().lower(), house.public_id == text.strip())
    found = session.execute(select(house.id, house.slug).where(exact)).all()
    if not found:
        wanted = name_key(text)
        rows = session.execute(select(house.id, house.slug, house.name_key, house.short_name)).all()
        found = [row for row in rows if wanted and wanted in (row.name_key, name_key(row.short_name))]
    return [(row.id, row.slug) for row in found]


def _near_house(session: Session, text: str) -> str:
    rows = session.execute(select(_organisation.c.slug, _organisation.c.name, _organisation.c.short_name)).all()
    words = {word: row.slug for row in rows for word in (row.slug, row.name, row.short_name) if word}
    near = find_nearest(text, words)
    return f"did you mean '{words[near]}'?" if near else ""


def _house_of_desk(session: Session, text: str) -> int | None:
    wanted = _normal_key(text)
    query = select(_seat.c.organisation_id).join_from(_seat, _address, _address.c.id == _seat.c.address_id)
    found = session.execute(query.where(_address.c.normal_key == wanted, _seat.c.person_id.is_(None)).distinct()).scalars().all()
    return int(found[0]) if len(found) == 1 else None


def find_person(session: Session, text: str, *, by_part: bool = False) -> int:
    """The id of a person by e-mail address, staff key, public id or full name, or ``by_part`` of a name that only one person has.

    Raises InputError for none or several. What cannot be taken back asks for the whole name.
    """
    found = find_people(session, text)
    similar = [] if found else find_by_part(session, text)
    if by_part:
        found = found or similar
    if not found:
        hint = _near_name(session, text) or "'om-campaigns person list' finds people by a part of name or address"
        if similar:
            hint = f"did you mean {', '.join(f'{name} ({public_id})' for _, public_id, name in similar[:8])}?"
        raise InputError(f"there is nobody '{text}'", hint=hint)
    if len(found) > 1:
        named = ", ".join(f"{name} ({public_id})" for _, public_id, name in found[:8])
        raise InputError(f"'{text}' is {len(found)} people", hint=f"use the id in brackets: {named}")
    return found[0][0]


def find_namesakes(session: Session, text: str) -> list[str]:
    """The public ids of all whom the text names, where that is more than one person: by name, by a part of it, or by a shared address."""
    found = find_people(session, text) or find_by_part(session, text)
    return [public_id for _, public_id, _ in found] if len(found) > 1 else []


def find_address(session: Session, text: str) -> int:
    """The id of an address as somebody types it. Raises InputError for one that is not known."""
    found = session.execute(select(_address.c.id).where(_address.c.normal_key == _normal_key(text))).scalar()
    if found is None:
        raise InputError(f"nobody is read at {text}", hint="'om-campaigns person list' finds people by a part of name or address")
    return int(found)


def find_by_part(session: Session, text: str) -> list[tuple[int, str, str]]:
    """As ``find_people``, for a part of a name: whole words where any fit, else any part; nobody for less than two letters."""
    part = name_key(text)
    if len(part) < 2 or "@" in text:
        return []
    is_part = (_person.c.name_key.contains(part, autoescape=True), _person.c.status != PersonStatus.erased)
    columns = (_person.c.id, _person.c.public_id, _person.c.full_name, _person.c.name_key)
    rows = session.execute(select(*columns).where(*is_part).order_by(_person.c.name_key, _person.c.id)).all()
    whole = [row for row in rows if f" {part} " in f" {row.name_key} "]
    return [(row.id, row.public_id, row.full_name) for row in whole or rows]


def find_people(session: Session, text: str) -> list[tuple[int, str, str]]:
    """(id, public id, name) of everybody the text names; an address may be shared by several."""
    condition: ColumnElement[bool] = or_(
        _person.c.staff_key == text.strip(), _person.c.public_id == text.strip(), _person.c.name_key == name_key(text)
    )
    if "@" in text:
        condition = _uses_address(text)
    rows = session.execute(select(_person.c.id, _person.c.public_id, _person.c.full_name).where(condition).order_by(_person.c.id))
    return [(row.id, row.public_id, row.full_name) for row in rows]


def _uses_address(text: str) -> ColumnElement[bool]:
    address = select(_address.c.id).where(_address.c.normal_key == _normal_key(text)).scalar_subquery()
    return _person.c.id.in_(people_at(address))


def _normal_key(text: str) -> str:
    try:
        return normalise(text.strip()).normal_key
    except ValueError as error:
        raise InputError(f"'{text}' is not an e-mail address: {error}") from None


def _near_name(session: Session, text: str) -> str:
    names = session.execute(select(_person.c.name_key).distinct().limit(5000)).scalars().all()
    near = find_nearest(text, names)
    if not near:
        return ""
    full = session.execute(select(_person.c.full_name).where(_person.c.name_key == near).limit(1)).scalar_one()
    return f"did you mean '{full}'?"
