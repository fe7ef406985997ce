"""Steps that somebody takes out of a campaign, letters that are held as a task, and how many of them each reader was not sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import BYTEWISE_TEXT, Instant
from om_campaigns.migrations.changes import renew_check

revision = "0022"
down_revision = "0021"

REASONS = """
    no_address no_basis suppressed hard_bounce no_data_role no_route nobody_to_serve through_house colleague_relays
    organisation_inactive person_inactive seat_ended duplicate_address stronger_role exit_condition step_condition
    not_my_topic not_while_in starts_after toolkit_withdrawn step_skipped no_variant grace_over missing_value broken_text
    campaign_paused campaign_stopped cap refused gave_up needs_smtputf8 erased settled already_there
"""
TASKS = """
    receiver_left home_missing home_left case_offered distributor_named contacts_wanted house_says mail_unclear mass_leaving letters_held
"""


def upgrade() -> None:
    op.create_table(
        "skipped_step",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("step", BYTEWISE_TEXT, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_skipped_step_campaign_id_campaign")),
        sa.PrimaryKeyConstraint("campaign_id", "step", name=op.f("pk_skipped_step")),
    )
    condition = " OR ".join(f"reason = '{word}'" for word in ("", *REASONS.split()))
    for table in ("enrolment", "dispatch"):
        op.add_column(table, sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
        renew_check(table, f"ck_{table}_reason_known", condition)
    renew_check("task", "ck_task_kind_known", " OR ".join(f"kind = '{word}'" for word in TASKS.split()))
