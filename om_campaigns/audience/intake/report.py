"""What an import says about itself: counts, refused rows, differences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from om_campaigns.audience.vocabulary import BasisKind

MAX_DIFFERENCES = 1_000
"""So many differences are kept for reading; all of them are in the table ``change``."""


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


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that changes; for a new thing ``field`` is ``created``."""

    entity: str
    name: str
    field: str
    old: str | None
    new: str | None


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
