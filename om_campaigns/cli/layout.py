"""Laying out a screen: tables, facts and paragraphs for the columns a terminal has. Pure: text in, lines out.

What people copy – addresses, slugs, letters (``campaign/step``), paths, codes, commands, times – is never broken or shortened.
Prose wraps inside its column; what still does not fit moves whole to a line of its own below its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP = 2
"""Blanks between two columns."""

INDENT = 4
"""How far what moved below a row is indented."""

NARROW = 50
"""Below so many columns a row becomes lines of name and value."""

PROSE = 16
"""Prose is wrapped in a column of at least so many characters, where it is that long at all."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``is_number``: set to the right. ``is_whole``: a cell is one piece, blanks included (a time)."""

    heading: str
    is_number: bool = False
    is_whole: bool = False


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, *, has_head: bool = True) -> list[str]:
    """The lines of a table that is at most ``room`` characters wide wherever nothing whole is longer than that."""
    widths = _widths(columns, rows, room)
    is_full = sum(widths) + GAP * (len(columns) - 1) > room
    if is_full or (room < NARROW and _natural(columns, rows) > room):
        return _as_facts(columns, rows, room)
    head = [_line([column.heading for column in columns], columns, widths)] if has_head else []
    return head + [line for row in rows for line in _row(row, columns, widths, room)]


def width_of(text: str) -> int:
    """How many columns of a terminal a line takes."""
    return len(text) if text.isascii() else cell_len(text)


def lay_out_facts(facts: Sequence[tuple[str, str]], room: int) -> list[str]:
    """Lines of name and value with one edge; values wrap behind that edge."""
    edge = max((width_of(name) for name, _ in facts), default=0) + GAP
    lines = []
    for name, value in facts:
        first, *rest = wrap(value, room - edge) or [""]
        lines.append(f"{_fill(name, edge)}{first}".rstrip())
        lines += [f"{' ' * edge}{line}" for line in rest]
    return lines


def wrap(text: str, room: int) -> list[str]:
    """A text in lines of ``room`` characters, broken at blanks only; a longer piece stays whole on a line of its own."""
    if "\n" not in text and width_of(text) <= room:
        return [" ".join(text.split())]
    lines = []
    for part in text.split("\n"):
        line = ""
        for word in part.split():
            if line and width_of(line) + 1 + width_of(word) > room:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return lines


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    return sum(_longest(column, at, rows) for at, column in enumerate(columns)) + GAP * (len(columns) - 1)


def _longest(column: Column, at: int, rows: Sequence[Sequence[str]]) -> int:
    return max([width_of(column.heading), *(width_of(part) for row in rows for part in row[at].split("\n"))])


def _least(column: Column, at: int, rows: Sequence[Sequence[str]]) -> int:
    """The narrowest this column can be without breaking a piece, or prose into single words."""
    longest = _longest(column, at, rows)
    if column.is_number or column.is_whole or longest <= PROSE:
        return longest
    piece = max([width_of(column.heading), *(width_of(word) for row in rows for word in row[at].split())])
    return max(piece, min(longest, PROSE))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths that keep to ``room``: prose gives way first, then whole cells move below, those of the last columns first."""
    longest = [_longest(column, at, rows) for at, column in enumerate(columns)]
    widths = [_least(column, at, rows) for at, column in enumerate(columns)]
    spare = room - sum(widths) - GAP * (len(columns) - 1)
    for at in sorted(range(len(columns)), key=lambda each: longest[each] - widths[each]):
        if spare > 0:
            more = min(longest[at] - widths[at], spare)
            widths[at] += more
            spare -= more
    for at in reversed(range(1, len(columns))):
        if spare < 0 and not columns[at].is_number:
            less = min(widths[at] - width_of(columns[at].heading), -spare)
            widths[at] -= less
            spare += less
    return widths


def _row(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int], room: int) -> list[str]:
    """One row: its cells side by side, and below it what is wider than its column."""
    cells: list[list[str]] = []
    below: list[str] = []
    for cell, column, width in zip(row, columns, widths, strict=True):
        lines = cell.split("\n") if column.is_number or column.is_whole else wrap(cell, width)
        if max(map(width_of, lines)) > width:
            below += [f"{' ' * INDENT}{line}" for line in wrap(cell, room - INDENT)]
            lines = [""]
        cells.append(lines)
    deep = max(map(len, cells))
    beside = [_line([lines[at] if at < len(lines) else "" for lines in cells], columns, widths) for at in range(deep)]
    return beside + below


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    filled = (_fill(cell, width, right=column.is_number) for cell, column, width in zip(cells, columns, widths, strict=True))
    return (" " * GAP).join(filled).rstrip()


def _fill(text: str, width: int, *, right: bool = False) -> str:
    blanks = " " * (width - width_of(text))
    return blanks + text if right else text + blanks


def _as_facts(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += ["", *lay_out_facts([(column.heading, cell) for column, cell in zip(columns, row, strict=True) if cell], room)]
    return lines[1:]
