"""What somebody probably meant: the nearest known word, said in the same way everywhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

LONGEST, MOST = 80, 5_000
"""Comparing is slow: letters of a word and known words that are looked at (SEC-16)."""


def find_nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like ``word``, else the first that begins with it; '' if none is near.

    Capitals, blanks and marks make no difference.
    """
    wanted = _form(word[:LONGEST])
    by_form = {_form(each): each for each in islice(known, MOST)}
    near = difflib.get_close_matches(wanted, by_form, n=1) or [each for each in by_form if wanted and each.startswith(wanted)]
    return by_form[near[0]] if near else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: ``; did you mean 'x'?``, '' if none is near."""
    return f"; {hint}" if (hint := make_hint(word, known)) else ""


def make_hint(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """What to do about an unknown word: ``did you mean 'x'?``, or ``otherwise`` if none is near."""
    near = find_nearest(word, known)
    return f"did you mean '{near}'?" if near else otherwise


def _form(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold()))
