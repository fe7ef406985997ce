"""When a proof of consent last served, kept with it where its basis is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("opt_in", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
