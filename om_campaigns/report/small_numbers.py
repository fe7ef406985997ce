"""Figures about houses without figures about people: what is too small is told together with others, or not at all (LAW-14)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Part:
    """A figure about one of several: ``count`` of what ``readers`` people did."""

    count: int
    readers: int


@dataclass(frozen=True, slots=True)
class Told(Generic[K]):
    """What may be shown. ``rest`` counts all others together: None where even they are too few, or too few people stand behind them."""

    shown: dict[K, int]
    together: tuple[K, ...]
    rest: int | None


def protect(parts: Mapping[K, Part], smallest: int) -> Told[K]:
    """The parts that may stand alone, and the others as one sum.

    A part stands alone with ``smallest`` readers or more, and a count of 0 or of ``smallest`` or more. As long as the sum of
    the others would be smaller, the smallest of those that stand alone joins them: else it could be told from the whole.
    """
    alone = {key for key, part in parts.items() if part.readers >= smallest and (part.count == 0 or part.count >= smallest)}
    while (hidden := [parts[key] for key in parts if key not in alone]) and not _is_fit(hidden, smallest):
        if not alone:
            break
        alone.remove(min(alone, key=lambda key: (parts[key].count == 0, parts[key].count, str(key))))
    rest = sum(each.count for each in hidden)
    return Told(
        {key: parts[key].count for key in parts if key in alone},
        tuple(key for key in parts if key not in alone),
        rest if not hidden or _is_fit(hidden, smallest) else None,
    )


def _is_fit(parts: list[Part], smallest: int) -> bool:
    count = sum(each.count for each in parts)
    return sum(each.readers for each in parts) >= smallest and (count == 0 or count >= smallest)
