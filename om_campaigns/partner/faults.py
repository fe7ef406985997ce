"""What is wrong with a form of the portal; the pages put it into words (``web.middleware.spell``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormFault:
    """One thing to put right: the field, the kind where several things can be wrong with it, the line in a text (from 1; 0: none)."""

    field: str
    kind: str = ""
    line: int = 0
