"""The first tables.

Types are spelled out, so that later changes of the models cannot change what this revision made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "address",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", KEY, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("normal_key", KEY, nullable=False),
        sa.Column("domain", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("hmac", KEY, nullable=False),
        sa.Column("key_id", KEY, nullable=False),
        sa.Column("bounce_state", KEY, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=True),
        sa.CheckConstraint("bounce_state IN ('none', 'soft', 'hard')", name=op.f("ck_address_bounce_state_known")),
        sa.CheckConstraint("kind IN ('personal', 'role', 'list_address')", name=op.f("ck_address_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
        sa.UniqueConstraint("hmac", "key_id", name=op.f("uq_address_hmac_key_id")),
        sa.UniqueConstraint("normal_key", name=op.f("uq_address_normal_key")),
        sa.UniqueConstraint("ref", name=op.f("uq_address_ref")),
    )
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_address_domain"), ["domain"], unique=False)

    op.create_table(
        "blob",
        sa.Column("hash", KEY, nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_blob")),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("batch", KEY, nullable=False),
        sa.Column("entity", KEY, nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("field", KEY, nullable=False),
        sa.Column("old", sa.String(), nullable=True),
        sa.Column("new", sa.String(), nullable=True),
        sa.Column("origin", KEY, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint("origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_change_origin_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
    )
    with op.batch_alter_table("change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_change_batch"), ["batch"], unique=False)
        batch_op.create_index("ix_change_entity", ["entity", "entity_id"], unique=False)

    op.create_table(
        "edition",
        sa.Column("id", KEY, nullable=False),
        sa.Column("renderer", sa.String(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edition")),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mode", KEY, nullable=False),
        sa.Column("halted_at", INSTANT, nullable=True),
        sa.Column("halted_by", sa.String(), nullable=False),
        sa.Column("halt_reason", sa.String(), nullable=False),
        sa.Column("leader", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("send_counter", sa.Integer(), nullable=False),
        sa.Column("rehearsal_now", INSTANT, nullable=True),
        sa.Column("live_now", INSTANT, nullable=True),
        sa.CheckConstraint("mode IN ('rehearsal', 'live')", name=op.f("ck_instance_mode_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "mailing_list",
        sa.Column("slug", KEY, nullable=False),
        sa.Column("name_de", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("description_de", sa.String(), nullable=False),
        sa.Column("description_en", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_mailing_list")),
    )
    op.create_table(
        "organisation_type",
        sa.Column("code", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("group", KEY, nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_organisation_type")),
    )
    op.create_table(
        "pace",
        sa.Column("scope", KEY, nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("window_start", INSTANT, nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("stopped_until", INSTANT, nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", "window_start", name=op.f("pk_pace")),
    )
    op.create_table(
        "region",
        sa.Column("ags", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("ags", name=op.f("pk_region")),
    )
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hmac", KEY, nullable=False),
        sa.Column("key_id", KEY, nullable=False),
        sa.Column("scope_kind", KEY, nullable=False),
        sa.Column("scope", KEY, nullable=False),
        sa.Column("reason", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "reason IN ('opt_out', 'objection', 'complaint', 'hard_bounce', 'staff')", name=op.f("ck_suppression_reason_known")
        ),
        sa.CheckConstraint("scope_kind IN ('mailing_list', 'organisation', 'all')", name=op.f("ck_suppression_scope_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
        sa.UniqueConstraint("hmac", "key_id", "scope_kind", "scope", name=op.f("uq_suppression_hmac_key_id_scope_kind_scope")),
    )
    op.create_table(
        "toolkit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_toolkit")),
        sa.UniqueConstraint("code", name=op.f("uq_toolkit_code")),
    )
    op.create_table(
        "touch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("recipient_kind", KEY, nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("route", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("ideas", KEY, nullable=False),
        sa.Column("items", KEY, nullable=False),
        sa.Column("service", sa.Boolean(), nullable=False),
        sa.Column("certain", sa.Boolean(), nullable=False),
        sa.CheckConstraint("recipient_kind IN ('person', 'organisation')", name=op.f("ck_touch_recipient_kind_known")),
        sa.CheckConstraint(
            "route IN ('direct_email', 'forward_pack', 'list_address', 'newsletter_block', 'none')", name=op.f("ck_touch_route_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_touch")),
        sa.UniqueConstraint(
            "campaign_id",
            "occasion",
            "step",
            "recipient_kind",
            "recipient_id",
            name=op.f("uq_touch_campaign_id_occasion_step_recipient_kind_recipient_id"),
        ),
    )
    with op.batch_alter_table("touch", schema=None) as batch_op:
        batch_op.create_index("ix_touch_address_day", ["address_id", "day"], unique=False)
        batch_op.create_index("ix_touch_organisation_at", ["organisation_id", "at"], unique=False)

    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("boot", KEY, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("mailing_list", KEY, nullable=False),
        sa.Column("status", KEY, nullable=False),
        sa.Column("paused_at", INSTANT, nullable=True),
        sa.Column("latest_version_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('drip', 'announcement')", name=op.f("ck_campaign_kind_known")),
        sa.CheckConstraint("status IN ('running', 'paused', 'stopped')", name=op.f("ck_campaign_status_known")),
        sa.ForeignKeyConstraint(["mailing_list"], ["mailing_list.slug"], name=op.f("fk_campaign_mailing_list")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
        sa.UniqueConstraint("name", name=op.f("uq_campaign_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_campaign_public_id")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", KEY, nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("address_id", sa.Integer(), nullable=True),
        sa.Column("envelope_from", sa.String(), nullable=False),
        sa.Column("envelope_to", sa.String(), nullable=False),
        sa.Column("edition_id", KEY, nullable=False),
        sa.Column("zone", KEY, nullable=False),
        sa.Column("ideas", KEY, nullable=False),
        sa.Column("items", KEY, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("claim_id", KEY, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.String(), nullable=False),
        sa.CheckConstraint("kind IN ('campaign', 'service', 'test', 'staff')", name=op.f("ck_message_kind_known")),
        sa.CheckConstraint(
            "state IN ('claimed', 'sending', 'sent', 'retry', 'failed', 'uncertain', 'dropped')", name=op.f("ck_message_state_known")
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["worker.id"], name=op.f("fk_message_worker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("ref", name=op.f("uq_message_ref")),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index(
            "ix_message_open",
            ["worker_id"],
            unique=False,
            sqlite_where=sa.text("state IN ('claimed', 'sending')"),
            postgresql_where=sa.text("state IN ('claimed', 'sending')"),
        )

    op.create_table(
        "organisation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", KEY, nullable=False),
        sa.Column("slug", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("short_name", sa.String(), nullable=False),
        sa.Column("org_type", KEY, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("status", KEY, nullable=False),
        sa.Column("joined_on", sa.Date(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("language", KEY, nullable=True),
        sa.Column("forward_policy", KEY, nullable=False),
        sa.Column("adviser_headcount", sa.Integer(), nullable=True),
        sa.Column("headcount_as_of", sa.Date(), nullable=True),
        sa.Column("brand", KEY, nullable=True),
        sa.Column("data_role", KEY, nullable=True),
        sa.Column("holiday_land", KEY, nullable=True),
        sa.Column("zone", KEY, nullable=True),
        sa.Column("list_address_id", sa.Integer(), nullable=True),
        sa.Column("relay", KEY, nullable=False),
        sa.Column("pack_delivery", KEY, nullable=False),
        sa.Column("shelf_life_days", sa.Integer(), nullable=False),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("origin", KEY, nullable=False),
        sa.CheckConstraint("data_role IN ('joint', 'processor', 'om_alone')", name=op.f("ck_organisation_data_role_known")),
        sa.CheckConstraint(
            "forward_policy IN ('as_is', 'edit_allowed', 'block_only', 'no_forwarding')", name=op.f("ck_organisation_forward_policy_known")
        ),
        sa.CheckConstraint("level IN ('umbrella', 'state', 'regional', 'local')", name=op.f("ck_organisation_level_known")),
        sa.CheckConstraint(
            "origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_organisation_origin_known")
        ),
        sa.CheckConstraint("pack_delivery IN ('ready_mail', 'attachment', 'portal')", name=op.f("ck_organisation_pack_delivery_known")),
        sa.CheckConstraint("relay IN ('lowest', 'top', 'both')", name=op.f("ck_organisation_relay_known")),
        sa.CheckConstraint("status IN ('active', 'paused', 'left', 'merged')", name=op.f("ck_organisation_status_known")),
        sa.CheckConstraint("adviser_headcount >= 0", name=op.f("ck_organisation_headcount_counts")),
        sa.ForeignKeyConstraint(["list_address_id"], ["address.id"], name=op.f("fk_organisation_list_address_id")),
        sa.ForeignKeyConstraint(["merged_into_id"], ["organisation.id"], name=op.f("fk_organisation_merged_into_id")),
        sa.ForeignKeyConstraint(["org_type"], ["organisation_type.code"], name=op.f("fk_organisation_org_type")),
        sa.ForeignKeyConstraint(["parent_id"], ["organisation.id"], name=op.f("fk_organisation_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
        sa.UniqueConstraint("public_id", name=op.f("uq_organisation_public_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_organisation_slug")),
    )
    with op.batch_alter_table("organisation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_organisation_joined_on"), ["joined_on"], unique=False)
        batch_op.create_index(batch_op.f("ix_organisation_list_address_id"), ["list_address_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_organisation_merged_into_id"), ["merged_into_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_organisation_name_key"), ["name_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_organisation_org_type"), ["org_type"], unique=False)
        batch_op.create_index(batch_op.f("ix_organisation_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", KEY, nullable=False),
        sa.Column("staff_key", KEY, nullable=True),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("main_address_id", sa.Integer(), nullable=True),
        sa.Column("language", KEY, nullable=True),
        sa.Column("salutation", sa.String(), nullable=True),
        sa.Column("status", KEY, nullable=False),
        sa.Column("origin", KEY, nullable=False),
        sa.CheckConstraint("origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_person_origin_known")),
        sa.CheckConstraint("status IN ('active', 'paused', 'left', 'erased')", name=op.f("ck_person_status_known")),
        sa.ForeignKeyConstraint(["main_address_id"], ["address.id"], name=op.f("fk_person_main_address_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("public_id", name=op.f("uq_person_public_id")),
        sa.UniqueConstraint("staff_key", name=op.f("uq_person_staff_key")),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_main_address_id"), ["main_address_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_person_name_key"), ["name_key"], unique=False)

    op.create_table(
        "toolkit_topic",
        sa.Column("toolkit_id", sa.Integer(), nullable=False),
        sa.Column("topic", KEY, nullable=False),
        sa.ForeignKeyConstraint(["toolkit_id"], ["toolkit.id"], name=op.f("fk_toolkit_topic_toolkit_id")),
        sa.PrimaryKeyConstraint("toolkit_id", "topic", name=op.f("pk_toolkit_topic")),
    )
    op.create_table(
        "toolkit_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("toolkit_id", sa.Integer(), nullable=False),
        sa.Column("version", KEY, nullable=False),
        sa.Column("sort_key", KEY, nullable=False),
        sa.Column("released_on", sa.Date(), nullable=True),
        sa.Column("status", KEY, nullable=False),
        sa.Column("change_kind", KEY, nullable=False),
        sa.Column("changes", sa.String(), nullable=False),
        sa.Column("languages", KEY, nullable=False),
        sa.CheckConstraint(
            "change_kind IN ('correction', 'minor', 'major', 'new', 'withdrawn')", name=op.f("ck_toolkit_version_change_kind_known")
        ),
        sa.CheckConstraint("status IN ('draft', 'current', 'superseded', 'withdrawn')", name=op.f("ck_toolkit_version_status_known")),
        sa.ForeignKeyConstraint(["toolkit_id"], ["toolkit.id"], name=op.f("fk_toolkit_version_toolkit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_toolkit_version")),
        sa.UniqueConstraint("toolkit_id", "version", name=op.f("uq_toolkit_version_toolkit_id_version")),
    )
    op.create_table(
        "basis",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("mailing_list", KEY, nullable=False),
        sa.Column("collector_id", sa.Integer(), nullable=True),
        sa.Column("obtained_on", sa.Date(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("text_version", sa.String(), nullable=False),
        sa.Column("proof_ref", sa.String(), nullable=False),
        sa.Column("withdrawn_at", INSTANT, nullable=True),
        sa.Column("origin", KEY, nullable=False),
        sa.CheckConstraint(
            "kind IN ('consent_doi', 'consent_written', 'existing_relation_7_3', 'membership_or_service_duty', 'employer_internal', 'none')",
            name=op.f("ck_basis_kind_known"),
        ),
        sa.CheckConstraint("origin IN ('file', 'staff', 'partner', 'answer', 'sample', 'engine')", name=op.f("ck_basis_origin_known")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_basis_address_id")),
        sa.ForeignKeyConstraint(["collector_id"], ["organisation.id"], name=op.f("fk_basis_collector_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_basis")),
    )
    with op.batch_alter_table("basis", schema=None) as batch_op:
        batch_op.create_index("uq_basis_grounds", ["address_id", "kind", "mailing_list", sa.text("coalesce(collector_id, 0)")], unique=True)
        batch_op.create_index(batch_op.f("ix_basis_collector_id"), ["collector_id"], unique=False)

    op.create_table(
        "campaign_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("structure_hash", KEY, nullable=False),
        sa.Column("content_hash", KEY, nullable=False),
        sa.Column("structure", sa.Text(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("published_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_version_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_version")),
        sa.UniqueConstraint("campaign_id", "number", name=op.f("uq_campaign_version_campaign_id_number")),
    )
    op.create_table(
        "message_slots",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("slot_values", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_message_slots_message_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_slots")),
    )
    op.create_table(
        "network",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", KEY, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("coordinator_id", sa.Integer(), nullable=True),
        sa.Column("recognised_on", sa.Date(), nullable=True),
        sa.Column("last_activity_on", sa.Date(), nullable=True),
        sa.CheckConstraint("kind IN ('om', 'other')", name=op.f("ck_network_kind_known")),
        sa.ForeignKeyConstraint(["coordinator_id"], ["organisation.id"], name=op.f("fk_network_coordinator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network")),
        sa.UniqueConstraint("slug", name=op.f("uq_network_slug")),
    )
    with op.batch_alter_table("network", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_network_coordinator_id"), ["coordinator_id"], unique=False)

    op.create_table(
        "organisation_interest",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("topic", KEY, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_interest_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", "topic", name=op.f("pk_organisation_interest")),
    )
    op.create_table(
        "organisation_region",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("ags", KEY, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_region_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", "ags", name=op.f("pk_organisation_region")),
    )
    with op.batch_alter_table("organisation_region", schema=None) as batch_op:
        batch_op.create_index("ix_organisation_region_ags", ["ags", "organisation_id"], unique=False)

    op.create_table(
        "organisation_relation",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("related_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_relation_organisation_id")),
        sa.ForeignKeyConstraint(["related_id"], ["organisation.id"], name=op.f("fk_organisation_relation_related_id")),
        sa.PrimaryKeyConstraint("organisation_id", "related_id", name=op.f("pk_organisation_relation")),
    )
    op.create_table(
        "organisation_route",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("route", KEY, nullable=False),
        sa.CheckConstraint(
            "route IN ('direct_email', 'forward_pack', 'list_address', 'newsletter_block', 'none')",
            name=op.f("ck_organisation_route_route_known"),
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_route_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", "position", name=op.f("pk_organisation_route")),
    )
    op.create_table(
        "organisation_sector",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("sector", KEY, nullable=False),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_organisation_sector_organisation_id")),
        sa.PrimaryKeyConstraint("organisation_id", "sector", name=op.f("pk_organisation_sector")),
    )
    op.create_table(
        "response",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("source_key", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('acknowledgement', 'reply', 'answer', 'action_report', 'confirmed_version', 'preference')",
            name=op.f("ck_response_kind_known"),
        ),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_response_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_response_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response")),
        sa.UniqueConstraint("kind", "source_key", name=op.f("uq_response_kind_source_key")),
    )
    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.create_index("ix_response_organisation_at", ["organisation_id", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_response_person_id"), ["person_id"], unique=False)

    op.create_table(
        "seat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=True),
        sa.Column("is_primary_home", sa.Boolean(), nullable=False),
        sa.Column("strength", sa.Integer(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.CheckConstraint("person_id IS NOT NULL OR address_id IS NOT NULL", name=op.f("ck_seat_somebody_sits")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_seat_address_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_seat_organisation_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_seat_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("person_id", "organisation_id", name=op.f("uq_seat_person_id_organisation_id")),
    )
    with op.batch_alter_table("seat", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seat_address_id"), ["address_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_seat_organisation_id"), ["organisation_id"], unique=False)

    op.create_table(
        "toolkit_use",
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("toolkit_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("confirmed_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_toolkit_use_organisation_id")),
        sa.ForeignKeyConstraint(["toolkit_id"], ["toolkit.id"], name=op.f("fk_toolkit_use_toolkit_id")),
        sa.ForeignKeyConstraint(["version_id"], ["toolkit_version.id"], name=op.f("fk_toolkit_use_version_id")),
        sa.PrimaryKeyConstraint("organisation_id", "toolkit_id", name=op.f("pk_toolkit_use")),
    )
    with op.batch_alter_table("toolkit_use", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_toolkit_use_version_id"), ["version_id"], unique=False)

    op.create_table(
        "campaign_file",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("blob_hash", KEY, nullable=False),
        sa.ForeignKeyConstraint(["blob_hash"], ["blob.hash"], name=op.f("fk_campaign_file_blob_hash")),
        sa.ForeignKeyConstraint(["version_id"], ["campaign_version.id"], name=op.f("fk_campaign_file_version_id")),
        sa.PrimaryKeyConstraint("version_id", "path", name=op.f("pk_campaign_file")),
    )
    op.create_table(
        "enrolment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("subject_kind", KEY, nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("seat_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("reason", KEY, nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=True),
        sa.Column("last_day", sa.Integer(), nullable=True),
        sa.Column("next_step", KEY, nullable=True),
        sa.Column("next_due_at", INSTANT, nullable=True),
        sa.Column("promised_at", INSTANT, nullable=True),
        sa.Column("shift_seconds", sa.Integer(), nullable=False),
        sa.Column("left_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "reason IN ('', 'no_address', 'no_basis', 'suppressed', 'hard_bounce', 'no_data_role', 'no_route', 'organisation_inactive', 'person_inactive', 'seat_ended', 'duplicate_address', 'stronger_role', 'exit_condition', 'not_while_in', 'starts_after', 'toolkit_withdrawn', 'no_variant', 'grace_over', 'missing_value', 'broken_text', 'campaign_paused', 'campaign_stopped', 'cap', 'refused', 'gave_up', 'needs_smtputf8', 'erased', 'settled', 'already_there')",
            name=op.f("ck_enrolment_reason_known"),
        ),
        sa.CheckConstraint("state IN ('active', 'finished', 'exited', 'stopped')", name=op.f("ck_enrolment_state_known")),
        sa.CheckConstraint("subject_kind IN ('person', 'organisation')", name=op.f("ck_enrolment_subject_kind_known")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_enrolment_campaign_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_enrolment_organisation_id")),
        sa.ForeignKeyConstraint(["version_id"], ["campaign_version.id"], name=op.f("fk_enrolment_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment")),
        sa.UniqueConstraint(
            "campaign_id", "occasion", "subject_kind", "subject_id", name=op.f("uq_enrolment_campaign_id_occasion_subject_kind_subject_id")
        ),
    )
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_enrolment_due",
            ["campaign_id", "next_due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )
        batch_op.create_index(batch_op.f("ix_enrolment_organisation_id"), ["organisation_id"], unique=False)
        batch_op.create_index("uq_enrolment_address", ["campaign_id", "occasion", "address_id"], unique=True)

    op.create_table(
        "network_organisation",
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("carried_over_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_network_organisation_network_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_network_organisation_organisation_id")),
        sa.PrimaryKeyConstraint("network_id", "organisation_id", name=op.f("pk_network_organisation")),
    )
    with op.batch_alter_table("network_organisation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_network_organisation_organisation_id"), ["organisation_id"], unique=False)

    op.create_table(
        "network_person",
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("for_organisation_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["for_organisation_id"], ["organisation.id"], name=op.f("fk_network_person_for_organisation_id")),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_network_person_network_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_network_person_person_id")),
        sa.PrimaryKeyConstraint("network_id", "person_id", name=op.f("pk_network_person")),
    )
    with op.batch_alter_table("network_person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_network_person_for_organisation_id"), ["for_organisation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_network_person_person_id"), ["person_id"], unique=False)

    op.create_table(
        "network_region",
        sa.Column("network_id", sa.Integer(), nullable=False),
        sa.Column("ags", KEY, nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name=op.f("fk_network_region_network_id")),
        sa.PrimaryKeyConstraint("network_id", "ags", name=op.f("pk_network_region")),
    )
    op.create_table(
        "seat_role",
        sa.Column("seat_id", sa.Integer(), nullable=False),
        sa.Column("role", KEY, nullable=False),
        sa.CheckConstraint(
            "role IN ('contact', 'deputy', 'distributor', 'leadership', 'ambassador', 'multiplier', 'press', 'adviser')",
            name=op.f("ck_seat_role_role_known"),
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_seat_role_seat_id")),
        sa.PrimaryKeyConstraint("seat_id", "role", name=op.f("pk_seat_role")),
    )
    op.create_table(
        "dispatch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("occasion", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("recipient_kind", KEY, nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("enrolment_id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("address_id", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Integer(), nullable=False),
        sa.Column("seat_id", sa.Integer(), nullable=False),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.Column("route", KEY, nullable=False),
        sa.Column("sender", KEY, nullable=False),
        sa.Column("variant", KEY, nullable=False),
        sa.Column("language", KEY, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("service", sa.Boolean(), nullable=False),
        sa.Column("status", KEY, nullable=False),
        sa.Column("reason", KEY, nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("planned_at", INSTANT, nullable=False),
        sa.Column("first_due_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("due_day", sa.Integer(), nullable=False),
        sa.Column("open_until", INSTANT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "reason IN ('', 'no_address', 'no_basis', 'suppressed', 'hard_bounce', 'no_data_role', 'no_route', 'organisation_inactive', 'person_inactive', 'seat_ended', 'duplicate_address', 'stronger_role', 'exit_condition', 'not_while_in', 'starts_after', 'toolkit_withdrawn', 'no_variant', 'grace_over', 'missing_value', 'broken_text', 'campaign_paused', 'campaign_stopped', 'cap', 'refused', 'gave_up', 'needs_smtputf8', 'erased', 'settled', 'already_there')",
            name=op.f("ck_dispatch_reason_known"),
        ),
        sa.CheckConstraint("recipient_kind IN ('person', 'organisation')", name=op.f("ck_dispatch_recipient_kind_known")),
        sa.CheckConstraint(
            "route IN ('direct_email', 'forward_pack', 'list_address', 'newsletter_block', 'none')", name=op.f("ck_dispatch_route_known")
        ),
        sa.CheckConstraint("sender IN ('om', 'home')", name=op.f("ck_dispatch_sender_known")),
        sa.CheckConstraint(
            "status IN ('planned', 'held', 'claimed', 'retry', 'sent', 'failed', 'uncertain', 'skipped', 'cancelled')",
            name=op.f("ck_dispatch_status_known"),
        ),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_dispatch_address_id")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_dispatch_campaign_id")),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.id"], name=op.f("fk_dispatch_enrolment_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisation.id"], name=op.f("fk_dispatch_organisation_id")),
        sa.ForeignKeyConstraint(["version_id"], ["campaign_version.id"], name=op.f("fk_dispatch_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatch")),
        sa.UniqueConstraint(
            "campaign_id",
            "occasion",
            "step",
            "recipient_kind",
            "recipient_id",
            name=op.f("uq_dispatch_campaign_id_occasion_step_recipient_kind_recipient_id"),
        ),
    )
    with op.batch_alter_table("dispatch", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dispatch_address_open",
            ["address_id", "due_day"],
            unique=False,
            sqlite_where=sa.text("status IN ('planned', 'retry', 'claimed', 'held')"),
            postgresql_where=sa.text("status IN ('planned', 'retry', 'claimed', 'held')"),
        )
        batch_op.create_index(
            "ix_dispatch_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("status IN ('planned', 'retry')"),
            postgresql_where=sa.text("status IN ('planned', 'retry')"),
        )
        batch_op.create_index("ix_dispatch_enrolment", ["enrolment_id"], unique=False)
        batch_op.create_index(
            "uq_dispatch_address",
            ["campaign_id", "occasion", "step", "address_id"],
            unique=True,
            sqlite_where=sa.text("recipient_kind = 'person' AND status <> 'skipped'"),
            postgresql_where=sa.text("recipient_kind = 'person' AND status <> 'skipped'"),
        )

    op.create_table(
        "message_dispatch",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("dispatch_id", sa.Integer(), nullable=False),
        sa.Column("part", KEY, nullable=False),
        sa.CheckConstraint("part IN ('mail', 'cover', 'ready')", name=op.f("ck_message_dispatch_part_known")),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_message_dispatch_dispatch_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_message_dispatch_message_id")),
        sa.PrimaryKeyConstraint("message_id", "dispatch_id", name=op.f("pk_message_dispatch")),
    )
    with op.batch_alter_table("message_dispatch", schema=None) as batch_op:
        batch_op.create_index("ix_message_dispatch_dispatch", ["dispatch_id"], unique=False)
    op.execute(
        "INSERT INTO instance (id, mode, halted_by, halt_reason, leader, fingerprint, send_counter)"
        " VALUES (1, 'rehearsal', '', '', '', '', 0)"
    )
