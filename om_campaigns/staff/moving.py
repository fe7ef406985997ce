"""Moving those who are in a series to the newest version, or past a step taken out: what they had stays, what comes next stays next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Enrolment, SkippedStep
from om_campaigns.campaign.progress import DONE, TAKEN_OUT, advance, find_settled, finish, move_on
from om_campaigns.campaign.releases import get_campaign, load_definitions
from om_campaigns.campaign.slices import fill_slice
from om_campaigns.campaign.timing import local_day
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import Instant, table_of
from om_campaigns.errors import InputError
from om_campaigns.nearest import make_hint
from om_campaigns.planning import load_successors, make_entry
from om_campaigns.staff.publishing import count_ahead, load_standing
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
    with store.undone(app.engine) if is_dry_run else store.write(app.engine) as session:
        campaign = get_campaign(session, name)
        definitions = load_definitions(session, campaign)
        latest = campaign.latest_version_id or 0
        make_entry(session, app, campaign, latest, definitions[latest])  # lays out zones and days off of the houses
        successors = load_successors(session, definitions.values())
        mover = _Mover(session, campaign, definitions, now, app.settings.zone_info, leads_on=definitions[latest].then in successors)
        fill_slice(session, find_settled(session, campaign, now))
        advance(session, campaign, definitions, mover.calendar, now, successors)
        for version_id, standing in sorted(load_standing(session, campaign.id).items()):
            if version_id != latest:
                for step in standing:
                    mover.move(version_id, step)
        done = Moved(name, mover.numbers[latest], mover.moves, mover.stays)
        if done.readers:
            new = f"version {done.version}: {done.readers} readers"
            record_change(session, "campaign", campaign.id, "moved to", None, new, now, actor, Origin.staff)
    if done.readers and not is_dry_run:
        events.readers_moved(name, done.version, done.readers)
    return done


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


class _Mover:
    """Moves group by group: all who stand before one step of one version. DONE holds the group while it moves."""

    def __init__(
        self,
        session: Session,
        campaign: Campaign,
        definitions: Mapping[int, CampaignDefinition],
        now: datetime,
        zone: ZoneInfo,
        *,
        leads_on: bool,
    ) -> None:
        self.session, self.campaign, self.definitions, self.now, self.zone = session, campaign, definitions, now, zone
        self.leads_on = leads_on
        self.latest = campaign.latest_version_id or 0
        self.new = definitions[self.latest]
        self.names = [step.name for step in self.new.steps]
        self.calendar = Calendar()
        version = table_of(CampaignVersion)
        query = select(version.c.id, version.c.number).where(version.c.campaign_id == campaign.id)
        self.numbers: dict[int, int] = dict(session.execute(query).all())
        self.moves: list[Move] = []
        self.stays: list[Stay] = []

    def move(self, version_id: int, step: str) -> None:
        """Move who can be moved, audience by audience; count who stays."""
        old = self.definitions[version_id]
        following, skipped = find_place(old, self.new, step)
        moved = 0
        for position, audience in enumerate(old.audiences):
            target = self._same_audience(audience)
            group = self._group(version_id, step, position)
            if target is None:
                self._stay(version_id, step, f"came in by the segment '{audience.segment}', which it has no more", group)
                continue
            self._stay(version_id, step, f"had {self._gone(old)}, which it has no more", [*group, self._had_what_is_gone()])
            self._stay(version_id, step, f"'{step}' is leaving right now", [*group, ~self._had_what_is_gone(), self._is_leaving(step)])
            self._fill([*group, ~self._had_what_is_gone(), ~self._is_leaving(step)])
            moved += self._apply(old, step, following, skipped, target)
        if moved:
            self.moves.append(Move(self.numbers[version_id], step, following, skipped, moved))

    def _same_audience(self, audience: Audience) -> int | None:
        """Where in the newest version the entry stands by which they came in."""
        wanted = (audience.segment, audience.passes_on)
        return next((at for at, each in enumerate(self.new.audiences) if (each.segment, each.passes_on) == wanted), None)

    def _group(self, version_id: int, step: str, position: int) -> list[ColumnElement[bool]]:
        enrolment = table_of(Enrolment)
        return [
            enrolment.c.campaign_id == self.campaign.id,
            is_active(enrolment),
            enrolment.c.version_id == version_id,
            enrolment.c.next_step == step,
            enrolment.c.audience == position,
        ]

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

    def _stay(self, version_id: int, step: str, reason: str, group: Sequence[ColumnElement[bool]]) -> None:
        readers = self.session.execute(select(func.count()).select_from(table_of(Enrolment)).where(*group)).scalar_one()
        if readers:
            self.stays.append(Stay(self.numbers[version_id], step, reason, readers))

    def _fill(self, group: Sequence[ColumnElement[bool]]) -> None:
        """The group with when each of them had something last; who had nothing yet counts from the day of entry."""
        enrolment = table_of(Enrolment)
        renew_temporary(self.session, DONE)
        waiting = enrolment.c.last_at.is_(None)
        had = select(enrolment.c.id, enrolment.c.last_at, enrolment.c.last_day, literal(0)).where(*group, ~waiting)
        self.session.execute(insert(DONE).from_select(["enrolment_id", "at", "day", "left_out"], had))
        rows = [
            {"enrolment_id": number, "at": entered_at, "day": local_day(entered_at, self.zone) - 1, "left_out": 0}
            for number, entered_at in self.session.execute(select(enrolment.c.id, enrolment.c.entered_at).where(*group, waiting))
        ]
        if rows:
            self.session.execute(insert(DONE), rows)

    def _apply(self, old: CampaignDefinition, step: str, following: str | None, skipped: Sequence[str], target: int) -> int:
        enrolment, dispatch = table_of(Enrolment), table_of(Dispatch)
        group = select(DONE.c.enrolment_id)
        for name in skipped:
            self._record_skipped(name)
        owed = (dispatch.c.enrolment_id.in_(group), dispatch.c.step == step, ~dispatch.c.occasion.contains(MARK, autoescape=True))
        for before, after in ENDS_AS.items():
            values: dict[str, Any] = {"status": after, "reason": Reason.step_skipped, "detail": ""}
            if following == step:
                values = {"version_id": self.latest, "audience": target}
            self.session.execute(update(dispatch).where(*owed, dispatch.c.status == before).values(values))
        before_it = self.names[: self.names.index(following)] if following else self.names
        counted = [each.name for each in self.new.steps if each.name in before_it and not each.when]
        own = (dispatch.c.enrolment_id == enrolment.c.id, dispatch.c.occasion == enrolment.c.occasion)
        taken_out = select(func.count()).where(*own, dispatch.c.reason.in_(TAKEN_OUT), dispatch.c.step.in_(counted))
        left_out = taken_out.correlate(enrolment).scalar_subquery()
        values = {"version_id": self.latest, "audience": target, "left_out": left_out}
        moved = change(self.session, update(enrolment).where(enrolment.c.id.in_(group)).values(values))
        if following is None:
            finish(self.session, self.now, Reason.then_waits if self.leads_on else Reason.none)
        elif following != step or not _is_timed_alike(old.step(step) or old.steps[0], self.new.step(following) or self.new.steps[0]):
            self._give_time(following)
        return moved

    def _give_time(self, following: str) -> None:
        """The next step's time by the new version, for those who are not owed it yet."""
        dispatch, step = table_of(Dispatch), self.new.step(following)
        owed = select(dispatch.c.enrolment_id).where(
            dispatch.c.enrolment_id == DONE.c.enrolment_id,
            dispatch.c.step == following,
            ~dispatch.c.occasion.contains(MARK, autoescape=True),
        )
        self.session.execute(delete(DONE).where(DONE.c.enrolment_id.in_(owed)))
        if step is not None:
            self.calendar.plan_following(self.session, self.new, step, DONE)
            move_on(self.session, step)

    def _record_skipped(self, name: str) -> None:
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
        self.session.execute(insert_ignoring(self.session, table_of(Dispatch), list(columns), chosen))


ENDS_AS = {
    DispatchStatus.planned: DispatchStatus.skipped,
    DispatchStatus.held: DispatchStatus.skipped,
    DispatchStatus.retry: DispatchStatus.cancelled,
}
"""What becomes of a letter that is owed. One that a process has taken leaves; what was handed over, packs too, stays as it is."""


@dataclass(frozen=True)
class Skipping:
    """What taking a step out comes to: how many have it ahead, how many letters of it are owed and will not leave."""

    campaign: str
    step: str
    ahead: int
    owed: int
    was_skipped: bool


def look_at_step(app: App, name: str, step: str) -> Skipping:
    """What taking out this step would come to. Raises InputError for a campaign or step that was never published."""
    with store.read(app.engine) as session:
        return _look(session, get_campaign(session, name), step)


def skip_step(app: App, name: str, step: str, now: datetime, actor: str) -> Skipping:
    """Take a step out for everybody not yet served, for good; a second time changes nothing.

    Its readers come to it when it is due, are told of in the ledger, and go on from there: what follows, ``then`` and
    ``starts_after`` are as if it had passed. Raises InputError for a campaign or step that was never published.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        campaign = get_campaign(session, name)
        found = _look(session, campaign, step)
        if found.was_skipped:
            return found
        session.add(SkippedStep(campaign_id=campaign.id, step=step, at=now, actor=actor))
        dispatch = table_of(Dispatch)
        for before, after in ENDS_AS.items():
            session.execute(
                update(dispatch)
                .where(*_of_step(campaign, step), dispatch.c.status == before)
                .values(status=after, reason=Reason.step_skipped, detail="")
            )
        record_change(session, "campaign", campaign.id, "skipped step", None, step, now, actor, Origin.staff)
    events.step_skipped(name, step, found.ahead)
    return found


def _of_step(campaign: Campaign, step: str) -> tuple[ColumnElement[bool], ...]:
    """Letters of the step itself: a correction goes to those who had it."""
    dispatch = table_of(Dispatch)
    return dispatch.c.campaign_id == campaign.id, dispatch.c.step == step, ~dispatch.c.occasion.contains(MARK, autoescape=True)


def _look(session: Session, campaign: Campaign, step: str) -> Skipping:
    steps = {each.name for definition in load_definitions(session, campaign).values() for each in definition.steps}
    if step not in steps:
        hint = make_hint(step, sorted(steps), f"it has {', '.join(sorted(steps))}")
        raise InputError(f"campaign '{campaign.name}' has no step '{step}'", hint=hint)
    dispatch = table_of(Dispatch)
    owed = select(func.count()).where(*_of_step(campaign, step), dispatch.c.status.in_(ENDS_AS))
    return Skipping(
        campaign.name,
        step,
        count_ahead(session, campaign, step),
        session.execute(owed).scalar_one(),
        session.get(SkippedStep, (campaign.id, step)) is not None,
    )
