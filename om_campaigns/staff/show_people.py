"""People as staff see them: where they sit, how they may be written to, what reached them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlmodel import Session

from om_campaigns.audience.consent import stops
from om_campaigns.audience.german import name_key
from om_campaigns.audience.models import (
    Address,
    Basis,
    Network,
    NetworkPerson,
    Organisation,
    Person,
    Seat,
    SeatRole,
    Suppression,
    Touch,
)
from om_campaigns.audience.seats import holds_on
from om_campaigns.audience.vocabulary import PersonStatus, RecipientKind
from om_campaigns.campaign.models import Campaign, Enrolment
from om_campaigns.columns import table_of

_person, _seat, _role, _address, _house = (table_of(each) for each in (Person, Seat, SeatRole, Address, Organisation))
_basis, _suppression = table_of(Basis), table_of(Suppression)


def load_people(
    session: Session,
    today: date,
    *,
    text: str = "",
    organisation_id: int | None = None,
    role: str = "",
    status: str = "",
    limit: int = 0,
    ids: Collection[str] = (),
) -> tuple[list[dict[str, Any]], int]:
    """People by name, and how many there are in all: id (public), staff_key, name, email, organisations (slugs), roles,
    language, status, has_basis, suppressed (in any scope).

    ``text``: part of the name or address. House and role are asked of seats that hold today; of who left, of those they had.
    ``ids``: only these people. ``limit`` 0 means all.
    """
    theirs = and_(_seat.c.person_id == _person.c.id, or_(holds_on(today), _person.c.status == PersonStatus.left))
    conditions: list[ColumnElement[bool]] = []
    if text:
        key = name_key(text)
        at_address = exists().where(
            _seat.c.person_id == _person.c.id, _address.c.id == _seat.c.address_id, _address.c.normal_key.contains(key, autoescape=True)
        )
        at_main = exists().where(_address.c.id == _person.c.main_address_id, _address.c.normal_key.contains(key, autoescape=True))
        conditions.append(or_(_person.c.name_key.contains(key, autoescape=True), at_main, at_address))
    if organisation_id is not None:
        conditions.append(exists().where(theirs, _seat.c.organisation_id == organisation_id))
    if role:
        conditions.append(exists().where(theirs, _role.c.seat_id == _seat.c.id, _role.c.role == role))
    if status:
        conditions.append(_person.c.status == status)
    if ids:
        conditions.append(_person.c.public_id.in_(ids))
    total = session.execute(select(func.count()).select_from(_person).where(*conditions)).scalar_one()
    main = _address.alias("main_address")
    query = (
        select(
            _person.c.id.label("key"),
            _person.c.public_id.label("id"),
            _person.c.staff_key,
            _person.c.full_name.label("name"),
            main.c.address.label("email"),
            _person.c.language,
            _person.c.status,
            exists().where(_basis.c.address_id == main.c.id, _basis.c.withdrawn_at.is_(None)).label("has_basis"),
            exists().where(stops(main)).label("suppressed"),
        )
        .outerjoin(main, main.c.id == _person.c.main_address_id)
        .where(*conditions)
        .order_by(_person.c.name_key, _person.c.id)
    )
    rows = session.execute(query.limit(limit) if limit else query).mappings().all()
    seats = _places(session, [row["key"] for row in rows])
    return [{name: value for name, value in row.items() if name != "key"} | seats[row["key"]] for row in rows], total


def _places(session: Session, person_ids: list[int]) -> dict[int, dict[str, list[str]]]:
    """Person id → organisations (the primary home first) and roles."""
    found: dict[int, dict[str, list[str]]] = defaultdict(lambda: {"organisations": [], "roles": []})
    query = (
        select(_seat.c.person_id, _house.c.slug, _role.c.role)
        .join_from(_seat, _house, _house.c.id == _seat.c.organisation_id)
        .outerjoin(_role, _role.c.seat_id == _seat.c.id)
        .order_by(_seat.c.person_id, _seat.c.is_primary_home.desc(), _house.c.slug, _role.c.role)
    )
    wanted = query.where(_seat.c.person_id.in_(person_ids)) if len(person_ids) <= 500 else query.where(_seat.c.person_id.is_not(None))
    for person_id, slug, role in session.execute(wanted):
        for name, value in (("organisations", slug), ("roles", role)):
            if value is not None and value not in found[person_id][name]:
                found[person_id][name].append(value)
    return found


def load_person(session: Session, person_id: int) -> dict[str, Any]:
    """One person: id, staff_key, name, language, salutation, status, origin, and lists: ``seats``, ``addresses`` (each with
    its ``bases`` and ``suppressions``), ``networks``, ``enrolments``, ``touches`` (the latest first)."""
    row = session.execute(select(_person).where(_person.c.id == person_id)).one()
    seats = _seats(session, person_id)
    ids = {row.main_address_id, *(each.pop("address_id") for each in seats)} - {None}
    return {
        "id": row.public_id,
        "staff_key": row.staff_key,
        "name": row.full_name,
        "language": row.language,
        "salutation": row.salutation,
        "status": row.status,
        "origin": row.origin,
        "seats": seats,
        "addresses": [_one_address(session, each, is_main=each == row.main_address_id) for each in sorted(ids)],
        "networks": _networks(session, person_id),
        "enrolments": _enrolments(session, person_id),
        "touches": _touches(session, person_id),
    }


def _seats(session: Session, person_id: int) -> list[dict[str, Any]]:
    rows = session.execute(
        select(_seat.c.id, _seat.c.address_id, _house.c.slug, _house.c.name, _seat.c.is_primary_home, _seat.c.since, _seat.c.until)
        .join_from(_seat, _house, _house.c.id == _seat.c.organisation_id)
        .where(_seat.c.person_id == person_id)
        .order_by(_seat.c.is_primary_home.desc(), _house.c.slug)
    ).all()
    roles: dict[int, list[Any]] = defaultdict(list)
    query = select(_role.c.seat_id, _role.c.role).where(_role.c.seat_id.in_([row.id for row in rows])).order_by(_role.c.role)
    for seat_id, role in session.execute(query):
        roles[seat_id].append(role)
    return [
        {
            "organisation": row.slug,
            "name": row.name,
            "roles": roles[row.id],
            "primary": row.is_primary_home,
            "since": row.since,
            "until": row.until,
            "address_id": row.address_id,
        }
        for row in rows
    ]


def _one_address(session: Session, address_id: int, *, is_main: bool) -> dict[str, Any]:
    row = session.execute(select(_address).where(_address.c.id == address_id)).one()
    bases = session.execute(
        select(
            _basis.c.kind,
            _basis.c.mailing_list,
            func.coalesce(_house.c.slug, "om").label("collected_by"),
            _basis.c.obtained_on,
            _basis.c.source,
            _basis.c.text_version,
            _basis.c.proof_ref,
            _basis.c.withdrawn_at,
        )
        .select_from(_basis)
        .outerjoin(_house, _house.c.id == _basis.c.collector_id)
        .where(_basis.c.address_id == address_id)
        .order_by(_basis.c.mailing_list, _basis.c.kind)
    )
    blocked = session.execute(
        select(_suppression.c.scope_kind, _suppression.c.scope, _suppression.c.reason, _suppression.c.at, _suppression.c.reopened)
        .where(stops(row))
        .order_by(_suppression.c.at, _suppression.c.id)
    )
    once = {(each["scope_kind"], each["scope"]): each for each in reversed(blocked.mappings().all())}  # a folded address has two rows
    return {
        "address": row.address,
        "main": is_main,
        "kind": row.kind,
        "bounce_state": row.bounce_state,
        "bases": [dict(each) for each in bases.mappings()],
        "suppressions": [{**each, "reopened": (each["reopened"] or "").split()} for each in reversed(once.values())],
    }


def _networks(session: Session, person_id: int) -> list[str]:
    network, member = table_of(Network), table_of(NetworkPerson)
    query = select(network.c.slug).join_from(member, network, network.c.id == member.c.network_id)
    return list(session.execute(query.where(member.c.person_id == person_id).order_by(network.c.slug)).scalars())


def _enrolments(session: Session, person_id: int) -> list[dict[str, Any]]:
    enrolment, campaign = table_of(Enrolment), table_of(Campaign)
    rows = session.execute(
        select(
            campaign.c.name.label("campaign"),
            enrolment.c.occasion,
            _house.c.slug.label("organisation"),
            enrolment.c.state,
            enrolment.c.reason,
            enrolment.c.entered_at,
            enrolment.c.next_step,
            enrolment.c.next_due_at,
            enrolment.c.ended_at,
        )
        .join_from(enrolment, campaign, campaign.c.id == enrolment.c.campaign_id)
        .join(_house, _house.c.id == enrolment.c.organisation_id)
        .where(enrolment.c.subject_kind == RecipientKind.person, enrolment.c.subject_id == person_id)
        .order_by(enrolment.c.entered_at, enrolment.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def _touches(session: Session, person_id: int) -> list[dict[str, Any]]:
    touch, campaign = table_of(Touch), table_of(Campaign)
    rows = session.execute(
        select(touch.c.at, campaign.c.name.label("campaign"), touch.c.occasion, touch.c.step, touch.c.route, touch.c.certain)
        .join_from(touch, campaign, campaign.c.id == touch.c.campaign_id)
        .where(touch.c.recipient_kind == RecipientKind.person, touch.c.recipient_id == person_id)
        .order_by(touch.c.at.desc(), touch.c.id.desc())
    )
    return [dict(row) for row in rows.mappings()]
