"""Rough numbers as people write them: ``80``, ``1.200``, ``ca. 12``, ``rund 200 Personen``."""

from __future__ import annotations

import re

MOST = 999_999
"""More than this is no number of people or offices behind one house."""

_ABOUT = (
    r"ca\.?|circa|zirka|rund|etwa|ungefähr|ungef\.|um\s+die|an\s+die|gut|knapp|fast|über|mehr\s+als|mindestens|mind\.|höchstens|max\.|bis\s+zu"
    r"|about|around|approximately|approx\.?|roughly|some|nearly|almost|over|more\s+than|at\s+least|at\s+most|up\s+to|[~≈]"
)
_NUMBER = r"[0-9]{1,3}(?:[ .,'\u2019][0-9]{3})+|[0-9]+"
_ADVISERS = r"beratende[nr]?|berater(?:[:*_]?innen)?(?:\s+und\s+berater(?:innen)?)?"
_PEOPLE = rf"personen|menschen|leute|mitarbeitende|mitglieder|kolleg(?:en|innen)(?:\s+und\s+kolleg(?:en|innen))?|{_ADVISERS}"
_HOUSES = r"regionalstellen|geschäftsstellen|stellen|häuser|verbände|landesverbände|betriebe|unternehmen|firmen"
_ENGLISH = r"people|persons|members|colleagues|advisers|advisors|offices|businesses|companies"
_COUNT = re.compile(rf"(?:(?:{_ABOUT})\s*)?({_NUMBER})(?:\s*\+|\s+(?:{_PEOPLE}|{_HOUSES}|{_ENGLISH}|tage|days))?\.?", re.IGNORECASE)


def read_count(text: str) -> int:
    """The number in what somebody wrote; that it is about right is understood.

    Marks between thousands are taken, words of people and houses behind the number too. Raises ValueError in plain words for what could be
    read in two ways (``80–100``, ``1,5``, ``2 Tsd.``) or is no number.
    """
    found = _COUNT.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"'{text[:40]}' is not a whole number; write 80, 1.200 or ca. 80")
    digits = re.sub("[^0-9]", "", found[1])
    if len(digits) > 12 or int(digits) > MOST:
        raise ValueError(f"'{text[:40]}' is too large; {MOST:,} is the most")
    return int(digits)
