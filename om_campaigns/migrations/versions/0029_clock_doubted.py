"""When the clock was doubted, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import Instant
from om_campaigns.migrations.changes import renew_check

revision = "0029"
down_revision = "0028"

TASKS = """
    receiver_left home_missing home_left case_offered distributor_named contacts_wanted house_says mail_unclear mass_leaving letters_held
    entry_held clock_doubted
"""


def upgrade() -> None:
    op.add_column("instance", sa.Column("clock_doubted_at", Instant(), nullable=True))
    op.add_column("instance", sa.Column("clock_doubt", sa.String(), nullable=False, server_default=""))
    renew_check("task", "ck_task_kind_known", " OR ".join(f"kind = '{word}'" for word in TASKS.split()))
