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

_CHANGES = (
    "SELECT entity_id, field, old, origin FROM change WHERE entity = 'organisation' AND entity_id IN"
    f" (SELECT entity_id FROM change WHERE entity = 'organisation' AND origin = '{Origin.partner.value}') ORDER BY id"
)


class PartnersWord:
    """By house and field: what stood there when a partner first changed it, if nobody else has changed it after."""

    def __init__(self, connection: Connection) -> None:
        self._before: dict[tuple[int, str], str | None] = {}
        for house, field, old, origin in bulk.load_rows(connection, _CHANGES):
            if origin != Origin.partner.value:
                self._before.pop((house, field), None)
            else:
                self._before.setdefault((house, field), old)

    def holds(self, house: int, field: str, value: Any) -> bool:
        """Whether a file's ``value`` is what a partner has changed since."""
        return (house, field) in self._before and self._before[house, field] == as_text(value)
