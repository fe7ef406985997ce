"""Bases of an import: new ones are added, details filled in, withdrawn ones left withdrawn (LAW-01, LAW-08)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.people import Ground, Staged
from om_campaigns.audience.intake.run import Run
from om_campaigns.audience.vocabulary import BasisKind

_COLUMNS = ("id", "address_id", "kind", "mailing_list", "collector_id", "obtained_on", "source", "text_version", "proof_ref", "origin")
_DETAILS = ("obtained_on", "source", "text_version", "proof_ref")
SILENT = (BasisKind.none.value, BasisKind.employer_internal.value)
"""Kinds on which OM may never write to anybody."""

Key = tuple[int, str, str, int]


class Grounds:
    """All bases, stored and of this import, by address, kind, mailing list and collector (0 is OM)."""

    def __init__(self, run: Run, first_new_address: int) -> None:
        self.run = run
        self.first_new_address = first_new_address
        self.stored: dict[Key, tuple[int, bool, tuple[str | None, ...]]] = {}
        self.mailable: set[int] = set()
        """Addresses with a basis that is not withdrawn and lets somebody write."""
        names = ", ".join(_DETAILS)
        sql = f"SELECT id, address_id, kind, mailing_list, coalesce(collector_id, 0), withdrawn_at, {names} FROM basis"
        for each, address, kind, mailing_list, collector, withdrawn, obtained_on, *texts in bulk.load_rows(run.connection, sql):
            self.stored[address, kind, mailing_list, collector] = each, withdrawn is not None, (bulk.as_day(obtained_on), *texts)
            if withdrawn is None and kind not in SILENT:
                self.mailable.add(address)
        self._new: list[tuple[Any, ...]] = []
        self._updates: dict[str, list[tuple[Any, int]]] = {}
        self._next = bulk.first_free_id(run.connection, "basis")
        self._added: list[int] = []
        """Bases of addresses that were known before; the first bases are part of an address's creation."""
        self._taken: set[Key] = set()
        self._unsaid: set[int] = set()

    def add(self, rows: Iterable[tuple[Staged, int]]) -> set[int]:
        """Take the bases the rows state; returns the addresses for which something changed."""
        origin, taken, touched = self.run.journal.origin.value, self._taken, set[int]()
        for row, address in rows:
            if not row.grounds and address in self.mailable and "basis" in row.sheet.columns:
                self._unsaid.add(address)
            for ground in row.grounds:
                kind, mailing_list, collector, obtained_on, source, text_version, proof_ref = ground
                key = (address, kind, mailing_list, collector)
                if key in taken:  # two people share the address: one basis, as the first row states it
                    continue
                taken.add(key)
                if key in self.stored:
                    if self._complete(key, ground, row.name):
                        touched.add(address)
                    continue
                self._new.append(
                    (self._next, address, kind, mailing_list, collector or None, obtained_on, source, text_version, proof_ref, origin)
                )
                if address < self.first_new_address:
                    self._added.append(self._next)
                self._next += 1
                touched.add(address)
                if kind not in SILENT:
                    self.mailable.add(address)
        return touched

    def kept(self) -> int:
        """How many addresses keep a basis that the files, which have a column for it, do not state (any more)."""
        return len(self._unsaid.difference(address for address, *_ in self._taken))

    def _complete(self, key: Key, ground: Ground, name: str) -> bool:
        """Fill in details the file knows; an empty cell takes nothing away, and a withdrawn basis is not touched."""
        basis_id, withdrawn, details = self.stored[key]
        if withdrawn:
            return False
        changed = False
        for column, old, new in zip(_DETAILS, details, ground[3:], strict=True):
            if new and new != old:
                self._updates.setdefault(column, []).append((new, basis_id))
                self.run.journal.record("basis", basis_id, name, column, old, new)
                changed = True
        return changed

    def write(self) -> None:
        """Store what was collected."""
        bulk.insert_rows(self.run.connection, "basis", _COLUMNS, self._new)
        if self._new:
            bulk.keep_ids(self.run.connection, "basis", self._next - 1)
            for each in self._added:
                self.run.journal.record_created("basis", each, 1)
        for column, rows in self._updates.items():
            bulk.update_rows(self.run.connection, "basis", (column,), rows)
