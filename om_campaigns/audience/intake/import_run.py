"""One import under way: the transaction, what is known so far, the rows of small files, and what the import will say of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection

from om_campaigns.audience import bulk
from om_campaigns.audience import german as words
from om_campaigns.audience.changes import ChangeLog, Difference
from om_campaigns.audience.intake import cells
from om_campaigns.audience.intake.cells import Known
from om_campaigns.audience.intake.files import Table
from om_campaigns.audience.intake.kinds import FileKind
from om_campaigns.audience.vocabulary import LAENDER, NATIONWIDE, ORGANISATION_TYPES, BasisKind
from om_campaigns.errors import MOST_SHOWN
from om_campaigns.keyring import Keyring


@dataclass(frozen=True, slots=True)
class BasisGrant:
    """The basis of rows that name none themselves. ``collected_by`` is ``om`` or a house's slug (LAW-01, LAW-04)."""

    kind: BasisKind
    mailing_list: str = "*"
    collected_by: str = "om"
    source: str = ""
    obtained_on: date | None = None


@dataclass(slots=True)
class Counts:
    """Things in the files, by what the import does to them."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def count(self, *, new: bool, changed: bool) -> None:
        """One more thing of the sort."""
        if new:
            self.new += 1
        elif changed:
            self.changed += 1
        else:
            self.unchanged += 1


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was not taken. ``line`` and ``column`` (the cell's number in its row) count from 1; 0 means all of it."""

    file: str
    line: int
    column: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did, or in a dry run would do.

    ``people`` counts people and role addresses that stand in the files; ``without_basis`` of ``people_total`` of them
    have no address that may be written to (LAW-01). ``other`` counts by table: networks, toolkits, regions …
    """

    organisations: Counts = field(default_factory=Counts)
    people: Counts = field(default_factory=Counts)
    other: dict[str, Counts] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    """The first ``MOST_SHOWN`` faults; ``faults`` counts all."""
    faults: int = 0
    without_basis: int = 0
    people_total: int = 0
    changes: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class CellError(ValueError):
    """A cell that cannot be used; ``column`` is the canonical name of its column, '' for the row as a whole."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sheet:
    """A recognised file: its table, and the canonical name of each column ('' for one without a name)."""

    table: Table
    kind: FileKind
    columns: list[str]


@dataclass(slots=True)
class Record:
    """A row that was read: column → value; None where the cell says ``-``; missing where it is empty."""

    sheet: Sheet
    line: int
    values: dict[str, Any]


@dataclass(slots=True)
class Run:
    """What every part of an import shares."""

    connection: Connection
    keyring: Keyring
    change_log: ChangeLog
    today: date
    grant: BasisGrant | None
    known: Known = field(default_factory=Known)
    report: ImportReport = field(default_factory=ImportReport)

    @property
    def is_full(self) -> bool:
        """So many faults are named that a further one is only counted."""
        return len(self.report.rejected) >= MOST_SHOWN

    def reject(self, sheet: Sheet, line: int, column: str, reason: str) -> None:
        """Name a row that is not taken; of very many only the first, the others are counted."""
        self.report.faults += 1
        if self.is_full:
            return
        position = sheet.columns.index(column) + 1 if column in sheet.columns else 0
        text = f"{sheet.table.header[position - 1]}: {reason}" if position else reason
        self.report.rejected.append(Rejected(sheet.table.file, line, position, text))

    def refuse(self, record: Record, column: str, reason: str) -> None:
        """Name a row of a small file that is not taken."""
        self.reject(record.sheet, record.line, column, reason)

    def refuse_double(self, record: Record, column: str, what: str, earlier: Record) -> None:
        """Name a row that says once more what an earlier one said."""
        self.refuse(record, column, f"{what} stands in line {earlier.line} of {earlier.sheet.table.file} already")

    def records(self, sheet: Sheet) -> Iterator[Record]:
        """The rows of a small file whose cells can all be read; every bad cell of the others is named."""
        width = len(sheet.columns)
        for line, row, fault in sheet.table.rows:
            if fault or any(cell.strip() for cell in row[width:]):
                self.reject(sheet, line, "", fault or f"the row has more cells than the header ({len(row)} instead of {width})")
                continue
            if not any(cell.strip() for cell in row):
                continue
            values, faults = read_row(sheet.kind, sheet.columns, row, self.known)
            for column in sheet.kind.required:
                if values.get(column) is None and not any(each.column == column for each in faults):
                    faults.append(CellError(column, f"{column} is missing"))
            for each in faults:
                self.reject(sheet, line, each.column, each.reason)
            if not faults:
                yield Record(sheet, line, values)


def read_row(kind: FileKind, columns: list[str], row: list[str], known: Known) -> tuple[dict[str, Any], list[CellError]]:
    """The values of a row and everything wrong with it."""
    values: dict[str, Any] = {}
    faults: list[CellError] = []
    for column, cell in zip(columns, row, strict=False):
        text = cell.strip(" \u00a0\r\n")
        if not column or not text:
            continue
        if text in cells.CLEAR:
            values[column] = None
            continue
        try:
            values[column] = kind.columns[column](text, known)
        except ValueError as error:
            faults.append(CellError(column, str(error)))
    return values, faults


def load_known(connection: Connection) -> Known:
    """What the database knows already; the words every workspace has are put there first."""
    _seed(connection, "organisation_type", ("code", "name", "group"), [(c, n, g) for c, (n, g) in ORGANISATION_TYPES.items()])
    laender = [(ags, name) for ags, (_iso, name) in LAENDER.items()]
    _seed(connection, "region", ("ags", "name"), [(NATIONWIDE, "Deutschland"), *laender])
    known = Known(types=dict(words.type_words()))
    for code, name in bulk.load_rows(connection, "SELECT code, name FROM organisation_type"):
        known.types |= {words.fold(name): code, words.fold(code): code}
    for ags, name in bulk.load_rows(connection, "SELECT ags, name FROM region"):
        known.regions.setdefault(words.fold(name), set()).add(ags)
    known.mailing_lists = {slug for (slug,) in bulk.load_rows(connection, "SELECT slug FROM mailing_list")}
    for each, slug, name, short_name in bulk.load_rows(connection, "SELECT id, slug, name, short_name FROM organisation"):
        know_organisation(known, each, slug, name, short_name)
    return known


def know_organisation(known: Known, organisation_id: int, slug: str, name: str, short_name: str) -> None:
    """Let later cells refer to a house."""
    known.organisations[slug] = organisation_id
    for each in {words.name_key(name), words.name_key(short_name)} - {""}:
        known.organisation_names.setdefault(each, set()).add(slug)


def _seed(connection: Connection, table: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    there = {key for (key,) in bulk.load_rows(connection, f"SELECT {columns[0]} FROM {table}")}
    bulk.insert_rows(connection, table, columns, [row for row in rows if row[0] not in there])
