"""Tables of what is published, who is enrolled and what we owe.

Files are drafts; publishing freezes a ``campaign_version`` with the texts it reaches (``campaign_file`` → ``blob``).
``dispatch`` is what we owe one recipient for one (campaign, occasion, step): the planner writes it, the sender moves it on.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import RecipientKind, Route, Sender
from om_campaigns.campaign.vocabulary import (
    CampaignKind,
    CampaignStatus,
    DispatchStatus,
    EnrolmentState,
    PermissionKind,
    Reason,
    RelayState,
)
from om_campaigns.columns import Instant, Json, by_value, key, new_ref, one_of, reference


class Campaign(SQLModel, table=True):
    """A campaign by name; what it says stands in its versions. ``paused_at`` freezes every due time.

    ``largest_entry`` and ``largest_house_entry``: the most people, and the most houses, that entered within 24 hours and were
    reviewed or not disputed. ``held_at``: since when so many more would enter that nobody does (see ``entry_brake``), with how many.
    """

    __tablename__ = "campaign"
    __table_args__ = (one_of("kind", CampaignKind), one_of("status", CampaignStatus))

    id: int = Field(default=None, primary_key=True)
    public_id: str = key(default_factory=new_ref, unique=True)
    name: str = key(unique=True)
    kind: CampaignKind = Field(sa_type=by_value(CampaignKind), nullable=False)
    mailing_list: str = key(foreign_key="mailing_list.slug")
    status: CampaignStatus = Field(default=CampaignStatus.running, sa_type=by_value(CampaignStatus), nullable=False)
    paused_at: datetime | None = Field(default=None, sa_type=Instant)
    latest_version_id: int | None = None
    largest_entry: int = 0
    largest_house_entry: int = 0
    held_at: datetime | None = Field(default=None, sa_type=Instant)
    held_people: int = 0
    held_houses: int = 0


class Permission(SQLModel, table=True):
    """Something a person confirmed after it was shown (Freigabe): nothing is asked twice while it holds.

    ``subject`` is what it is about, '' for the whole installation (a campaign by name); ``hash`` names exactly what was shown (the
    checksum of a plan), ``figure`` how many; ``already`` of those counted were there at the very instant ``at``, before it was given.
    It holds from ``at`` until ``until``, for ever where that is empty.
    """

    __tablename__ = "permission"
    __table_args__ = (one_of("what", PermissionKind), Index("ix_permission_subject", "subject", "what"))

    id: int = Field(default=None, primary_key=True)
    what: PermissionKind = Field(sa_type=by_value(PermissionKind), nullable=False)
    subject: str = key(default="")
    hash: str = key(default="")
    figure: int | None = None
    already: int = 0
    who: str
    at: datetime = Field(sa_type=Instant, nullable=False)
    until: datetime | None = Field(default=None, sa_type=Instant)


class CampaignVersion(SQLModel, table=True):
    """A published, immutable version. ``structure`` is the definition as JSON; people stay on the one they entered on."""

    __tablename__ = "campaign_version"
    __table_args__ = (UniqueConstraint("campaign_id", "number"),)

    id: int = Field(default=None, primary_key=True)
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    number: int
    structure_hash: str = key()
    content_hash: str = key()
    structure: Any = Field(sa_type=Json)
    published_at: datetime = Field(sa_type=Instant, nullable=False)
    published_by: str = ""


class SkippedStep(SQLModel, table=True):
    """A step that somebody took out of a campaign for everybody not yet served: whoever comes to it goes on as if it had passed."""

    __tablename__ = "skipped_step"

    campaign_id: int = Field(foreign_key="campaign.id", primary_key=True)
    step: str = key(primary_key=True)
    at: datetime = Field(sa_type=Instant, nullable=False)
    actor: str


class Resumption(SQLModel, table=True):
    """How far going on after a pause has come: every due time up to these ids has moved by the time from ``paused_at`` to ``until``."""

    __tablename__ = "resumption"

    campaign_id: int = Field(foreign_key="campaign.id", primary_key=True)
    until: datetime = Field(sa_type=Instant, nullable=False)
    last_enrolment: int = 0
    last_dispatch: int = 0


class Blob(SQLModel, table=True):
    """A text by its hash: a step, a layout, a block or a brand as it was when published."""

    __tablename__ = "blob"

    hash: str = key(primary_key=True)
    body: str


class CampaignFile(SQLModel, table=True):
    """The files a version froze, by their path below ``templates/`` (``campaigns/wir-gedanke/a1.de.md``)."""

    __tablename__ = "campaign_file"

    version_id: int = Field(foreign_key="campaign_version.id", primary_key=True)
    path: str = key(primary_key=True)
    blob_hash: str = key(foreign_key="blob.hash")


class Enrolment(SQLModel, table=True):
    """A subject's way through a campaign: who entered when, which step is next and when it is due.

    ``subject_kind``/``subject_id``: a person, or an organisation where the seat has no person.
    ``seat_id`` decides brand, zone and region; it is 0 where the house itself was selected.
    ``last_at`` is the latest hand-over (or skip) of a step, from which ``after`` counts.
    """

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("campaign_id", "occasion", "subject_kind", "subject_id"),
        Index(
            "uq_enrolment_address",
            "campaign_id",
            "occasion",
            "address_id",
            unique=True,
            sqlite_where=text("subject_kind = 'person'"),
            postgresql_where=text("subject_kind = 'person'"),
        ),
        Index(
            "ix_enrolment_due",
            "campaign_id",
            "next_due_at",
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
        Index(
            "ix_enrolment_over",
            "campaign_id",
            "state",
            sqlite_where=text("state <> 'active'"),
            postgresql_where=text("state <> 'active'"),
        ),
        Index("ix_enrolment_subject_id", "subject_id"),
        Index("ix_enrolment_entered", "campaign_id", "entered_at"),
        Index(
            "ix_enrolment_then",
            "version_id",
            sqlite_where=text("reason = 'then_waits'"),
            postgresql_where=text("reason = 'then_waits'"),
        ),
        one_of("subject_kind", RecipientKind),
        one_of("state", EnrolmentState),
        one_of("reason", Reason),
    )

    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    occasion: str = key(default="")
    subject_kind: RecipientKind = Field(sa_type=by_value(RecipientKind), nullable=False)
    subject_id: int
    organisation_id: int = Field(sa_column=reference("organisation.id"))
    seat_id: int = 0
    address_id: int
    """The address at entry: no other person enters the same campaign and occasion through it. A house's follows its receiver."""
    version_id: int = Field(sa_column=reference("campaign_version.id", index=False))
    audience: int = 0
    """Position of the ``[[audience]]`` entry that matched."""
    state: EnrolmentState = Field(default=EnrolmentState.active, sa_type=by_value(EnrolmentState), nullable=False)
    reason: Reason = Field(default=Reason.none, sa_type=by_value(Reason), nullable=False)
    entered_at: datetime = Field(sa_type=Instant, nullable=False)
    last_at: datetime | None = Field(default=None, sa_type=Instant)
    last_day: int | None = None
    """Local calendar day of ``last_at`` (days since 1970-01-01)."""
    next_step: str | None = key(default=None)
    next_due_at: datetime | None = Field(default=None, sa_type=Instant)
    promised_at: datetime | None = Field(default=None, sa_type=Instant)
    """``next_due_at`` as first computed for this step: caps and windows only ever move the due time later."""
    shift_seconds: int = 0
    """How long pauses have moved this way in all; ``day`` steps count from ``entered_at`` plus this."""
    left_out: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """How many steps before the next one were taken out, or lie before the place this reader was moved to."""
    left_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the subject was first seen outside the segment after the end; only then ``re_enter`` may begin a new occasion."""
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class Dispatch(SQLModel, table=True):
    """What we owe one recipient: unique per (campaign, occasion, step, recipient), and per address for persons.

    Route, version and seat are attributes, so neither a changed route nor a changed address sends twice.
    ``due_day`` is the local calendar day of ``due_at`` (days since 1970-01-01), for caps.
    """

    __tablename__ = "dispatch"
    __table_args__ = (
        UniqueConstraint("campaign_id", "occasion", "step", "recipient_kind", "recipient_id"),
        Index(
            "uq_dispatch_address",
            "campaign_id",
            "occasion",
            "step",
            "address_id",
            unique=True,
            sqlite_where=text("recipient_kind = 'person' AND status <> 'skipped'"),
            postgresql_where=text("recipient_kind = 'person' AND status <> 'skipped'"),
        ),
        Index(
            "ix_dispatch_due",
            "due_at",
            sqlite_where=text("status IN ('planned', 'retry')"),
            postgresql_where=text("status IN ('planned', 'retry')"),
        ),
        Index(
            "ix_dispatch_address_open",
            "address_id",
            "due_day",
            sqlite_where=text("status IN ('planned', 'retry', 'claimed', 'held')"),
            postgresql_where=text("status IN ('planned', 'retry', 'claimed', 'held')"),
        ),
        Index("ix_dispatch_enrolment", "enrolment_id"),
        Index("ix_dispatch_organisation_id", "organisation_id"),
        Index("ix_dispatch_service", "recipient_id", sqlite_where=text("service = 1"), postgresql_where=text("service")),
        Index(
            "ix_dispatch_lost",
            "status",
            sqlite_where=text("status IN ('failed', 'uncertain')"),
            postgresql_where=text("status IN ('failed', 'uncertain')"),
        ),
        one_of("recipient_kind", RecipientKind),
        one_of("route", Route),
        one_of("sender", Sender),
        one_of("status", DispatchStatus),
        one_of("reason", Reason),
    )

    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    occasion: str = key(default="")
    step: str = key()
    recipient_kind: RecipientKind = Field(sa_type=by_value(RecipientKind), nullable=False)
    recipient_id: int
    enrolment_id: int = Field(sa_column=reference("enrolment.id", index=False))
    version_id: int = Field(sa_column=reference("campaign_version.id", index=False))
    address_id: int = Field(sa_column=reference("address.id", index=False))
    organisation_id: int = Field(sa_column=reference("organisation.id", index=False))
    seat_id: int = 0
    audience: int = 0
    route: Route = Field(sa_type=by_value(Route), nullable=False)
    sender: Sender = Field(default=Sender.om, sa_type=by_value(Sender), nullable=False)
    variant: str = key(default="")
    language: str = key(default="de")
    priority: int = 0
    service: bool = False
    status: DispatchStatus = Field(default=DispatchStatus.planned, sa_type=by_value(DispatchStatus), nullable=False)
    reason: Reason = Field(default=Reason.none, sa_type=by_value(Reason), nullable=False)
    detail: str = ""
    """For people: which value is missing, what the server said."""
    left_out: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    """As the enrolment has it when the step was planned: a letter's number counts without them."""
    planned_at: datetime = Field(sa_type=Instant, nullable=False)
    first_due_at: datetime = Field(sa_type=Instant, nullable=False)
    due_at: datetime = Field(sa_type=Instant, nullable=False)
    due_day: int
    open_until: datetime | None = Field(default=None, sa_type=Instant)
    """End (exclusive) of the sending window ``due_at`` lies in; a claim is only made before it, later the planner moves the due time."""
    attempts: int = 0
    sent_at: datetime | None = Field(default=None, sa_type=Instant)


class Pack(SQLModel, table=True):
    """What one receiving house passes on for one (campaign, occasion, step). ``code`` is for ever; what it says are revisions.

    ``due_on``: the last day it is worth passing on, counted from the hand-over, None until then. ``named``: offices below that
    others serve.
    """

    __tablename__ = "pack"
    __table_args__ = (
        UniqueConstraint("campaign_id", "occasion", "step", "organisation_id"),
        Index(
            "ix_pack_planned",
            "dispatch_id",
            sqlite_where=text("relay_state = 'planned'"),
            postgresql_where=text("relay_state = 'planned'"),
        ),
        Index(
            "ix_pack_waiting",
            "due_on",
            sqlite_where=text("relay_state IN ('offered', 'accepted', 'postponed')"),
            postgresql_where=text("relay_state IN ('offered', 'accepted', 'postponed')"),
        ),
        one_of("relay_state", RelayState),
    )

    id: int = Field(default=None, primary_key=True)
    public_id: str = key(default_factory=new_ref, unique=True)
    code: str = key(unique=True)
    dispatch_id: int = Field(sa_column=reference("dispatch.id"))
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    occasion: str = key(default="")
    step: str = key()
    organisation_id: int = Field(sa_column=reference("organisation.id"))
    relay_state: RelayState = Field(default=RelayState.planned, sa_type=by_value(RelayState), nullable=False)
    state_at: datetime = Field(sa_type=Instant, nullable=False)
    due_on: date | None = None
    named: Any = Field(default_factory=list, sa_type=Json)


class PackOrganisation(SQLModel, table=True):
    """A house whose advisers a pack serves, and the house that takes it for them.

    The unique key is the promise of the cascade: no pool is served twice for one step, whoever relays. ``level`` is '' except
    where every level serves (``both``).
    """

    __tablename__ = "pack_organisation"
    __table_args__ = (UniqueConstraint("campaign_id", "occasion", "step", "organisation_id", "level", name="uq_pack_organisation_pool"),)

    pack_id: int = Field(foreign_key="pack.id", primary_key=True)
    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True, index=True)
    relay_id: int = Field(foreign_key="organisation.id")
    campaign_id: int = Field(sa_column=reference("campaign.id", index=False))
    occasion: str = key(default="")
    step: str = key()
    level: str = key(default="")
