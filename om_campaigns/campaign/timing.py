"""When a step is due and when it may leave: pure time, no clock and no database.

``first_due``/``next_due`` say when a step is due, ``settle`` moves that to an instant at which mail may leave,
``earliest_by_cap`` also keeps the caps. Every result is aware UTC; civil rules are local time in an IANA zone (SCH-01, SCH-04).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from om_campaigns.audience.vocabulary import LAENDER, NATIONWIDE
from om_campaigns.campaign.definition import WORKING_HOURS, Step, Window

HORIZON_DAYS = 60
"""How far ahead a place is looked for before a step counts as not deliverable (SCH-08)."""

EPOCH = date(1970, 1, 1).toordinal()
_DAY = timedelta(days=1)
_ISO_CODES = frozenset(iso for iso, _ in LAENDER.values())


@dataclass(frozen=True, slots=True)
class NotDeliverable:
    """No instant within ``HORIZON_DAYS`` keeps every rule ("nicht zustellbar", SCH-08): a task for people."""

    due: datetime


@dataclass(frozen=True, slots=True)
class Caps:
    """How many letters an address may get in 7 and in 30 local calendar days, the day itself included (domain rule 8)."""

    per_week: int = 1
    per_month: int = 4
    slow_days: int = 0
    """One letter in so many days, where the reader wants it slower; 0: they said nothing."""

    def __post_init__(self) -> None:
        if self.per_week < 1 or self.per_month < 1:
            raise ValueError("a cap below 1 would never let a letter go")

    @property
    def rules(self) -> tuple[tuple[int, int], ...]:
        """(number of days, letters allowed in them)."""
        return ((7, self.per_week), (30, self.per_month), *([(self.slow_days, 1)] if self.slow_days else []))


class Holidays:
    """Public holidays by Land, and extra days off such as a house's own closing days (SCH-13).

    24 and 31 December are working days. An unknown Land ('' or DE) has the nationwide holidays only (SCH-14).
    """

    def __init__(self, extra: Iterable[date] = ()) -> None:
        self._extra = frozenset(extra)

    def falls_on(self, day: date, land: str) -> bool:
        """Whether ``day`` is a day off. ``land``: AGS (its first two digits count), ISO code (``BY``) or ''; else ValueError."""
        return day in self._extra or day in _public_holidays(land, day.year)


@lru_cache(maxsize=4096)
def _public_holidays(land: str, year: int) -> frozenset[date]:
    import holidays  # 0.4 s to import, and most commands never ask

    return frozenset(holidays.country_holidays("DE", subdiv=_iso_code(land), years=year))


def _iso_code(land: str) -> str | None:
    if land in ("", NATIONWIDE):
        return None
    if land in _ISO_CODES:
        return land
    if land[:2] in LAENDER and land.isascii() and land.isdigit():
        return LAENDER[land[:2]][0]
    raise ValueError(f"'{land}' is no Land: give its two AGS digits (05) or its short code (NW)")


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; ValueError in plain words for an unknown one, never a silent fallback (SCH-06)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"'{name}' is not an IANA time zone, for example Europe/Berlin") from None


def local_day(instant: datetime, zone: ZoneInfo) -> int:
    """The calendar day of an instant in a zone, as days since 1970-01-01."""
    return instant.astimezone(zone).toordinal() - EPOCH


def date_of(day: int) -> date:
    """The date of a ``local_day``."""
    return date.fromordinal(day + EPOCH)


def instant_at(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A wall-clock time as an instant: in a gap shifted by the gap, in an overlap the first occurrence (SCH-03)."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def first_due(step: Step, *, entered_at: datetime, zone: ZoneInfo, window: Window | None = None) -> datetime:
    """When the first step is due: ``after`` counts from enrolment too, as nothing was handed over yet."""
    return next_due(step, entered_at=entered_at, last_at=None, zone=zone, window=window)


def next_due(step: Step, *, entered_at: datetime, last_at: datetime | None, zone: ZoneInfo, window: Window | None = None) -> datetime:
    """When a step is due, before window, holidays and caps; never before what it counts from or the previous hand-over.

    ``entered_at``: enrolment (moved by pauses); ``last_at``: the previous hand-over, None before the first;
    ``window``: the campaign's, or ``definition.window_for(step)``. Elapsed and calendar differ (SCH-02, SCH-09).
    """
    start = max(entered_at, last_at).astimezone(UTC) if last_at else entered_at.astimezone(UTC)
    if step.elapsed is not None:
        return start + step.elapsed
    counted_from, days = (entered_at, step.day) if step.day is not None else (start, step.after or 0)
    day = counted_from.astimezone(zone).date() + timedelta(days=days)
    at = step.at if step.at is not None else (window or WORKING_HOURS).start
    return max(start, instant_at(day, at, zone))


def settle(due: datetime, *, zone: ZoneInfo, land: str, window: Window | None, holidays: Holidays) -> datetime | NotDeliverable:
    """The earliest instant from ``due`` on that lies in the window and on no holiday of the Land (SCH-07, SCH-08, SCH-13).

    The window's weekdays are the working days; without a window ``WORKING_HOURS`` holds. A night belongs to the day it opens on:
    it does not open on a holiday, and pauses at midnight before one.
    """
    due = due.astimezone(UTC)
    found = _opening_from(due, zone, land, window or WORKING_HOURS, holidays)
    return NotDeliverable(due) if found is None else max(due, found[0])


def open_until(instant: datetime, *, zone: ZoneInfo, land: str, window: Window | None, holidays: Holidays) -> datetime:
    """When the opening that a settled instant lies in ends (exclusive); ValueError outside of any opening."""
    instant = instant.astimezone(UTC)
    found = _opening_from(instant, zone, land, window or WORKING_HOURS, holidays)
    if found is None or found[0] > instant:
        raise ValueError(f"{instant.isoformat()} lies in no opening of the window")
    return found[1]


def first_free_day(day: int, taken: Sequence[int], caps: Caps) -> int | None:
    """The first day from ``day`` on that may hold one more letter, None within ``HORIZON_DAYS``.

    ``taken``: the sorted local days of touches and open dispatches, earlier and later ones alike: no stretch of 7 or 30 days
    around the new letter may hold more than its cap, so a letter never squeezes in before a planned one either.
    """
    return next((candidate for candidate in range(day, day + HORIZON_DAYS + 1) if _is_free(candidate, taken, caps)), None)


def earliest_by_cap(
    due: datetime,
    *,
    taken: Sequence[int],
    caps: Caps,
    zone: ZoneInfo,
    land: str,
    window: Window | None,
    holidays: Holidays,
) -> datetime | NotDeliverable:
    """``settle``, moved on by whole days until window, holidays and both caps hold at once (SCH-08, SCH-11, domain rule 8)."""
    due = due.astimezone(UTC)
    last_day = local_day(due, zone) + HORIZON_DAYS
    moment = settle(due, zone=zone, land=land, window=window, holidays=holidays)
    while not isinstance(moment, NotDeliverable):
        day = local_day(moment, zone)
        free = first_free_day(day, taken, caps)
        if free == day:
            return moment
        if free is None or free > last_day:
            break
        moment = settle(instant_at(date_of(free), time.min, zone), zone=zone, land=land, window=window, holidays=holidays)
    return NotDeliverable(due)


def _is_free(day: int, taken: Sequence[int], caps: Caps) -> bool:
    place = bisect_right(taken, day)
    for days, allowed in caps.rules:
        around = [*taken[max(0, place - allowed) : place], day, *taken[place : place + allowed]]
        if any(late - early < days for early, late in zip(around, around[allowed:], strict=False)):
            return False
    return True


def _opening_from(due: datetime, zone: ZoneInfo, land: str, window: Window, holidays: Holidays) -> tuple[datetime, datetime] | None:
    """The first opening [start, end) in UTC that ends after ``due``, looked for from the night before on."""
    today = due.astimezone(zone).date()
    for ahead in range(-1, HORIZON_DAYS + 1):
        day = today + ahead * _DAY
        if day.weekday() not in window.days or holidays.falls_on(day, land):
            continue
        until_midnight = window.overnight and holidays.falls_on(day + _DAY, land)
        for opening in _openings(window, day, zone, until_midnight):
            if opening[1] > due:
                return opening
    return None


@lru_cache(maxsize=65536)
def _openings(window: Window, day: date, zone: ZoneInfo, until_midnight: bool) -> tuple[tuple[datetime, datetime], ...]:
    """The instants [start, end) in UTC at which the wall clock stands in the window that opens on ``day``.

    One stretch, except where the clocks change: times that do not exist are left out, times that exist twice count twice.
    """
    start = datetime.combine(day, window.start)
    end = (
        datetime.combine(day + _DAY, time.min if until_midnight else window.end) if window.overnight else datetime.combine(day, window.end)
    )
    before = _offset(start, zone)
    after = _offset(end.replace(fold=1), zone)
    opens, closes = _utc(start, before), _utc(end, after)
    if before == after:
        return ((opens, closes),)
    change = _change_between(opens - _DAY, closes + _DAY, zone)
    first_end, second_start = min(_utc(end, before), change), max(_utc(start, after), change)
    if opens < first_end == second_start < closes:
        return ((opens, closes),)
    return tuple((first, last) for first, last in ((opens, first_end), (second_start, closes)) if first < last)


def _offset(wall: datetime, zone: ZoneInfo) -> timedelta:
    offset = wall.replace(tzinfo=zone).utcoffset()
    assert offset is not None  # noqa: S101  a ZoneInfo always knows its offset
    return offset


def _utc(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _change_between(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The instant, to the second, from which the zone's later offset holds."""
    later = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == later:
            late = middle
        else:
            early = middle
    return late
