"""Tables as German offices write them: CSV in any usual encoding and separator, XLSX behind a size guard.

``read_table`` gives a header and rows with their line numbers; what the cells mean is decided in ``kinds`` and ``cells``.
Everything that could exhaust the machine is refused before it is parsed (SEC-15, SEC-16).
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from om_campaigns.errors import InputError, Problem, ProblemsError

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


MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_CELL = 100_000
"""Characters in one cell; the limits of single columns are far lower."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_UMLAUT = re.compile(rb"\xc3[\xa4\xb6\xbc\x84\x96\x9c\x9f]|\xe2\x80[\x93\x94\x9e\x9c]")


def read_table(path: Path) -> Table:
    """Open a CSV or XLSX file.

    Raises ProblemsError naming the file (and the line, where there is one) for anything that is no such file, is too
    large, is a zip bomb, holds NULs or two encodings, or has no header (SEC-15).
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", hint="check the name and the rights of the file") from error
    if size > MAX_FILE_BYTES:
        raise refuse(path.name, f"the file has {size // 1_000_000} MB, more than {MAX_FILE_BYTES // 1_000_000} MB; split it")
    if path.suffix.lower() == ".xlsx" or data[:2] == b"PK" or data[:4] == b"\xd0\xcf\x11\xe0":
        from om_campaigns.audience.intake.workbooks import read_sheet  # here only: most files are CSV

        return _with_header(path.name, read_sheet(path, data))
    return _read_csv(path.name, data)


def _read_csv(file: str, data: bytes) -> Table:
    lines = io.TextIOWrapper(io.BytesIO(data), find_encoding(file, data), newline="")
    first = lines.readline(MAX_CELL)
    if first[:4].lower() == "sep=" and first[5:6] in ("\r", "\n"):  # Excel's own hint
        return _with_header(file, _bounded(file, _csv_rows(lines, first[4], 1)))
    lines.seek(0)
    delimiter = find_delimiter(lines.read(MAX_CELL))
    lines.seek(0)
    return _with_header(file, _bounded(file, _csv_rows(lines, delimiter, 0)))


def _bounded(file: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Rows up to the same number as in a workbook; empty ones count, because they take their time, too."""
    for number, row in enumerate(rows):
        if number > MAX_ROWS:
            raise refuse(file, f"the file has more than {MAX_ROWS:,} rows; split it", row.line)
        yield row


def find_encoding(file: str, data: bytes) -> str:
    """UTF-8 with or without BOM, UTF-16 with BOM, else Windows-1252; a file that mixes them is refused with the line."""
    if data.startswith(_UTF16):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            raise refuse(file, "the file says it is UTF-16 and is not; save it as 'CSV UTF-8'") from None
        if "\0" in text:
            raise refuse(file, "there is a NUL character in the text", text.count("\n", 0, text.index("\0")) + 1)
        return "utf-16"
    if (nul := data.find(b"\0")) >= 0:
        raise refuse(file, "there is a NUL byte: this is not a text file", data.count(b"\n", 0, nul) + 1)
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if data.startswith(b"\xef\xbb\xbf") or _UTF8_UMLAUT.search(data):
            text = "the file mixes encodings: most is UTF-8, this line is not; save it again as 'CSV UTF-8'"
            raise refuse(file, text, line) from None
    else:
        return "utf-8-sig"
    try:
        data.decode("cp1252")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse(file, "neither UTF-8 nor Windows-1252; save it again as 'CSV UTF-8'", line) from None
    return "cp1252"


def find_delimiter(text: str) -> str:
    """Semicolon, comma or tab: what parts the first line most often outside quotation marks; semicolon if none does."""
    end = re.search(r"[^\r\n]+", text)
    outside = re.sub(r'"[^"]*"', "", end.group()) if end else ""
    return max(";,\t", key=outside.count)


MOST_LINES = 200
"""Lines of one cell. A quotation mark that is open for longer was forgotten."""

MOST_REREAD = 1_000
"""Rows after which reading begins anew on the next line; a file with more of them is broken through and through (SEC-16)."""


class _Lines:
    """The lines of a file, from which those of one row can be taken again. Each call of ``row`` begins a row."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._again = iter(lines), deque[str]()
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.row) >= MOST_LINES:
            raise StopIteration  # to the reader the file ends here, inside quotation marks
        line = self._again.popleft() if self._again else next(self._lines)
        self.row.append(line)
        return line

    def give_back(self) -> None:
        """All lines of the row but the first will be read again, as rows of their own."""
        self._again.extendleft(reversed(self.row[1:]))


def _csv_rows(lines: Iterable[str], delimiter: str, offset: int) -> Iterator[Row]:
    """Rows, each with the line where it begins. Where a quotation mark is never closed only its row is lost, not what follows it."""
    csv.field_size_limit(MAX_CELL)
    source, line, reread = _Lines(lines), offset, 0
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.row = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line + 1, [], _plain_fault(str(error), len(source.row)))
            if len(source.row) > 1 and reread < MOST_REREAD:
                reread += 1
                source.give_back()
                source.row = source.row[:1]
            reader = csv.reader(source, delimiter=delimiter, strict=True)
        else:
            yield Row(line + 1, cells)
        line += len(source.row)


def _plain_fault(error: str, lines: int) -> str:
    if "field limit" in error and lines == 1:
        return f"a cell is longer than {MAX_CELL:,} characters; is a closing quotation mark missing?"
    if lines > 1 or "unexpected end" in error:
        return "a quotation mark is opened here and never closed"
    return 'a quotation mark stands inside a quoted cell; double it ("")'


def _with_header(file: str, rows: Iterator[Row]) -> Table:
    for row in rows:
        if row.fault:
            raise refuse(file, row.fault, row.line)
        if len(row.cells) > MAX_COLUMNS:
            raise refuse(file, f"the header has {len(row.cells):,} columns, more than {MAX_COLUMNS}", row.line)
        if any(cell.strip() for cell in row.cells):
            header = [cell.strip() for cell in row.cells]
            while header and not header[-1]:
                header.pop()
            return Table(file, header, row.line, rows)
    raise refuse(file, "the file is empty: there is no header line")
