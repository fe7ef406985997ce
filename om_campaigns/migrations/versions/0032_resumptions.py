"""How far going on after a pause has come, so that an interruption moves nothing twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import Instant

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.create_table(
        "resumption",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("last_enrolment", sa.Integer(), nullable=False),
        sa.Column("last_dispatch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_resumption_campaign_id_campaign")),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_resumption")),
    )
