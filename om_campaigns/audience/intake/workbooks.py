"""Excel sheets, looked at from outside before they are parsed (SEC-15).

A workbook is a zip of XML. What it declares (entries, sizes, ratios) is checked first, then each part is unpacked in
small pieces to see that it keeps its word, has no DTD and spans no monstrous area; only then calamine reads it.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from om_campaigns.audience.intake.files import MAX_COLUMNS, MAX_ROWS, Row, refuse

MAX_ENTRIES = 1_000
MAX_TOTAL = 160 * 1024 * 1024
MAX_RATIO = 150
MAX_CELLS = 4_000_000
"""Cells of the area a sheet spans: the parser reserves memory for all of them, filled or not."""

_SMALL = 1024 * 1024
"""A part below this size may be packed at any ratio: it cannot hurt."""

_CHUNK = 256 * 1024
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ROW_TAG = re.compile(rb"<(?:[\w.-]+:)?row(?=[\s/>])")
_CELL_TAG = re.compile(rb"<(?:[\w.-]+:)?c(?=[\s/>])")
_CELL = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]+)(\d+)["']""")
_ROW = re.compile(rb"""[^<]*?\sr\s*=\s*["'](\d+)["']""")
_SPELLED = re.compile(rb"""\sr\s*=\s*["'][^"'<>]*&""")
_FAR = 10**9
"""Of a place with more digits or letters than any sheet has, it is enough to know that it is too far."""


def read_sheet(path: Path, data: bytes) -> Iterator[Row]:
    """Rows of the first sheet that has any; line numbers are those Excel shows. Raises ProblemsError (SEC-15)."""
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise refuse(path.name, "this is an old .xls or a password-protected workbook; save it as .xlsx without a password")
    if path.suffix.lower() != ".xlsx":
        raise refuse(path.name, f"this is a zip or Office file, not a table; only .xlsx is read, not '{path.suffix}'")
    inspect(path.name, data)
    return _sheet_rows(path.name, data)


def inspect(file: str, data: bytes) -> None:
    """Refuse a workbook that would hurt: too many or too large parts, lies about sizes, macros, DTDs, a vast area."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OSError):
        raise refuse(file, "this is not a readable .xlsx file; open it in Excel or LibreOffice and save it again") from None
    _check_declared(file, entries)
    for entry in entries:
        if not entry.is_dir():
            _check_content(file, entry, data)


def _check_declared(file: str, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise refuse(file, f"the workbook has {len(entries):,} parts, more than {MAX_ENTRIES:,}: refused as a zip bomb")
    if sum(entry.file_size for entry in entries) > MAX_TOTAL:
        raise refuse(file, f"unpacked the workbook has more than {MAX_TOTAL // _SMALL} MB: refused as a zip bomb")
    if len({entry.filename for entry in entries}) != len(entries):
        raise refuse(file, "two parts of the workbook have the same name: refused")
    for entry in entries:
        if entry.flag_bits & 1:
            raise refuse(file, "the workbook is protected by a password; save it without one")
        if entry.filename.lower().endswith("vbaproject.bin"):
            raise refuse(file, "the workbook holds macros; save it as .xlsx")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refuse(file, "the workbook is packed in an unusual way; save it again")
        if entry.file_size > _SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise refuse(file, f"part '{entry.filename[:80]}' unpacks to over {MAX_RATIO} times its size: refused as a zip bomb")


def _check_content(file: str, entry: zipfile.ZipInfo, data: bytes) -> None:
    xml = entry.filename.lower().endswith((".xml", ".rels"))  # a sheet may stand under any name
    size, area, tail = 0, _Area(), b""
    for chunk in _unpack(file, entry, data):
        size += len(chunk)
        if size > entry.file_size:
            raise refuse(file, f"part '{entry.filename[:80]}' is larger than it says: refused as a zip bomb")
        if not xml:
            continue
        seen = tail + chunk
        if _DTD.search(seen):
            raise refuse(file, "the workbook holds a document type definition: refused")
        end = max(seen.rfind(b"<"), 0)
        if b"\0" in chunk or _SPELLED.search(seen) or (len(seen) - end > _CHUNK and b">" not in seen[end:]):
            raise refuse(file, "the workbook is written in an unusual way; open it in Excel or LibreOffice and save it again")
        end = end if len(seen) - end <= _CHUNK else len(seen)  # a long text is no tag
        area.take(seen[:end])
        tail = seen[end:]
        _check_area(file, area)
    area.take(tail)
    _check_area(file, area)


def _check_area(file: str, area: _Area) -> None:
    if area.width > MAX_COLUMNS:
        raise refuse(file, f"a sheet has cells up to column {area.width:,}, more than {MAX_COLUMNS}; delete what stands far right")
    if area.width * area.height > MAX_CELLS or area.height > MAX_ROWS:
        raise refuse(file, f"a sheet spans {area.height:,} rows and {area.width:,} columns; delete what stands far below or split it")


class _Area:
    """How far a sheet reaches at most: places that are named, and behind them rows and cells that name none."""

    def __init__(self) -> None:
        self._named_width = self._named_height = self._rows = self._cells = self._most_cells = 0

    @property
    def width(self) -> int:
        return self._named_width + self._most_cells

    @property
    def height(self) -> int:
        return self._named_height + self._rows

    def take(self, tags: bytes) -> None:
        """More of the sheet, in whole tags."""
        for number, row in enumerate(_ROW_TAG.split(tags)):
            if number:
                self._cells = 0
                named = _ROW.match(row)
                self._rows += named is None
                self._named_height = max(self._named_height, _number(named[1]) if named else 0)
            places = _CELL.findall(row)
            for letters, line in places:
                self._named_width = max(self._named_width, _column(letters))
                self._named_height = max(self._named_height, _number(line))
            self._cells += max(len(_CELL_TAG.findall(row)) - len(places), 0)
            self._most_cells = max(self._most_cells, self._cells)


def _number(digits: bytes) -> int:
    return int(digits) if len(digits) < 10 else _FAR


def _unpack(file: str, entry: zipfile.ZipInfo, data: bytes) -> Iterator[bytes]:
    start = entry.header_offset
    if data[start : start + 4] != b"PK\x03\x04" or len(data) < start + 30:
        raise refuse(file, "the workbook's parts are not where they should be; save it again")
    name_size, extra_size = struct.unpack_from("<HH", data, start + 26)
    begin = start + 30 + name_size + extra_size
    packed = memoryview(data)[begin : begin + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        for position in range(0, len(packed), _CHUNK):
            yield bytes(packed[position : position + _CHUNK])
        return
    inflater = zlib.decompressobj(-15)
    try:
        chunk = inflater.decompress(packed, _CHUNK)
        while chunk:
            yield chunk
            chunk = inflater.decompress(inflater.unconsumed_tail, _CHUNK)
    except zlib.error:
        raise refuse(file, f"part '{entry.filename[:80]}' of the workbook is damaged; save it again") from None


def _column(letters: bytes) -> int:
    number = 0 if len(letters) < 5 else _FAR
    for letter in letters[:4].upper():
        number = number * 26 + letter - 64
    return number


def _sheet_rows(file: str, data: bytes) -> Iterator[Row]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum, ZipError

    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
            for known in book.sheets_metadata:
                if known.typ != SheetTypeEnum.WorkSheet or known.visible != SheetVisibleEnum.Visible:
                    continue
                sheet = book.get_sheet_by_name(known.name)
                if sheet.height:
                    for line, cells in enumerate(sheet.to_python(skip_empty_area=False), 1):
                        yield Row(line, [_as_text(cell) for cell in cells])
                    return
    except (CalamineError, ZipError, OSError, ValueError) as error:
        raise refuse(file, f"the workbook cannot be read ({error}); save it again") from None


def _as_text(value: Any) -> str:
    """A cell as it would stand in a CSV file: whole numbers without a point, dates in ISO form, yes and no as words."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return "" if value is None else str(value)
