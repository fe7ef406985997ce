"""What people confirmed, and the largest day of entries of each campaign."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import BYTEWISE_TEXT, Instant

revision = "0021"
down_revision = "0020"

KINDS = "plan restore import publication go_live admit approval"


def upgrade() -> None:
    op.create_table(
        "permission",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("what", BYTEWISE_TEXT, nullable=False),
        sa.Column("subject", BYTEWISE_TEXT, nullable=False),
        sa.Column("hash", BYTEWISE_TEXT, nullable=False),
        sa.Column("figure", sa.Integer(), nullable=True),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.CheckConstraint(" OR ".join(f"what = '{word}'" for word in KINDS.split()), name=op.f("ck_permission_what_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission")),
    )
    op.create_index("ix_permission_subject", "permission", ["subject", "what"])
    for column in ("largest_entry", "largest_house_entry"):
        op.add_column("campaign", sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
