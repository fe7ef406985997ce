"""Service mails, subscriptions with their proof, and the topics somebody wants to read about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.migrations.changes import renew_check

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)

revision = "0005"
down_revision = "0004"

REASON = (
    "reason IN ('', 'no_address', 'no_basis', 'suppressed', 'hard_bounce', 'no_data_role', 'no_route', 'nobody_to_serve', "
    "'through_house', 'colleague_relays', 'organisation_inactive', 'person_inactive', 'seat_ended', 'duplicate_address', "
    "'stronger_role', 'exit_condition', 'not_my_topic', 'not_while_in', 'starts_after', 'toolkit_withdrawn', 'no_variant', 'grace_over', "
    "'missing_value', 'broken_text', 'campaign_paused', 'campaign_stopped', 'cap', 'refused', 'gave_up', 'needs_smtputf8', "
    "'erased', 'settled', 'already_there')"
)


def upgrade() -> None:
    for table in ("enrolment", "dispatch"):
        renew_check(table, f"ck_{table}_reason_known", REASON)
    renew_check("task", "ck_task_kind_known", "kind IN ('receiver_left', 'home_missing', 'home_left')")
    op.create_table(
        "preference_topic",
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("topic", KEY, nullable=False),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_preference_topic_address_id")),
        sa.PrimaryKeyConstraint("address_id", "topic", name=op.f("pk_preference_topic")),
    )
    op.create_table(
        "opt_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", KEY, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("normal_key", KEY, nullable=False),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("language", KEY, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("mailing_lists", sa.Text(), nullable=False),
        sa.Column("consent_text", sa.String(), nullable=False),
        sa.Column("form_url", sa.String(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("mail_sent_at", INSTANT, nullable=True),
        sa.Column("mail_id", sa.String(), nullable=False),
        sa.Column("mail_hash", sa.String(), nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_opt_in_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_in")),
        sa.UniqueConstraint("ref", name=op.f("uq_opt_in_ref")),
    )
    op.create_index(op.f("ix_opt_in_normal_key"), "opt_in", ["normal_key"])
    op.create_index(op.f("ix_opt_in_organisation_id"), "opt_in", ["organisation_id"])
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", KEY, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("language", KEY, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_notice_address_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_notice_message_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_notice_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index(op.f("ix_notice_address_id"), "notice", ["address_id"])
    op.create_index("ix_notice_due", "notice", ["due_at"])
    op.create_index(op.f("ix_notice_message_id"), "notice", ["message_id"])
    op.create_index(op.f("ix_notice_organisation_id"), "notice", ["organisation_id"])
