"""A table of an office, whatever file it came in: a header, rows with their lines, and how large it may be (SEC-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from om_campaigns.errors import Problem, ProblemsError

MAX_ROWS = 1_000_000
MAX_COLUMNS = 200


class Row(NamedTuple):
    """One record. ``line`` is where it begins (from 1). ``fault`` says why it could not be read; then ``cells`` is empty."""

    line: int
    cells: list[str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was opened: its header and its rows still to come."""

    file: str
    header: list[str]
    header_line: int
    rows: Iterator[Row]


def refuse(file: str, text: str, line: int = 0, rule_id: str = "audience.file") -> ProblemsError:
    """The error for a file that is not taken at all."""
    return ProblemsError([Problem(file, line, 0, rule_id, text)])
