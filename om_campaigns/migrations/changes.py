"""Changes that SQLite has no ALTER TABLE for: what a table's own text says, without copying its rows.

Only for what leaves the stored bytes as they are: a CHECK, a NOT NULL. SQLite documents this way for exactly these
(https://www.sqlite.org/lang_altertable.html, "otheralter"): rewrite the text, raise the schema's version, check the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op


def renew_check(table: str, name: str, condition: str) -> None:
    """Let the CHECK ``name`` (as it stands in the database) say ``condition``. Raises LookupError where there is none."""
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(table, lambda sql: _with_check(sql, name, condition))
        return
    op.drop_constraint(op.f(name), table, type_="check")
    op.create_check_constraint(op.f(name), table, condition)


def allow_null(table: str, column: str) -> None:
    """Let ``column`` be empty. Raises LookupError where the table does not have it, or has it so already."""
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(table, lambda sql: _without_not_null(sql, column))
        return
    op.alter_column(table, column, nullable=True)


def _with_check(sql: str, name: str, condition: str) -> str:
    found = re.search(rf"CONSTRAINT \"?{name}\"? CHECK \(", sql)
    if found is None:
        raise LookupError(f"no CHECK {name}")
    depth, end = 1, found.end()
    while depth:
        depth += {"(": 1, ")": -1}.get(sql[end], 0)
        end += 1
    return f"{sql[: found.end()]}{condition}{sql[end - 1 :]}"


def _without_not_null(sql: str, column: str) -> str:
    changed, times = re.subn(rf"(?m)^(\s*\"?{column}\"? [^,\n]*?) NOT NULL", r"\1", sql)
    if times != 1:
        raise LookupError(f"no NOT NULL of {column}")
    return changed


def _rewrite(table: str, change: Callable[[str], str]) -> None:
    run = op.get_bind().exec_driver_sql
    query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?"
    changed = change(str(run(query, (table,)).scalar_one()))
    version = int(run("PRAGMA schema_version").scalar_one())
    run("PRAGMA writable_schema = ON")
    run("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (changed, table))
    run(f"PRAGMA schema_version = {version + 1}")
    run("PRAGMA writable_schema = RESET")
    faults = run("PRAGMA quick_check").scalars().all()
    if faults != ["ok"]:
        raise sa.exc.IntegrityError(f"rewriting {table}", None, RuntimeError("; ".join(map(str, faults))))
