"""How many have ended in a campaign is counted in an index of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    over = sa.text("state <> 'active'")
    op.create_index("ix_enrolment_over", "enrolment", ["campaign_id", "state"], sqlite_where=over, postgresql_where=over)
