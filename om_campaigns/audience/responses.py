"""Tables of what readers and houses say: requests to subscribe, answers to packs, reports of what a house did."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import Instant, by_value, key, one_of, reference


class CascadeLevel(StrEnum):
    """How deep a letter has come (Kaskadenstufe); the order is the depth."""

    head_office = "head_office"
    state = "state"
    regional = "regional"
    adviser = "adviser"
    business = "business"


class Acknowledgement(SQLModel, table=True):
    """An answer to a pack (Weitergabe-Quittung). Append-only; a "no" counts too. ``source_key`` makes recording it twice harmless.

    ``organisation_id`` names one house of the pack, None means all it serves. ``count`` is in the unit of ``level``.
    """

    __tablename__ = "acknowledgement"
    __table_args__ = (
        one_of("level", CascadeLevel),
        one_of("origin", Origin),
        CheckConstraint("count >= 0", name="count_counts"),
        CheckConstraint("is_declined = (level IS NULL)", name="says_one_thing"),
    )

    id: int = Field(default=None, primary_key=True)
    source_key: str = key(unique=True)
    pack_id: int = Field(sa_column=reference("pack.id"))
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    is_declined: bool = False
    level: CascadeLevel | None = Field(default=None, sa_type=by_value(CascadeLevel))
    count: int | None = None
    sentence: str = ""
    at: datetime = Field(sa_type=Instant, nullable=False)
    origin: Origin = Field(sa_type=by_value(Origin), nullable=False)
    actor: str = ""


class LetterUse(StrEnum):
    """Whether the monthly letter may tell of it."""

    no = "no"
    nameless = "nameless"
    named = "named"


class ActionReport(SQLModel, table=True):
    """What a house did, as it says itself (gemeldete Handlung); with other answers under the same ``source_key`` it is corrected.

    ``effect_level``: 1 made aware, 2 analysed, 3 measures. ``together_with`` is as it was written; the partners among them that are
    known stand in ``action_report_partner``. ``idea`` is '' or one of the five.
    """

    __tablename__ = "action_report"
    __table_args__ = (
        CheckConstraint("effect_level BETWEEN 1 AND 3", name="effect_level_known"),
        one_of("letter_use", LetterUse),
        one_of("origin", Origin),
        Index("ix_action_report_organisation_at", "organisation_id", "at"),
    )

    id: int = Field(default=None, primary_key=True)
    source_key: str = key(unique=True)
    organisation_id: int = Field(sa_column=reference("organisation.id", index=False))
    effect_level: int
    idea: str = key(default="")
    network_id: int | None = Field(default=None, sa_column=reference("network.id", nullable=True, index=False))
    together_with: str = ""
    text: str = ""
    letter_use: LetterUse = Field(default=LetterUse.no, sa_type=by_value(LetterUse), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)
    origin: Origin = Field(sa_type=by_value(Origin), nullable=False)
    actor: str = ""


class ActionReportPartner(SQLModel, table=True):
    """A partner organisation named in a report as having taken part."""

    __tablename__ = "action_report_partner"

    report_id: int = Field(foreign_key="action_report.id", primary_key=True)
    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
