"""From enrolments to what we owe: which step is due for whom at ``now``, and why not for everyone else.

One campaign at a time, by priority: its rows are gathered in a temporary table with the keys of ``dispatch``, moved to
windows and business days, thinned by the caps, and applied with one INSERT … SELECT. A plan that is only looked at runs
the same statements and is rolled back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, Table, and_, case, delete, exists, func, insert, literal, or_, select, update
from sqlmodel import Session

from om_campaigns.audience.expressions import compile_condition
from om_campaigns.audience.models import Touch
from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import CampaignDefinition, Step
from om_campaigns.campaign.enrolment import insert_ignoring
from om_campaigns.campaign.houses import HOUSE, ROUTE, House, fill_routes, renew_temporary, temporary
from om_campaigns.campaign.matching import Parties, join_parties, make_parties, make_reason
from om_campaigns.campaign.models import Campaign, Dispatch, DispatchStatus, Enrolment, EnrolmentState, Reason
from om_campaigns.campaign.timing import Caps
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of

OPEN = (DispatchStatus.planned, DispatchStatus.retry, DispatchStatus.claimed, DispatchStatus.held)
"""Dispatches that will still become a touch: they count against caps."""

ROW = Table(
    "plan_row",
    temporary,
    Column("enrolment_id", Integer, primary_key=True),
    Column("step", BYTEWISE_TEXT, nullable=False),
    Column("address_id", Integer, nullable=False),
    Column("route", BYTEWISE_TEXT, nullable=False),
    Column("sender", BYTEWISE_TEXT, nullable=False),
    Column("variant", BYTEWISE_TEXT, nullable=False),
    Column("language", BYTEWISE_TEXT, nullable=False),
    Column("reason", BYTEWISE_TEXT, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("due_day", Integer, nullable=False),
    Column("open_until", Instant),
    prefixes=["TEMPORARY"],
)

RECENT = Table(
    "plan_recent",
    temporary,
    Column("address_id", Integer, nullable=False, index=True),
    Column("day", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class Ready:
    """A running campaign with every version somebody is on, and what its texts can serve."""

    campaign: Campaign
    definitions: dict[int, CampaignDefinition]
    languages: dict[str, tuple[str, ...]]
    """Step → languages it is written in, the fall-back first."""
    withdrawn_steps: frozenset[str]
    """Steps that mention a toolkit of which no version is current (domain rule 7)."""
    campaign_ids: dict[str, int]
    houses: dict[int, House]


@dataclass
class Planned:
    """What planning one campaign found. ``deferred`` counts due times moved by window, holiday or cap."""

    planned: int = 0
    deferred: int = 0
    skipped: Counter[Reason] = field(default_factory=Counter)
    by_step: Counter[tuple[str, Route]] = field(default_factory=Counter)
    exited: int = 0

    def add(self, later: Planned) -> None:
        """Add what was found when asking again."""
        self.planned += later.planned
        self.deferred += later.deferred
        self.skipped += later.skipped
        self.by_step += later.by_step
        self.exited += later.exited


def plan(session: Session, ready: Ready, calendar: Calendar, caps: Caps, now: datetime, today: date, until: datetime) -> Planned:
    """Owe every enrolment its next step where that is due by ``until``. Running it twice adds nothing."""
    result = Planned()
    result.exited = _exit_where_met(session, ready, now, today)
    calendar.plan_waiting(session, ready.campaign.id or 0, ready.definitions, now, until)
    renew_temporary(session, ROW)
    for version_id, definition in ready.definitions.items():
        waiting = set(session.execute(select(TIME.c.step).where(TIME.c.version_id == version_id).distinct()).scalars())
        if not waiting:
            continue
        fill_routes(session, ready.houses.values(), [audience.routes for audience in definition.audiences])
        for position in range(len(definition.audiences)):
            for step in (each for each in definition.steps if each.name in waiting):
                _gather(session, ready, version_id, position, step, today, until)
    _refuse_shared_addresses(session)
    result.deferred = _move_later(session, until)
    result.deferred += _defer_by_caps(session, ready, calendar, caps, until)
    _apply(session, ready, now)
    for step_name, route, reason, number in session.execute(
        select(ROW.c.step, ROW.c.route, ROW.c.reason, func.count()).group_by(ROW.c.step, ROW.c.route, ROW.c.reason)
    ):
        if reason:
            result.skipped[Reason(reason)] += number
        else:
            result.planned += number
            result.by_step[step_name, Route(route)] += number
    return result


def _waiting(ready: Ready) -> list[ColumnElement[bool]]:
    """Enrolments of this campaign whose next step is not owed yet."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    return [
        enrolment.c.campaign_id == ready.campaign.id,
        enrolment.c.state == EnrolmentState.active,
        ~exists().where(
            dispatch.c.campaign_id == enrolment.c.campaign_id,
            dispatch.c.occasion == enrolment.c.occasion,
            dispatch.c.step == enrolment.c.next_step,
            dispatch.c.recipient_kind == enrolment.c.subject_kind,
            dispatch.c.recipient_id == enrolment.c.subject_id,
        ),
    ]


def _exit_where_met(session: Session, ready: Ready, now: datetime, today: date) -> int:
    """``exit_when`` is asked before each step, of everybody on a version that has it."""
    ended = 0
    enrolment = table_of(Enrolment)
    for version_id, definition in ready.definitions.items():
        if not definition.exit_when:
            continue
        parties = make_parties()
        source = join_parties(enrolment, parties, seat_id=enrolment.c.seat_id, organisation_id=enrolment.c.organisation_id)
        met = (
            select(enrolment.c.id)
            .select_from(source)
            .where(
                *_waiting(ready),
                enrolment.c.version_id == version_id,
                _condition(definition.exit_when, definition, parties, today, ready),
            )
        )
        ended += session.execute(  # type: ignore[attr-defined]
            update(enrolment).where(enrolment.c.id.in_(met)).values(state=EnrolmentState.exited, reason=Reason.exit_condition, ended_at=now)
        ).rowcount
    return ended


def _condition(source: str, definition: CampaignDefinition, parties: Parties, today: date, ready: Ready) -> ColumnElement[bool]:
    selects = "seats" if any(audience.selects == "seats" for audience in definition.audiences) else "organisations"
    return compile_condition(
        source,
        selects,
        today=today,
        campaigns=ready.campaign_ids,
        seat=parties.seat,
        person=parties.person,
        organisation=parties.organisation,
    )


def _gather(session: Session, ready: Ready, version_id: int, position: int, step: Step, today: date, until: datetime) -> None:
    definition = ready.definitions[version_id]
    audience = definition.audiences[position]
    enrolment = table_of(Enrolment)
    parties = make_parties()
    source = (
        join_parties(enrolment, parties, seat_id=enrolment.c.seat_id, organisation_id=enrolment.c.organisation_id)
        .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
        .join(ROUTE, and_(ROUTE.c.organisation_id == enrolment.c.organisation_id, ROUTE.c.audience == position))
        .join(
            TIME,
            and_(
                TIME.c.version_id == version_id,
                TIME.c.step == step.name,
                TIME.c.base_at == enrolment.c.next_due_at,
                TIME.c.zone == HOUSE.c.zone,
                TIME.c.land == HOUSE.c.land,
            ),
        )
    )
    variant, variant_missing = _variant(step, definition, parties, today, ready)
    more: list[tuple[ColumnElement[bool], Reason]] = [(variant_missing, Reason.no_variant)]
    if step.when:
        more.insert(0, (~_condition(step.when, definition, parties, today, ready), Reason.exit_condition))
    if step.name in ready.withdrawn_steps:
        more.insert(0, (literal(True), Reason.toolkit_withdrawn))
    more.insert(0, (TIME.c.too_late, Reason.grace_over))
    served = table_of(Dispatch).alias("d_served")
    by_address = exists().where(
        served.c.address_id == parties.address.c.id,
        served.c.campaign_id == enrolment.c.campaign_id,
        served.c.occasion == enrolment.c.occasion,
        served.c.step == step.name,
        served.c.status != DispatchStatus.skipped,
    )
    more.append((by_address, Reason.duplicate_address))
    languages = ready.languages[step.name]
    wanted = func.coalesce(parties.person.c.language, HOUSE.c.language)
    rows = (
        select(
            enrolment.c.id,
            literal(step.name),
            parties.address.c.id,
            ROUTE.c.route,
            literal(audience.sender.value),
            variant,
            case((wanted.in_(languages), wanted), else_=languages[0]),
            make_reason(
                parties,
                today=today,
                mailing_list=definition.mailing_list,
                sender=audience.sender,
                route=ROUTE.c.route,
                more=more,
            ),
            TIME.c.due_at,
            TIME.c.due_day,
            TIME.c.open_until,
        )
        .select_from(source)
        .where(
            *_waiting(ready),
            enrolment.c.version_id == version_id,
            enrolment.c.audience == position,
            enrolment.c.next_step == step.name,
            enrolment.c.next_due_at <= until,
            parties.address.c.id.is_not(None),
        )
    )
    session.execute(insert(ROW).from_select([column.name for column in ROW.c], rows))


def _variant(
    step: Step, definition: CampaignDefinition, parties: Parties, today: date, ready: Ready
) -> tuple[ColumnElement[str], ColumnElement[bool]]:
    """The first variant whose condition holds, else the plain text; and: there is no text for this recipient."""
    chosen = [(_condition(variant.when, definition, parties, today, ready), literal(variant.name)) for variant in step.variants]
    plain: ColumnElement[str] = literal("")
    value = case(*chosen, else_=plain) if chosen else plain
    if ready.languages.get(step.name):
        return value, literal(False)
    return value, value == ""


def _refuse_shared_addresses(session: Session) -> None:
    """Two people who have come to share an address since they entered: the first is served, the others are skipped."""
    free = ROW.c.reason == ""
    twice = select(ROW.c.address_id).where(free).group_by(ROW.c.address_id).having(func.count() > 1)
    first = select(func.min(ROW.c.enrolment_id)).where(free).group_by(ROW.c.address_id)
    session.execute(
        update(ROW).where(free, ROW.c.address_id.in_(twice), ROW.c.enrolment_id.not_in(first)).values(reason=Reason.duplicate_address.value)
    )


def _move_later(session: Session, until: datetime) -> int:
    """Rows whose window opens after ``until`` wait: their enrolment learns the new time, nothing is owed yet."""
    enrolment = table_of(Enrolment)
    later = select(ROW.c.enrolment_id).where(ROW.c.due_at > until, ROW.c.reason == "")
    new_time = select(ROW.c.due_at).where(ROW.c.enrolment_id == enrolment.c.id).scalar_subquery()
    moved = session.execute(update(enrolment).where(enrolment.c.id.in_(later)).values(next_due_at=new_time)).rowcount  # type: ignore[attr-defined]
    if moved:
        session.execute(delete(ROW).where(ROW.c.due_at > until, ROW.c.reason == ""))
    return int(moved)


def _defer_by_caps(session: Session, ready: Ready, calendar: Calendar, caps: Caps, until: datetime) -> int:
    """Whoever had enough lately gets the step later, never not at all."""
    first_day = session.execute(select(func.min(ROW.c.due_day)).where(ROW.c.reason == "")).scalar()
    if first_day is None or not _fill_recent(session, first_day):
        return 0
    in_week = _count_recent(7)
    in_month = _count_recent(30)
    enrolment = table_of(Enrolment)
    crowded = (
        select(ROW.c.enrolment_id, ROW.c.step, ROW.c.address_id, ROW.c.due_at, HOUSE.c.zone, HOUSE.c.land, enrolment.c.version_id)
        .join_from(ROW, enrolment, enrolment.c.id == ROW.c.enrolment_id)
        .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
        .where(ROW.c.reason == "", or_(in_week >= caps.per_week, in_month >= caps.per_month))
        .order_by(ROW.c.enrolment_id)
    )
    deferred = 0
    for each in session.execute(crowded).all():
        days = sorted(session.execute(select(RECENT.c.day).where(RECENT.c.address_id == each.address_id)).scalars())
        definition = ready.definitions[each.version_id]
        step = next(step for step in definition.steps if step.name == each.step)
        slot = calendar.after_caps(definition, step, each.zone, each.land, each.due_at, days, caps)
        if slot.due_at == each.due_at:
            continue
        if slot.due_at > until:
            session.execute(update(enrolment).where(enrolment.c.id == each.enrolment_id).values(next_due_at=slot.due_at))
            session.execute(delete(ROW).where(ROW.c.enrolment_id == each.enrolment_id))
        else:
            session.execute(
                update(ROW)
                .where(ROW.c.enrolment_id == each.enrolment_id)
                .values(due_at=slot.due_at, due_day=slot.due_day, open_until=slot.open_until)
            )
        deferred += 1
    return deferred


def _fill_recent(session: Session, first_day: int) -> bool:
    """Days of touches and open dispatches that can matter for the rows at hand; False when there are none."""
    renew_temporary(session, RECENT)
    touch, dispatch = table_of(Touch), table_of(Dispatch)
    touches = select(touch.c.address_id, touch.c.day).where(touch.c.day > first_day - 30, ~touch.c.service)
    owed = select(dispatch.c.address_id, dispatch.c.due_day).where(dispatch.c.status.in_(OPEN), ~dispatch.c.service)
    found = 0
    for source in (touches, owed):
        found += session.execute(insert(RECENT).from_select(["address_id", "day"], source)).rowcount  # type: ignore[attr-defined]
    return bool(found)


def _count_recent(days: int) -> ColumnElement[int]:
    """Touches of the row's address within ``days`` local days on either side: more than can matter, ``timing`` decides."""
    return (
        select(func.count())
        .where(
            RECENT.c.address_id == ROW.c.address_id,
            RECENT.c.day > ROW.c.due_day - days,
            RECENT.c.day < ROW.c.due_day + days,
        )
        .correlate(ROW)
        .scalar_subquery()
    )


def _apply(session: Session, ready: Ready, now: datetime) -> None:
    enrolment = table_of(Enrolment)
    priorities = case(
        *[(enrolment.c.version_id == version_id, definition.priority) for version_id, definition in ready.definitions.items()],
        else_=0,
    )
    columns: dict[str, Any] = {
        "campaign_id": enrolment.c.campaign_id,
        "occasion": enrolment.c.occasion,
        "step": ROW.c.step,
        "recipient_kind": enrolment.c.subject_kind,
        "recipient_id": enrolment.c.subject_id,
        "enrolment_id": enrolment.c.id,
        "version_id": enrolment.c.version_id,
        "address_id": ROW.c.address_id,
        "organisation_id": enrolment.c.organisation_id,
        "seat_id": enrolment.c.seat_id,
        "audience": enrolment.c.audience,
        "route": ROW.c.route,
        "sender": ROW.c.sender,
        "variant": ROW.c.variant,
        "language": ROW.c.language,
        "priority": priorities,
        "service": literal(False),
        "status": case((ROW.c.reason == "", DispatchStatus.planned.value), else_=DispatchStatus.skipped.value),
        "reason": ROW.c.reason,
        "detail": literal(""),
        "planned_at": literal(now, Instant),
        "first_due_at": enrolment.c.promised_at,
        "due_at": ROW.c.due_at,
        "due_day": ROW.c.due_day,
        "open_until": ROW.c.open_until,
        "attempts": literal(0),
    }
    chosen = select(*columns.values()).join_from(ROW, enrolment, enrolment.c.id == ROW.c.enrolment_id)
    session.execute(insert_ignoring(session, table_of(Dispatch), list(columns), chosen))
