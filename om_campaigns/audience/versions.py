"""Versions of toolkits, ordered as people order them: 2.10 comes after 2.9, and 2 is the same as 2.0.

The key is what stands in ``toolkit_version.sort_key`` and what ``uses('BZ') < '2.1'`` compares with.
"""

from __future__ import annotations

import re

DIGITS = 12
"""Width of a number in a key; dates such as 20270304 fit."""

_PART = re.compile(r"\d+|[^\W\d_]+")
_PREFIX = re.compile(r"(?:version|fassung|stand|vers|v)\b[.:\s]*|v(?=\d)")


def version_key(text: str) -> str:
    """A text whose byte order is the order of versions.

    Numbers are padded with zeros, letters follow numbers (2.1 < 2.1a < 2.2), every other character only separates,
    a leading "v", "Version", "Fassung" or "Stand" is left away, and so are zeros at the end (2.0 = 2).
    Raises ValueError, in plain words, if there is no number or letter, or a number of more than 12 digits.
    """
    folded = text.strip().casefold()
    parts = _PART.findall(_PREFIX.sub("", folded, count=1) if _PREFIX.match(folded) else folded)
    if not parts:
        raise ValueError(f"'{text}' is not a version: it has neither a number nor a letter")
    while len(parts) > 1 and parts[-1].isdecimal() and int(parts[-1]) == 0:
        parts.pop()
    return ".".join(_pad(part, text) for part in parts)


def _pad(part: str, text: str) -> str:
    if not part.isdecimal():
        return part
    number = str(int(part)) if len(part) <= 4 * DIGITS else part
    if len(number) > DIGITS:
        raise ValueError(f"'{text}' is not a version: it has a number of more than {DIGITS} digits")
    return number.zfill(DIGITS)
