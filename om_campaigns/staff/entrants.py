"""Who waits to enter a campaign, described so that somebody can say whether it looks right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Address, Organisation, Person, SeatRole
from om_campaigns.audience.vocabulary import Origin, RecipientKind
from om_campaigns.campaign.enrolment import ENTRANT
from om_campaigns.campaign.releases import get_campaign
from om_campaigns.columns import table_of
from om_campaigns.staff.entry_figures import foresee_entry

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class EntryOrigin:
    """What brought some of those who would enter: one import, or one change by somebody. ``at`` is None where the log does not say."""

    people: int
    houses: int
    origin: Origin | None = None
    at: datetime | None = None
    by: str = ""


def load_origins(session: Session, app: App, name: str, now: datetime) -> list[EntryOrigin]:
    """Where those come from who would enter a campaign, by the latest change to their seat, themselves or their house; the most first."""
    if foresee_entry(session, app, get_campaign(session, name), now) is None:
        return []
    changed = table_of(Change)
    is_person = ENTRANT.c.subject_kind == RecipientKind.person.value
    is_of = or_(
        and_(changed.c.entity == "seat", changed.c.entity_id == ENTRANT.c.seat_id),
        and_(changed.c.entity == "person", is_person, changed.c.entity_id == ENTRANT.c.subject_id),
        and_(changed.c.entity == "organisation", changed.c.entity_id == ENTRANT.c.organisation_id),
    )
    latest = select(func.max(changed.c.id)).where(is_of).correlate(ENTRANT).scalar_subquery()
    each = select(is_person.label("is_person"), latest.label("change_id")).subquery()
    people, houses = (func.count().filter(each.c.is_person.is_(wanted)) for wanted in (True, False))
    keys = (changed.c.batch, changed.c.origin, changed.c.at, changed.c.actor)
    query = select(people, houses, *keys[1:]).select_from(each).outerjoin(changed, changed.c.id == each.c.change_id).group_by(*keys)
    rows = session.execute(query.order_by(func.count().desc(), changed.c.at.desc())).all()
    return [EntryOrigin(row[0], row[1], row.origin, row.at, row.actor or "") for row in rows]


def describe_entrants(app: App, name: str, now: datetime) -> dict[str, str]:
    """Facts about those who would enter: how many, their roles and houses, and a few of them by name. Empty where nobody would."""
    with store.read(app.engine) as session:
        found = foresee_entry(session, app, get_campaign(session, name), now)
        if found is None:
            return {}
        return {
            "would enter": f"{found.number.people:,} people, {found.number.houses:,} houses",
            "roles": ", ".join(f"{role} {number:,}" for role, number in _count_roles(session)),
            "houses": ", ".join(f"{slug} {number:,}" for slug, number in _count_houses(session)),
            "three of them": "\n".join(_examples(session)),
            "bound today": f"{found.judgement.bound.people:,} people, {found.judgement.bound.houses:,} houses",
        }


def _count_roles(session: Session) -> list[tuple[str, int]]:
    role = table_of(SeatRole)
    number = func.count()
    query = select(role.c.role, number).join_from(ENTRANT, role, role.c.seat_id == ENTRANT.c.seat_id).group_by(role.c.role)
    return [(each, count) for each, count in session.execute(query.order_by(number.desc(), role.c.role))]


def _count_houses(session: Session) -> list[tuple[str, int]]:
    """The houses most of them come from; what is left is one line."""
    house = table_of(Organisation)
    number = func.count()
    query = select(house.c.slug, number).join_from(ENTRANT, house, house.c.id == ENTRANT.c.organisation_id).group_by(house.c.slug)
    rows = [(slug, count) for slug, count in session.execute(query.order_by(number.desc(), house.c.slug))]
    rest = rows[EXAMPLES:]
    return rows[:EXAMPLES] + ([(f"and {len(rest)} more", sum(count for _, count in rest))] if rest else [])


def _examples(session: Session) -> list[str]:
    person, address, house = table_of(Person), table_of(Address), table_of(Organisation)
    is_person = and_(ENTRANT.c.subject_kind == RecipientKind.person.value, person.c.id == ENTRANT.c.subject_id)
    query = (
        select(func.coalesce(person.c.full_name, house.c.name), address.c.address)
        .join_from(ENTRANT, address, address.c.id == ENTRANT.c.address_id)
        .join(house, house.c.id == ENTRANT.c.organisation_id)
        .outerjoin(person, is_person)
        .order_by(ENTRANT.c.subject_id)
        .limit(EXAMPLES)
    )
    return [f"{name}  {written}" for name, written in session.execute(query)]
