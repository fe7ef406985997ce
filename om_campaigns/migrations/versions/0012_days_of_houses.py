"""When letters to a house rest: its rhythm, its quiet days, and the days of its own newsletter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0012"
down_revision = "0011"

RHYTHMS = "rhythm IN ('as_it_comes', 'monthly', 'quarterly')"


def upgrade() -> None:
    op.add_column("organisation", sa.Column("rhythm", KEY, sa.CheckConstraint(RHYTHMS, name=op.f("ck_organisation_rhythm_known"))))
    op.add_column("organisation", sa.Column("quiet_days", KEY, nullable=True))
    op.add_column("organisation", sa.Column("newsletter_days", KEY, nullable=True))
