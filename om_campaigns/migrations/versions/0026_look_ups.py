"""What is asked for by key is found by key: the first hand-over of a step, all about one person, what is lost, a house's letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

PLAIN = {
    "ix_touch_recipient_id": ("touch", "recipient_id"),
    "ix_enrolment_subject_id": ("enrolment", "subject_id"),
    "ix_dispatch_organisation_id": ("dispatch", "organisation_id"),
    "ix_message_address_id": ("message", "address_id"),
    "ix_pack_organisation_organisation_id": ("pack_organisation", "organisation_id"),
}

LOST = "status IN ('failed', 'uncertain')"
PARTNER = "origin = 'partner'"


FORGET = """
UPDATE message SET envelope_to = ''
WHERE state NOT IN ('claimed', 'sending', 'retry') AND id NOT IN (SELECT message_id FROM message_slots)
"""
"""Where the values of a letter were forgotten already, its address goes too, as it does from now on."""


def upgrade() -> None:
    op.execute(FORGET)
    for name, (table, column) in PLAIN.items():
        op.create_index(name, table, [column])
    for name, columns, sqlite_where, postgresql_where in (
        ("ix_touch_first", ["campaign_id", "step", "at"], "service = 0", "NOT service"),
        ("ix_touch_service", ["campaign_id", "step"], "service = 1", "service"),
    ):
        op.create_index(name, "touch", columns, sqlite_where=sa.text(sqlite_where), postgresql_where=sa.text(postgresql_where))
    op.create_index(
        "ix_dispatch_service", "dispatch", ["recipient_id"], sqlite_where=sa.text("service = 1"), postgresql_where=sa.text("service")
    )
    op.create_index("ix_change_partner", "change", ["actor"], sqlite_where=sa.text(PARTNER), postgresql_where=sa.text(PARTNER))
    op.create_index("ix_dispatch_lost", "dispatch", ["status"], sqlite_where=sa.text(LOST), postgresql_where=sa.text(LOST))
