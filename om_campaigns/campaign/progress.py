"""Moving on: when a step's fate is known its enrolment learns the next step and its time, or comes to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, ColumnElement, Integer, Table, and_, case, func, insert, literal, select, update
from sqlmodel import Session

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import CampaignDefinition, Step
from om_campaigns.campaign.house_values import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.campaign.slices import in_slice, is_row_of
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import Instant, table_of
from om_campaigns.store import change

SETTLED = (
    DispatchStatus.sent,
    DispatchStatus.failed,
    DispatchStatus.uncertain,
    DispatchStatus.skipped,
    DispatchStatus.cancelled,
)
"""A dispatch in one of these will not move again by itself, so its enrolment goes on."""

TAKEN_OUT = (Reason.step_skipped, Reason.toolkit_withdrawn)
"""Why nobody gets a step any more: it does not count where letters are numbered."""

DONE = Table(
    "plan_done",
    temporary,
    Column("enrolment_id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("day", Integer, nullable=False),
    Column("left_out", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


def advance(
    session: Session,
    campaign: Campaign,
    definitions: Mapping[int, CampaignDefinition],
    calendar: Calendar,
    now: datetime,
    successors: Collection[str],
) -> int:
    """Give every enrolment of the slice whose step is settled its next step; returns how many moved or finished.

    ``successors`` are the running campaigns that ``then`` may lead into: whoever finishes waits there to be let in (``enrol``).
    """
    moved = 0
    for version_id, name in _settled_steps(session, campaign, now):
        definition = definitions[version_id]
        step = definition.step(name)
        _gather_settled(session, campaign, version_id, name, now, counts=step is not None and not step.when)
        following = definition.step_after(name)
        if following is None:
            moved += finish(session, now, Reason.then_waits if definition.then in successors else Reason.none)
        else:
            calendar.plan_following(session, definition, following, DONE)
            moved += move_on(session, following)
    return moved


def _settled(campaign: Campaign, now: datetime, *, is_sliced: bool = True) -> list[ColumnElement[bool]]:
    """Enrolments, of the slice or all, with the dispatch of the step they stand on, where its fate is known."""
    enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
    return [
        *([in_slice(enrolment), enrolment.c.campaign_id + 0 == campaign.id] if is_sliced else [enrolment.c.campaign_id == campaign.id]),
        is_active(enrolment),
        enrolment.c.next_due_at <= now,
        dispatch.c.enrolment_id == enrolment.c.id,
        dispatch.c.occasion == enrolment.c.occasion,  # a correction of the step is not the step
        dispatch.c.step == enrolment.c.next_step,
        dispatch.c.status.in_(SETTLED),
    ]


def find_settled(session: Session, campaign: Campaign, now: datetime) -> Sequence[int]:
    """Enrolments whose step is settled; mostly none."""
    number = table_of(Enrolment).c.id
    return session.execute(select(number).where(*_settled(campaign, now, is_sliced=False)).order_by(number)).scalars().all()


def _settled_steps(session: Session, campaign: Campaign, now: datetime) -> list[tuple[int, str]]:
    """The (version, step) pairs on which somebody of the slice stands whose dispatch is settled."""
    enrolment = table_of(Enrolment)
    query = select(enrolment.c.version_id, enrolment.c.next_step).where(*_settled(campaign, now)).distinct()
    return [(version_id, step) for version_id, step in session.execute(query)]


def _gather_settled(session: Session, campaign: Campaign, version_id: int, step: str, now: datetime, *, counts: bool) -> None:
    """Fill DONE with the hand-overs of one step; what was never handed over counts from when it was due.

    ``counts``: the step is one of those by which letters are numbered.
    """
    renew_temporary(session, DONE)
    enrolment, dispatch, touch = table_of(Enrolment), table_of(Dispatch), table_of(Touch)
    rows = (
        select(
            enrolment.c.id,
            func.coalesce(touch.c.at, dispatch.c.due_at),
            func.coalesce(touch.c.day, dispatch.c.due_day),
            case((dispatch.c.reason.in_(TAKEN_OUT), 1), else_=0) if counts else literal(0),
        )
        .join_from(enrolment, dispatch, dispatch.c.enrolment_id == enrolment.c.id)
        .outerjoin(
            touch,
            and_(
                touch.c.campaign_id == dispatch.c.campaign_id,
                touch.c.occasion == dispatch.c.occasion,
                touch.c.step == dispatch.c.step,
                touch.c.recipient_kind == dispatch.c.recipient_kind,
                touch.c.recipient_id == dispatch.c.recipient_id,
            ),
        )
        .where(*_settled(campaign, now), enrolment.c.version_id == version_id, enrolment.c.next_step == step)
    )
    session.execute(insert(DONE).from_select(["enrolment_id", "at", "day", "left_out"], rows))


def move_on(session: Session, following: Step) -> int:
    """Give the enrolments in DONE their next step, with its time from TIME."""
    enrolment = table_of(Enrolment)
    counted_from = TIME.c.last_at == DONE.c.at if following.elapsed is not None else TIME.c.last_day == DONE.c.day
    return change(
        session,
        update(enrolment)
        .where(
            is_row_of(enrolment, DONE.c.enrolment_id),
            HOUSE.c.organisation_id == enrolment.c.organisation_id,
            TIME.c.zone == HOUSE.c.zone,
            TIME.c.days == HOUSE.c.days,
            counted_from,
            TIME.c.base_at == enrolment.c.entered_at,
            TIME.c.shift_seconds == enrolment.c.shift_seconds,
        )
        .values(
            last_at=DONE.c.at,
            last_day=DONE.c.day,
            left_out=enrolment.c.left_out + DONE.c.left_out,
            next_step=following.name,
            next_due_at=TIME.c.due_at,
            promised_at=TIME.c.due_at,
        ),
    )


def finish(session: Session, now: datetime, reason: Reason) -> int:
    """End the way of the enrolments in DONE; ``reason`` is ``then_waits`` where they go on into another campaign."""
    enrolment = table_of(Enrolment)
    return change(
        session,
        update(enrolment)
        .where(is_row_of(enrolment, DONE.c.enrolment_id))
        .values(
            state=EnrolmentState.finished,
            reason=reason,
            last_at=DONE.c.at,
            last_day=DONE.c.day,
            next_step=None,
            next_due_at=None,
            ended_at=now,
        ),
    )
