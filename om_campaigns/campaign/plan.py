"""From enrolments to what we owe: which step is due for whom at ``now``, and why not for everyone else.

One campaign at a time, by priority: its rows are gathered in a temporary table with the keys of ``dispatch``, moved to
windows and business days, thinned by the caps, and applied with one INSERT … SELECT. A plan that is only looked at runs
the same statements and is rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, func, literal, select, update
from sqlmodel import Session

from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.caps import defer
from om_campaigns.campaign.house_values import fill_houses, renew_temporary
from om_campaigns.campaign.matching import is_active, join_parties, make_parties
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.campaign.packs import Packing
from om_campaigns.campaign.plan_rows import ROW, Ready, condition, gather, not_yet_owed, under_way
from om_campaigns.campaign.timing import Caps
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import Instant, table_of
from om_campaigns.store import change, insert_ignoring


@dataclass
class Planned:
    """What planning one campaign found. ``deferred`` counts due times moved by window, holiday or cap."""

    planned: int = 0
    deferred: int = 0
    skipped: Counter[Reason] = field(default_factory=Counter)
    by_step: Counter[tuple[str, Route]] = field(default_factory=Counter)
    exited: int = 0
    packs: int = 0

    def add(self, later: Planned) -> None:
        """Add what was found when asking again."""
        self.planned += later.planned
        self.deferred += later.deferred
        self.skipped += later.skipped
        self.by_step += later.by_step
        self.exited += later.exited
        self.packs += later.packs


def find_due(session: Session, until: datetime) -> set[int]:
    """The campaigns in which somebody's next step is due by ``until``, planned already or not: cheap, because it is asked every minute."""
    enrolment, campaign = table_of(Enrolment), table_of(Campaign)
    due = exists().where(enrolment.c.campaign_id == campaign.c.id, is_active(enrolment), enrolment.c.next_due_at <= until)
    return set(session.execute(select(campaign.c.id).where(due)).scalars())


def plan(session: Session, ready: Ready, calendar: Calendar, caps: Caps, now: datetime, today: date, until: datetime) -> Planned:
    """Owe every enrolment of the slice its next step where that is due by ``until``. Running it twice adds nothing."""
    result = Planned()
    result.exited = _exit_where_met(session, ready, now, today, until)
    packing = Packing(session, ready, today)
    renew_temporary(session, ROW)
    waited_for = calendar.plan_waiting(session, ready.campaign.id, ready.definitions, now, until)
    for version_id in sorted({version_id for version_id, _ in waited_for}):
        definition = ready.definitions[version_id]
        steps = [step for step in definition.steps if (version_id, step.name) in waited_for]
        for position, audience in enumerate(definition.audiences):
            if audience.passes_on:
                packing.gather(version_id, position, steps, until)
            else:
                fill_houses(session, ready.houses.values(), audience.routes)
                for step in steps:
                    gather(session, ready, version_id, position, step, today, until)
    _refuse_shared_addresses(session)
    packing.refuse_colleagues()
    result.deferred = _move_later(session, until) + defer(session, calendar, ready.definitions, caps, until)
    _let_others_wait(session)
    _apply(session, ready, now)
    result.packs = packing.record(now)
    _count(session, result, ready, sorted({step_name for _, step_name in waited_for}))
    return result


def _count(session: Session, result: Planned, ready: Ready, steps: Sequence[str]) -> None:
    """What stands in ROW, by step and route; one pass instead of sorting everybody."""
    offered = {route for definition in ready.definitions.values() for audience in definition.audiences for route in audience.routes}
    keys = [(step_name, route) for step_name in steps for route in sorted(offered)]
    if not keys:
        return
    counts = [func.count().filter(ROW.c.step == step_name, ROW.c.route == route.value) for step_name, route in keys]
    found = session.execute(select(*counts).where(ROW.c.reason == "")).one()
    result.by_step = +Counter(dict(zip(keys, found, strict=True)))
    result.planned = result.by_step.total()
    refused = select(ROW.c.reason, func.count()).where(ROW.c.reason != "").group_by(ROW.c.reason)
    result.skipped = Counter({Reason(reason): number for reason, number in session.execute(refused)})


def _exit_where_met(session: Session, ready: Ready, now: datetime, today: date, until: datetime) -> int:
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
                *under_way(ready),
                not_yet_owed(),
                enrolment.c.version_id == version_id,
                enrolment.c.next_due_at <= until,
                condition(definition.exit_when, definition, parties, today, ready),
            )
        )
        gone = {"state": EnrolmentState.exited, "reason": Reason.exit_condition, "ended_at": now}
        ended += change(session, update(enrolment).where(enrolment.c.id.in_(met)).values(gone))
    return ended


def _refuse_shared_addresses(session: Session) -> None:
    """Two people who have come to share an address since they entered: of each step the first is served, the others are skipped."""
    free, shared = ROW.c.reason == "", _is_shared()
    if not _shares_anybody(session):
        return
    enrolment = table_of(Enrolment)
    entered = enrolment.c.id == ROW.c.enrolment_id
    first = select(func.min(ROW.c.enrolment_id)).join_from(ROW, enrolment, entered).where(free, shared)
    first = first.group_by(ROW.c.address_id, ROW.c.step, enrolment.c.occasion)
    session.execute(update(ROW).where(free, shared, ROW.c.enrolment_id.not_in(first)).values(reason=Reason.duplicate_address.value))


def _let_others_wait(session: Session) -> None:
    """Who shares an address and is due another step is planned once the first is owed: then the caps of the address see it."""
    if _shares_anybody(session):
        free, shared = ROW.c.reason == "", _is_shared()
        first = select(func.min(ROW.c.enrolment_id)).where(free, shared).group_by(ROW.c.address_id)
        session.execute(delete(ROW).where(free, shared, ROW.c.enrolment_id.not_in(first)))


def _shares_anybody(session: Session) -> bool:
    return bool(session.execute(select(exists().where(ROW.c.reason == "", ROW.c.is_shareable))).scalar())


def _is_shared() -> ColumnElement[bool]:
    """Somebody may have come to the address of this row."""
    other = ROW.alias("other")
    return ROW.c.address_id.in_(select(other.c.address_id).where(other.c.reason == "", other.c.is_shareable))


def _move_later(session: Session, until: datetime) -> int:
    """Rows whose window opens after ``until`` wait: their enrolment learns the new time, nothing is owed yet."""
    enrolment = table_of(Enrolment)
    later = select(ROW.c.enrolment_id).where(ROW.c.due_at > until, ROW.c.reason == "")
    new_time = select(ROW.c.due_at).where(ROW.c.enrolment_id == enrolment.c.id).scalar_subquery()
    moved = change(session, update(enrolment).where(enrolment.c.id.in_(later)).values(next_due_at=new_time))
    if moved:
        session.execute(delete(ROW).where(ROW.c.due_at > until, ROW.c.reason == ""))
    return moved


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
        "left_out": enrolment.c.left_out,
    }
    chosen = select(*columns.values()).join_from(ROW, enrolment, enrolment.c.id == ROW.c.enrolment_id)
    session.execute(insert_ignoring(session, table_of(Dispatch), list(columns), chosen))
