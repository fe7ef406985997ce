"""The change log of one import: who changed what, from which file's value to which (house.md, "Every change has an origin")."""

from __future__ import annotations

from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.report import MAX_DIFFERENCES, Difference
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import new_ref

CREATED = "created"
_COLUMNS = ("batch", "entity", "entity_id", "field", "old", "new", "origin", "actor", "at")


class Journal:
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
        if count:
            self._created.append((entity, first_id, count))

    def show_created(self, entity: str, name: str, value: str) -> None:
        """Put a new thing on the list of differences."""
        if len(self.differences) < MAX_DIFFERENCES:
            self.differences.append(Difference(entity, name, CREATED, None, value))

    def write(self, connection: Connection) -> None:
        """Append everything collected to ``change``."""
        at = bulk.instant(connection, self.at)
        batch, origin, actor = self.batch, self.origin.value, self.actor
        created = (
            (batch, entity, each, CREATED, None, None, origin, actor, at)
            for entity, first, count in self._created
            for each in range(first, first + count)
        )
        changed = ((batch, entity, each, field, old, new, origin, actor, at) for entity, each, field, old, new in self._changed)
        bulk.insert_rows(connection, "change", _COLUMNS, chain(created, changed))


def as_text(value: Any) -> str | None:
    """A value as the change log keeps it; lists as ``a,b``, truth as yes and no."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(each) for each in value)
    return str(value)
