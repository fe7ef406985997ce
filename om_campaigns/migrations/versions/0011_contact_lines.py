"""Contact lines: what a house agreed to show to everybody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "contact_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("name", "name_en", "phone", "email")),
        sa.Column("email_key", KEY, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("url", "hours", "hours_en")),
        sa.Column("agreed_on", sa.Date(), nullable=False),
        sa.Column("agreed_by", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("origin", KEY, nullable=False),
        sa.CheckConstraint(
            "origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_contact_line_origin_known")
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_contact_line_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_line")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_contact_line_organisation_id_name")),
    )
    op.create_index(op.f("ix_contact_line_email_key"), "contact_line", ["email_key"])
    for table, column in (("contact_line_region", "ags"), ("contact_line_topic", "topic")):
        op.create_table(
            table,
            sa.Column("contact_line_id", sa.Integer(), nullable=False),
            sa.Column(column, KEY, nullable=False),
            sa.ForeignKeyConstraint(["contact_line_id"], ["contact_line.id"], name=op.f(f"fk_{table}_contact_line_id")),
            sa.PrimaryKeyConstraint("contact_line_id", column, name=op.f(f"pk_{table}")),
        )
