"""What is wrong with a form of the portal; the pages put it into words (``web.middleware.spell``)."""

from __future__ import annotations

from dataclasses import dataclass

from om_campaigns.errors import InputError


@dataclass(frozen=True, slots=True)
class FormFault:
    """One thing to put right: the field, the kind where several things can be wrong with it, the line in a text (from 1; 0: none)."""

    field: str
    kind: str = ""
    line: int = 0


class FaultError(InputError):
    """What was typed cannot be taken: a command prints it, a page shows its ``fault``."""

    def __init__(self, message: str, fault: FormFault, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault
