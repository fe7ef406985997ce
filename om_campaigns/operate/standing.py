"""How it stands: the audience in numbers, and what the bare command shows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, distinct, func, literal, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session

from om_campaigns.audience.consent import has_basis, is_suppressed, is_suppressed_somewhere
from om_campaigns.audience.models import Address, MailingList, Organisation, Person, Seat
from om_campaigns.audience.seats import address_id_of, holds_on
from om_campaigns.audience.tasks import Task, TaskKind
from om_campaigns.audience.vocabulary import BounceState, OrganisationStatus, PersonStatus, Sender
from om_campaigns.campaign.matching import is_lost, is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.owed import Owed as Owed  # commands print it
from om_campaigns.campaign.owed import load_owed
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import table_of
from om_campaigns.delivery.circuit_breakers import PAUSED, load_breakers
from om_campaigns.staff.show_campaigns import load_campaigns
from om_campaigns.store import Instance

_house: Any = aliased(Organisation, name="house")
_address: Any = aliased(Address, name="used_address")


def count_audience(session: Session, today: date) -> dict[str, Any]:
    """organisations, people, role_addresses, seats, addresses, suppressed, without_basis, and per mailing list slug,
    name, mailable, suppressed.

    Houses and people that left do not count; addresses are those of seats that hold today. Mailable: a basis for the
    list, not suppressed, no hard bounce, an active house and person.
    """
    house, seat, person = table_of(Organisation), table_of(Seat), table_of(Person)
    gone = (PersonStatus.left, PersonStatus.erased)
    houses = select(func.count()).where(house.c.status.not_in((OrganisationStatus.left, OrganisationStatus.merged)))
    people = select(func.count()).select_from(person).where(person.c.status.not_in(gone))
    seats = _seats(today, func.count(distinct(seat.c.id)))
    known = table_of(MailingList)
    lists = session.execute(select(known.c.slug, known.c.name_de).order_by(known.c.slug)).all()
    return {
        "organisations": session.execute(houses.select_from(house)).scalar_one(),
        "people": session.execute(people).scalar_one(),
        "role_addresses": session.execute(seats.where(seat.c.person_id.is_(None))).scalar_one(),
        "seats": session.execute(seats).scalar_one(),
        **_count_addresses(session, today, [(slug, name) for slug, name in lists]),
    }


ANY_LIST = 1
"""The bit of what holds whatever the list; those of the lists follow."""


def _count_addresses(session: Session, today: date, lists: list[tuple[str, str]]) -> dict[str, Any]:
    """Every address is looked at once for each of its houses, whatever is asked about it; it counts once for each answer."""
    bits = {slug: ANY_LIST << number for number, (slug, _) in enumerate(lists, start=1)}
    own = [case((_has_any_basis(slug), bit), else_=0) for slug, bit in bits.items()]
    covered = case((_has_any_basis("*"), ANY_LIST + sum(bits.values())), else_=sum(own, literal(0)))
    left = [case((is_suppressed(_address, _house, slug), bit), else_=0) for slug, bit in {"": ANY_LIST, **bits}.items()]
    stopped = case((is_suppressed_somewhere(_address), sum(left, literal(0))), else_=0)  # few are: only they are asked for each list
    answers = {"covered": covered, "stopped": stopped, "may": case((_may_be_written_to(), 1), else_=0)}
    found = _seats(today, func.max(_address.id).label("id")).add_columns(*(func.max(each).label(name) for name, each in answers.items()))
    seats = found.where(_address.id.is_not(None)).group_by(table_of(Seat).c.id).subquery()  # grouped, so that each is asked but once
    is_covered = {slug: seats.c.covered.bitwise_and(bit) != 0 for slug, bit in bits.items()}
    is_stopped = {slug: seats.c.stopped.bitwise_and(bit) != 0 for slug, bit in {"": ANY_LIST, **bits}.items()}
    asked = [
        is_stopped[""],
        seats.c.covered == 0,
        *(and_(is_covered[slug], ~is_stopped[slug], seats.c.may == 1) for slug in bits),
        *(and_(is_covered[slug], is_stopped[slug]) for slug in bits),
    ]
    holds = [func.max(case((each, 1), else_=0)).label(f"a{number}") for number, each in enumerate(asked)]
    rows = select(*holds).group_by(seats.c.id).subquery()
    counted = select(func.count(), *(func.coalesce(func.sum(each), 0) for each in rows.c)).select_from(rows)
    total, suppressed, uncovered, *told = map(int, session.execute(counted).one())
    return {
        "addresses": total,
        "suppressed": suppressed,
        "without_basis": uncovered,
        "mailing_lists": [
            {"slug": slug, "name": name, "mailable": told[number], "suppressed": told[len(lists) + number]}
            for number, (slug, name) in enumerate(lists)
        ],
    }


def _may_be_written_to() -> ColumnElement[bool]:
    person = table_of(Person)
    return and_(
        _address.bounce_state != BounceState.hard,
        _house.status == OrganisationStatus.active,
        or_(person.c.id.is_(None), person.c.status == PersonStatus.active),
    )


def _seats(today: date, counted: ColumnElement[int]) -> Any:
    """Seats of people who have not left (or of nobody) that hold today, with house and effective address."""
    seat, person = table_of(Seat), table_of(Person)
    return (
        select(counted)
        .select_from(seat)
        .join(_house, _house.id == seat.c.organisation_id)
        .outerjoin(person, person.c.id == seat.c.person_id)
        .outerjoin(_address, _address.id == address_id_of())
        .where(
            holds_on(today),
            or_(person.c.id.is_(None), person.c.status.not_in((PersonStatus.left, PersonStatus.erased))),
        )
    )


def _has_any_basis(mailing_list: Any) -> ColumnElement[bool]:
    """For mail in OM's name, or in the house's where that has agreed on its data role."""
    by_house = and_(_house.data_role.is_not(None), has_basis(_address.id, _house, mailing_list, Sender.home))
    return or_(has_basis(_address.id, _house, mailing_list, Sender.om), by_house)


def load_standing(session: Session, today: date, now: datetime) -> dict[str, Any]:
    """What the status page shows: halted_at, halted_by, halt_reason, leader, audience (see ``count_audience``), campaigns
    (see ``load_campaigns``), owed (see ``load_owed``), ``attention``: how many letters are held, failed or uncertain, ``braked``: what
    the sender slowed, stopped or paused by itself (scope, name, until, why), ``alarms``: where many left at once (scope, through,
    since, left, readers), and ``held``: letters that are held back (campaign, step, reason, letters, why)."""
    row = session.get(Instance, 1) or Instance()
    return {
        "halted_at": row.halted_at,
        "halted_by": row.halted_by,
        "halt_reason": row.halt_reason,
        "leader": row.leader,
        "audience": count_audience(session, today),
        "campaigns": load_campaigns(session),
        "alarms": _load_alarms(session),
        "owed": load_owed(session, now),
        "held": _load_open(session, TaskKind.letters_held),
        **load_attention(session, now),
    }


def load_attention(session: Session, now: datetime) -> dict[str, Any]:
    """Of the same, ``attention`` and ``braked`` alone: what waits for somebody, without counting anybody."""
    dispatch = table_of(Dispatch)
    by_status: dict[DispatchStatus, int] = {}
    for asked in (is_open(dispatch), is_lost(dispatch)):
        by_status |= dict(session.execute(select(dispatch.c.status, func.count()).where(asked).group_by(dispatch.c.status)).all())
    looked_at = (DispatchStatus.held, DispatchStatus.failed, DispatchStatus.uncertain)
    return {"attention": {status.value: by_status.get(status, 0) for status in looked_at}, "braked": _load_braked(session, now)}


def _load_alarms(session: Session) -> list[dict[str, Any]]:
    return _load_open(session, TaskKind.mass_leaving)


def _load_open(session: Session, kind: TaskKind) -> list[dict[str, Any]]:
    """What open tasks of a kind say, the oldest first."""
    task = table_of(Task)
    return list(session.execute(select(task.c.detail).where(task.c.kind == kind, task.c.closed_at.is_(None)).order_by(task.c.at)).scalars())


def _load_braked(session: Session, now: datetime) -> list[dict[str, Any]]:
    campaigns = table_of(Campaign)
    names: dict[str, str] = {str(number): name for number, name in session.execute(select(campaigns.c.id, campaigns.c.name))}
    return [
        {
            "scope": each.scope,
            "name": names[each.subject] if each.scope == PAUSED else each.subject,
            "until": each.stopped_until,
            "why": each.detail,
        }
        for each in load_breakers(session, now)
    ]
