"""The hash of what a service mail said stands with it, for the proof of what was agreed to through it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    with op.batch_alter_table("notice") as table:
        table.add_column(sa.Column("body_hash", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("notice") as table:
        table.alter_column("body_hash", server_default=None)
