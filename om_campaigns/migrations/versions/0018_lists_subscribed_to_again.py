"""Of everything somebody left, the mailing lists they subscribed to again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("suppression", sa.Column("reopened", sa.String(), nullable=True))
