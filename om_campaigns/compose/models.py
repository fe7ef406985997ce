"""The store of editions: compiled once, immutable, found by the hash of everything they were made from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from om_campaigns.columns import Instant, key


class EditionRow(SQLModel, table=True):
    """``body`` is the compressed edition; ``renderer`` names the version of the code that made it."""

    __tablename__ = "edition"

    id: str = key(primary_key=True)
    renderer: str
    made_at: datetime = Field(sa_type=Instant, nullable=False)
    body: bytes = Field(sa_type=LargeBinary, nullable=False)
