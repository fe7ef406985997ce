"""The days a house wants no letters on, and the days its own newsletter comes out.

Stored as text that is equal where the days are equal: quiet days ``2026-12-24..2027-01-06 2027-05-14``, newsletter days ``1 15``.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

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
