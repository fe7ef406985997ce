"""What is wrong in a form, at its field, in the words of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to put right: the name of its field, and what to do, in the page's words."""

    field: str
    text: str


def spell(wrong: Iterable[str], texts: Mapping[str, str]) -> list[Fault]:
    """The faults of a form. ``wrong`` and the keys of ``texts`` are a field, or ``field:what`` where more than one thing can be wrong."""
    return [Fault(each.partition(":")[0], texts[each]) for each in wrong]
