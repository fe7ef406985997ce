"""Caps for whole groups: who had enough lately is found in SQL, then ``timing`` is asked once per distinct case.

Touches and open dispatches of an address count, over all campaigns and whatever their route (domain rule 8, SCH-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlmodel import Session

from om_campaigns.audience.models import Preference, Touch
from om_campaigns.audience.vocabulary import RHYTHM_DAYS, Route
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.house_values import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.matching import is_open, is_waiting
from om_campaigns.campaign.models import Dispatch, Enrolment
from om_campaigns.campaign.plan_rows import ROW
from om_campaigns.campaign.slices import in_slice, is_row_of
from om_campaigns.campaign.timing import Caps
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of
from om_campaigns.store import change

CROWDED = Table(
    "plan_crowded",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("version_id", Integer, nullable=False),
    Column("step", BYTEWISE_TEXT, nullable=False),
    Column("zone", Text, nullable=False),
    Column("days", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("taken", Text, nullable=False),
    Column("slow_days", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Letters (by the id of their enrolment, or of their dispatch) whose time depends on others to the same address, or on its newsletter.

``taken`` are the local days of those others, joined by commas; ``slow_days`` is the wish of the reader or the house (``RHYTHM_DAYS``)."""

_WISH = table_of(Preference)

_SAME_CASE = and_(
    TIME.c.version_id == CROWDED.c.version_id,
    TIME.c.step == CROWDED.c.step,
    TIME.c.base_at == CROWDED.c.due_at,
    TIME.c.zone == CROWDED.c.zone,
    TIME.c.days == CROWDED.c.days,
    TIME.c.taken == CROWDED.c.taken,
    TIME.c.slow_days == CROWDED.c.slow_days,
)


def defer(session: Session, calendar: Calendar, definitions: Mapping[int, CampaignDefinition], caps: Caps, until: datetime) -> int:
    """Move the rows of a plan whose addresses had enough: to a later time, or (after ``until``) out of this plan."""
    enrolment = table_of(Enrolment)
    rows = (
        select(
            ROW.c.enrolment_id.label("id"),
            enrolment.c.version_id,
            ROW.c.step,
            *_wishes(ROW.c.route),
            ROW.c.due_at,
            ROW.c.due_day,
            ROW.c.address_id,
            literal(0).label("dispatch_id"),
        )
        .join_from(ROW, enrolment, enrolment.c.id == ROW.c.enrolment_id)
        .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
        .outerjoin(_WISH, _WISH.c.address_id == ROW.c.address_id)
        .where(ROW.c.reason == "")
    )
    if not _fill_crowded(session, rows, caps):
        return 0
    calendar.plan_crowded(session, definitions, caps, CROWDED)
    later = and_(_SAME_CASE, TIME.c.due_at > until)
    moved = change(session, update(enrolment).where(is_row_of(enrolment, CROWDED.c.id), later).values(next_due_at=TIME.c.due_at))
    session.execute(delete(ROW).where(ROW.c.enrolment_id.in_(select(CROWDED.c.id).join(TIME, later))))
    return moved + change(
        session,
        update(ROW)
        .where(ROW.c.enrolment_id == CROWDED.c.id, _SAME_CASE, TIME.c.due_at > ROW.c.due_at)
        .values(due_at=TIME.c.due_at, due_day=TIME.c.due_day, open_until=TIME.c.open_until),
    )


def find_late_letters(session: Session, campaign_id: int, now: datetime) -> Sequence[int]:
    """Owed letters of a campaign whose opening has passed, or was never computed; those to one address stand together."""
    dispatch = table_of(Dispatch)
    query = select(dispatch.c.id).where(dispatch.c.campaign_id + 0 == campaign_id, *_late(now))  # "+ 0": see below
    return session.execute(query.order_by(dispatch.c.address_id, dispatch.c.id)).scalars().all()


def find_late(session: Session, now: datetime) -> set[int]:
    """The campaigns with such letters: cheap, because it is asked every minute."""
    campaign_id = table_of(Dispatch).c.campaign_id + 0  # leaves SQLite the index of what waits
    return set(session.execute(select(campaign_id).where(*_late(now)).distinct()).scalars())


def _late(now: datetime) -> tuple[ColumnElement[bool], ...]:
    dispatch = table_of(Dispatch)
    return is_waiting(dispatch), or_(dispatch.c.open_until.is_(None), dispatch.c.open_until <= now)


def reschedule(session: Session, calendar: Calendar, definitions: Mapping[int, CampaignDefinition], caps: Caps, now: datetime) -> int:
    """Move late letters of the slice (``find_late_letters``) to the next opening that keeps the caps; returns how many."""
    dispatch = table_of(Dispatch)
    late = (
        select(
            dispatch.c.id,
            dispatch.c.version_id,
            dispatch.c.step,
            *_wishes(dispatch.c.route),
            case((dispatch.c.due_at > now, dispatch.c.due_at), else_=literal(now, Instant)).label("due_at"),
            dispatch.c.due_day,
            dispatch.c.address_id,
            dispatch.c.id.label("dispatch_id"),
        )
        .join_from(dispatch, HOUSE, HOUSE.c.organisation_id == dispatch.c.organisation_id)
        .outerjoin(_WISH, _WISH.c.address_id == dispatch.c.address_id)
        .where(in_slice(dispatch), *_late(now))
    )
    _fill_crowded(session, late, None)
    calendar.plan_crowded(session, definitions, caps, CROWDED)
    return change(
        session,
        update(dispatch)
        .where(is_row_of(dispatch, CROWDED.c.id), _SAME_CASE)
        .values(due_at=TIME.c.due_at, due_day=TIME.c.due_day, open_until=TIME.c.open_until),
    )


def _fill_crowded(session: Session, letters: Select[Any], caps: Caps | None) -> int:
    """Fill CROWDED with all of the letters, or with those that may break a cap; returns how many."""
    renew_temporary(session, CROWDED)
    letter = letters.subquery("letter")
    slow_days = letter.c.slow_days
    reach = case((slow_days > 30, slow_days), else_=30)
    touches, owed = (func.coalesce(found, "") for found in _others(letter, days=reach, value=_joined, ahead=False))
    keys = [letter.c[name] for name in ("id", "version_id", "step", "zone", "days", "due_at")]
    rows = select(*keys, touches + "," + owed, slow_days)
    if caps is not None:
        in_week, in_month = (sum(_others(letter, days=days, value=_counted), literal(0)) for days, _ in caps.rules)
        has_some = in_month >= min(caps.per_week, caps.per_month)  # asked first: most have none, and then the rest need not be asked
        is_full = and_(has_some, or_(in_week >= caps.per_week, in_month >= caps.per_month))
        is_slow = and_(slow_days > 0, sum(_others(letter, days=slow_days, value=_counted), literal(0)) > 0)
        rows = rows.where(or_(is_slow, is_full, letter.c.is_block))
    return change(session, insert(CROWDED).from_select([column.name for column in CROWDED.c], rows))


def _wishes(route: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """Zone and days off of the house for a letter on this way, and how slowly reader or house want it (days, 0 for most)."""
    is_block = and_(route == literal_column(f"'{Route.newsletter_block.value}'"), HOUSE.c.block_days != HOUSE.c.days)
    is_direct = route == literal_column(f"'{Route.direct_email.value}'")
    days = [(_WISH.c.rhythm == literal_column(f"'{rhythm.value}'"), number) for rhythm, number in RHYTHM_DAYS.items() if number]
    own, house = case(*days, else_=0), case((is_direct, 0), else_=HOUSE.c.slow_days)
    return [
        HOUSE.c.zone,
        case((is_block, HOUSE.c.block_days), else_=HOUSE.c.days).label("days"),
        case((house > own, house), else_=own).label("slow_days"),
        is_block.label("is_block"),
    ]


def _joined(day: ColumnElement[int]) -> ColumnElement[Any]:
    return func.aggregate_strings(cast(day, Text), ",")


def _counted(_day: ColumnElement[int]) -> ColumnElement[Any]:
    return func.count()


def _others(letter: FromClause, *, days: int | ColumnElement[int], value: Any, ahead: bool = True) -> list[ColumnElement[Any]]:
    """An aggregate of the days of other touches, and one of other open dispatches, less than ``days`` away from a letter.

    More than can matter: ``timing`` decides. Without ``ahead`` everything later counts, for a letter may move there.
    """
    touch, dispatch = table_of(Touch), table_of(Dispatch).alias("d_other")
    found: list[ColumnElement[Any]] = []
    for source, day, more in (
        (touch, touch.c.day, ()),
        (dispatch, dispatch.c.due_day, (is_open(dispatch), dispatch.c.id != letter.c.dispatch_id)),
    ):
        near = [day > letter.c.due_day - days, *([day < letter.c.due_day + days] if ahead else [])]
        query = select(value(day)).where(source.c.address_id == letter.c.address_id, ~source.c.service, *near, *more)
        found.append(query.correlate(letter).scalar_subquery())
    return found
