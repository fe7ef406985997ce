"""Changes that SQLite has no ALTER TABLE for: what a table's own text says, without copying its rows.

Only for what leaves the stored bytes as they are: a CHECK, a NOT NULL. SQLite documents this way for exactly these
(https://www.sqlite.org/lang_altertable.html, "otheralter"): rewrite the text, raise the schema's version, check the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import sqlalchemy as sa
from alembic import op


def renew_check(table: str, name: str, condition: str) -> None:
    """Let the CHECK ``name`` (as it stands in the database) say ``condition``. Raises LookupError where there is none."""
    if op.get_bind().dialect.name == "sqlite":
        _rewrite([table], lambda sql: _with_check(sql, name, condition))
        return
    op.drop_constraint(op.f(name), table, type_="check")
    op.create_check_constraint(op.f(name), table, condition)


def compare_one_by_one() -> None:
    """Let every CHECK that says ``column IN (…)`` say ``column = … OR column = …``, which means the same.

    SQLite makes a table of the values of an ``IN`` for every statement. PostgreSQL keeps ``IN`` as ``= ANY (ARRAY[…])``.
    """
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '% IN (%'").scalars()
        _rewrite(tables.all(), lambda sql: _IN.sub(lambda found: f"CHECK ({_alternatives(found[1], found[2])})", sql))
        return
    looked = sa.inspect(connection)
    for table in looked.get_table_names():
        for check in looked.get_check_constraints(table):
            if found := _ANY.match(check["sqltext"]):
                renew_check(table, str(check["name"]), _alternatives(found[1], found[2]))


_IN = re.compile(r"CHECK \((\w+) IN \(([^)]*)\)\)")
_ANY = re.compile(r"\(?(\w+) = ANY \(ARRAY\[([^\]]*)\]")


def _alternatives(column: str, values: str) -> str:
    return " OR ".join(f"{column} = '{value}'" for value in re.findall(r"'([^']*)'", values))


def allow_null(table: str, column: str) -> None:
    """Let ``column`` be empty. Raises LookupError where the table does not have it, or has it so already."""
    if op.get_bind().dialect.name == "sqlite":
        _rewrite([table], lambda sql: _without_not_null(sql, column))
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


def _rewrite(tables: Iterable[str], change: Callable[[str], str]) -> None:
    run = op.get_bind().exec_driver_sql
    query = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?"
    changed = {table: change(str(run(query, (table,)).scalar_one())) for table in tables}
    version = int(run("PRAGMA schema_version").scalar_one())
    run("PRAGMA writable_schema = ON")
    for table, sql in changed.items():
        run("UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?", (sql, table))
    run(f"PRAGMA schema_version = {version + 1}")
    run("PRAGMA writable_schema = RESET")
    faults = run("PRAGMA quick_check").scalars().all()
    if faults != ["ok"]:
        raise sa.exc.IntegrityError(f"rewriting {', '.join(changed)}", None, RuntimeError("; ".join(map(str, faults))))
