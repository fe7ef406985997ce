"""Many leaving at once is a task; who left when is found without reading every change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.migrations.changes import renew_check

revision = "0014"
down_revision = "0013"

KINDS = (
    "kind IN ('receiver_left', 'home_missing', 'home_left', 'case_offered', 'distributor_named', 'contacts_wanted', 'house_says',"
    " 'mail_unclear', 'mass_leaving')"
)


def upgrade() -> None:
    op.create_index(
        "ix_change_suppressed_at",
        "change",
        ["at"],
        sqlite_where=sa.text("field = 'suppressed'"),
        postgresql_where=sa.text("field = 'suppressed'"),
    )
    renew_check("task", "ck_task_kind_known", KINDS)
