"""Tables of what comes back from the houses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import Instant, Json, by_value, key, new_ref, one_of, reference
from om_campaigns.feedback.mails import MailKind


class CascadeLevel(StrEnum):
    """How deep a letter has come (Kaskadenstufe); the order is the depth."""

    head_office = "head_office"
    state = "state"
    regional = "regional"
    adviser = "adviser"
    business = "business"


class TaskKind(StrEnum):
    """What people of OM have to look at."""

    receiver_left = "receiver_left"
    home_missing = "home_missing"
    home_left = "home_left"
    case_offered = "case_offered"
    distributor_named = "distributor_named"
    contacts_wanted = "contacts_wanted"
    house_says = "house_says"
    mail_unclear = "mail_unclear"
    mass_leaving = "mass_leaving"
    letters_held = "letters_held"
    entry_held = "entry_held"
    clock_doubted = "clock_doubted"


class Task(SQLModel, table=True):
    """Something that needs a person (Aufgabe). Names nobody: ``address_id`` and ``detail`` point at who and what.

    ``source_key`` makes asking for the same thing twice harmless.
    """

    __tablename__ = "task"
    __table_args__ = (one_of("kind", TaskKind),)

    id: int | None = Field(default=None, primary_key=True)
    kind: TaskKind = Field(sa_type=by_value(TaskKind), nullable=False)
    source_key: str = key(unique=True)
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True))
    detail: Any = Field(default=None, sa_type=Json)
    at: datetime = Field(sa_type=Instant, nullable=False)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    closed_by: str = ""


class InboundMail(SQLModel, table=True):
    """A mail that came in, known by the hash of its head: the same one twice has its effect once (BNC-03). Keeps nothing of it."""

    __tablename__ = "inbound_mail"
    __table_args__ = (one_of("kind", MailKind),)

    id: int | None = Field(default=None, primary_key=True)
    digest: str = key(unique=True)
    kind: MailKind = Field(sa_type=by_value(MailKind), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)


class OptIn(SQLModel, table=True):
    """One subscription asked for on our pages, with everything that proves it (LAW-05).

    Unconfirmed rows are emptied after 30 days. ``consent_text`` is what stood beside the box, word for word.
    """

    __tablename__ = "opt_in"

    id: int | None = Field(default=None, primary_key=True)
    ref: str = key(default_factory=new_ref, unique=True)
    address: str
    normal_key: str = key(index=True)
    full_name: str = ""
    language: str = key(default="de")
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    mailing_lists: Any = Field(sa_type=Json)
    consent_text: str
    form_url: str
    asked_at: datetime = Field(sa_type=Instant, nullable=False)
    mail_sent_at: datetime | None = Field(default=None, sa_type=Instant)
    mail_id: str = ""
    mail_hash: str = ""
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    """When it last served a basis that is gone or has a newer proof."""


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

    id: int | None = Field(default=None, primary_key=True)
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

    id: int | None = Field(default=None, primary_key=True)
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
