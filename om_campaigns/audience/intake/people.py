"""Rows of people: from cells to places at a table.

Most cells of such a file repeat from row to row (house, roles, basis, dates), so everything but staff key, name and
address is read once per combination and shared: a ``Place``. What is left per row is little, and rows are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from om_campaigns.audience.addresses import NormalAddress
from om_campaigns.audience.intake import cells
from om_campaigns.audience.intake.report import CellError
from om_campaigns.audience.intake.run import Run, Sheet, read_row
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, BasisKind, PersonStatus, Role

NO_ROLE = 99
_OWN = ("person", "name", "first_name", "last_name", "email")
_BASIS = ("basis", "mailing_list", "collected_by", "obtained_on", "source", "text_version", "proof_ref")


class Ground(NamedTuple):
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
    """All that a row says beside who it is. ``values`` holds the columns that were not empty (None: cleared)."""

    house: int
    slug: str
    roles: tuple[str, ...] | None
    strength: int
    values: dict[str, Any]
    grounds: tuple[Ground, ...]


class Staged(NamedTuple):
    """A row that can be taken, as far as it is known alone."""

    sheet: Sheet
    line: int
    staff_key: str | None
    name: str
    name_key: str
    address: NormalAddress
    place: Place


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
        except CellError as error:
            if any(cell.strip() for cell in row):
                for each in [error, *reader.further_faults]:
                    run.reject(sheet, line, each.column, each.reason)


class _PersonReader:
    def __init__(self, run: Run, sheet: Sheet) -> None:
        self.run = run
        self.sheet = sheet
        self.further_faults: list[CellError] = []
        columns = sheet.columns
        self.staff, self.first = _position(columns, "person"), _position(columns, "first_name")
        self.name, self.last = _position(columns, "name"), _position(columns, "last_name")
        self.email = columns.index("email")
        shared = [position for position, column in enumerate(columns) if column not in _OWN]
        self.shared_columns = [columns[position] for position in shared]
        self.pick: Any = itemgetter(*shared) if len(shared) > 1 else lambda row: (row[shared[0]],)
        self.places: dict[tuple[str, ...], Place] = {}
        self.staff_keys: dict[str, str] = {}

    def read(self, line: int, row: list[str]) -> Staged:
        """Raises CellError; faults beyond the first are in ``further_faults``."""
        self.further_faults = []
        shared = self.pick(row)
        place = self.places.get(shared)
        if place is None:
            place = self.places[shared] = self._read_place(shared)
        staff_key = self._staff_key(row[self.staff]) if self.staff >= 0 else None
        name = row[self.name].strip() if self.first < 0 and self.name >= 0 else self._joined_name(row)
        # one look for the many plain names; whatever is odd goes the long way and is named there
        if not name.isprintable() or "%" in name or len(name) > cells.MAX_NAME or name[:1] in _ODD_STARTS or "  " in name:
            name = self._odd_name(name)
        name_key = name.casefold() if name.isascii() else cells.name_key(name)
        if not name.isascii():
            name = cells.clean_name(name)
        if not name and staff_key:
            raise CellError("name" if self.name >= 0 else "last_name", "a person without a name")
        return Staged(self.sheet, line, staff_key, name, name_key, self._address(row[self.email]), place)

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
        parts = (row[position].strip() for position in (self.first, self.name, self.last) if position >= 0)
        return " ".join(part for part in parts if part)

    def _odd_name(self, text: str) -> str:
        if not text:
            return ""
        try:
            return cells.clean_name(text)
        except ValueError as error:
            raise CellError("name" if self.name >= 0 else "last_name", str(error)) from None

    def _read_place(self, shared: tuple[str, ...]) -> Place:
        run = self.run
        values, faults = read_row(self.sheet.kind, self.shared_columns, list(shared), run.known)
        if values.get("organisation") is None and not any(each.column == "organisation" for each in faults):
            faults.append(CellError("organisation", "there is no organisation"))
        if (values.get("since") or "0") > (values.get("until") or "9"):
            faults.append(CellError("until", "the end lies before the beginning"))
        if "basis" not in values and any(values.get(each) for each in ("obtained_on", "text_version", "proof_ref")) and not run.grant:
            faults.append(CellError("basis", "there are details of a basis, but not which one"))
        if faults:
            self.further_faults = faults[1:]
            raise faults[0]
        roles = values.get("roles", ()) or () if "roles" in values else None
        strength = min((ROLE_STRENGTH[Role(role)] for role in roles or ()), default=NO_ROLE)
        slug = values.pop("organisation")
        if values.get("status") == PersonStatus.left and not values.get("until"):
            values.pop("until", None)
        return Place(run.known.organisations[slug], slug, roles, strength, values, tuple(_grounds(run, values)))


_ODD_STARTS = cells.FORMULA_STARTS | {"'", ""}


def _position(columns: list[str], column: str) -> int:
    return columns.index(column) if column in columns else -1


def _grounds(run: Run, values: dict[str, Any]) -> Iterator[Ground]:
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
        yield Ground(kind, each, house, obtained_on, source, values.get("text_version") or "", values.get("proof_ref") or "")
