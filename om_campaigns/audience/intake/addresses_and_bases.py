"""Addresses of an import, and the bases on which they may be written to.

An address is found or made once and hashed under the current key; old suppressions are made anew (LAW-09). New bases are added, details
filled in, withdrawn ones left withdrawn (LAW-01, LAW-08).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from om_campaigns.audience import bulk
from om_campaigns.audience.addresses import NormalAddress, fold_key, hash_address, make_hasher
from om_campaigns.audience.intake.import_run import Run
from om_campaigns.audience.intake.people_rows import Staged, StatedBasis
from om_campaigns.audience.vocabulary import AddressKind, BasisKind, BounceState

_ADDRESS = ("id", "ref", "address", "normal_key", "domain", "kind", "hmac", "folded_hmac", "key_id", "bounce_state")


class Addresses:
    """Normal key → address id, for all addresses that are stored or were taken in this import."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._current = run.keyring.current
        found = bulk.load_rows(run.connection, "SELECT normal_key, id, key_id, address FROM address WHERE erased_at IS NULL")
        self.ids: dict[str, int] = {normal_key: each for normal_key, each, _key, _address in found}
        self.texts: dict[int, str] = {each: address for _key, each, _key_id, address in found}
        self._stale = {normal_key: each for normal_key, each, key_id, _address in found if key_id != self._current}
        self._fresh: list[tuple[int, NormalAddress, str]] = []
        self._seen: list[str] = []
        self.first_new = bulk.first_free_id(run.connection, "address")
        """Addresses from this id on were made by this import."""
        self._next = self.first_new
        used = bulk.load_rows(run.connection, "SELECT DISTINCT key_id FROM suppression")
        self._old_keys = [key_id for (key_id,) in used if key_id != self._current and key_id in run.keyring.secrets]

    def take(self, given: NormalAddress, kind: AddressKind) -> int:
        """The id of an address, which is stored by the next ``write`` if it is new. A known address keeps its kind."""
        normal_key = given.normal_key
        if self._old_keys or self._stale:
            self._seen.append(normal_key)
        found = self.ids.get(normal_key)
        if found is None:
            found = self.ids[normal_key] = self._next
            self._next += 1
            self._fresh.append((found, given, kind.value))
            self.texts[found] = given.address
        return found

    def write(self) -> None:
        """Store new addresses and give those seen again the current key; must run before rows that point at them.

        A new address is logged with the person, seat or house it came with.
        """
        run, current, none = self._run, self._current, BounceState.none.value
        if self._fresh:
            refs, hash_key = bulk.new_refs(len(self._fresh)), make_hasher(run.keyring.secret(current))
            rows = (
                (each, ref, address, normal_key, domain, kind, hash_key(normal_key), _hash_folded(hash_key, normal_key), current, none)
                for (each, (address, normal_key, domain), kind), ref in zip(self._fresh, refs, strict=True)
            )
            bulk.insert_rows(run.connection, "address", _ADDRESS, rows)
            bulk.keep_ids(run.connection, "address", self._next - 1)
            self._fresh = []
        self._renew()

    def _renew(self) -> None:
        """A key was changed: hash the addresses of this import under the new one, suppressions first."""
        seen, self._seen = set(self._seen), []
        for old in self._old_keys:
            self._renew_suppressions(old, seen)
        stale = [(self._stale.pop(key), key) for key in sorted(seen & self._stale.keys())]
        hash_key = make_hasher(self._run.keyring.secret(self._current))
        rows = ((hash_key(key), _hash_folded(hash_key, key), self._current, each) for each, key in stale)
        bulk.update_rows(self._run.connection, "address", ("hmac", "folded_hmac", "key_id"), rows)

    def _renew_suppressions(self, old: str, seen: set[str]) -> None:
        connection, keyring = self._run.connection, self._run.keyring
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        suppressed = {hashed for (hashed,) in bulk.load_rows(connection, "SELECT DISTINCT hmac FROM suppression")}
        pairs = [(hash_address(keyring, key, old), key) for key in seen | {fold_key(key) for key in seen}]
        rows = [(hash_address(keyring, key), self._current, hashed, old) for hashed, key in pairs if hashed in suppressed]
        bulk.run_many(
            connection,
            "INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at, reopened) "
            f"SELECT {mark}, {mark}, scope_kind, scope, reason, at, reopened FROM suppression WHERE hmac = {mark} AND key_id = {mark} "
            "ON CONFLICT DO NOTHING",
            rows,
        )


def _hash_folded(hash_key: Callable[[str], str], normal_key: str) -> str | None:
    folded = fold_key(normal_key)
    return None if folded == normal_key else hash_key(folded)


_BASIS = ("id", "address_id", "kind", "mailing_list", "collector_id", "obtained_on", "source", "text_version", "proof_ref", "origin")
_DETAILS = ("obtained_on", "source", "text_version", "proof_ref")
SILENT = (BasisKind.none.value, BasisKind.employer_internal.value)
"""Kinds on which OM may never write to anybody."""

Key = tuple[int, str, str, int]


class Bases:
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
        origin, taken, touched = self.run.change_log.origin.value, self._taken, set[int]()
        for row, address in rows:
            if not row.bases and address in self.mailable and "basis" in row.sheet.columns:
                self._unsaid.add(address)
            for stated in row.bases:
                kind, mailing_list, collector, obtained_on, source, text_version, proof_ref = stated
                key = (address, kind, mailing_list, collector)
                if key in taken:  # two people share the address: one basis, as the first row states it
                    continue
                taken.add(key)
                if key in self.stored:
                    if self._complete(key, stated, row.name):
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

    def _complete(self, key: Key, stated: StatedBasis, name: str) -> bool:
        """Fill in details the file knows; an empty cell takes nothing away, and a withdrawn basis is not touched."""
        basis_id, withdrawn, details = self.stored[key]
        if withdrawn:
            return False
        changed = False
        for column, old, new in zip(_DETAILS, details, stated[3:], strict=True):
            if new and new != old:
                self._updates.setdefault(column, []).append((new, basis_id))
                self.run.change_log.record("basis", basis_id, name, column, old, new)
                changed = True
        return changed

    def write(self) -> None:
        """Store what was collected."""
        bulk.insert_rows(self.run.connection, "basis", _BASIS, self._new)
        if self._new:
            bulk.keep_ids(self.run.connection, "basis", self._next - 1)
            for each in self._added:
                self.run.change_log.record_created("basis", each, 1)
        for column, rows in self._updates.items():
            bulk.update_rows(self.run.connection, "basis", (column,), rows)
