"""The store of editions and of what packs said: compiled once, immutable, found by the hash of everything they were made from."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import Instant, by_value, key, one_of, reference
from om_campaigns.compose.overlay import OverlayKind


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

    id: int = Field(default=None, primary_key=True)
    pack_id: int = Field(sa_column=reference("pack.id", index=False))
    number: int
    edition_id: str = key(foreign_key="edition.id")
    made_at: datetime = Field(sa_type=Instant, nullable=False)


class OverlayChange(SQLModel, table=True):
    """What a house did with a block of what it passes on (Hausfassung): append-only, the last row of a block holds.

    ``base_hash``: OM's block as it was then. ``after``: where an added block stands.
    """

    __tablename__ = "overlay_change"
    __table_args__ = (
        Index("ix_overlay_change_text", "campaign_id", "organisation_id", "step", "language"),
        one_of("kind", OverlayKind),
        one_of("origin", Origin),
    )

    id: int = Field(default=None, primary_key=True)
    organisation_id: int = Field(sa_column=reference("organisation.id", index=False))
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    step: str = key()
    language: str = key()
    block: str = key()
    kind: OverlayKind = Field(sa_type=by_value(OverlayKind), nullable=False)
    text: str = ""
    base_hash: str = key(default="")
    after: str = key(default="")
    at: datetime = Field(sa_type=Instant, nullable=False)
    origin: Origin = Field(sa_type=by_value(Origin), nullable=False)
    actor: str = ""


class LogoPicture(SQLModel, table=True):
    """A logo as our pages serve it, by the end of its address. Kept for ever: letters that were sent show it still (FWD-06)."""

    __tablename__ = "logo"

    name: str = key(primary_key=True)
    organisation_id: int = Field(sa_column=reference("organisation.id"))
    body: bytes = Field(sa_type=LargeBinary, nullable=False)
    width: int
    height: int
    made_at: datetime = Field(sa_type=Instant, nullable=False)


class HouseLook(SQLModel, table=True):
    """What a house says of its own look (``own_look``). It holds as long as the house's file names the brand it named then."""

    __tablename__ = "house_look"

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    over: str = key(default="")
    accent: str = key(default="")
    logo: str | None = key(default=None, foreign_key="logo.name")


class CountedLink(SQLModel, table=True):
    """A link of one text for the readers of one house, or for all houses too small for links of their own (``organisation_id`` None).

    ``ref`` is its public name. Knows no reader.
    """

    __tablename__ = "counted_link"
    __table_args__ = (Index("ix_counted_link_text", "version_id", "step"),)

    id: int = Field(default=None, primary_key=True)
    ref: str = key(unique=True)
    version_id: int = Field(sa_column=reference("campaign_version.id", index=False))
    step: str = key()
    variant: str = key(default="")
    language: str = key()
    is_pack: bool = False
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    target: str
    made_at: datetime = Field(sa_type=Instant, nullable=False)


class LinkDay(SQLModel, table=True):
    """How often a link was followed on one local day: all that is kept of a click (LAW-11)."""

    __tablename__ = "link_day"
    __table_args__ = (CheckConstraint("clicks >= 0", name="clicks_count"),)

    link_id: int = Field(foreign_key="counted_link.id", primary_key=True)
    day: date = Field(primary_key=True)
    clicks: int = 0
