"""The contacts of all houses are found by their role, not by asking every seat."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_index("ix_seat_role_role", "seat_role", ["role"])
