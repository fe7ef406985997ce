"""Moving those who are in a series to the newest version: what they had stays, what comes next stays next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin, Route, Sender
from om_campaigns.campaign.calendar import Calendar
from om_campaigns.campaign.corrections import MARK
from om_campaigns.campaign.definition import Audience, CampaignDefinition, Step
from om_campaigns.campaign.house_values import renew_temporary
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Enrolment
from om_campaigns.campaign.progress import DONE, TAKEN_OUT, advance, find_settled, finish, move_on
from om_campaigns.campaign.releases import get_campaign, load_definitions
from om_campaigns.campaign.slices import fill_slice, in_slice, slices
from om_campaigns.campaign.timing import local_day
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import Instant, new_ref, table_of
from om_campaigns.planning import load_successors, make_entry
from om_campaigns.staff.publishing import load_standing
from om_campaigns.staff.skipping import ENDS_AS
from om_campaigns.store import change, insert_ignoring

HAD = (DispatchStatus.sent, DispatchStatus.uncertain, DispatchStatus.claimed)
"""A step in one of these has reached its reader, or may have."""


@dataclass(frozen=True)
class Move:
    """Readers of one version who stand before one step. ``next_step``: what they get next then, None where nothing is left;
    ``skipped``: steps of the newest version that lie before it and that they will not get (SCH-17).
    """

    version: int
    step: str
    next_step: str | None
    skipped: tuple[str, ...]
    readers: int


@dataclass(frozen=True)
class Stay:
    """Readers of one version who stay on it, and why."""

    version: int
    step: str
    reason: str
    readers: int


@dataclass(frozen=True)
class Moved:
    """Who was moved to which version, or would be, and who stays where they are."""

    campaign: str
    version: int
    moves: Sequence[Move]
    stays: Sequence[Stay]

    @property
    def readers(self) -> int:
        return sum(each.readers for each in self.moves)


def move_to_latest(app: App, name: str, now: datetime, actor: str, *, is_dry_run: bool = False) -> Moved:
    """Move everybody who is in a series to its newest version, if every step they had still exists there; again changes nothing.

    Raises InputError for an unknown campaign.
    """
    require_real_clock(app)
    if is_dry_run:
        return store.write_late(app.engine, lambda session: _look_at_moves(session, app, name, now), keeps=False)
    batch = new_ref()
    with store.turns(app.engine) as turns:
        with turns.reading() as session:
            campaign = get_campaign(session, name)
            definitions = load_definitions(session, campaign)
            successors = _lay_out(session, app, campaign, definitions)
            settled = find_settled(session, campaign, now)
        mover = _Mover(campaign, definitions, now, app.settings.zone_info, successors)
        for part in slices(settled):
            with turns.writing() as session:
                fill_slice(session, part)
                advance(session, campaign, definitions, mover.calendar, now, successors)
        with turns.reading() as session:
            groups = mover.find_groups(session)
        for group in groups:
            for part in slices(group.numbers):
                with turns.writing() as session:
                    if not mover.is_newest(session):
                        return mover.summary()
                    if moved := mover.apply(session, group, part):
                        new = f"version {mover.numbers[mover.latest]}: {moved} readers"
                        record_change(session, "campaign", campaign.id, "moved to", None, new, now, actor, Origin.staff, batch)
    done = mover.summary()
    if done.readers:
        events.readers_moved(name, done.version, done.readers)
    return done


def _look_at_moves(session: Session, app: App, name: str, now: datetime) -> Moved:
    """What moving would come to; whoever would learn the next step first does so in this transaction, which is undone."""
    campaign = get_campaign(session, name)
    definitions = load_definitions(session, campaign)
    successors = _lay_out(session, app, campaign, definitions)
    mover = _Mover(campaign, definitions, now, app.settings.zone_info, successors)
    fill_slice(session, find_settled(session, campaign, now))
    advance(session, campaign, definitions, mover.calendar, now, successors)
    for group in mover.find_groups(session):
        mover.count(group, len(group.numbers))
    return mover.summary()


def _lay_out(session: Session, app: App, campaign: Campaign, definitions: Mapping[int, CampaignDefinition]) -> frozenset[str]:
    """Lay out zones and days off of the houses; returns the running campaigns that this one leads into."""
    latest = campaign.latest_version_id or 0
    make_entry(session, app, campaign, latest, definitions[latest])
    return load_successors(session, definitions.values())


def find_place(old: CampaignDefinition, new: CampaignDefinition, step: str) -> tuple[str | None, tuple[str, ...]]:
    """Where in ``new`` somebody stands who has ``step`` of ``old`` next: the step that comes next (None: none is left), and those
    before it that are new. A step that is gone gives way to what follows the last one before it that is still there.
    """
    passed = [each.name for each in old.steps][: [each.name for each in old.steps].index(step)]
    names = [each.name for each in new.steps]
    behind = max((names.index(name) + 1 for name in passed if name in names), default=0)
    at = names.index(step) if step in names else behind
    return (names[at] if at < len(names) else None), tuple(name for name in names[:at] if name not in passed)


def _is_timed_alike(one: Step, other: Step) -> bool:
    return (one.day, one.after, one.elapsed, one.at) == (other.day, other.after, other.elapsed, other.at)


@dataclass(frozen=True)
class _Group:
    """All who stand before one step of one version and came in by one audience, and can be moved: ``numbers`` of their enrolments."""

    version_id: int
    step: str
    position: int
    target: int
    following: str | None
    skipped: tuple[str, ...]
    numbers: Sequence[int]


class _Mover:
    """Moves group by group, each in slices. DONE holds the slice while it moves."""

    def __init__(
        self,
        campaign: Campaign,
        definitions: Mapping[int, CampaignDefinition],
        now: datetime,
        zone: ZoneInfo,
        successors: Collection[str],
    ) -> None:
        self.campaign, self.definitions, self.now, self.zone = campaign, definitions, now, zone
        self.latest = campaign.latest_version_id or 0
        self.new = definitions[self.latest]
        self.leads_on = self.new.then in successors
        self.names = [step.name for step in self.new.steps]
        self.calendar = Calendar()
        self.numbers: dict[int, int] = {}
        self.moves: dict[tuple[int, str], Move] = {}
        self.stays: list[Stay] = []

    def summary(self) -> Moved:
        return Moved(self.campaign.name, self.numbers[self.latest], list(self.moves.values()), self.stays)

    def is_newest(self, session: Session) -> bool:
        """Nobody has published another version meanwhile."""
        latest = select(table_of(Campaign).c.latest_version_id).where(table_of(Campaign).c.id == self.campaign.id)
        return bool(session.execute(latest).scalar_one() == self.latest)

    def count(self, group: _Group, readers: int) -> None:
        """So many of a group are moved, or would be."""
        if readers:
            at = (group.version_id, group.step)
            before = self.moves[at].readers if at in self.moves else 0
            self.moves[at] = Move(self.numbers[group.version_id], group.step, group.following, group.skipped, before + readers)

    def find_groups(self, session: Session) -> list[_Group]:
        """Who can be moved, version by version and step by step; counts who stays."""
        version = table_of(CampaignVersion)
        query = select(version.c.id, version.c.number).where(version.c.campaign_id == self.campaign.id)
        self.numbers = dict(session.execute(query).all())
        return [
            group
            for version_id, standing in sorted(load_standing(session, self.campaign.id).items())
            if version_id != self.latest
            for step in standing
            for group in self._find_at_step(session, version_id, step)
        ]

    def _find_at_step(self, session: Session, version_id: int, step: str) -> Iterator[_Group]:
        old = self.definitions[version_id]
        following, skipped = find_place(old, self.new, step)
        number = table_of(Enrolment).c.id
        for position, audience in enumerate(old.audiences):
            target = self._same_audience(audience)
            everybody = self._standing(version_id, step, position)
            if target is None:
                self._stay(session, version_id, step, f"came in by the segment '{audience.segment}', which it has no more", everybody)
                continue
            had = [*everybody, self._had_what_is_gone()]
            self._stay(session, version_id, step, f"had {self._gone(old)}, which it has no more", had)
            leaving = [*everybody, ~self._had_what_is_gone(), self._is_leaving(step)]
            self._stay(session, version_id, step, f"'{step}' is leaving right now", leaving)
            movable = select(number).where(*everybody, *self._can_move(step)).order_by(number)
            yield _Group(version_id, step, position, target, following, skipped, session.execute(movable).scalars().all())

    def apply(self, session: Session, group: _Group, part: Sequence[int]) -> int:
        """Move one slice of a group: those of it who still can be; returns how many."""
        fill_slice(session, part)
        enrolment = table_of(Enrolment)
        standing = self._standing(group.version_id, group.step, group.position, is_sliced=True)
        self._fill(session, [in_slice(enrolment), *standing, *self._can_move(group.step)])
        moved = self._apply(session, self.definitions[group.version_id], group)
        self.count(group, moved)
        return moved

    def _same_audience(self, audience: Audience) -> int | None:
        """Where in the newest version the entry stands by which they came in."""
        wanted = (audience.segment, audience.passes_on)
        return next((at for at, each in enumerate(self.new.audiences) if (each.segment, each.passes_on) == wanted), None)

    def _standing(self, version_id: int, step: str, position: int, *, is_sliced: bool = False) -> list[ColumnElement[bool]]:
        enrolment = table_of(Enrolment)
        campaign_id = enrolment.c.campaign_id + 0 if is_sliced else enrolment.c.campaign_id  # see in_slice
        return [
            campaign_id == self.campaign.id,
            is_active(enrolment),
            enrolment.c.version_id == version_id,
            enrolment.c.next_step == step,
            enrolment.c.audience == position,
        ]

    def _can_move(self, step: str) -> tuple[ColumnElement[bool], ...]:
        return ~self._had_what_is_gone(), ~self._is_leaving(step)

    def _gone(self, old: CampaignDefinition) -> str:
        return " or ".join(f"'{each.name}'" for each in old.steps if each.name not in self.names)

    def _had_what_is_gone(self) -> ColumnElement[bool]:
        return self._has_dispatch(table_of(Dispatch).c.step.not_in(self.names), table_of(Dispatch).c.status.in_(HAD))

    def _is_leaving(self, step: str) -> ColumnElement[bool]:
        return self._has_dispatch(table_of(Dispatch).c.step == step, table_of(Dispatch).c.status == DispatchStatus.claimed)

    @staticmethod
    def _has_dispatch(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
        return exists().where(dispatch.c.enrolment_id == enrolment.c.id, dispatch.c.occasion == enrolment.c.occasion, *conditions)

    def _stay(self, session: Session, version_id: int, step: str, reason: str, group: Sequence[ColumnElement[bool]]) -> None:
        readers = session.execute(select(func.count()).select_from(table_of(Enrolment)).where(*group)).scalar_one()
        if readers:
            self.stays.append(Stay(self.numbers[version_id], step, reason, readers))

    def _fill(self, session: Session, group: Sequence[ColumnElement[bool]]) -> None:
        """Those of the slice, with when each of them had something last; who had nothing yet counts from the day of entry."""
        enrolment = table_of(Enrolment)
        renew_temporary(session, DONE)
        waiting = enrolment.c.last_at.is_(None)
        had = select(enrolment.c.id, enrolment.c.last_at, enrolment.c.last_day, literal(0)).where(*group, ~waiting)
        session.execute(insert(DONE).from_select(["enrolment_id", "at", "day", "left_out"], had))
        rows = [
            {"enrolment_id": number, "at": entered_at, "day": local_day(entered_at, self.zone) - 1, "left_out": 0}
            for number, entered_at in session.execute(select(enrolment.c.id, enrolment.c.entered_at).where(*group, waiting))
        ]
        if rows:
            session.execute(insert(DONE), rows)

    def _apply(self, session: Session, old: CampaignDefinition, group: _Group) -> int:
        enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
        step, following = group.step, group.following
        chosen = select(DONE.c.enrolment_id)
        for name in group.skipped:
            self._record_skipped(session, name)
        owed = (dispatch.c.enrolment_id.in_(chosen), dispatch.c.step == step, ~dispatch.c.occasion.contains(MARK, autoescape=True))
        for before, after in ENDS_AS.items():
            values: dict[str, Any] = {"status": after, "reason": Reason.step_skipped, "detail": ""}
            if following == step:
                values = {"version_id": self.latest, "audience": group.target}
            session.execute(update(dispatch).where(*owed, dispatch.c.status == before).values(values))
        before_it = self.names[: self.names.index(following)] if following else self.names
        counted = [each.name for each in self.new.steps if each.name in before_it and not each.when]
        own = (dispatch.c.enrolment_id == enrolment.c.id, dispatch.c.occasion == enrolment.c.occasion)
        taken_out = select(func.count()).where(*own, dispatch.c.reason.in_(TAKEN_OUT), dispatch.c.step.in_(counted))
        left_out = taken_out.correlate(enrolment).scalar_subquery()
        values = {"version_id": self.latest, "audience": group.target, "left_out": left_out}
        moved = change(session, update(enrolment).where(enrolment.c.id.in_(chosen)).values(values))
        if following is None:
            finish(session, self.now, Reason.then_waits if self.leads_on else Reason.none)
        elif following != step or not _is_timed_alike(old.step(step) or old.steps[0], self.new.step(following) or self.new.steps[0]):
            self._give_time(session, following)
        return moved

    def _give_time(self, session: Session, following: str) -> None:
        """The next step's time by the new version, for those who are not owed it yet."""
        dispatch, step = table_of(Dispatch), self.new.step(following)
        owed = select(dispatch.c.enrolment_id).where(
            dispatch.c.enrolment_id == DONE.c.enrolment_id,
            dispatch.c.step == following,
            ~dispatch.c.occasion.contains(MARK, autoescape=True),
        )
        session.execute(delete(DONE).where(DONE.c.enrolment_id.in_(owed)))
        if step is not None:
            self.calendar.plan_following(session, self.new, step, DONE)
            move_on(session, step)

    def _record_skipped(self, session: Session, name: str) -> None:
        """A new step before the next one: the ledger says that it was left out."""
        enrolment = table_of(Enrolment)
        columns: dict[str, Any] = {
            **{name: enrolment.c[name] for name in ("campaign_id", "occasion", "address_id", "organisation_id", "seat_id", "audience")},
            "step": literal(name),
            "recipient_kind": enrolment.c.subject_kind,
            "recipient_id": enrolment.c.subject_id,
            "enrolment_id": enrolment.c.id,
            "version_id": literal(self.latest),
            "route": literal(Route.none.value),
            "sender": literal(Sender.om.value),
            "variant": literal(""),
            "language": literal(""),
            "priority": literal(0),
            "service": literal(False),
            "status": literal(DispatchStatus.skipped.value),
            "reason": literal(Reason.step_skipped.value),
            "detail": literal(""),
            "attempts": literal(0),
            **dict.fromkeys(("planned_at", "first_due_at", "due_at"), literal(self.now, Instant)),
            "due_day": literal(local_day(self.now, self.zone)),
        }
        chosen = select(*columns.values()).where(enrolment.c.id.in_(select(DONE.c.enrolment_id)))
        session.execute(insert_ignoring(session, table_of(Dispatch), list(columns), chosen))
