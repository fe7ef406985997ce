"""Days of a house (``audience/house_days``) as people write them, in a cell of a file or in the portal."""

from __future__ import annotations

import re
from datetime import date

from om_campaigns.audience.intake.cells import Known, day

MOST_SPANS = 12
LONGEST_SPAN = 45
"""Days; a longer silence is the route ``none``, or the status ``paused``."""

_SEPARATORS = re.compile(r"[,;\n]")
_UNTIL = re.compile(r"\s*(?:\.\.+|[–—]|\bbis\b|\bto\b|\s-\s)\s*")
_DAY_OF_MONTH = re.compile(r"([1-9]|[12][0-9]|3[01])\.?")


def read_quiet_days(text: str, _known: Known | None = None) -> str:
    """What somebody wrote, as it is stored: days and spans (``24.12.2026 – 6.1.2027``), one a line or separated by commas.

    Raises ValueError in plain words.
    """
    spans = []
    for entry in filter(None, map(str.strip, _SEPARATORS.split(text))):
        ends = [date.fromisoformat(day(each)) for each in _UNTIL.split(entry)[:3]]
        if len(ends) > 2 or ends[-1] < ends[0]:
            raise ValueError(f"'{entry[:40]}' is no span of days; write 24.12.2026 – 6.1.2027")
        if (ends[-1] - ends[0]).days >= LONGEST_SPAN:
            raise ValueError(f"'{entry[:40]}' is longer than {LONGEST_SPAN} days")
        spans.append((ends[0], ends[-1]))
    if len(spans) > MOST_SPANS:
        raise ValueError(f"more than {MOST_SPANS} spans")
    return " ".join(first.isoformat() if first == last else f"{first}..{last}" for first, last in sorted(set(spans)))


def read_newsletter_days(text: str, _known: Known | None = None) -> str:
    """Days of the month (``1, 15``), as they are stored. Raises ValueError in plain words."""
    days = set()
    for entry in filter(None, map(str.strip, _SEPARATORS.split(text))):
        found = _DAY_OF_MONTH.fullmatch(entry)
        if found is None:
            raise ValueError(f"'{entry[:40]}' is no day of a month; write 1, 15")
        days.add(int(found[1]))
    return " ".join(map(str, sorted(days)))
