"""Time for whole groups: ``timing`` is asked once per distinct (step, base, zone, Land) and the answers are joined in SQL.

A million recipients of one step share a handful of due times; asking for each of them would take minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, insert, select
from sqlmodel import Session

from om_campaigns.campaign.definition import CampaignDefinition, Step
from om_campaigns.campaign.houses import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Enrolment
from om_campaigns.campaign.timing import (
    HORIZON_DAYS,
    Caps,
    Holidays,
    NotDeliverable,
    date_of,
    earliest_by_cap,
    first_due,
    instant_at,
    load_zone,
    local_day,
    next_due,
    open_until,
    settle,
)
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of

CHUNK = 5000

TIME = Table(
    "plan_time",
    temporary,
    Column("zone", Text, nullable=False),
    Column("land", Text, nullable=False),
    Column("version_id", Integer),
    Column("step", BYTEWISE_TEXT),
    Column("base_at", Instant),
    Column("shift_seconds", Integer),
    Column("last_at", Instant),
    Column("last_day", Integer),
    Column("taken", Text),
    Column("slow_days", Integer),
    Column("due_at", Instant, nullable=False),
    Column("due_day", Integer, nullable=False),
    Column("open_until", Instant),
    Column("too_late", Boolean, nullable=False),
    Index("plan_time_place", "zone", "land", "base_at"),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A settled due time with its local day and the end of the opening it lies in."""

    due_at: datetime
    due_day: int
    open_until: datetime | None


class Calendar:
    """Settles due times with one set of holidays; ``extra`` are days off beyond the public ones."""

    def __init__(self, extra: Iterable[object] = ()) -> None:
        self._holidays = Holidays(extra)  # type: ignore[arg-type]

    def settle(self, definition: CampaignDefinition, step: Step, zone_name: str, land: str, due: datetime) -> Slot:
        """The first opening from ``due`` on; where none comes within the horizon, the end of the horizon, to be asked again then."""
        zone, window = load_zone(zone_name), definition.window_for(step)
        return self._slot(settle(due, zone=zone, land=land, window=window, holidays=self._holidays), definition, step, zone_name, land)

    def after_caps(
        self, definition: CampaignDefinition, step: Step, zone_name: str, land: str, due: datetime, taken: Sequence[int], caps: Caps
    ) -> Slot:
        """The first opening from ``due`` on that keeps both caps; ``taken`` are the sorted local days already used."""
        zone, window = load_zone(zone_name), definition.window_for(step)
        found = earliest_by_cap(due, taken=taken, caps=caps, zone=zone, land=land, window=window, holidays=self._holidays)
        return self._slot(found, definition, step, zone_name, land)

    def _slot(self, found: datetime | NotDeliverable, definition: CampaignDefinition, step: Step, zone_name: str, land: str) -> Slot:
        zone = load_zone(zone_name)
        if isinstance(found, NotDeliverable):
            later = found.due + timedelta(days=HORIZON_DAYS)
            return Slot(later, local_day(later, zone), None)
        end = open_until(found, zone=zone, land=land, window=definition.window_for(step), holidays=self._holidays)
        return Slot(found, local_day(found, zone), end)

    def plan_first(self, session: Session, definition: CampaignDefinition, now: datetime) -> None:
        """Fill TIME with the first step's due time for every (zone, Land) there is, entering at ``now``."""
        renew_temporary(session, TIME)
        step = definition.steps[0]
        rows = []
        for zone_name, land in session.execute(select(HOUSE.c.zone, HOUSE.c.land).distinct()):
            due = first_due(step, entered_at=now, zone=load_zone(zone_name), window=definition.window_for(step))
            rows.append(_row(zone_name, land, self.settle(definition, step, zone_name, land, due)))
        _insert(session, rows)

    def plan_waiting(
        self, session: Session, campaign_id: int, definitions: Mapping[int, CampaignDefinition], now: datetime, until: datetime
    ) -> set[tuple[int, str]]:
        """Fill TIME for enrolments whose next step is due by ``until``: settled again from ``now`` on, never earlier (SCH-10).

        Returns the (version id, step) that somebody waits for.
        """
        renew_temporary(session, TIME)
        enrolment = table_of(Enrolment)
        groups = session.execute(
            select(enrolment.c.version_id, enrolment.c.next_step, enrolment.c.next_due_at, HOUSE.c.zone, HOUSE.c.land)
            .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
            .where(
                enrolment.c.campaign_id == campaign_id,
                is_active(enrolment),
                enrolment.c.next_due_at <= until,
            )
            .distinct()
        ).all()
        rows = []
        for version_id, step_name, due, zone_name, land in groups:
            definition = definitions[version_id]
            step = _step(definition, step_name)
            slot = self.settle(definition, step, zone_name, land, max(due, now))
            too_late = step.grace is not None and now - due > step.grace
            rows.append(_row(zone_name, land, slot, version_id=version_id, step=step_name, base_at=due, too_late=too_late))
        _insert(session, rows)
        return {(version_id, step_name) for version_id, step_name, *_ in groups}

    def plan_following(self, session: Session, definition: CampaignDefinition, step: Step, done: Table) -> None:
        """Fill TIME with ``step``'s due time for enrolments in ``done`` (enrolment_id, at, day of the previous hand-over)."""
        renew_temporary(session, TIME)
        enrolment = table_of(Enrolment)
        exact = step.elapsed is not None
        last = done.c.at if exact else done.c.day
        groups = session.execute(
            select(enrolment.c.entered_at, enrolment.c.shift_seconds, last, HOUSE.c.zone, HOUSE.c.land)
            .join_from(done, enrolment, enrolment.c.id == done.c.enrolment_id)
            .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
            .distinct()
        )
        for part in groups.partitions(CHUNK):
            rows = []
            for entered_at, shift_seconds, last_value, zone_name, land in part:
                zone = load_zone(zone_name)
                last_at = last_value if exact else instant_at(date_of(last_value), time.min, zone)
                due = next_due(
                    step,
                    entered_at=entered_at + timedelta(seconds=shift_seconds),
                    last_at=last_at,
                    zone=zone,
                    window=definition.window_for(step),
                )
                if not exact:  # after an outage the steps come one a day at most, never in a burst (SCH-15)
                    due = max(due, instant_at(date_of(last_value + 1), time.min, zone))
                rows.append(
                    _row(
                        zone_name,
                        land,
                        self.settle(definition, step, zone_name, land, due),
                        base_at=entered_at,
                        shift_seconds=shift_seconds,
                        **({"last_at": last_at} if exact else {"last_day": last_value}),
                    )
                )
            _insert(session, rows)

    def plan_crowded(self, session: Session, definitions: Mapping[int, CampaignDefinition], caps: Caps, crowded: Table) -> None:
        """Fill TIME for letters in ``crowded`` (see ``caps``): from their due time on, the first opening that keeps both caps."""
        renew_temporary(session, TIME)
        groups = session.execute(
            select(*[crowded.c[name] for name in ("version_id", "step", "due_at", "zone", "land", "taken", "slow_days")]).distinct()
        )
        for part in groups.partitions(CHUNK):
            rows = []
            for version_id, step_name, due, zone_name, land, taken, slow_days in part:
                definition = definitions[version_id]
                days = sorted(int(day) for day in taken.split(",") if day)
                own = replace(caps, slow_days=slow_days)
                slot = self.after_caps(definition, _step(definition, step_name), zone_name, land, due, days, own)
                keys = {"version_id": version_id, "step": step_name, "base_at": due, "taken": taken, "slow_days": slow_days}
                rows.append(_row(zone_name, land, slot, **keys))
            _insert(session, rows)


def _step(definition: CampaignDefinition, name: str) -> Step:
    """An enrolment always stands on a step of its own version."""
    step = definition.step(name)
    if step is None:
        raise LookupError(f"campaign '{definition.name}' has no step '{name}' in this version")
    return step


def _row(zone: str, land: str, slot: Slot, **keys: object) -> dict[str, object]:
    empty: dict[str, object] = dict.fromkeys(
        ("version_id", "step", "base_at", "shift_seconds", "last_at", "last_day", "taken", "slow_days")
    )
    return {
        **empty,
        "zone": zone,
        "land": land,
        "due_at": slot.due_at,
        "due_day": slot.due_day,
        "open_until": slot.open_until,
        "too_late": False,
        **keys,
    }


def _insert(session: Session, rows: list[dict[str, object]]) -> None:
    if rows:
        session.execute(insert(TIME), rows)
