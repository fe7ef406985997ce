"""Time for whole groups: ``timing`` is asked once per distinct (step, base, zone, days off) and the answers are joined in SQL.

A million recipients of one step share a handful of due times; asking for each of them would take minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, insert, select
from sqlmodel import Session

from om_campaigns.audience.house_days import HouseDays, load_house_days
from om_campaigns.campaign.definition import CampaignDefinition, Step
from om_campaigns.campaign.house_values import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Enrolment
from om_campaigns.campaign.slices import in_slice
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
    Column("days", Text, nullable=False),
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
    Index("plan_time_case", "zone", "days", "base_at", "taken"),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A settled due time with its local day and the end of the opening it lies in."""

    due_at: datetime
    due_day: int
    open_until: datetime | None


class _DaysOff(Holidays):
    """Public holidays, and the days a house wants for itself."""

    def __init__(self, own: HouseDays) -> None:
        super().__init__()
        self._own = own

    def falls_on(self, day: date, land: str) -> bool:
        return self._own.is_off(day) or super().falls_on(day, land)


@lru_cache(maxsize=1024)
def _days_off(days: str) -> tuple[str, Holidays]:
    """The Land, and all days off, of a ``houses.days_key``."""
    land, quiet, newsletter = days.split("|")
    return land, _DaysOff(load_house_days(quiet, newsletter))


class Calendar:
    """Settles due times by zone and days off (``houses.days_key``)."""

    def settle(self, definition: CampaignDefinition, step: Step, zone_name: str, days: str, due: datetime) -> Slot:
        """The first opening from ``due`` on; where none comes within the horizon, the end of the horizon, to be asked again then."""
        zone, window = load_zone(zone_name), definition.window_for(step)
        land, holidays = _days_off(days)
        return self._slot(settle(due, zone=zone, land=land, window=window, holidays=holidays), definition, step, zone_name, days)

    def after_caps(
        self, definition: CampaignDefinition, step: Step, zone_name: str, days: str, due: datetime, taken: Sequence[int], caps: Caps
    ) -> Slot:
        """The first opening from ``due`` on that keeps both caps; ``taken`` are the sorted local days already used."""
        zone, window = load_zone(zone_name), definition.window_for(step)
        land, holidays = _days_off(days)
        found = earliest_by_cap(due, taken=taken, caps=caps, zone=zone, land=land, window=window, holidays=holidays)
        return self._slot(found, definition, step, zone_name, days)

    def _slot(self, found: datetime | NotDeliverable, definition: CampaignDefinition, step: Step, zone_name: str, days: str) -> Slot:
        zone, (land, holidays) = load_zone(zone_name), _days_off(days)
        if isinstance(found, NotDeliverable):
            later = found.due + timedelta(days=HORIZON_DAYS)
            return Slot(later, local_day(later, zone), None)
        end = open_until(found, zone=zone, land=land, window=definition.window_for(step), holidays=holidays)
        return Slot(found, local_day(found, zone), end)

    def plan_first(self, session: Session, definition: CampaignDefinition, now: datetime) -> None:
        """Fill TIME with the first step's due time for every zone with every set of days off there is, entering at ``now``."""
        renew_temporary(session, TIME)
        step = definition.steps[0]
        rows = []
        for zone_name, days in session.execute(select(HOUSE.c.zone, HOUSE.c.days).distinct()):
            due = first_due(step, entered_at=now, zone=load_zone(zone_name), window=definition.window_for(step))
            rows.append(_row(zone_name, days, self.settle(definition, step, zone_name, days, due)))
        _insert(session, rows)

    def plan_waiting(
        self, session: Session, campaign_id: int, definitions: Mapping[int, CampaignDefinition], now: datetime, until: datetime
    ) -> set[tuple[int, str]]:
        """Fill TIME for enrolments of the slice whose next step is due by ``until``: settled again from ``now`` on, never earlier (SCH-10).

        Returns the (version id, step) that somebody waits for.
        """
        renew_temporary(session, TIME)
        enrolment = table_of(Enrolment)
        groups = session.execute(
            select(enrolment.c.version_id, enrolment.c.next_step, enrolment.c.next_due_at, HOUSE.c.zone, HOUSE.c.days)
            .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
            .where(
                in_slice(enrolment),
                enrolment.c.campaign_id + 0 == campaign_id,  # see in_slice
                is_active(enrolment),
                enrolment.c.next_due_at <= until,
            )
            .distinct()
        ).all()
        rows = []
        for version_id, step_name, due, zone_name, days in groups:
            definition = definitions[version_id]
            step = _step(definition, step_name)
            slot = self.settle(definition, step, zone_name, days, max(due, now))
            too_late = step.grace is not None and now - due > step.grace
            rows.append(_row(zone_name, days, slot, version_id=version_id, step=step_name, base_at=due, too_late=too_late))
        _insert(session, rows)
        return {(version_id, step_name) for version_id, step_name, *_ in groups}

    def plan_following(self, session: Session, definition: CampaignDefinition, step: Step, done: Table) -> None:
        """Fill TIME with ``step``'s due time for enrolments in ``done`` (enrolment_id, at, day of the previous hand-over)."""
        renew_temporary(session, TIME)
        enrolment = table_of(Enrolment)
        exact = step.elapsed is not None
        last = done.c.at if exact else done.c.day
        groups = session.execute(
            select(enrolment.c.entered_at, enrolment.c.shift_seconds, last, HOUSE.c.zone, HOUSE.c.days)
            .join_from(done, enrolment, enrolment.c.id == done.c.enrolment_id)
            .join(HOUSE, HOUSE.c.organisation_id == enrolment.c.organisation_id)
            .distinct()
        )
        for part in groups.partitions(CHUNK):
            rows = []
            for entered_at, shift_seconds, last_value, zone_name, days in part:
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
                        days,
                        self.settle(definition, step, zone_name, days, due),
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
            select(*[crowded.c[name] for name in ("version_id", "step", "due_at", "zone", "days", "taken", "slow_days")]).distinct()
        )
        for part in groups.partitions(CHUNK):
            rows = []
            for version_id, step_name, due, zone_name, days, taken, slow_days in part:
                definition = definitions[version_id]
                used = sorted(int(day) for day in taken.split(",") if day)
                own = replace(caps, slow_days=slow_days)
                slot = self.after_caps(definition, _step(definition, step_name), zone_name, days, due, used, own)
                keys = {"version_id": version_id, "step": step_name, "base_at": due, "taken": taken, "slow_days": slow_days}
                rows.append(_row(zone_name, days, slot, **keys))
            _insert(session, rows)


def _step(definition: CampaignDefinition, name: str) -> Step:
    """An enrolment always stands on a step of its own version."""
    step = definition.step(name)
    if step is None:
        raise LookupError(f"campaign '{definition.name}' has no step '{name}' in this version")
    return step


def _row(zone: str, days: str, slot: Slot, **keys: object) -> dict[str, object]:
    empty: dict[str, object] = dict.fromkeys(
        ("version_id", "step", "base_at", "shift_seconds", "last_at", "last_day", "taken", "slow_days")
    )
    return {
        **empty,
        "zone": zone,
        "days": days,
        "due_at": slot.due_at,
        "due_day": slot.due_day,
        "open_until": slot.open_until,
        "too_late": False,
        **keys,
    }


def _insert(session: Session, rows: list[dict[str, object]]) -> None:
    if rows:
        session.execute(insert(TIME), rows)
