"""Packs that wait for their hand-over or for their end are found without looking at all that ever were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    planned, waiting = sa.text("relay_state = 'planned'"), sa.text("relay_state IN ('offered', 'accepted', 'postponed')")
    op.create_index("ix_pack_planned", "pack", ["dispatch_id"], sqlite_where=planned, postgresql_where=planned)
    op.create_index("ix_pack_waiting", "pack", ["due_on"], sqlite_where=waiting, postgresql_where=waiting)
