"""The store of editions and of what packs said: compiled once, immutable, found by the hash of everything they were made from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from om_campaigns.columns import Instant, key, reference


class EditionRow(SQLModel, table=True):
    """``body`` is the compressed edition; ``renderer`` names the version of the code that made it."""

    __tablename__ = "edition"

    id: str = key(primary_key=True)
    renderer: str
    made_at: datetime = Field(sa_type=Instant, nullable=False)
    body: bytes = Field(sa_type=LargeBinary, nullable=False)


class PackRevision(SQLModel, table=True):
    """What a pack said at one time: immutable, every format is rendered from its edition. A change of text or brand is a new one."""

    __tablename__ = "pack_revision"
    __table_args__ = (UniqueConstraint("pack_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    pack_id: int = Field(sa_column=reference("pack.id", index=False))
    number: int
    edition_id: str = key(foreign_key="edition.id")
    made_at: datetime = Field(sa_type=Instant, nullable=False)
