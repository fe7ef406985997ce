"""What partners said themselves holds against a file that still says what it said before.

A file is what the office knows. Where a house has changed a value in the portal since, the same file, imported again, must not
silently take it back; a file that says something new does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.journal import as_text
from om_campaigns.audience.vocabulary import Origin

SPEAKERS = (Origin.partner.value, Origin.answer.value)
"""What a house said in the portal, or behind the link of a letter."""

_CHANGES = (
    "SELECT entity_id, field, old, origin FROM change WHERE entity = '{entity}' AND entity_id IN"
    f" (SELECT entity_id FROM change WHERE entity = '{{entity}}' AND origin IN {SPEAKERS}) ORDER BY id"
)


class PartnersWord:
    """By thing (a house, a seat) and field: what stood there when a partner first changed it, if nobody else has changed it after."""

    def __init__(self, connection: Connection, entity: str = "organisation") -> None:
        self._before: dict[tuple[int, str], str | None] = {}
        for number, field, old, origin in bulk.load_rows(connection, _CHANGES.format(entity=entity)):
            if origin not in SPEAKERS:
                self._before.pop((number, field), None)
            else:
                self._before.setdefault((number, field), old)

    def holds(self, number: int, field: str, value: Any) -> bool:
        """Whether a file's ``value`` is what a partner has changed since."""
        return (number, field) in self._before and (self._before[number, field] or None) == (as_text(value) or None)
