"""Entering a campaign: the set difference of a segment's members and those already in, on SQL alone.

First matching ``[[audience]]`` wins; of several seats of one person the strongest role, then the primary home; nobody
enters twice through the same address (domain rule 1). Whoever may not be written to yet stays outside and is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlmodel import Session

from om_campaigns.audience.consent import has_own_consent
from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.models import Organisation, Person, Seat
from om_campaigns.audience.seats import address_id_of
from om_campaigns.audience.segments import subjects
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, RecipientKind, Role
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import Audience, CampaignDefinition, ReEnter
from om_campaigns.campaign.houses import HOUSE, House, fill_houses, renew_temporary, temporary
from om_campaigns.campaign.matching import Parties, is_in_campaign, join_parties, make_parties, make_reason, subject_id, subject_kind
from om_campaigns.campaign.models import Campaign, Enrolment, EnrolmentState, Reason
from om_campaigns.campaign.receivers import RECEIVER, fill_receivers, load_passing, segment_of
from om_campaigns.campaign.routing import Cascade
from om_campaigns.campaign.unseen import AUDIENCE, read_history, source_of
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of
from om_campaigns.store import change, insert_ignoring

CANDIDATE = Table(
    "plan_candidate",
    temporary,
    Column("audience", Integer, nullable=False),
    Column("subject_kind", BYTEWISE_TEXT, nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("organisation_id", Integer, nullable=False),
    Column("seat_id", Integer, nullable=False),
    Column("address_id", Integer),
    Column("strength", Integer, nullable=False),
    Column("is_primary_home", Boolean, nullable=False),
    Column("reason", BYTEWISE_TEXT, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass
class Entered:
    """How many entered, and why the other matches did not."""

    entered: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    left: int = 0
    """Enrolments that have ended and whose subject was seen outside the segment for the first time."""


@dataclass(frozen=True)
class Entry:
    """What entering needs to know of a campaign: its latest version and the campaigns it looks at."""

    campaign: Campaign
    version_id: int
    definition: CampaignDefinition
    campaign_ids: dict[str, int]
    not_while_in: tuple[int, ...]
    starts_after: tuple[int, ...]
    houses: dict[int, House]


def enrol(session: Session, entry: Entry, calendar: Calendar, now: datetime, today: date) -> Entered:
    """Enrol everybody who matches the latest version and is not in yet. Running it twice adds nothing."""
    left = _note_who_left(session, entry, now, today)
    found = _fill_candidates(session, entry, today)
    if not found:
        return Entered(left=left)
    calendar.plan_first(session, entry.definition, now)
    entered = change(session, _insert_enrolments(session, entry, now))
    return Entered(entered, _count_refusals(session, found, entered), left)


def sources_of(entry: Entry, today: date) -> set[str]:
    """Whose changes may let somebody enter (see ``unseen``): the audience, what its segments ask of history, campaigns it looks at."""
    asked = [subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids) for audience in entry.definition.audiences]
    own = (entry.campaign.id or 0,) if entry.definition.re_enter == ReEnter.after_finish else ()
    return {AUDIENCE, *read_history(asked), *map(source_of, (*entry.not_while_in, *entry.starts_after, *own))}


def close_to_present_members(session: Session, entry: Entry, now: datetime, today: date) -> int:
    """``backfill = false``: whoever matches at first publication counts as already there; returns how many."""
    _fill_candidates(session, entry, today)
    columns: dict[str, Any] = {
        "campaign_id": literal(entry.campaign.id),
        "occasion": literal(""),
        "version_id": literal(entry.version_id),
        "state": literal(EnrolmentState.exited.value),
        "reason": literal(Reason.already_there.value),
        "entered_at": literal(now, Instant),
        "ended_at": literal(now, Instant),
        "shift_seconds": literal(0),
        **{name: CANDIDATE.c[name] for name in ("audience", "subject_kind", "subject_id", "organisation_id", "seat_id", "address_id")},
    }
    chosen = select(*columns.values()).where(CANDIDATE.c.address_id.is_not(None))
    return change(session, insert_ignoring(session, table_of(Enrolment), list(columns), chosen))


def _fill_candidates(session: Session, entry: Entry, today: date) -> int:
    """Everybody who matches and is not in yet, with what stands in the way; returns how many."""
    renew_temporary(session, CANDIDATE)
    occasions = _load_occasions(session, entry)
    found = 0
    through = _load_through(session, entry, today)
    for position, audience in enumerate(entry.definition.audiences):
        if position in through.cascades:
            fill_houses(session, entry.houses.values(), chosen=fill_receivers(session, through.cascades[position]))
        else:
            fill_houses(session, entry.houses.values(), audience.routes)
        chosen = _candidates(entry, position, audience, today, occasions, through)
        found += change(session, insert(CANDIDATE).from_select([column.name for column in CANDIDATE.c], chosen))
    return found


@dataclass(frozen=True)
class _Through:
    """Whom a campaign reaches through the houses: they are not written to a second time (domain rules 1 and 3)."""

    cascades: dict[int, Cascade]

    @property
    def pools(self) -> list[int]:
        return sorted({each.pool_id for cascade in self.cascades.values() for each in cascade.services})

    @property
    def addresses(self) -> list[int]:
        return sorted({each.receiver.address_id for cascade in self.cascades.values() for each in cascade.services})


def _load_through(session: Session, entry: Entry, today: date) -> _Through:
    return _Through(
        {
            position: load_passing(
                session, entry.houses, entry.definition, audience, today=today, campaign_ids=entry.campaign_ids
            ).cascade()
            for position, audience in enumerate(entry.definition.audiences)
            if audience.passes_on
        }
    )


def _not_through_house(entry: Entry, through: _Through, parties: Parties) -> list[tuple[ColumnElement[bool], Reason]]:
    """Home first: an adviser is written to directly only on the person's own subscription (domain rule 3)."""
    if not through.cascades:
        return []
    subscribed = has_own_consent(parties.address.c.id, entry.definition.mailing_list)
    only_adviser = parties.seat.c.strength == ROLE_STRENGTH[Role.adviser]
    return [
        (parties.address.c.id.in_(through.addresses), Reason.stronger_role),
        (and_(only_adviser, parties.organisation.c.id.in_(through.pools), ~subscribed), Reason.through_house),
    ]


def _candidates(entry: Entry, position: int, audience: Audience, today: date, occasions: Sequence[str], through: _Through) -> Select[Any]:
    query, parties = _members(entry, audience, today)
    kind: ColumnElement[Any] = literal(RecipientKind.organisation.value) if audience.passes_on else subject_kind(parties)
    number = parties.organisation.c.id if audience.passes_on else subject_id(parties)
    more = _conditions_between_campaigns(entry, parties, as_house=audience.passes_on)
    if not audience.passes_on:
        more += _not_through_house(entry, through, parties)
    columns = (
        literal(position),
        kind,
        number,
        parties.organisation.c.id,
        func.coalesce(parties.seat.c.id, 0),
        parties.address.c.id,
        func.coalesce(parties.seat.c.strength, 99),
        func.coalesce(parties.seat.c.is_primary_home, literal(False)),
        make_reason(
            parties,
            today=today,
            mailing_list=entry.definition.mailing_list,
            sender=audience.sender,
            route=select(HOUSE.c.route).where(HOUSE.c.organisation_id == parties.organisation.c.id).scalar_subquery(),
            more=more,
        ),
    )
    mine, earlier = table_of(Enrolment).alias("e_mine"), CANDIDATE.alias("earlier")
    is_in = exists().where(
        mine.c.campaign_id == entry.campaign.id,
        mine.c.occasion.in_(occasions),
        mine.c.subject_kind == kind,
        mine.c.subject_id == number,
        mine.c.left_at.is_(None),
    )
    query = query.with_only_columns(*columns, maintain_column_froms=True).where(~is_in)
    if position:
        query = query.where(~exists().where(earlier.c.audience < position, earlier.c.subject_kind == kind, earlier.c.subject_id == number))
    return query


def _members(entry: Entry, audience: Audience, today: date) -> tuple[Select[Any], Parties]:
    """Who matches an ``[[audience]]``, with the seat, person, house and address that stand in the query."""
    if audience.passes_on:
        parties = make_parties()
        receiving = RECEIVER.c
        joined = join_parties(
            RECEIVER,
            parties,
            seat_id=receiving.seat_id,
            organisation_id=receiving.organisation_id,
            address_id=receiving.address_id,
        )
        return select(RECEIVER).select_from(joined), parties
    found, parties = subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids), make_parties()
    if audience.selects == Selects.organisations:
        house = found.subquery("m")
        return select(house).select_from(join_parties(house, parties, seat_id=literal(0), organisation_id=house.c.organisation_id)), parties
    seat, person = table_of(Seat), table_of(Person)
    parties = Parties(seat, person, table_of(Organisation), parties.address)
    return found.outerjoin(parties.address, parties.address.c.id == address_id_of(seat, person)), parties


def _load_occasions(session: Session, entry: Entry) -> list[str]:
    """The occasions in use, which makes the unique key of enrolments usable: '' alone where nobody enters again."""
    if entry.definition.re_enter != ReEnter.after_finish:
        return [""]
    enrolment = table_of(Enrolment)
    return ["", *session.execute(select(enrolment.c.occasion).where(enrolment.c.campaign_id == entry.campaign.id).distinct()).scalars()]


def _conditions_between_campaigns(entry: Entry, parties: Parties, *, as_house: bool) -> list[tuple[ColumnElement[bool], Reason]]:
    conditions: list[tuple[ColumnElement[bool], Reason]] = []
    if entry.not_while_in:
        still_in = is_in_campaign(parties, entry.not_while_in, EnrolmentState.active, as_house=as_house)
        conditions.append((still_in, Reason.not_while_in))
    if entry.starts_after:
        done = is_in_campaign(parties, entry.starts_after, EnrolmentState.finished, as_house=as_house)
        conditions.append((~done, Reason.starts_after))
    return conditions


def _insert_enrolments(session: Session, entry: Entry, now: datetime) -> Any:
    enrolment = table_of(Enrolment)
    occasions = _next_occasion(entry)
    first = entry.definition.steps[0]
    columns: dict[str, Any] = {
        "campaign_id": literal(entry.campaign.id),
        "occasion": occasions,
        "version_id": literal(entry.version_id),
        "state": literal(EnrolmentState.active.value),
        "reason": literal(Reason.none.value),
        "entered_at": literal(now, Instant),
        "next_step": literal(first.name),
        "next_due_at": TIME.c.due_at,
        "promised_at": TIME.c.due_at,
        "shift_seconds": literal(0),
        **{name: CANDIDATE.c[name] for name in ("audience", "subject_kind", "subject_id", "organisation_id", "seat_id", "address_id")},
    }
    chosen = (
        select(*columns.values())
        .join_from(CANDIDATE, HOUSE, HOUSE.c.organisation_id == CANDIDATE.c.organisation_id)
        .join(TIME, and_(TIME.c.zone == HOUSE.c.zone, TIME.c.days == HOUSE.c.days))
        .where(CANDIDATE.c.reason == Reason.none.value)
        .order_by(CANDIDATE.c.strength, CANDIDATE.c.is_primary_home.desc(), CANDIDATE.c.seat_id)
    )
    return insert_ignoring(session, enrolment, list(columns), chosen)


def _next_occasion(entry: Entry) -> Any:
    if entry.definition.re_enter != ReEnter.after_finish:
        return literal("")
    before = table_of(Enrolment).alias("e_before")
    count = (
        select(func.count())
        .where(
            before.c.campaign_id == entry.campaign.id,
            before.c.subject_kind == CANDIDATE.c.subject_kind,
            before.c.subject_id == CANDIDATE.c.subject_id,
        )
        .correlate(CANDIDATE)
        .scalar_subquery()
    )
    return case((count == 0, ""), else_=literal("r") + cast(count + 1, Text))


def _count_refusals(session: Session, found: int, entered: int) -> Counter[Reason]:
    """Refusals by reason; matches that were free to enter but did not are further seats or shared addresses."""
    free = CANDIDATE.c.reason == ""
    refused = select(CANDIDATE.c.reason, func.count()).where(~free).group_by(CANDIDATE.c.reason)
    counts = Counter({Reason(reason): number for reason, number in session.execute(refused)})
    matches = found - counts.total()
    if matches > entered:
        people = select(CANDIDATE.c.subject_kind, CANDIDATE.c.subject_id).where(free).distinct().subquery()
        number = session.execute(select(func.count()).select_from(people)).scalar_one()
        counts += Counter({Reason.stronger_role: matches - number, Reason.duplicate_address: number - entered})
    return counts


def _note_who_left(session: Session, entry: Entry, now: datetime, today: date) -> int:
    """For campaigns that may be re-entered: write down who has left the segment since their way ended; returns how many."""
    if entry.definition.re_enter != ReEnter.after_finish:
        return 0
    enrolment = table_of(Enrolment)
    members = [
        subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids).subquery() for audience in entry.definition.audiences
    ]
    outside: ColumnElement[bool] = true()
    for audience, found in zip(entry.definition.audiences, members, strict=True):
        houses = select(found.c.organisation_id)
        inside = and_(enrolment.c.subject_kind == RecipientKind.organisation, enrolment.c.subject_id.in_(houses))
        if audience.selects == Selects.seats:
            nameless = houses.where(found.c.person_id.is_(None))
            people = select(found.c.person_id).where(found.c.person_id.is_not(None))
            inside = or_(
                and_(enrolment.c.subject_kind == RecipientKind.person, enrolment.c.subject_id.in_(people)),
                and_(enrolment.c.subject_kind == RecipientKind.organisation, enrolment.c.subject_id.in_(nameless)),
            )
        outside = and_(outside, ~inside)
    return change(
        session,
        update(enrolment)
        .where(
            enrolment.c.campaign_id == entry.campaign.id,
            enrolment.c.state != EnrolmentState.active,
            enrolment.c.left_at.is_(None),
            outside,
        )
        .values(left_at=now),
    )
