"""The days a house wants no letters on, and the days its own newsletter comes out.

Stored as text that is equal where the days are equal: quiet days ``2026-12-24..2027-01-06 2027-05-14``, newsletter days ``1 15``."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from om_campaigns.audience.german import read_day

BLOCK_DAYS = range(3, 11)
"""How many days before a newsletter its block may come: in time for its editor, and not so early that it is forgotten.

Eight days in a row, so that weekends and holidays leave one that works.
"""


@dataclass(frozen=True, slots=True)
class HouseDays:
    """When letters to a house rest; ``newsletter`` only where they are blocks for its newsletter (days of the month)."""

    quiet: tuple[tuple[date, date], ...] = ()
    newsletter: tuple[int, ...] = ()

    def is_off(self, day: date) -> bool:
        if any(first <= day <= last for first, last in self.quiet):
            return True
        return bool(self.newsletter) and not any(self._appears(day + timedelta(days=ahead)) for ahead in BLOCK_DAYS)

    def _appears(self, day: date) -> bool:
        """The newsletter comes out on ``day``; what is due on the 31st comes on the last day of a shorter month."""
        is_last = day.day == calendar.monthrange(day.year, day.month)[1]
        return day.day in self.newsletter or (is_last and self.newsletter[-1] > day.day)


def load_house_days(quiet: str, newsletter: str = "") -> HouseDays:
    """What is stored, as days."""
    spans = [[date.fromisoformat(each) for each in span.split("..")] for span in quiet.split()]
    return HouseDays(tuple((span[0], span[-1]) for span in spans), tuple(int(each) for each in newsletter.split()))


def spell_quiet_days(quiet: str) -> list[str]:
    """Stored quiet days as one writes them: ``24.12.2026 – 06.01.2027``."""
    return [" – ".join(date.fromisoformat(each).strftime("%d.%m.%Y") for each in span.split("..")) for span in quiet.split()]


MOST_SPANS = 12
LONGEST_SPAN = 45
"""Days; a longer silence is the route ``none``, or the status ``paused``."""

_SEPARATORS = re.compile(r"[,;\n]")
_UNTIL = re.compile(r"\s*(?:\.\.+|[–—]|\bbis\b|\bto\b|\s-\s)\s*")
_DAY_OF_MONTH = re.compile(r"([1-9]|[12][0-9]|3[01])\.?")


def read_quiet_days(text: str) -> str:
    """What somebody wrote, as it is stored: days and spans (``24.12.2026 – 6.1.2027``), one a line or separated by commas.

    Raises ValueError in plain words.
    """
    spans = []
    for entry in filter(None, map(str.strip, _SEPARATORS.split(text))):
        ends = [date.fromisoformat(read_day(each)) for each in _UNTIL.split(entry)[:3]]
        if len(ends) > 2 or ends[-1] < ends[0]:
            raise ValueError(f"'{entry[:40]}' is no span of days; write 24.12.2026 – 6.1.2027")
        if (ends[-1] - ends[0]).days >= LONGEST_SPAN:
            raise ValueError(f"'{entry[:40]}' is longer than {LONGEST_SPAN} days")
        spans.append((ends[0], ends[-1]))
    if len(spans) > MOST_SPANS:
        raise ValueError(f"more than {MOST_SPANS} spans")
    return " ".join(first.isoformat() if first == last else f"{first}..{last}" for first, last in sorted(set(spans)))


def read_newsletter_days(text: str) -> str:
    """Days of the month (``1, 15``), as they are stored. Raises ValueError in plain words."""
    days = set()
    for entry in filter(None, map(str.strip, _SEPARATORS.split(text))):
        found = _DAY_OF_MONTH.fullmatch(entry)
        if found is None:
            raise ValueError(f"'{entry[:40]}' is no day of a month; write 1, 15")
        days.add(int(found[1]))
    return " ".join(map(str, sorted(days)))
