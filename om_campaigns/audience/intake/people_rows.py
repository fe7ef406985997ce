"""Rows of people: from cells to places at a table.

Most cells of such a file repeat from row to row (house, roles, basis, dates), so everything but staff key, name and
address is read once per combination and shared. What is left per row is little, and rows are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from om_campaigns.audience import german as words
from om_campaigns.audience.addresses import NormalAddress
from om_campaigns.audience.intake import cells
from om_campaigns.audience.intake.import_run import CellError, Run, Sheet, read_row
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, BasisKind, PersonStatus

NO_ROLE = 99
_OWN = ("person", "name", "first_name", "last_name", "email")
_BASIS = ("basis", "mailing_list", "collected_by", "obtained_on", "source", "text_version", "proof_ref")


class StatedBasis(NamedTuple):
    """A basis as a row states it; the first three fields with the address are its key. ``collector`` 0 means OM."""

    kind: str
    mailing_list: str
    collector: int
    obtained_on: str | None
    source: str
    text_version: str
    proof_ref: str


@dataclass(slots=True)
class Place:
    """What a row says about the seat. ``values`` holds the columns that were not empty (None: cleared)."""

    house: int
    slug: str
    roles: tuple[str, ...] | None
    strength: int
    values: dict[str, Any]


class Staged(NamedTuple):
    """A row that can be taken, as far as it is known alone."""

    sheet: Sheet
    line: int
    staff_key: str | None
    name: str
    name_key: str
    address: NormalAddress
    place: Place
    bases: tuple[StatedBasis, ...]


MOST_REMEMBERED = 10_000
"""Different texts of one column that are kept as read; in a column with more of them few come again."""

_UNNAMED = (CellError("", ""),)
"""Stands for the faults of a row where none is named any more: finding them all is most of the work."""


def staged_rows(run: Run, sheet: Sheet) -> Iterator[Staged]:
    """The rows of a file of people whose cells can be read; the others are named in the report."""
    reader = _PersonReader(run, sheet)
    width = len(sheet.columns)
    for line, row, fault in sheet.table.rows:
        if len(row) != width:
            if fault or any(cell.strip() for cell in row[width:]):
                run.reject(sheet, line, "", fault or f"the row has more cells than the header ({len(row)} instead of {width})")
                continue
            row = row[:width] + [""] * (width - len(row))
        try:
            yield reader.read(line, row)
        except CellError:
            if any(cell.strip() for cell in row):
                for each in _UNNAMED if run.is_full else reader.find_faults(row):
                    run.reject(sheet, line, each.column, each.reason)


def _first_of(faults: list[CellError]) -> CellError:
    """Another one like the first: an error that its own frame can name keeps that frame, and an import searches for no cycles."""
    return CellError(faults[0].column, faults[0].reason)


class _PersonReader:
    def __init__(self, run: Run, sheet: Sheet) -> None:
        self.run = run
        self.sheet = sheet
        columns = sheet.columns
        self.staff, self.email = _position(columns, "person"), columns.index("email")
        self.name_column = "name" if "name" in columns else "last_name"
        parts = ("first_name", "name", "last_name") if "first_name" in columns or "name" not in columns else ("name",)
        self.name_parts = [columns.index(column) for column in parts if column in columns]
        self.seat = _Part([position for position, column in enumerate(columns) if column not in (*_OWN, *_BASIS)], columns)
        self.basis = _Part([position for position, column in enumerate(columns) if column in _BASIS], columns)
        self.places: dict[tuple[str, ...], Place] = {}
        self.bases: dict[tuple[str, ...], tuple[StatedBasis, ...]] = {}

    def read(self, line: int, row: list[str]) -> Staged:
        """Raises CellError for the first fault; ``find_faults`` names all."""
        seat = self.seat.pick(row)
        place = self.places.get(seat)
        if place is None:
            place = self.places[seat] = self._read_place(seat)
        basis = self.basis.pick(row)
        bases = self.bases.get(basis)
        if bases is None:
            bases = self.bases[basis] = self._read_bases(basis)
        staff_key = self._staff_key(row[self.staff]) if self.staff >= 0 else None
        name = self._clean_name(self._joined_name(row))
        if not name and staff_key:
            raise self._no_name()
        return Staged(self.sheet, line, staff_key, name, words.name_key(name), self._address(row[self.email]), place, bases)

    def find_faults(self, row: list[str]) -> list[CellError]:
        """Everything wrong in a row that ``read`` refused, in the order of its cells."""
        faults = self._check_place(self.seat.pick(row))[1] + self._check_bases(self.basis.pick(row))[1]
        name, staff_key = self._joined_name(row), row[self.staff].strip() if self.staff >= 0 else ""
        if staff_key and not name:
            faults.append(self._no_name())
        for read, text in ((self._staff_key, staff_key), (self._clean_name, name), (self._address, row[self.email])):
            try:
                read(text)
            except CellError as error:
                faults.append(error)
        return sorted(faults, key=lambda each: _position(self.sheet.columns, each.column))

    def _address(self, text: str) -> NormalAddress:
        text = text.strip()
        if not text:
            raise CellError("email", "there is no e-mail address")
        try:
            found: NormalAddress = cells.email(text, self.run.known)
        except ValueError as error:
            raise CellError("email", str(error)) from None
        return found

    def _staff_key(self, text: str) -> str | None:
        text = text.strip()
        if not text:
            return None
        if text.isalnum() and len(text) <= 40:
            return text
        try:
            return str(cells.code(text, self.run.known))
        except ValueError as error:
            raise CellError("person", str(error)) from None

    def _joined_name(self, row: list[str]) -> str:
        return " ".join(filter(None, [row[position].strip() for position in self.name_parts]))

    def _no_name(self) -> CellError:
        return CellError(self.name_column, "a person without a name")

    def _clean_name(self, text: str) -> str:
        if not text:
            return ""
        try:
            return cells.clean_name(text)
        except ValueError as error:
            raise CellError(self.name_column, str(error)) from None

    def _check_place(self, texts: tuple[str, ...]) -> tuple[dict[str, Any], list[CellError]]:
        values, faults = self.seat.read(self.sheet, texts, self.run)
        if values.get("organisation") is None and not any(each.column == "organisation" for each in faults):
            faults.append(CellError("organisation", "there is no organisation"))
        if (values.get("since") or "0") > (values.get("until") or "9"):
            faults.append(CellError("until", "the end lies before the beginning"))
        return values, faults

    def _read_place(self, texts: tuple[str, ...]) -> Place:
        values, faults = self._check_place(texts)
        if faults:
            raise _first_of(faults)
        roles = values.get("roles", ()) or () if "roles" in values else None
        strength = min(map(ROLE_STRENGTH.__getitem__, roles), default=NO_ROLE) if roles else NO_ROLE
        slug = values.pop("organisation")
        if values.get("status") == PersonStatus.left and values.get("until") is None:
            values.pop("until", None)  # who has left has an end; without a date it is today
        return Place(self.run.known.organisations[slug], slug, roles, strength, values)

    def _check_bases(self, texts: tuple[str, ...]) -> tuple[dict[str, Any], list[CellError]]:
        values, faults = self.basis.read(self.sheet, texts, self.run)
        if "basis" not in values and not self.run.grant and any(values.get(each) for each in ("obtained_on", "text_version", "proof_ref")):
            faults.append(CellError("basis", "there are details of a basis, but not which one"))
        if (values.get("obtained_on") or "") > self.run.today.isoformat():
            faults.append(CellError("obtained_on", "the day lies in the future: a basis is recorded when it has been obtained (LAW-01)"))
        if values.get("basis", BasisKind.none) != BasisKind.none:
            unsaid = (each for each in ("obtained_on", "source") if not values.get(each) and all(each != fault.column for fault in faults))
            faults += [CellError(each, f"{each} is missing: a basis without proof is none (LAW-01)") for each in unsaid]
        return values, faults

    def _read_bases(self, texts: tuple[str, ...]) -> tuple[StatedBasis, ...]:
        values, faults = self._check_bases(texts)
        if faults:
            raise _first_of(faults)
        return tuple(_bases(self.run, values))


class _Part:
    """Some columns of a file whose cells repeat: every text is read once per column."""

    def __init__(self, positions: list[int], columns: list[str]) -> None:
        self.columns = [columns[position] for position in positions]
        self.pick: Callable[[list[str]], tuple[str, ...]] = _picker(positions)
        self._read: list[dict[str, tuple[dict[str, Any], list[CellError]]]] = [{} for _ in positions]

    def read(self, sheet: Sheet, texts: tuple[str, ...], run: Run) -> tuple[dict[str, Any], list[CellError]]:
        """The values of these cells and everything wrong with them."""
        values: dict[str, Any] = {}
        faults: list[CellError] = []
        for column, text, known in zip(self.columns, texts, self._read, strict=True):
            if not text:
                continue
            found = known.get(text)
            if found is None:
                found = read_row(sheet.kind, [column], [text], run.known)
                if len(known) < MOST_REMEMBERED:
                    known[text] = found
            values.update(found[0])
            faults += found[1]
        return values, faults


def _picker(positions: list[int]) -> Callable[[list[str]], tuple[str, ...]]:
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


def _position(columns: list[str], column: str) -> int:
    return columns.index(column) if column in columns else -1


def _bases(run: Run, values: dict[str, Any]) -> Iterator[StatedBasis]:
    """The bases a row states, or those granted for rows that state none; ``none`` is none."""
    kind = values.get("basis")
    grant = run.grant
    if "basis" in values:
        lists, collector = values.get("mailing_list") or ("*",), values.get("collected_by") or "om"
        obtained_on, source = values.get("obtained_on"), values.get("source") or ""
    elif grant is not None:
        kind = grant.kind.value
        lists, collector = values.get("mailing_list") or (grant.mailing_list,), values.get("collected_by") or grant.collected_by
        obtained_on = values.get("obtained_on") or (grant.obtained_on.isoformat() if grant.obtained_on else None)
        source = values.get("source") or grant.source
    if kind is None or kind == BasisKind.none:
        return
    house = 0 if collector == "om" else run.known.organisations[collector]
    for each in lists:
        yield StatedBasis(kind, each, house, obtained_on, source, values.get("text_version") or "", values.get("proof_ref") or "")
