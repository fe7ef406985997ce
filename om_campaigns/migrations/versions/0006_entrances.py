"""The way into the portal: links that open once, and sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "entrance_link",
        sa.Column("ref", KEY, nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("useful_until", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_entrance_link_address_id")),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_entrance_link")),
    )
    op.create_index(op.f("ix_entrance_link_address_id"), "entrance_link", ["address_id"])
    op.create_table(
        "entrance_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key_hash", KEY, nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("useful_until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_entrance_session_address_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entrance_session")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_entrance_session_key_hash")),
    )
    op.create_index(op.f("ix_entrance_session_address_id"), "entrance_session", ["address_id"])
