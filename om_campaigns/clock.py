"""The one source of time. Only ``app`` makes a clock; everybody else is handed an instant.

Instants are aware and in UTC inside the house; civil dates and times exist only together with a zone (SCH-01).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from om_campaigns.errors import InputError

GERMAN_DAY = re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}")

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


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """Read ISO 8601 (``2027-01-05``, ``2027-01-05T13:00``, ``…+01:00``) or a German day (``05.01.2027``).

    What has no offset is local time in ``zone``.

    Raises InputError when the text is not a date or time.
    """
    try:
        value = datetime.strptime(text, "%d.%m.%Y") if GERMAN_DAY.fullmatch(text) else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise InputError(
            f"'{text}' is not a point in time",
            hint="write it as 2027-01-05, 2027-01-05T13:00 or 2027-01-05T13:00+01:00",
        ) from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    return value.astimezone(UTC)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day of an instant in a zone."""
    return as_utc(instant).astimezone(zone).date()
