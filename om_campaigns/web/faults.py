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
    """The faults of a form: ``field``, ``field:what``, or ``field:what:line`` for texts. ``texts`` are found by ``field:what``, ``field``
    where nothing else can be wrong, or ``what`` where it can be in many fields; ``{line}`` in them is filled in.
    """
    found = []
    for each in wrong:
        field, what, line = (*each.split(":"), "", "")[:3]
        text = texts.get(f"{field}:{what}") or texts.get(field) or texts[what]
        found.append(Fault(field, text.replace("{line}", line)))
    return found
