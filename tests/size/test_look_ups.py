"""What is asked from outside is found by its key, whatever lies around it: no scan of a large table, an index for every search.

The plans of a few rows are those of many: SQLite chooses without counting, and PostgreSQL is told to scan only where it must.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, PrimaryKeyConstraint, Table, UniqueConstraint, event

from benchmarks.size import Meter, list_doors, open_office
from om_campaigns import store
from om_campaigns.tick import tick

pytestmark = pytest.mark.slow

LARGE = {
    "address", "basis", "change", "dispatch", "enrolment", "message", "message_dispatch", "message_slots", "pack", "person", "response",
    "seat", "seat_role", "suppression", "touch",
}  # fmt: skip
"""Tables with a row for every person or every letter."""

SEARCHED_BY_NOBODY = {
    ("campaign", "mailing_list"): "a few campaigns",
    ("campaign_file", "blob_hash"): "texts are reached by their version",
    ("organisation_relation", "related_id"): "a few hundred rows, read whole",
    ("toolkit_use", "toolkit_id"): "a few hundred rows, read by house",
    ("enrolment", "version_id"): "versions are never searched for their readers: the campaign leads",
    ("dispatch", "version_id"): "as in enrolment",
    ("dispatch", "address_id"): "only what is open is searched by address, and that has its index; touches know the rest",
    ("pack_organisation", "relay_id"): "read by pack",
    ("pack_revision", "edition_id"): "editions are never deleted or searched for their packs",
    ("overlay_change", "organisation_id"): "searched with the campaign, which leads its index",
    ("action_report", "network_id"): "read by house",
    ("action_report_partner", "organisation_id"): "read by report",
    ("house_look", "logo"): "one row for each house",
    ("message", "worker_id"): "only what is open is searched by worker, and that has its index",
}
"""Foreign keys without a full index, each with the reason. A new one needs an index or a line here."""


KEYS = (PrimaryKeyConstraint, UniqueConstraint)


def leads_an_index(table: Table, column: str) -> bool:
    """The column comes first in the primary key, a unique key or an index, or has one of those rows that have a value."""
    keys = [next(iter(each.columns)).name for each in (table.primary_key, *table.constraints) if isinstance(each, KEYS)]
    for index in table.indexes:
        first = next(iter(index.columns), None)
        condition = str(index.dialect_options["sqlite"]["where"]) if index.dialect_options["sqlite"]["where"] is not None else ""
        if first is not None and condition in ("", f"{column} IS NOT NULL"):
            keys.append(first.name)
    return column in keys


def test_every_searched_foreign_key_has_its_index() -> None:
    bare = {
        (table.name, column.name)
        for table in store.metadata.tables.values()
        for column in table.columns
        if column.foreign_keys and not leads_an_index(table, column.name)
    }
    assert bare - set(SEARCHED_BY_NOBODY) == set(), "give them an index, or say why nobody searches by them"
    assert set(SEARCHED_BY_NOBODY) - bare == set(), "these have an index now, or are gone"


@contextmanager
def heard(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed meanwhile, with its values."""
    said: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, is_many: bool) -> None:
        said.append((statement, values[0] if is_many else values))

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", listen)


FEW = [
    str(index.name)
    for table in store.metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None and index.name not in ("ix_touch_first", "ix_enrolment_due")
]
OF_FEW = re.compile(rf"USING (?:COVERING )?INDEX (?:{'|'.join(FEW)})\b")
"""An index that holds a few rows of a large table may be read whole: what is open, lost or asked for."""


def find_scans(connection: Connection, statement: str, values: Any) -> set[str]:
    """Large tables that a statement goes through from end to end."""
    if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement):
        return set()
    names = {alias: table for table, alias in re.findall(r'"?(\w+)"? AS "?(\w+)"?', statement)}
    if connection.dialect.name == "sqlite":
        lines = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        scanned = [match[1] for line in lines if not OF_FEW.search(line) and (match := re.match(r"SCAN (\w+)", line))]
    else:
        lines = [str(row[0]) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values)]
        scanned = [match[1] for line in lines if (match := re.search(r"Seq Scan on (\w+)", line))]
    return {names.get(each, each) for each in scanned} & LARGE


def scans_of(engine: Engine, said: list[tuple[str, Any]]) -> list[str]:
    found = []
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in said:
            if "temp" not in statement.lower() and (tables := find_scans(connection, statement, values)):
                found.append(f"{', '.join(sorted(tables))}: {' '.join(statement.split())[:300]}")
    return found


def test_no_page_goes_through_a_large_table(filled: Path) -> None:
    """Doors of readers, the archive, the portal: EXPLAIN of every statement that their pages ask."""
    office = open_office(filled)
    try:
        found = {}
        for name, act in list_doors(office):
            act()  # what is read once and kept may take its time
            with heard(office.app.engine) as said:
                act()
            if scanned := scans_of(office.app.engine, said):
                found[name] = scanned
        assert found == {}
    finally:
        office.app.engine.dispose()


MOST = {"door: preferences, page and saved": 90, "door: subscribing, page and sent": 60}
"""Statements of the pages that ask most; of every other at most 50."""


def test_pages_ask_a_counted_number_of_times(filled: Path) -> None:
    office, meter = open_office(filled), Meter()
    try:
        asked = {name: min(meter.measure(act).statements for _ in range(4)) for name, act in list_doors(office)}  # mails leave meanwhile
        assert {name: number for name, number in asked.items() if number > MOST.get(name, 50)} == {}
    finally:
        meter.stop()
        office.app.engine.dispose()


def test_an_idle_tick_goes_through_no_large_table(filled: Path) -> None:
    office = open_office(filled)
    try:
        for _ in range(2):
            tick(office.app, office.app.now())
        with heard(office.app.engine) as said:
            tick(office.app, office.app.now())
        assert scans_of(office.app.engine, said) == []
    finally:
        office.app.engine.dispose()
