"""Column types and helpers that SQLModel does not give: enums by value, instants in UTC, text that sorts alike.

SQLModel stores enum *names* and lets naive datetimes pass on SQLite; both would be found years later.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import CheckConstraint, Column, DateTime, Dialect, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from om_campaigns import chance

BYTEWISE_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that compares byte by byte on both databases, so prefixes are ranges and sorting is the same."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Instant(TypeDecorator[datetime]):
    """An aware point in time, stored as UTC; naive values are refused on the way in."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: an instant needs a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ByValue(TypeDecorator[StrEnum]):
    """A StrEnum stored as its value; an unknown value raises ValueError in both directions."""

    impl = BYTEWISE_TEXT
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


def by_value(kind: type[StrEnum]) -> Any:
    """``ByValue`` in the shape that ``Field(sa_type=…)`` is typed for."""
    return ByValue(kind)


class Json(TypeDecorator[Any]):
    """JSON as text with sorted keys: equal values are equal bytes on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else dump_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def dump_json(value: Any) -> str:
    """Canonical JSON: sorted keys, no blanks, UTF-8 as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def one_of(column: str, kind: type[StrEnum]) -> CheckConstraint:
    """A named CHECK that holds a column to a closed vocabulary.

    One comparison after the other, not ``IN``: SQLite builds a table of the values of an ``IN`` for every statement, which
    costs more than storing the row.
    """
    return CheckConstraint(" OR ".join(f"{column} = '{member.value}'" for member in kind), name=f"{column}_known")


def key(**options: Any) -> Any:
    """A text field compared byte by byte: keys, codes, slugs."""
    return Field(sa_type=BYTEWISE_TEXT, **options)


def reference(target: str, *, nullable: bool = False, index: bool = True, ondelete: str | None = None) -> Column[int]:
    """A foreign-key column; ``target`` is ``table.column``."""
    return Column(Integer, ForeignKey(target, ondelete=ondelete), nullable=nullable, index=index)


def index_of_few(table: str, column: str) -> Index:
    """An index of a column that is empty nearly everywhere: it holds the other rows only."""
    filled = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=filled, postgresql_where=filled)


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a SQLModel class, for set-based statements."""
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


def new_ref() -> str:
    """80 random bits in base32, lower case: the name of an address or message outside the house (MSG-25)."""
    return spell_ref(int.from_bytes(chance.draw(10), "big"))


def new_claim() -> str:
    """A name nobody outside sees, for what one process takes or does at once."""
    return spell_ref(secrets.randbits(80))


def spell_ref(number: int) -> str:
    """80 bits as 16 letters of base32 (RFC 4648, section 6), lower case."""
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(75, -5, -5))


def digest(*parts: str | bytes) -> str:
    """SHA-256 over the parts with their lengths, as hex: equal only if every part is equal."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()
