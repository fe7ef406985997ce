"""Answers ask people of OM for two more things."""

from __future__ import annotations

from om_campaigns.migrations.changes import renew_check

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    kinds = "'receiver_left', 'home_missing', 'home_left', 'case_offered', 'distributor_named', 'contacts_wanted'"
    renew_check("task", "ck_task_kind_known", f"kind IN ({kinds})")
