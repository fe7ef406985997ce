"""The log of own words: what houses did with the blocks they pass on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "overlay_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("language", KEY, nullable=False),
        sa.Column("block", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("base_hash", KEY, nullable=False),
        sa.Column("after", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", KEY, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('replaced', 'hidden', 'added', 'reset')", name=op.f("ck_overlay_change_kind_known")),
        sa.CheckConstraint(
            "origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_overlay_change_origin_known")
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_overlay_change_campaign_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_overlay_change_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overlay_change")),
    )
    op.create_index("ix_overlay_change_text", "overlay_change", ["campaign_id", "organisation_id", "step", "language"])
