"""The look a house chose itself: one colour, and a logo."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "logo",
        sa.Column("name", KEY, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_logo_organisation_id")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_logo")),
    )
    op.create_index(op.f("ix_logo_organisation_id"), "logo", ["organisation_id"])
    op.create_table(
        "house_look",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("over", KEY, nullable=False),
        sa.Column("accent", KEY, nullable=False),
        sa.Column("logo", KEY, nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_house_look_organisation_id")),
        sa.ForeignKeyConstraint(["logo"], ["logo.name"], name=op.f("fk_house_look_logo")),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_house_look")),
    )
