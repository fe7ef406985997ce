"""A task may be that a house wrote something."""

from __future__ import annotations

from om_campaigns.migrations.changes import renew_check

revision = "0009"
down_revision = "0008"

KINDS = "kind IN ('receiver_left', 'home_missing', 'home_left', 'case_offered', 'distributor_named', 'contacts_wanted', 'house_says')"


def upgrade() -> None:
    renew_check("task", "ck_task_kind_known", KINDS)
