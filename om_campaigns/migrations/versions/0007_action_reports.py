"""What houses report: what they did, with whom, in which network; and that a case may stand in the monthly letter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.migrations.changes import renew_check

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "action_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_key", KEY, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("effect_level", sa.Integer(), nullable=False),
        sa.Column("idea", KEY, nullable=False),
        sa.Column("network_id", sa.Integer(), nullable=True),
        sa.Column("together_with", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("letter_use", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", KEY, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint("effect_level BETWEEN 1 AND 3", name=op.f("ck_action_report_effect_level_known")),
        sa.CheckConstraint("letter_use IN ('no', 'nameless', 'named')", name=op.f("ck_action_report_letter_use_known")),
        sa.CheckConstraint(
            "origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_action_report_origin_known")
        ),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_action_report_network_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_action_report_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_report")),
        sa.UniqueConstraint("source_key", name=op.f("uq_action_report_source_key")),
    )
    op.create_index("ix_action_report_organisation_at", "action_report", ["organisation_id", "at"])
    op.create_table(
        "action_report_partner",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_action_report_partner_organisation_id")),
        sa.ForeignKeyConstraint(["report_id"], ["action_report.id"], name=op.f("fk_action_report_partner_report_id")),
        sa.PrimaryKeyConstraint("report_id", "organisation_id", name=op.f("pk_action_report_partner")),
    )
    renew_check("task", "ck_task_kind_known", "kind IN ('receiver_left', 'home_missing', 'home_left', 'case_offered')")
