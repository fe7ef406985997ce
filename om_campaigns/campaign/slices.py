"""Work in slices: entering and planning take some thousands at a time, so that nobody waits long to write.

A slice is whole or not at all, and what is not done yet is still to be done: after a crash the next tick goes on with the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Column, ColumnElement, FromClause, Integer, Table, and_, select
from sqlmodel import Session

from om_campaigns.audience.bulk import insert_rows
from om_campaigns.campaign.house_values import renew_temporary, temporary

SLICE = Table("plan_slice", temporary, Column("number", Integer, primary_key=True), prefixes=["TEMPORARY"])
"""The rows that are worked off now: mostly enrolments."""

FIRST, MOST = 2_500, 50_000
"""Rows in the first slice, and at most; none is smaller than the first, because each has its own fixed cost."""
SHORT, LONG = 0.4, 0.8
"""Seconds: a slice that took less is followed by one twice as large, after one that took more comes one of half its size."""


def slices(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """The numbers in parts, each as large as can be worked off in a moment, judged by how long the one before took."""
    size, start = FIRST, 0
    while start < len(numbers):
        began = time.monotonic()
        yield numbers[start : start + size]
        took = time.monotonic() - began
        start += size
        if took < SHORT:
            size = min(MOST, size * 2)
        elif took > LONG:
            size = max(FIRST, size // 2)


def fill_slice(session: Session, numbers: Sequence[int]) -> None:
    """Let the next statements see these rows and no others."""
    renew_temporary(session, SLICE)
    insert_rows(session.connection(), SLICE.name, ("number",), ((number,) for number in numbers))


def in_slice(table: FromClause) -> ColumnElement[bool]:
    """The row is one of those that are worked off now.

    Whatever else is asked of it must not lead SQLite to an index: it would go through everybody who is due, once for each slice.
    """
    return table.c.id.in_(select(SLICE.c.number))


def is_row_of(table: FromClause, numbers: Column[int]) -> ColumnElement[bool]:
    """The row is the one whose id a row of a temporary table has: a join for UPDATE … FROM.

    Said twice, because SQLite begins with the few only where they are a list: joined alone it goes through the whole table.
    """
    return and_(table.c.id.in_(select(numbers).correlate(None)), table.c.id == numbers)
