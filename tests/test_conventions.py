"""How the code asks the database, held by looking at it (see docs/explanation/flow.md, "Asking the database")."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from om_campaigns import wiring

PACKAGE = Path(wiring.__file__).parent
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
    if "_starter" not in path.parts and "versions" not in path.parts
}

SQL_TEXT = {
    "audience/bulk.py",
    "audience/changes.py",
    "audience/intake/__init__.py",
    "audience/intake/addresses_and_bases.py",
    "campaign/unseen.py",
    "columns.py",
    "delivery/claim_statements.py",
    "delivery/claims.py",
    "delivery/outcomes.py",
    "delivery/workers.py",
    "engines.py",
    "gate.py",
    "identity.py",
    "locks.py",
    "operate/backup.py",
    "operate/confirming_restored.py",
    "operate/doctor.py",
    "store.py",
}
"""Where SQL stands as text: the sender's statements, triggers, bulk stores, and what asks a database about itself."""

_TEXT = re.compile(r'"""?\s*(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA|CREATE (?:TEMP|TRIGGER|VIEW))\b|exec_driver_sql\(')
_INSERT = re.compile(r"INSERT INTO (\w+) \(([^)]*)\)")


def test_ids_of_stored_rows_are_numbers() -> None:
    """``id: int``; never a number or nothing that is then read as 0."""
    assert {
        name for name, source in SOURCES.items() if re.search(r"\.id or 0\b|\bid: int \| None = Field\([^)]*primary_key", source)
    } == set()


def test_one_function_gives_the_table_of_a_model() -> None:
    assert {name for name, source in SOURCES.items() if "__table__" in source} == {"columns.py"}


def test_sql_is_text_only_where_it_must_be() -> None:
    found = {name for name, source in SOURCES.items() if _TEXT.search(source) and not name.startswith("migrations/")}
    assert found <= SQL_TEXT, found - SQL_TEXT
    assert set(SOURCES) >= SQL_TEXT


@pytest.mark.parametrize("name", sorted(name for name, source in SOURCES.items() if _INSERT.search(source)))
def test_columns_that_are_written_by_hand_exist(name: str) -> None:
    """A column that a table lost, or never had, is found here and not at the first letter."""
    joined = re.sub(r'"\s*\n\s*f?"', "", SOURCES[name])
    for table, columns in _INSERT.findall(joined):
        known = SQLModel.metadata.tables.get(table)
        if known is None:
            continue  # a temporary table, or one only triggers know
        written = re.sub(r"\{\w+\},?", "", columns)
        assert {column.strip() for column in written.split(",")} <= {column.name for column in known.columns}, table
