"""The brake on entering: a day that is far larger than any before waits until somebody has looked at it.

A wrong column in an office's list makes thousands of strangers match. So within 24 hours no more people and houses enter a
campaign than its bound, or nobody of them does; what a person confirmed goes through (up to a tenth more, for seven days).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import Session, col

from om_campaigns.audience.tasks import Task, TaskKind, close_task, open_task
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.models import Campaign, Enrolment
from om_campaigns.campaign.permissions import load_permissions, record_permission
from om_campaigns.campaign.vocabulary import PermissionKind, Reason
from om_campaigns.columns import table_of

_enrolment = table_of(Enrolment)

DAY = timedelta(hours=24)
CONFIRMED_FOR = timedelta(days=7)
"""How long a confirmed figure lets people in."""

ENTRY_KINDS = (
    PermissionKind.audience_import,
    PermissionKind.publication,
    PermissionKind.go_live,
    PermissionKind.restore,
    PermissionKind.admit,
)
"""Permissions whose subject is a campaign and whose figure says how many may enter it."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """How many people, and how many houses (seats without a person among them)."""

    people: int = 0
    houses: int = 0

    def __add__(self, other: Subjects) -> Subjects:
        return Subjects(self.people + other.people, self.houses + other.houses)

    @property
    def total(self) -> int:
        return self.people + self.houses

    def is_within(self, bound: Subjects) -> bool:
        return self.people <= bound.people and self.houses <= bound.houses

    def at_least(self, other: Subjects) -> Subjects:
        """The larger of both figures, each for itself."""
        return Subjects(max(self.people, other.people), max(self.houses, other.houses))


@dataclass(frozen=True, slots=True)
class EntryRule:
    """What a day may bring: so many at least, and so many times the largest day there was."""

    people_a_day: int = 100
    houses_a_day: int = 10
    times_largest: int = 5

    def bound(self, largest: Subjects) -> Subjects:
        """The most that may enter within 24 hours."""
        return Subjects(
            max(self.people_a_day, self.times_largest * largest.people), max(self.houses_a_day, self.times_largest * largest.houses)
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the brake says to ``entering``: ``lately`` entered within the last 24 hours, ``bound`` is the most that may."""

    entering: Subjects
    lately: Subjects
    bound: Subjects
    is_confirmed: bool

    @property
    def is_held(self) -> bool:
        return not self.is_confirmed and not (self.lately + self.entering).is_within(self.bound)


def judge_entry(session: Session, campaign: Campaign, rule: EntryRule, entering: Subjects, now: datetime) -> Judgement:
    """Whether so many may enter at ``now``. Whoever then lets them in holds the campaign's row (``lock_entry``)."""
    lately = load_entered(session, campaign.id, now - DAY)
    bound = rule.bound(load_largest(campaign))
    if not (lately + entering).is_within(bound):  # only now is it worth reading the whole history
        bound = rule.bound(load_largest(campaign).at_least(load_undisputed(session, campaign, now)))
    return Judgement(entering, lately, bound, _is_confirmed(session, campaign, entering, now))


def lock_entry(session: Session, campaign: Campaign) -> None:
    """Nobody else lets people into this campaign until the transaction ends (on SQLite there is one writer anyway)."""
    table = table_of(Campaign)
    session.execute(select(table.c.id).where(table.c.id == campaign.id).with_for_update(key_share=True))


def confirm_entry(session: Session, what: PermissionKind, campaign: Campaign, figure: int, who: str, now: datetime) -> None:
    """Somebody has seen that ``figure`` would enter and said yes. No figure, no permission."""
    if figure > 0:
        already = load_entered(session, campaign.id, now, inclusive=True).total
        record_permission(session, what, subject=campaign.name, figure=figure, already=already, who=who, at=now, until=now + CONFIRMED_FOR)


def most_by(figure: int) -> int:
    """How many a confirmed figure lets in: a tenth more, because the audience goes on changing."""
    return figure * 11 // 10


def _is_confirmed(session: Session, campaign: Campaign, entering: Subjects, now: datetime) -> bool:
    """A permission covers who entered since it was given, and those who would enter now."""
    for given in load_permissions(session, ENTRY_KINDS, now, subject=campaign.name):
        since = load_entered(session, campaign.id, given.at, inclusive=True).total - given.already
        if since + entering.total <= most_by(given.figure or 0):
            return True
    return False


def load_entered(session: Session, campaign_id: int, since: datetime, *, inclusive: bool = False) -> Subjects:
    """Who entered after ``since``, or from it on."""
    after = _enrolment.c.entered_at >= since if inclusive else _enrolment.c.entered_at > since
    return _count(session, campaign_id, after, _enrolment.c.reason != Reason.already_there)


def _count(session: Session, campaign_id: int, *conditions: ColumnElement[bool]) -> Subjects:
    query = select(_enrolment.c.subject_kind, func.count()).where(_enrolment.c.campaign_id == campaign_id, *conditions)
    found: dict[RecipientKind, int] = dict(session.execute(query.group_by(_enrolment.c.subject_kind)).all())
    return Subjects(found.get(RecipientKind.person, 0), found.get(RecipientKind.organisation, 0))


def load_largest(campaign: Campaign) -> Subjects:
    return Subjects(campaign.largest_entry, campaign.largest_house_entry)


def raise_largest(session: Session, campaign: Campaign, day: Subjects) -> None:
    """Keep a day that was reviewed, or that nobody disputed for 24 hours, if it is the largest."""
    largest = load_largest(campaign).at_least(day)
    if largest != load_largest(campaign):
        campaign.largest_entry, campaign.largest_house_entry = largest.people, largest.houses
        session.add(campaign)


def load_undisputed(session: Session, campaign: Campaign, now: datetime, *, since: datetime | None = None) -> Subjects:
    """The largest day that has passed: what entered less than 24 hours ago may still be disputed. ``since`` leaves out what is older."""
    kinds = (RecipientKind.person, RecipientKind.organisation)
    query = (
        select(_enrolment.c.entered_at, *[func.count().filter(_enrolment.c.subject_kind == kind) for kind in kinds])
        .where(_enrolment.c.campaign_id == campaign.id, _enrolment.c.entered_at <= now - DAY, _enrolment.c.reason != Reason.already_there)
        .group_by(_enrolment.c.entered_at)
        .order_by(_enrolment.c.entered_at)
    )
    if since is not None:
        query = query.where(_enrolment.c.entered_at > since)
    return find_largest([(at, Subjects(people, houses)) for at, people, houses in session.execute(query)])


def find_largest(entries: Sequence[tuple[datetime, Subjects]]) -> Subjects:
    """The most that entered within any 24 hours; ``entries`` are in the order of time."""
    within: deque[tuple[datetime, Subjects]] = deque()
    people = houses = 0
    largest = Subjects()
    for at, entered in entries:
        within.append((at, entered))
        people, houses = people + entered.people, houses + entered.houses
        while within[0][0] <= at - DAY:
            _, gone = within.popleft()
            people, houses = people - gone.people, houses - gone.houses
        largest = largest.at_least(Subjects(people, houses))
    return largest


def settle_hold(session: Session, campaign: Campaign, now: datetime, actor: str) -> None:
    """Ask people to look at a campaign that is held, or say how many it is by now; close what was asked where it is not any more."""
    if campaign.held_at is not None:
        source, detail = f"entry_held {campaign.name} {campaign.held_at.isoformat()}", _describe(campaign)
        if not open_task(session, TaskKind.entry_held, source, now, **detail):
            task = table_of(Task)
            session.execute(update(task).where(task.c.kind == TaskKind.entry_held, task.c.source_key == source).values(detail=detail))
        return
    query = select(Task).where(col(Task.kind) == TaskKind.entry_held, col(Task.closed_at).is_(None))
    for task in session.execute(query).scalars().all():
        if task.detail["campaign"] == campaign.name:
            close_task(session, task.id, now, actor)


def _describe(campaign: Campaign) -> dict[str, Any]:
    return {"campaign": campaign.name, "people": campaign.held_people, "houses": campaign.held_houses}
