"""Caps for whole groups: who had enough lately is found in SQL, then ``timing`` is asked once per distinct case.

Touches and open dispatches of an address count, over all campaigns, whatever route they took (domain rule 8, SCH-11).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlmodel import Session

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.houses import HOUSE, renew_temporary, temporary
from om_campaigns.campaign.models import Dispatch, DispatchStatus
from om_campaigns.campaign.timing import Caps
from om_campaigns.columns import BYTEWISE_TEXT, Instant, table_of

OPEN = (DispatchStatus.planned, DispatchStatus.retry, DispatchStatus.claimed, DispatchStatus.held)
"""Dispatches that will still become a touch: they count against caps."""

_OPEN_SPELLED = [literal_column(f"'{status.value}'") for status in OPEN]
"""Spelled out in the order of the partial index on open dispatches, which a bound value would not match."""

CROWDED = Table(
    "plan_crowded",
    temporary,
    Column("id", Integer, primary_key=True),
    Column("version_id", Integer, nullable=False),
    Column("step", BYTEWISE_TEXT, nullable=False),
    Column("zone", Text, nullable=False),
    Column("land", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("taken", Text, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Letters whose time depends on others to the same address; ``taken`` are those others' local days."""


def fill_crowded(session: Session, letters: Select[Any], caps: Caps | None) -> int:
    """Fill CROWDED and return how many stand there; without ``caps`` all letters, else those that may break one.

    ``letters`` has the columns id, version_id, step, zone, land, due_at, due_day, address_id and dispatch_id (its own, or 0).
    """
    renew_temporary(session, CROWDED)
    letter = letters.subquery("letter")
    days = [_taken(letter, func.aggregate_strings(cast(column, Text), ","), source, letter.c.due_day - 30) for source, column in _taken_days()]
    rows = select(*[letter.c[name] for name in ("id", "version_id", "step", "zone", "land", "due_at")], func.concat_ws(",", *days))
    if caps is not None:
        rows = rows.where(_may_break(letter, caps))
    return int(session.execute(insert(CROWDED).from_select([column.name for column in CROWDED.c], rows)).rowcount)  # type: ignore[attr-defined]
