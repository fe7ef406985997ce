"""What can go wrong, as people read it: what is wrong, where, what to do.

Every error that is meant for a person is an ``OmError``. ``exit_code`` is what a command ends with:
2 bad input, 3 refused for safety, 4 an installation or outside fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice


class OmError(Exception):
    """Base of all errors shown to people; ``hint`` says what to do next, ``command`` is one that works (without the program's name)."""

    exit_code = 1
    prefix = "error: "

    def __init__(self, message: str, *, hint: str = "", command: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.command = command


class InputError(OmError):
    """Something that was typed or stored in a workspace file cannot be used."""

    exit_code = 2


class RefusedError(OmError):
    """The engine could act but will not: it would be unsafe, or nobody was there to ask, or the answer was no."""

    exit_code = 3
    prefix = "refused: "


class InstallationError(OmError):
    """The installation, a file system, a database or a server does not do its part."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place. ``line`` and ``column`` count from 1; 0 means the file as a whole.

    A warning is shown and stops nothing.
    """

    file: str
    line: int
    column: int
    rule_id: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}"
            if self.column:
                where += f":{self.column}"
        return f"{where}: {'warning: ' if self.is_warning else ''}{self.text} [{self.rule_id}]"


def errors_among(problems: Iterable[Problem]) -> list[Problem]:
    """Those that must be mended."""
    return [each for each in problems if not each.is_warning]


MOST_SHOWN = 1_000
"""Faults of one input that are told one by one; of more there is the number."""


def limit_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The first ``MOST_SHOWN``, and one that says how many more there are."""
    found = iter(problems)
    shown = tuple(islice(found, MOST_SHOWN))
    more = sum(1 for _ in found)
    return (*shown, Problem(shown[-1].file, 0, 0, shown[-1].rule_id, f"and {more:,} more faults")) if more else shown


class ProblemsError(InputError):
    """Everything that is wrong at once, never only the first; of very much the first ``MOST_SHOWN`` and the number."""

    prefix = ""

    def __init__(self, problems: Iterable[Problem], *, hint: str = "") -> None:
        self.problems = limit_problems(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)
