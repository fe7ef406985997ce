"""Words of expressions that only the data can tell: types, sectors, networks … An unknown one matches nobody, in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from om_campaigns.audience.columns_de import fold, type_words
from om_campaigns.audience.expressions.catalogue import Refers
from om_campaigns.nearest import find_nearest

UNKNOWN = "unknown-value"
SECTORS = frozenset({"all", *"ABCDEFGHIJKLMNOPQRSTU"})
CLOSED = frozenset({Refers.organisation_type, Refers.sector})
"""Vocabularies that do not grow with the next import of houses: an unknown word is an error, elsewhere a warning."""

Words = Mapping[Refers, Collection[str]]


def describe_unknown(refers: Refers, value: str, words: Words) -> str:
    """What is wrong with a word; '' if it is known, or nothing can be said of such words."""
    known = words.get(refers)
    if known is None or value in known:
        return ""
    meant = type_words().get(fold(value)) if refers is Refers.organisation_type else None
    near = meant if meant in known else find_nearest(value, known)
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(sorted(known)[:20]) or 'none'}"
    return f"there is no {refers} '{value}'; {hint}"
