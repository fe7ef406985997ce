"""When a campaign was last looked at for who may enter, and notes of what was written since; the first tick makes their triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import BYTEWISE_TEXT

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "unseen_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", BYTEWISE_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unseen_change")),
    )
    op.create_index(op.f("ix_unseen_change_source"), "unseen_change", ["source"])
    op.create_table(
        "campaign_look",
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name=op.f("fk_campaign_look_campaign_id")),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_look")),
    )
