"""Addresses of an import: found or made once, hashed under the current key, old suppressions made anew (LAW-09)."""

from __future__ import annotations

from collections.abc import Callable

from om_campaigns.audience.addresses import NormalAddress, fold_key, hash_address, make_hasher
from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.run import Run
from om_campaigns.audience.vocabulary import AddressKind, BounceState

_COLUMNS = ("id", "ref", "address", "normal_key", "domain", "kind", "hmac", "folded_hmac", "key_id", "bounce_state")


class Addressbook:
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
            bulk.insert_rows(run.connection, "address", _COLUMNS, rows)
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
