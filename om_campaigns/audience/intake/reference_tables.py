"""Small tables (houses, networks, toolkits, lists): what is there, what the file wants, the difference written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from om_campaigns.audience import bulk
from om_campaigns.audience.changes import CREATED, PartnerChanges
from om_campaigns.audience.intake.import_run import Counts, Record, Run


def plain(value: Any) -> Any:
    """A stored value in the form the readers give: dates as ISO text."""
    return value.isoformat() if isinstance(value, date) else value


class ReferenceTable:
    """A table with an integer ``id`` and a unique key of one or more columns.

    ``columns`` are those a file can change; ``defaults`` fill a new row. ``rows`` maps key → column → value, with ``id``.
    """

    def __init__(self, run: Run, table: str, key: Sequence[str], columns: Sequence[str], defaults: Mapping[str, Any]) -> None:
        self.run = run
        self.table = table
        self.key = tuple(key)
        self.columns = tuple(columns)
        self.defaults = dict(defaults)
        names = ("id", *self.key, *self.columns)
        found = bulk.load_rows(run.connection, f'SELECT {", ".join(names)} FROM "{table}"')
        loaded = [dict(zip(names, map(plain, row), strict=True)) for row in found]
        self.rows: dict[Any, dict[str, Any]] = {self._key_of(row): row for row in loaded}
        self.partners = PartnerChanges(run.connection) if table == "organisation" else None
        self.new: set[Any] = set()
        self.changed: set[Any] = set()

    def _key_of(self, row: Mapping[str, Any]) -> Any:
        return row[self.key[0]] if len(self.key) == 1 else tuple(row[name] for name in self.key)

    def id_of(self, key: Any) -> int:
        """The id of a row that was loaded or saved."""
        return int(self.rows[key]["id"])

    def can_take(self, record: Record, key: Any, taken: Mapping[Any, Record], needed: Sequence[str], never_empty: Sequence[str]) -> bool:
        """Whether a row has what a new thing needs, empties nothing that must be there, and stands there once; every fault is named."""
        missing = [column for column in needed if key not in self.rows and record.values.get(column) is None]
        missing += [each for each in never_empty if each in record.values and record.values[each] is None and each not in missing]
        for column in missing:
            self.run.refuse(record, column, f"{column} is missing")
        if key in taken:
            self.run.refuse_double(record, self.key[0], f"'{key}'", taken[key])
        return not missing and key not in taken

    def save(self, rows: Mapping[Any, Mapping[str, Any]], label: Callable[[Any], str] = str) -> None:
        """Insert what is new, update what differs: by key the values of a row, of which only those of ``columns`` count.

        A missing value stays as it is, None means the default (or nothing).
        """
        stated = {key: {name: value for name, value in values.items() if name in self.columns} for key, values in rows.items()}
        self._insert({key: values for key, values in stated.items() if key not in self.rows}, label)
        for key, values in stated.items():
            if key not in self.new:
                self.update(key, values, label(key))

    def _insert(self, rows: Mapping[Any, Mapping[str, Any]], label: Callable[[Any], str]) -> None:
        if not rows:
            return
        run = self.run
        first = bulk.first_free_id(run.connection, self.table)
        extra = [name for name in self.defaults if name not in self.columns]
        refs = bulk.new_refs(len(rows))
        complete = []
        for offset, (key, values) in enumerate(rows.items()):
            keys = dict(zip(self.key, key if isinstance(key, tuple) else (key,), strict=True))
            given = {name: value for name, value in values.items() if value is not None}
            row = {"id": first + offset, **dict.fromkeys(self.columns), **self.defaults, **keys, **given}
            if "public_id" in extra:
                row["public_id"] = refs[offset]
            complete.append(row)
            self.rows[key] = row
            self.new.add(key)
            run.change_log.show_created(self.table, label(key), str(row.get("name", "")))
        names = ("id", *self.key, *self.columns, *extra)
        bulk.insert_rows(run.connection, self.table, names, [[row[name] for name in names] for row in complete])
        bulk.keep_ids(run.connection, self.table, first + len(complete) - 1)
        run.change_log.record_created(self.table, first, len(complete))

    def update(self, key: Any, values: Mapping[str, Any], name: str, *, silent: bool = False) -> None:
        """Change one row where a value differs. ``silent`` completes a new row: that is part of its creation."""
        row = self.rows[key]
        stated = {field: self.defaults.get(field) if value is None else value for field, value in values.items()}
        different = {field: value for field, value in stated.items() if row[field] != value and not self._holds(row["id"], field, value)}
        if not different:
            return
        for field, value in () if silent else different.items():
            if field != "name_key":
                self.run.change_log.record(self.table, row["id"], name, field, row[field], value)
        bulk.update_rows(self.run.connection, self.table, tuple(different), [(*different.values(), row["id"])])
        row.update(different)
        if not silent:
            self.changed.add(key)

    def _holds(self, number: int, field: str, value: Any) -> bool:
        """A partner has changed this value, and the file does not know it yet."""
        return self.partners is not None and self.partners.holds(number, field, value)

    def count(self, counts: Counts, keys: Sequence[Any]) -> None:
        """Add these things to a count."""
        for key in keys:
            counts.count(new=key in self.new, changed=key in self.changed)

    def save_links(
        self, table: str, columns: tuple[str, str], field: str, rows: Mapping[Any, Mapping[str, Any]], *, ordered: bool = False
    ) -> None:
        """Make the entries of a list cell, ``field`` of the rows that have it, the rows of a link table: ``columns`` are owner and value.

        ``ordered`` tables have a ``position``. Entries are compared as a whole; a difference is one change.
        """
        owner, value = columns
        order = ", position" if ordered else f", {value}"
        present: dict[int, list[Any]] = {}
        for each, found in bulk.load_rows(self.run.connection, f"SELECT {owner}, {value} FROM {table} ORDER BY {owner}{order}"):
            present.setdefault(each, []).append(found)
        gone: list[tuple[Any, ...]] = []
        come: list[tuple[Any, ...]] = []
        for key, values in rows.items():
            if field not in values:
                continue
            owner_id, new = self.id_of(key), list(values[field] or ())
            old = present.get(owner_id, [])
            if ((old == new) if ordered else (set(old) == set(new))) or self._holds(owner_id, field, new if ordered else sorted(new)):
                continue
            if ordered:
                gone += [(owner_id, each) for each in range(len(old))]
                come += [(owner_id, each, position) for position, each in enumerate(new)]
            else:
                gone += [(owner_id, each) for each in old if each not in new]
                come += [(owner_id, each) for each in new if each not in old]
            if key not in self.new:
                self.run.change_log.record(self.table, owner_id, str(key), field, old, new)
                self.changed.add(key)
        bulk.delete_rows(self.run.connection, table, (owner, "position" if ordered else value), gone)
        bulk.insert_rows(self.run.connection, table, (owner, value, "position") if ordered else columns, come)


def save_words(run: Run, table: str, columns: tuple[str, ...], rows: Mapping[str, Mapping[str, Any]]) -> Counts:
    """Save a table whose key is a text: the first of ``columns``. Its changes are logged as ``key.column`` with id 0."""
    stored = bulk.load_rows(run.connection, f"SELECT {', '.join(_quoted(columns))} FROM {table}")
    present = {row[0]: dict(zip(columns, row, strict=True)) for row in stored}
    counts = Counts()
    for key, values in rows.items():
        old = present.get(key)
        new = {name: value or "" for name, value in values.items() if name != columns[0]}
        different = {name: value for name, value in new.items() if old is not None and old[name] != value}
        counts.count(new=old is None, changed=bool(different))
        if old is None:
            row = dict.fromkeys(columns, "") | new | {columns[0]: key}
            bulk.insert_rows(run.connection, table, columns, [[row[name] for name in columns]])
            run.change_log.record(table, 0, key, f"{key}.{CREATED}", None, key)
        for name, value in different.items():
            run.change_log.record(table, 0, key, f"{key}.{name}", present[key][name], value)
            mark = "%s" if run.connection.dialect.name == "postgresql" else "?"
            bulk.run_many(run.connection, f'UPDATE {table} SET "{name}" = {mark} WHERE {columns[0]} = {mark}', [(value, key)])
    return counts


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]
