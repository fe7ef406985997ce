"""The one source of time. Only ``app`` makes a clock; everybody else is handed an instant.

Instants are aware and in UTC inside the house; civil dates and times exist only together with a zone (SCH-01).
"""

from __future__ import annotations

import re
import time as machine
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WAYS = "2027-01-05 or 5.1.2027, with a time 2027-01-05T13:00 or 5.1.2027 13:00"
_GERMAN = re.compile(r"(\d{1,2})\. ?(\d{1,2})\. ?(\d{4}|\d{2})(?:[ T](\d{1,2}:\d{2}))?")

Clock = Callable[[], datetime]
"""Called without arguments it returns the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """The machine's clock, for live work."""
    return datetime.now(UTC)


def fixed_clock(instant: datetime) -> Clock:
    """A clock that stands still, for ``--now`` and for tests."""
    moment = as_utc(instant)
    return lambda: moment


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC; a naive value is a programming error and raises ValueError."""
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {instant!r}")
    return instant.astimezone(UTC)


def read_when(text: str) -> date | datetime:
    """What people type: ISO 8601 (``2027-01-05``, ``2027-01-05T13:00``, ``…+01:00``) or German (``5.1.2027``, ``5.1.2027 13:00``).

    A day where no time of day stands there; a time without an offset has no zone yet. Raises ValueError, in plain words.
    """
    iso = text.strip()
    if german := _GERMAN.fullmatch(iso):
        day, month, year, clock_time = german.groups()
        iso = f"{int(year) + 2000 if len(year) == 2 else year}-{int(month):02}-{int(day):02}" + (f"T{clock_time:0>5}" if clock_time else "")
    try:
        return datetime.fromisoformat(iso) if ":" in iso or "T" in iso else date.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"'{text}' is no day and no time; write {WAYS}") from None


def to_instant(when: date | datetime, zone: ZoneInfo) -> datetime:
    """The instant in UTC; a day is its first moment, and what has no offset is local time in ``zone``."""
    value = when if isinstance(when, datetime) else datetime.combine(when, time.min)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day of an instant in a zone."""
    return as_utc(instant).astimezone(zone).date()


class ClockWatch:
    """Sees a clock jump while this process lives: the time that passed meanwhile is known without it."""

    def __init__(self, passed: Callable[[], float] = machine.monotonic) -> None:
        self._passed = passed
        self.seen: datetime | None = None
        self._then = 0.0

    def note(self, now: datetime) -> None:
        """Something was done at this instant; from now on the next one is compared with it."""
        self.seen, self._then = now, self._passed()

    def jump(self, now: datetime) -> timedelta:
        """How much further the clock went than time passed since ``note``; nothing before that."""
        return now - self.seen - timedelta(seconds=self._passed() - self._then) if self.seen else timedelta()
