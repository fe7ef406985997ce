"""Who stands for a house: its people decide who deputises, and see at which offices nobody takes packs.

Only people OM knows already can be chosen. Somebody new is told to OM (``signing_in.say_to_staff``), because nobody is written to
at an address that a partner typed in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, delete, exists, select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting, find_receivers
from om_campaigns.audience.models import Organisation, Seat, SeatRole
from om_campaigns.audience.seats import ADDRESS, PERSON, SEAT, select_sitting
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, Role
from om_campaigns.columns import table_of
from om_campaigns.partner.signing_in import find_house, record_changes
from om_campaigns.seen import merge_ticks

NO_ROLE = 99


def show_people(app: App, acting: Acting, slug: str) -> dict[str, Any] | None:
    """people [{ref, name, roles}] who could deputise, deputies [ref], offices [{slug, name,
    receivers}] right below; None for a foreign house."""
    today = app.today(app.now())
    with store.read(app.engine) as session:
        house = find_house(session, acting, slug)
        if house is None:
            return None
        people = _people(session, house.id, app)
        below = select(Organisation).where(col(Organisation.parent_id) == house.id, col(Organisation.id).in_(acting.houses))
        offices = [
            {"slug": each.slug, "name": each.name, "receivers": [one.name for one in find_receivers(session, each.id, today)]}
            for each in session.execute(below.order_by(col(Organisation.name))).scalars()
        ]
    deputies = [each["ref"] for each in people if Role.deputy in each["roles"]]
    return {"people": people, "deputies": deputies, "offices": offices}


def save_deputies(app: App, acting: Acting, slug: str, chosen: Collection[str], shown: Collection[str]) -> bool:
    """Let those deputise (by ``ref``) who were ticked, and those no more who were unticked since the page was ``shown``.

    False, and nothing changed, where one of them cannot.
    """
    now = app.now()
    with store.write(app.engine) as session:
        house = find_house(session, acting, slug, locks=True)
        people = _people(session, house.id, app) if house else []
        if house is None or not set(chosen) - set(shown) <= {each["ref"] for each in people}:
            return False
        deputies = merge_ticks(shown, chosen, (each["ref"] for each in people if Role.deputy in each["roles"]))
        for each in people:
            before = each["roles"]
            after = [role for role in before if role is not Role.deputy] + [Role.deputy] * (each["ref"] in deputies)
            if set(before) != set(after):
                _save_roles(session, each["seat_id"], after)
                texts = [",".join(sorted(roles)) or None for roles in (before, after)]
                record_changes(session, "seat", each["seat_id"], [("roles", texts[0], texts[1])], acting, now)
    return True


def _people(session: Session, house_id: int, app: App) -> list[dict[str, Any]]:
    """seat_id, ref, name, roles of everybody in a house who does not only advise, can be reached and is not its contact; by name.

    Somebody without a role is one of them: who does not deputise any more may do so again.
    """
    role, today = table_of(SeatRole), app.today(app.now())
    held = role.alias("held")
    holds_any = exists().where(held.c.seat_id == SEAT.c.id)
    only_advises = and_(holds_any, ~holds_any.where(held.c.role != Role.adviser))
    query = (
        select_sitting(today, SEAT.c.id, PERSON.c.public_id, PERSON.c.full_name, role.c.role)
        .outerjoin(role, role.c.seat_id == SEAT.c.id)
        .where(SEAT.c.organisation_id == house_id, SEAT.c.person_id.is_not(None), ADDRESS.c.id.is_not(None), ~only_advises)
        .order_by(PERSON.c.full_name, SEAT.c.id)
    )
    names: dict[int, tuple[str, str]] = {}
    roles: dict[int, list[Role]] = defaultdict(list)
    for seat_id, ref, name, each in session.execute(query):
        names[seat_id] = (ref, name)
        roles[seat_id] += [each] if each else []
    return [
        {"seat_id": seat_id, "ref": ref, "name": name, "roles": roles[seat_id]}
        for seat_id, (ref, name) in names.items()
        if Role.contact not in roles[seat_id] or Role.deputy in roles[seat_id]
    ]


def _save_roles(session: Session, seat_id: int, roles: list[Role]) -> None:
    session.execute(delete(SeatRole).where(col(SeatRole.seat_id) == seat_id))
    session.add_all(SeatRole(seat_id=seat_id, role=role) for role in roles)
    seat = session.get_one(Seat, seat_id)
    seat.strength = min((ROLE_STRENGTH[role] for role in roles), default=NO_ROLE)
    session.flush()
