"""What readers chose (how often they want to read), and what people of OM have to look at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "preference",
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("rhythm", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("rhythm IN ('as_it_comes', 'monthly', 'quarterly')", name=op.f("ck_preference_rhythm_known")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_preference_address_id")),
        sa.PrimaryKeyConstraint("address_id", name=op.f("pk_preference")),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("source_key", KEY, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("address_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('receiver_left')", name=op.f("ck_task_kind_known")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_task_address_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_task_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("source_key", name=op.f("uq_task_source_key")),
    )
    op.create_index(op.f("ix_task_address_id"), "task", ["address_id"])
    op.create_index(op.f("ix_task_organisation_id"), "task", ["organisation_id"])
