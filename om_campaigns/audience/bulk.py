"""Many rows at once, on SQLite and PostgreSQL, below the ORM.

Values go in as the driver stores them: dates as ISO text, instants through ``instant``. Ids are reserved in one block
before the rows are written, so that rows of several tables can point at each other without asking back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection

from om_campaigns import chance
from om_campaigns.columns import ALPHABET

BATCH = 20_000
TOGETHER = 400
"""Rows in one statement; SQLite takes 32,766 values in one."""
REF_LENGTH = 16
_TO_ALPHABET = bytes(ord(ALPHABET[byte & 31]) for byte in range(256))


def hold_tables(connection: Connection, tables: Sequence[str]) -> None:
    """Keep other writers off these tables until the transaction ends; an SQLite write transaction does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(_quoted(table) for table in tables)} IN SHARE ROW EXCLUSIVE MODE")


def first_free_id(connection: Connection, table: str) -> int:
    """The first of the unused ids of a table held by ``hold_tables``; those taken are made known by ``keep_ids``."""
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql(f"SELECT nextval({_sequence(table)})").scalar_one())
    return int(connection.exec_driver_sql(f"SELECT coalesce(max(id), 0) + 1 FROM {_quoted(table)}").scalar_one())


def keep_ids(connection: Connection, table: str, last: int) -> None:
    """Let the database go on counting after ``last``; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT setval({_sequence(table)}, {last})")


def new_refs(count: int) -> list[str]:
    """As many refs of the kind ``columns.new_ref`` makes, from one draw of random bytes.

    They come in ascending order: a unique index takes sorted values several times faster. 80 random bits stay 80 bits to
    guess; all that two of them tell is which came first in the same import.
    """
    drawn = chance.draw(REF_LENGTH * count).translate(_TO_ALPHABET).decode()
    return sorted(drawn[start : start + REF_LENGTH] for start in range(0, REF_LENGTH * count, REF_LENGTH))


def insert_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Store rows whose values stand in the order of ``columns``: by COPY on PostgreSQL, many to a statement on SQLite.

    A statement of many rows prepares CHECKs and indexes once and asks the driver once, which halves the time.
    """
    names = ", ".join(_quoted(column) for column in columns)
    cursor: Any = connection.connection.cursor()
    try:
        if connection.dialect.name == "postgresql":
            with cursor.copy(f"COPY {_quoted(table)} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        head, marks = f"INSERT OR FAIL INTO {_quoted(table)} ({names}) VALUES ", f"({', '.join('?' * len(columns))})"
        stored = list(rows)
        whole = len(stored) - len(stored) % TOGETHER
        groups = (list(chain.from_iterable(stored[at : at + TOGETHER])) for at in range(0, whole, TOGETHER))
        cursor.executemany(head + ", ".join([marks] * TOGETHER), groups)
        cursor.executemany(head + marks, stored[whole:])
    finally:
        cursor.close()


def update_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """UPDATE by id; every row is the values of ``columns`` and then the id."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    sets = ", ".join(f"{_quoted(column)} = {mark}" for column in columns)
    run_many(connection, f"UPDATE {_quoted(table)} SET {sets} WHERE id = {mark}", rows)


def delete_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """DELETE by the values of ``columns``."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    run_many(connection, f"DELETE FROM {_quoted(table)} WHERE {' AND '.join(f'{_quoted(c)} = {mark}' for c in columns)}", rows)


def run_many(connection: Connection, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """One statement for many rows, in batches."""
    remaining = iter(rows)
    cursor: Any = connection.connection.cursor()
    try:
        while batch := list(islice(remaining, BATCH)):
            cursor.executemany(sql, batch)
    finally:
        cursor.close()


def load_rows(connection: Connection, sql: str) -> list[Any]:
    """All rows of a query without parameters, as plain tuples in the driver's types."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(sql)
        found: list[Any] = cursor.fetchall()
        return found
    finally:
        cursor.close()


def instant(connection: Connection, moment: datetime) -> str:
    """An aware UTC instant as ``columns.Instant`` stores it in this database."""
    return moment.isoformat() if connection.dialect.name == "postgresql" else moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def as_day(value: Any) -> str | None:
    """A stored date as ISO text, whichever driver it comes from."""
    return None if value is None else str(value)


def _sequence(table: str) -> str:
    return f"pg_get_serial_sequence('{_quoted(table)}', 'id')"


def _quoted(name: str) -> str:
    return f'"{name}"'
