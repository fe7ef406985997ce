"""Packs and their acknowledgements; houses inherit how they pass on, so these columns may be empty.

Types are spelled out, so that later changes of the models cannot change what this revision made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.migrations.changes import allow_null, renew_check

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)

revision = "0002"
down_revision = "0001"

REASON = (
    "reason IN ('', 'no_address', 'no_basis', 'suppressed', 'hard_bounce', 'no_data_role', 'no_route', 'nobody_to_serve', "
    "'through_house', 'colleague_relays', 'organisation_inactive', 'person_inactive', 'seat_ended', 'duplicate_address', "
    "'stronger_role', 'exit_condition', 'not_while_in', 'starts_after', 'toolkit_withdrawn', 'no_variant', 'grace_over', "
    "'missing_value', 'broken_text', 'campaign_paused', 'campaign_stopped', 'cap', 'refused', 'gave_up', 'needs_smtputf8', "
    "'erased', 'settled', 'already_there')"
)


def upgrade() -> None:
    for column in ("relay", "pack_delivery", "shelf_life_days"):
        allow_null("organisation", column)
    for table in ("enrolment", "dispatch"):
        renew_check(table, f"ck_{table}_reason_known", REASON)
    op.drop_index("uq_enrolment_address", "enrolment")
    op.create_index(
        "uq_enrolment_address",
        "enrolment",
        ["campaign_id", "occasion", "address_id"],
        unique=True,
        sqlite_where=sa.text("subject_kind = 'person'"),
        postgresql_where=sa.text("subject_kind = 'person'"),
    )

    op.create_table(
        "pack",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", KEY, nullable=False),
        sa.Column("code", KEY, nullable=False),
        sa.Column("dispatch_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("relay_state", KEY, nullable=False),
        sa.Column("state_at", INSTANT, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("named", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "relay_state IN ('planned', 'offered', 'accepted', 'postponed', 'skipped', 'forwarded', 'reported', 'replaced', 'expired')",
            name=op.f("ck_pack_relay_state_known"),
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_pack_campaign_id")),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_pack_dispatch_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_pack_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack")),
        sa.UniqueConstraint(
            "campaign_id", "occasion", "step", "organisation_id", name=op.f("uq_pack_campaign_id_occasion_step_organisation_id")
        ),
        sa.UniqueConstraint("code", name=op.f("uq_pack_code")),
        sa.UniqueConstraint("public_id", name=op.f("uq_pack_public_id")),
    )
    op.create_index(op.f("ix_pack_dispatch_id"), "pack", ["dispatch_id"])
    op.create_index(op.f("ix_pack_organisation_id"), "pack", ["organisation_id"])

    op.create_table(
        "acknowledgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_key", KEY, nullable=False),
        sa.Column("pack_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=True),
        sa.Column("is_declined", sa.Boolean(), nullable=False),
        sa.Column("level", KEY, nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("origin", KEY, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.CheckConstraint(
            "level IN ('head_office', 'state', 'regional', 'adviser', 'business')", name=op.f("ck_acknowledgement_level_known")
        ),
        sa.CheckConstraint(
            "origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_acknowledgement_origin_known")
        ),
        sa.CheckConstraint("count >= 0", name=op.f("ck_acknowledgement_count_counts")),
        sa.CheckConstraint("is_declined = (level IS NULL)", name=op.f("ck_acknowledgement_says_one_thing")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_acknowledgement_organisation_id")),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name=op.f("fk_acknowledgement_pack_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgement")),
        sa.UniqueConstraint("source_key", name=op.f("uq_acknowledgement_source_key")),
    )
    op.create_index(op.f("ix_acknowledgement_organisation_id"), "acknowledgement", ["organisation_id"])
    op.create_index(op.f("ix_acknowledgement_pack_id"), "acknowledgement", ["pack_id"])

    op.create_table(
        "pack_organisation",
        sa.Column("pack_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("relay_id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_pack_organisation_campaign_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_pack_organisation_organisation_id")),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name=op.f("fk_pack_organisation_pack_id")),
        sa.ForeignKeyConstraint(["relay_id"], ["organisation.id"], name=op.f("fk_pack_organisation_relay_id")),
        sa.PrimaryKeyConstraint("pack_id", "organisation_id", name=op.f("pk_pack_organisation")),
        sa.UniqueConstraint("campaign_id", "occasion", "step", "organisation_id", "level", name="uq_pack_organisation_pool"),
    )
    op.create_table(
        "pack_revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pack_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("edition_id", KEY, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["edition.id"], name=op.f("fk_pack_revision_edition_id")),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name=op.f("fk_pack_revision_pack_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack_revision")),
        sa.UniqueConstraint("pack_id", "number", name=op.f("uq_pack_revision_pack_id_number")),
    )
