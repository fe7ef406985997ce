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
    FromClause,
    Index,
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
    literal_column,
    or_,
    select,
    text,
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
from om_campaigns.campaign.entry_brake import EntryRule, Judgement, Subjects, judge_entry
from om_campaigns.campaign.house_values import HOUSE, House, fill_houses, renew_temporary, temporary
from om_campaigns.campaign.matching import Parties, is_in_campaign, join_parties, make_parties, make_reason, subject_id, subject_kind
from om_campaigns.campaign.models import Campaign, CampaignVersion, Enrolment
from om_campaigns.campaign.receivers import RECEIVER, fill_receivers, load_passing, segment_of
from om_campaigns.campaign.routing import Cascade
from om_campaigns.campaign.unseen import AUDIENCE, read_history, source_of
from om_campaigns.campaign.vocabulary import EnrolmentState, Reason
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of
from om_campaigns.store import change, insert_ignoring

_enrolment = table_of(Enrolment)

ENTRANT = Table(
    "plan_entrant",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("audience", Integer, nullable=False),
    Column("occasion", BYTEWISE_TEXT, nullable=False),
    Column("subject_kind", BYTEWISE_TEXT, nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("organisation_id", Integer, nullable=False),
    Column("seat_id", Integer, nullable=False),
    Column("address_id", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Index("plan_entrant_subject", "subject_kind", "subject_id", unique=True),
    Index(
        "plan_entrant_address",
        "occasion",
        "address_id",
        unique=True,
        sqlite_where=text("subject_kind = 'person'"),
        postgresql_where=text("subject_kind = 'person'"),
    ),
    prefixes=["TEMPORARY"],
)
"""Who would enter, each once, in the order in which they do: the unique keys are those of ``enrolment``."""

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
    """How many entered, why the other matches did not, and what the brake said; None where nobody would enter."""

    entered: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    outside: Counter[Reason] = field(default_factory=Counter)
    """What is left of ``refused`` once these are in: no other seats of theirs. It is what the next look finds."""
    judgement: Judgement | None = None


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
    rule: EntryRule


def find_followed(session: Session) -> frozenset[str]:
    """The campaigns into which others lead that somebody finished who is not in yet."""
    return frozenset(load_waiting(session))


def sources_of(entry: Entry, today: date) -> set[str]:
    """Whose changes may let somebody enter (see ``unseen``): the audience, what its segments ask of history, campaigns it looks at."""
    asked = [subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids) for audience in entry.definition.audiences]
    own = (entry.campaign.id,) if entry.definition.re_enter == ReEnter.after_finish else ()
    return {AUDIENCE, *read_history(asked), *map(source_of, (*entry.not_while_in, *entry.starts_after, *own))}


def foresee(session: Session, entry: Entry, calendar: Calendar, now: datetime, today: date) -> Entered:
    """Who would enter at ``now``, in ENTRANT, and what the brake says to it; changes no table of ours (``letting_in`` does)."""
    candidates = _fill_candidates(session, entry, today)
    waiting = load_waiting(session).get(entry.definition.name, [])
    if not (candidates or waiting):
        return Entered()
    calendar.plan_first(session, entry.definition, now)
    renew_temporary(session, ENTRANT)
    following = _fill_following(session, entry, waiting)
    matching = _fill_matching(session, entry)
    refused = _count_refusals(session, candidates, matching)
    if not following + matching:
        return Entered(refused=refused, outside=refused)
    kinds = (RecipientKind.person, RecipientKind.organisation)
    counts = session.execute(
        select(*[func.count().filter(ENTRANT.c.subject_kind == kind.value) for kind in kinds]).select_from(ENTRANT)
    ).one()
    judgement = judge_entry(session, entry.campaign, entry.rule, Subjects(*counts), now)
    return Entered(following + matching, refused, _count_outside(session), judgement=judgement)


WAITING = (Reason.none, Reason.not_while_in)
"""What keeps nobody out for good."""


def find_free(session: Session, entry: Entry, today: date) -> frozenset[int]:
    """The houses of everybody who matches and would enter, now or once another campaign of theirs is over."""
    _fill_candidates(session, entry, today)
    free = select(CANDIDATE.c.organisation_id).where(CANDIDATE.c.reason.in_([each.value for each in WAITING])).distinct()
    return frozenset(session.execute(free).scalars())


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
    is_in_already = exists().where(
        mine.c.campaign_id == entry.campaign.id,
        mine.c.occasion.in_(occasions),
        mine.c.subject_kind == kind,
        mine.c.subject_id == number,
        mine.c.left_at.is_(None),
    )
    query = query.with_only_columns(*columns, maintain_column_froms=True).where(~is_in_already)
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


def _fill_matching(session: Session, entry: Entry) -> int:
    """Candidates whom nothing keeps out, the strongest seat of each; nobody through an address that is in already."""
    occasion = _next_occasion(entry)
    columns: dict[str, Any] = {
        "occasion": occasion,
        "due_at": TIME.c.due_at,
        **{name: CANDIDATE.c[name] for name in ("audience", "subject_kind", "subject_id", "organisation_id", "seat_id", "address_id")},
    }
    chosen = (
        select(*columns.values())
        .join_from(CANDIDATE, HOUSE, HOUSE.c.organisation_id == CANDIDATE.c.organisation_id)
        .join(TIME, and_(TIME.c.zone == HOUSE.c.zone, TIME.c.days == HOUSE.c.days))
        .where(CANDIDATE.c.reason == Reason.none.value, ~is_in(entry, CANDIDATE, occasion))
        .order_by(CANDIDATE.c.strength, CANDIDATE.c.is_primary_home.desc(), CANDIDATE.c.seat_id)
    )
    return change(session, insert_ignoring(session, ENTRANT, list(columns), chosen))


def _fill_following(session: Session, entry: Entry, waiting: Sequence[int]) -> int:
    """Whoever finished a campaign that leads into this one (``then``), whatever the segment says.

    The basis is asked before the first step as always.
    """
    if not waiting:
        return 0
    columns: dict[str, Any] = {
        "audience": literal(0),
        "occasion": literal(""),
        "due_at": TIME.c.due_at,
        **{name: _enrolment.c[name] for name in ("subject_kind", "subject_id", "organisation_id", "seat_id", "address_id")},
    }
    chosen = (
        select(*columns.values())
        .join_from(_enrolment, HOUSE, HOUSE.c.organisation_id == _enrolment.c.organisation_id)
        .join(TIME, and_(TIME.c.zone == HOUSE.c.zone, TIME.c.days == HOUSE.c.days))
        .where(waits_for_then(), _enrolment.c.version_id.in_(waiting), ~is_in(entry, _enrolment, literal("")))
        .order_by(_enrolment.c.id)
    )
    return change(session, insert_ignoring(session, ENTRANT, list(columns), chosen))


def is_in(entry: Entry, subject: FromClause, occasion: ColumnElement[str]) -> ColumnElement[bool]:
    """The subject, or another person through the same address, has its place in this occasion already."""
    mine = _enrolment.alias("e_in")
    same = and_(mine.c.subject_kind == subject.c.subject_kind, mine.c.subject_id == subject.c.subject_id)
    through = and_(
        mine.c.subject_kind == literal_column("'person'"),  # in the words of the partial index
        subject.c.subject_kind == RecipientKind.person.value,
        mine.c.address_id == subject.c.address_id,
    )
    in_occasion = and_(mine.c.campaign_id == entry.campaign.id, mine.c.occasion == occasion)
    return or_(exists().where(in_occasion, same), exists().where(in_occasion, through))


def waits_for_then() -> ColumnElement[bool]:
    """Spelled out for the partial index."""
    return _enrolment.c.reason == literal_column("'then_waits'")


def load_waiting(session: Session) -> dict[str, list[int]]:
    """By campaign the versions of others whose finished subjects wait to enter it."""
    version = table_of(CampaignVersion)
    waiting = session.execute(select(_enrolment.c.version_id).where(waits_for_then()).distinct()).scalars().all()
    found: dict[str, list[int]] = {}
    if waiting:
        for row in session.execute(select(version.c.id, version.c.structure).where(version.c.id.in_(waiting))):
            found.setdefault(row.structure["then"], []).append(row.id)
    return found


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


def _count_outside(session: Session) -> Counter[Reason]:
    """Refusals by reason once the entrants are in; who is free and stays outside shares an address, whatever their seats."""
    enters = exists().where(ENTRANT.c.subject_kind == CANDIDATE.c.subject_kind, ENTRANT.c.subject_id == CANDIDATE.c.subject_id)
    subject = CANDIDATE.c.subject_kind, CANDIDATE.c.subject_id
    rest = select(CANDIDATE.c.reason, func.count().label("seats")).where(~enters).group_by(CANDIDATE.c.reason, *subject).subquery()
    query = select(rest.c.reason, func.sum(rest.c.seats), func.count()).group_by(rest.c.reason)
    counts: Counter[Reason] = Counter()
    for reason, seats, subjects_ in session.execute(query):
        if reason == Reason.none:
            counts += Counter({Reason.stronger_role: int(seats) - subjects_, Reason.duplicate_address: subjects_})
        else:
            counts[Reason(reason)] += int(seats)
    return counts
