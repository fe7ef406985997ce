"""The change log: what changed, from what to what, by whom; and what of it no import takes back ("Every change has an origin")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Index, column, func, insert, literal, null, select, table, text
from sqlmodel import Field, Session, SQLModel

from om_campaigns.app import App
from om_campaigns.audience import bulk
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import Instant, by_value, key, new_ref, one_of, table_of


class Change(SQLModel, table=True):
    """One value that changed, from what to what, by whom. Append-only; the current value stands in its own column."""

    __tablename__ = "change"
    __table_args__ = (
        Index("ix_change_entity", "entity", "entity_id"),
        Index("ix_change_suppressed_at", "at", sqlite_where=text("field = 'suppressed'"), postgresql_where=text("field = 'suppressed'")),
        Index("ix_change_partner", "actor", sqlite_where=text("origin = 'partner'"), postgresql_where=text("origin = 'partner'")),
        one_of("origin", Origin),
    )

    id: int = Field(default=None, primary_key=True)
    batch: str = key()
    entity: str = key()
    entity_id: int
    field: str = key()
    old: str | None = None
    new: str | None = None
    origin: Origin = Field(sa_type=by_value(Origin), nullable=False)
    actor: str = ""
    at: datetime = Field(sa_type=Instant, nullable=False)


SAMPLE_MARK = ".sample"
"""While this file lies in ``audiences/``, what is imported from there counts as sample data (see ``go-live``)."""


def origin_of(app: App, paths: Sequence[Path]) -> Origin:
    """Where values of these files come from: the samples, while the workspace's own files are those that ``init`` copied."""
    here = app.audiences.resolve()
    inside = not paths or any(path.resolve().is_relative_to(here) for path in paths)
    return Origin.sample if inside and (app.audiences / SAMPLE_MARK).is_file() else Origin.file


def record_change(
    session: Session,
    entity: str,
    entity_id: int,
    field: str,
    old: str | None,
    new: str | None,
    at: datetime,
    actor: str,
    origin: Origin,
    batch: str = "",
) -> None:
    """One value that changed; ``batch`` joins what was changed in one go."""
    session.add(
        Change(
            batch=batch or new_ref(), entity=entity, entity_id=entity_id, field=field, old=old, new=new, origin=origin, actor=actor, at=at
        )
    )


def newest_change(session: Session) -> int:
    """The number of the latest change, 0 where there is none: whether something was changed since."""
    return session.execute(select(func.max(table_of(Change).c.id))).scalar() or 0


MAX_DIFFERENCES = 1_000
"""So many differences are kept for reading; all of them are in the table ``change``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that changes; for a new thing ``field`` is ``created``."""

    entity: str
    name: str
    field: str
    old: str | None
    new: str | None


CREATED = "created"
_COLUMNS = ("batch", "entity", "entity_id", "field", "old", "new", "origin", "actor", "at")


class ChangeLog:
    """Collects changes and writes them in one go; ``differences`` keeps the first ``MAX_DIFFERENCES`` for reading."""

    def __init__(self, origin: Origin, actor: str, at: datetime) -> None:
        self.batch = new_ref()
        self.origin = origin
        self.actor = actor
        self.at = at
        self.differences: list[Difference] = []
        self._changed: list[tuple[str, int, str, str | None, str | None]] = []
        self._created: list[tuple[str, int, int]] = []

    def record(self, entity: str, entity_id: int, name: str, field: str, old: Any, new: Any) -> None:
        """One value that changes; ``name`` is only for the list of differences."""
        before, after = as_text(old), as_text(new)
        self._changed.append((entity, entity_id, field, before, after))
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(Difference(entity, name, field, before, after))

    def record_created(self, entity: str, first_id: int, count: int) -> None:
        """New rows with consecutive ids. Their values stand in their tables and are not copied, so erasing is simple."""
        before = self._created[-1] if self._created else ("", 0, 0)
        if before[0] == entity and sum(before[1:]) == first_id:
            self._created[-1] = (entity, before[1], before[2] + count)
        elif count:
            self._created.append((entity, first_id, count))

    def show_created(self, entity: str, name: str, value: str) -> None:
        """Put a new thing on the list of differences."""
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(Difference(entity, name, CREATED, None, value))

    def write(self, connection: Connection) -> None:
        """Append everything collected to ``change``."""
        change, at = table_of(Change), bulk.instant(connection, self.at)
        for entity, first, count in self._created:
            thing = table(entity, column("id"))
            last = literal(self.origin, change.c.origin.type), literal(self.actor), literal(self.at, change.c.at.type)
            rows = select(literal(self.batch), literal(entity), thing.c.id, literal(CREATED), null(), null(), *last)
            rows = rows.where(thing.c.id.between(first, first + count - 1)).order_by(thing.c.id)
            connection.execute(insert(change).from_select(_COLUMNS, rows))
        changed = ((self.batch, *each, self.origin.value, self.actor, at) for each in self._changed)
        bulk.insert_rows(connection, "change", _COLUMNS, changed)


def as_text(value: Any) -> str | None:
    """A value as the change log keeps it; lists as ``a,b``, truth as yes and no."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(each) for each in value)
    return str(value)


PARTNER_ORIGINS = (Origin.partner.value, Origin.answer.value)
"""What a house said in the portal, or behind the link of a letter."""

_CHANGES = (
    "SELECT entity_id, field, old, origin FROM change WHERE entity = '{entity}' AND entity_id IN"
    f" (SELECT entity_id FROM change WHERE entity = '{{entity}}' AND origin IN {PARTNER_ORIGINS}) ORDER BY id"
)


class PartnerChanges:
    """What partners said themselves, which holds against a file that still says what it said before.

    A file is what the office knows. Where a house has changed a value in the portal since, the same file, imported again, must not
    silently take it back; a file that says something new does. Kept by thing (a house, a seat) and field: what stood there when a
    partner first changed it, if nobody else has changed it after.
    """

    def __init__(self, connection: Connection, entity: str = "organisation") -> None:
        self._before: dict[tuple[int, str], str | None] = {}
        for number, field, old, origin in bulk.load_rows(connection, _CHANGES.format(entity=entity)):
            if origin not in PARTNER_ORIGINS:
                self._before.pop((number, field), None)
            else:
                self._before.setdefault((number, field), old)

    def holds(self, number: int, field: str, value: Any) -> bool:
        """Whether a file's ``value`` is what a partner has changed since."""
        return (number, field) in self._before and (self._before[number, field] or None) == (as_text(value) or None)


def note_instance(session: Session, name: str, old: str | None, new: str | None, now: datetime, actor: str) -> None:
    """One line of the change log about this installation itself."""
    record_change(session, "instance", 1, name, old, new, now, actor, Origin.staff)
