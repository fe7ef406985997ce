"""The brake on entering a campaign: whom it holds, and who waits to follow from one campaign into the next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import Instant
from om_campaigns.migrations.changes import renew_check

revision = "0027"
down_revision = "0026"

REASONS = """
    no_address no_basis suppressed hard_bounce no_data_role no_route nobody_to_serve nobody_receives through_house colleague_relays
    organisation_inactive person_inactive seat_ended duplicate_address stronger_role exit_condition step_condition
    not_my_topic not_while_in starts_after toolkit_withdrawn step_skipped no_variant grace_over missing_value broken_text campaign_paused
    campaign_stopped cap refused gave_up needs_smtputf8 erased settled already_there entry_held then_waits
"""
TASKS = """
    receiver_left home_missing home_left case_offered distributor_named contacts_wanted house_says mail_unclear mass_leaving letters_held
    entry_held
"""


def upgrade() -> None:
    op.add_column("campaign", sa.Column("held_at", Instant(), nullable=True))
    for column in ("held_people", "held_houses"):
        op.add_column("campaign", sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("permission", sa.Column("already", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_enrolment_entered", "enrolment", ["campaign_id", "entered_at"])
    waiting = sa.text("reason = 'then_waits'")
    op.create_index("ix_enrolment_then", "enrolment", ["version_id"], sqlite_where=waiting, postgresql_where=waiting)
    condition = " OR ".join(f"reason = '{word}'" for word in ("", *REASONS.split()))
    for table in ("enrolment", "dispatch"):
        renew_check(table, f"ck_{table}_reason_known", condition)
    renew_check("task", "ck_task_kind_known", " OR ".join(f"kind = '{word}'" for word in TASKS.split()))
