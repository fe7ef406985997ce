"""The hash of an address as its mailbox may also be spelled; ``db upgrade`` fills it in, because only it has the keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from om_campaigns.columns import BYTEWISE_TEXT

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("address", sa.Column("folded_hmac", BYTEWISE_TEXT, nullable=True))
