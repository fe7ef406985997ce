"""Mail that came in is known by its hash; what nobody understood is a task."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.migrations.changes import renew_check

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0013"
down_revision = "0012"

KINDS = (
    "kind IN ('receiver_left', 'home_missing', 'home_left', 'case_offered', 'distributor_named', 'contacts_wanted', 'house_says',"
    " 'mail_unclear')"
)


def upgrade() -> None:
    op.create_table(
        "inbound_mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('unsubscribe', 'automatic', 'unclear')", name=op.f("ck_inbound_mail_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_mail")),
        sa.UniqueConstraint("digest", name=op.f("uq_inbound_mail_digest")),
    )
    renew_check("task", "ck_task_kind_known", KINDS)
