"""Links that are counted per house and day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "counted_link",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", KEY, nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("variant", KEY, nullable=False),
        sa.Column("language", KEY, nullable=False),
        sa.Column("is_pack", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_counted_link_organisation_id")),
        sa.ForeignKeyConstraint(["version_id"], ["campaign_version.id"], name=op.f("fk_counted_link_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_counted_link")),
        sa.UniqueConstraint("ref", name=op.f("uq_counted_link_ref")),
    )
    op.create_index(op.f("ix_counted_link_organisation_id"), "counted_link", ["organisation_id"])
    op.create_index("ix_counted_link_text", "counted_link", ["version_id", "step"])
    op.create_table(
        "link_day",
        sa.Column("link_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("clicks", sa.Integer(), nullable=False),
        sa.CheckConstraint("clicks >= 0", name=op.f("ck_link_day_clicks_count")),
        sa.ForeignKeyConstraint(["link_id"], ["counted_link.id"], name=op.f("fk_link_day_link_id")),
        sa.PrimaryKeyConstraint("link_id", "day", name=op.f("pk_link_day")),
    )
