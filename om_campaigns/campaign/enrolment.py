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
    Column,
    ColumnElement,
    Index,
    Integer,
    Table,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlmodel import Session

from om_campaigns.audience.bulk import insert_rows, instant
from om_campaigns.audience.segments import subjects
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.candidates import CANDIDATE, Entry, fill_candidates, is_in
from om_campaigns.campaign.definition import ReEnter
from om_campaigns.campaign.entry_brake import Judgement, Subjects, judge_entry
from om_campaigns.campaign.house_values import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.models import Campaign, CampaignVersion, Enrolment
from om_campaigns.campaign.receivers import segment_of
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


@dataclass
class Entered:
    """How many entered, why the other matches did not, and what the brake said; None where nobody would enter."""

    entered: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    outside: Counter[Reason] = field(default_factory=Counter)
    """What is left of ``refused`` once these are in: no other seats of theirs. It is what the next look finds."""
    judgement: Judgement | None = None


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
    candidates = fill_candidates(session, entry, today)
    waiting = load_waiting(session).get(entry.definition.name, [])
    renew_temporary(session, ENTRANT)
    if not (candidates or waiting):
        return Entered()
    calendar.plan_first(session, entry.definition, now)
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
    fill_candidates(session, entry, today)
    free = select(CANDIDATE.c.organisation_id).where(CANDIDATE.c.reason.in_([each.value for each in WAITING])).distinct()
    return frozenset(session.execute(free).scalars())


PRESENT = ("audience", "subject_kind", "subject_id", "organisation_id", "seat_id", "address_id")
"""What is kept of whoever matches already when a campaign without backfill is published."""


def find_present_members(session: Session, entry: Entry, now: datetime, today: date) -> Sequence[Any]:
    """``backfill = false``: whoever matches at first publication, each once, with the columns of PRESENT."""
    fill_candidates(session, entry, today)
    renew_temporary(session, ENTRANT)
    columns: dict[str, Any] = {"occasion": literal(""), "due_at": literal(now, Instant), **{name: CANDIDATE.c[name] for name in PRESENT}}
    chosen = select(*columns.values()).where(CANDIDATE.c.address_id.is_not(None))
    session.execute(insert_ignoring(session, ENTRANT, list(columns), chosen))
    present: list[Any] = [ENTRANT.c[name] for name in PRESENT]
    return session.execute(select(*present).order_by(ENTRANT.c.id)).all()


def close_to_present_members(session: Session, campaign: Campaign, version_id: int, members: Sequence[Any], now: datetime) -> None:
    """They count as already there, so that nobody of them ever enters."""
    at = instant(session.connection(), now)
    ended = (campaign.id, version_id, "", EnrolmentState.exited.value, Reason.already_there.value, at, at, 0, 0)
    names = ("campaign_id", "version_id", "occasion", "state", "reason", "entered_at", "ended_at", "shift_seconds", "left_out")
    insert_rows(session.connection(), "enrolment", (*names, *PRESENT), ((*ended, *member) for member in members))


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
