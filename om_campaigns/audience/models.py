"""Tables of the audience: the tree of houses, people, seats, addresses, bases, and the append-only facts.

Integer keys stay inside. ``public_id`` (organisation, person) and ``ref`` (address) are the names outside (MSG-25).
A seat is a person's place in a house; a seat without a person is a role address such as info@.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, Integer, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from om_campaigns.audience.vocabulary import (
    AddressKind,
    BasisKind,
    BounceState,
    DataRole,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    Origin,
    PackDelivery,
    PersonStatus,
    RecipientKind,
    Relay,
    ResponseKind,
    Rhythm,
    Role,
    Route,
    SuppressionReason,
    SuppressionScope,
)
from om_campaigns.columns import Instant, Json, by_value, index_of_few, key, new_ref, one_of, reference


class OrganisationType(SQLModel, table=True):
    """A kind of house; ``group`` joins kinds in reports."""

    __tablename__ = "organisation_type"

    code: str = key(primary_key=True)
    name: str
    group: str = key()


class Region(SQLModel, table=True):
    """A Land, district, county or municipality by AGS prefix (2, 3, 5 or 8 digits), or ``DE``."""

    __tablename__ = "region"

    ags: str = key(primary_key=True)
    name: str


class MailingList(SQLModel, table=True):
    """What one subscribes to and leaves (Reihe): scope of consent, List-Id and one-click."""

    __tablename__ = "mailing_list"

    slug: str = key(primary_key=True)
    name_de: str
    name_en: str = ""
    description_de: str = ""
    description_en: str = ""


class Organisation(SQLModel, table=True):
    """A partner organisation or one of its offices."""

    __tablename__ = "organisation"
    __table_args__ = (
        one_of("level", Level),
        one_of("status", OrganisationStatus),
        one_of("forward_policy", ForwardPolicy),
        one_of("data_role", DataRole),
        one_of("relay", Relay),
        one_of("pack_delivery", PackDelivery),
        one_of("rhythm", Rhythm),
        one_of("origin", Origin),
        CheckConstraint("adviser_headcount >= 0", name="headcount_counts"),
    )

    id: int = Field(default=None, primary_key=True)
    public_id: str = key(default_factory=new_ref, unique=True)
    slug: str = key(unique=True)
    name: str
    name_key: str = key(index=True)
    short_name: str = ""
    org_type: str = key(foreign_key="organisation_type.code", index=True)
    level: Level = Field(sa_type=by_value(Level), nullable=False)
    parent_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    status: OrganisationStatus = Field(default=OrganisationStatus.active, sa_type=by_value(OrganisationStatus), nullable=False)
    joined_on: date | None = Field(default=None, index=True)
    left_on: date | None = None
    language: str | None = key(default=None)
    forward_policy: ForwardPolicy = Field(default=ForwardPolicy.as_is, sa_type=by_value(ForwardPolicy), nullable=False)
    adviser_headcount: int | None = None
    headcount_as_of: date | None = None
    brand: str | None = key(default=None)
    data_role: DataRole | None = Field(default=None, sa_type=by_value(DataRole))
    holiday_land: str | None = key(default=None)
    zone: str | None = key(default=None)
    list_address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True))
    relay: Relay | None = Field(default=None, sa_type=by_value(Relay))
    pack_delivery: PackDelivery | None = Field(default=None, sa_type=by_value(PackDelivery))
    shelf_life_days: int | None = None
    """``relay``, ``pack_delivery`` and ``shelf_life_days`` that are not stated are inherited from the nearest ancestor that states them."""
    rhythm: Rhythm | None = Field(default=None, sa_type=by_value(Rhythm))
    """How often packs may come."""
    quiet_days: str | None = key(default=None)
    newsletter_days: str | None = key(default=None)
    """Both as in ``house_days``."""
    merged_into_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    origin: Origin = Field(default=Origin.file, sa_type=by_value(Origin), nullable=False)


class OrganisationRegion(SQLModel, table=True):
    __tablename__ = "organisation_region"
    __table_args__ = (Index("ix_organisation_region_ags", "ags", "organisation_id"),)

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    ags: str = key(primary_key=True)


class OrganisationSector(SQLModel, table=True):
    """WZ section letter, or ``all``."""

    __tablename__ = "organisation_sector"

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    sector: str = key(primary_key=True)


class OrganisationInterest(SQLModel, table=True):
    __tablename__ = "organisation_interest"

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    topic: str = key(primary_key=True)


class OrganisationRoute(SQLModel, table=True):
    """A house's ways of receiving, in order of preference (position 0 first); none stored means inherited."""

    __tablename__ = "organisation_route"
    __table_args__ = (one_of("route", Route),)

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    position: int = Field(primary_key=True)
    route: Route = Field(sa_type=by_value(Route), nullable=False)


class OrganisationRelation(SQLModel, table=True):
    """A further affiliation beside the one primary parent."""

    __tablename__ = "organisation_relation"

    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True)
    related_id: int = Field(foreign_key="organisation.id", primary_key=True)


class Address(SQLModel, table=True):
    """An e-mail address as an entity: ``address`` is its normal form, ``normal_key`` its casefolded form.

    ``hmac`` is HMAC-SHA-256 of the key under ``key_id``; it outlives the address in ``suppression`` (LAW-09). ``folded_hmac`` is that of
    ``addresses.fold_key`` where it differs: whoever left under one spelling of a mailbox is left alone under every other.
    """

    __tablename__ = "address"
    __table_args__ = (UniqueConstraint("hmac", "key_id"), one_of("kind", AddressKind), one_of("bounce_state", BounceState))

    id: int = Field(default=None, primary_key=True)
    ref: str = key(default_factory=new_ref, unique=True)
    address: str
    normal_key: str = key(unique=True)
    domain: str = key()
    kind: AddressKind = Field(default=AddressKind.personal, sa_type=by_value(AddressKind), nullable=False)
    hmac: str = key()
    folded_hmac: str | None = key(default=None)
    key_id: str = key()
    bounce_state: BounceState = Field(default=BounceState.none, sa_type=by_value(BounceState), nullable=False)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)


class Person(SQLModel, table=True):
    """A human being; ``staff_key`` is the office's own number for them, if it has one."""

    __tablename__ = "person"
    __table_args__ = (one_of("status", PersonStatus), one_of("origin", Origin))

    id: int = Field(default=None, primary_key=True)
    public_id: str = key(default_factory=new_ref, unique=True)
    staff_key: str | None = key(default=None, unique=True)
    full_name: str
    name_key: str = key(index=True)
    main_address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True))
    language: str | None = key(default=None)
    salutation: str | None = None
    status: PersonStatus = Field(default=PersonStatus.active, sa_type=by_value(PersonStatus), nullable=False)
    origin: Origin = Field(default=Origin.file, sa_type=by_value(Origin), nullable=False)


class Seat(SQLModel, table=True):
    """A person's place in a house, or (without a person) a role address of the house.

    A seat without an ``address_id`` of its own is written to at the person's main address.
    """

    __tablename__ = "seat"
    __table_args__ = (
        UniqueConstraint("person_id", "organisation_id"),
        CheckConstraint("person_id IS NOT NULL OR address_id IS NOT NULL", name="somebody_sits"),
        index_of_few("seat", "address_id"),
    )

    id: int = Field(default=None, primary_key=True)
    person_id: int | None = Field(default=None, sa_column=reference("person.id", nullable=True, index=False))
    organisation_id: int = Field(sa_column=reference("organisation.id"))
    address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True, index=False))
    is_primary_home: bool = False
    strength: int = 99
    """Position of the strongest role in ``Role`` (0 strongest), kept with ``seat_role`` for set-based choice."""
    since: date | None = None
    until: date | None = None


class SeatRole(SQLModel, table=True):
    __tablename__ = "seat_role"
    __table_args__ = (Index("ix_seat_role_role", "role"), one_of("role", Role))

    seat_id: int = Field(foreign_key="seat.id", primary_key=True)
    role: Role = Field(sa_type=by_value(Role), primary_key=True)


class Basis(SQLModel, table=True):
    """Why an address may be written to. ``collector_id`` empty means OM collected it; ``mailing_list`` may be ``*``."""

    __tablename__ = "basis"
    __table_args__ = (
        Index("uq_basis_grounds", "address_id", "kind", "mailing_list", text("coalesce(collector_id, 0)"), unique=True),
        index_of_few("basis", "collector_id"),
        one_of("kind", BasisKind),
        one_of("origin", Origin),
    )

    id: int = Field(default=None, primary_key=True)
    address_id: int = Field(sa_column=reference("address.id", index=False))
    kind: BasisKind = Field(sa_type=by_value(BasisKind), nullable=False)
    mailing_list: str = key()
    collector_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True, index=False))
    obtained_on: date | None = None
    source: str = ""
    text_version: str = ""
    proof_ref: str = ""
    withdrawn_at: datetime | None = Field(default=None, sa_type=Instant)
    origin: Origin = Field(default=Origin.file, sa_type=by_value(Origin), nullable=False)


class Suppression(SQLModel, table=True):
    """Nobody behind this hash is written to in this scope; beats every basis, survives import and erasure (LAW-09).

    ``scope`` is a mailing list's slug, an organisation's public id, or '' for ``all``. Whoever left more than one list and subscribed to
    some of them again finds these in ``reopened``, in blanks: `` hilfen monatsbrief ``; every other list stays left, also one made later.
    """

    __tablename__ = "suppression"
    __table_args__ = (
        UniqueConstraint("hmac", "key_id", "scope_kind", "scope"),
        one_of("scope_kind", SuppressionScope),
        one_of("reason", SuppressionReason),
    )

    id: int = Field(default=None, primary_key=True)
    hmac: str = key()
    key_id: str = key()
    scope_kind: SuppressionScope = Field(sa_type=by_value(SuppressionScope), nullable=False)
    scope: str = key(default="")
    reason: SuppressionReason = Field(sa_type=by_value(SuppressionReason), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)
    reopened: str | None = None


class Preference(SQLModel, table=True):
    """What the reader of an address chose; no row means nothing was chosen."""

    __tablename__ = "preference"
    __table_args__ = (one_of("rhythm", Rhythm),)

    address_id: int = Field(foreign_key="address.id", primary_key=True)
    rhythm: Rhythm = Field(default=Rhythm.as_it_comes, sa_type=by_value(Rhythm), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)


class PreferenceTopic(SQLModel, table=True):
    """A topic the reader of an address wants to read about; with none chosen they read about everything."""

    __tablename__ = "preference_topic"

    address_id: int = Field(foreign_key="address.id", primary_key=True)
    topic: str = key(primary_key=True)


class Network(SQLModel, table=True):
    """A network of houses: OM's own or any other; both kinds are equal in segments and reports (R3)."""

    __tablename__ = "network"
    __table_args__ = (one_of("kind", NetworkKind),)

    id: int = Field(default=None, primary_key=True)
    slug: str = key(unique=True)
    name: str
    kind: NetworkKind = Field(sa_type=by_value(NetworkKind), nullable=False)
    coordinator_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    recognised_on: date | None = None
    last_activity_on: date | None = None


class NetworkRegion(SQLModel, table=True):
    __tablename__ = "network_region"

    network_id: int = Field(foreign_key="network.id", primary_key=True)
    ags: str = key(primary_key=True)


class NetworkOrganisation(SQLModel, table=True):
    """A house sits in a network; ``carried_over_on`` is its last reported carry-over there (R7)."""

    __tablename__ = "network_organisation"

    network_id: int = Field(foreign_key="network.id", primary_key=True)
    organisation_id: int = Field(foreign_key="organisation.id", primary_key=True, index=True)
    carried_over_on: date | None = None


class NetworkPerson(SQLModel, table=True):
    __tablename__ = "network_person"

    network_id: int = Field(foreign_key="network.id", primary_key=True)
    person_id: int = Field(foreign_key="person.id", primary_key=True, index=True)
    for_organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))


class Touch(SQLModel, table=True):
    """A fact: this recipient was handed this step. Append-only and kept when ledger rows are pruned.

    ``day`` counts days since 1970-01-01 in the recipient's zone, for caps. ``items`` are content ids.
    ``certain`` is false while the letter's fate is unknown. ``service`` mail does not count against caps.
    """

    __tablename__ = "touch"
    __table_args__ = (
        UniqueConstraint("campaign_id", "occasion", "step", "recipient_kind", "recipient_id"),
        Index("ix_touch_address_day", "address_id", "day"),
        Index("ix_touch_organisation_at", "organisation_id", "at"),
        Index("ix_touch_recipient_id", "recipient_id"),
        Index("ix_touch_first", "campaign_id", "step", "at", sqlite_where=text("service = 0"), postgresql_where=text("NOT service")),
        Index("ix_touch_service", "campaign_id", "step", sqlite_where=text("service = 1"), postgresql_where=text("service")),
        one_of("recipient_kind", RecipientKind),
        one_of("route", Route),
    )

    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    campaign_id: int
    occasion: str = key()
    step: str = key()
    recipient_kind: RecipientKind = Field(sa_type=by_value(RecipientKind), nullable=False)
    recipient_id: int
    address_id: int
    organisation_id: int
    route: Route = Field(sa_type=by_value(Route), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)
    day: int
    ideas: str = key(default="")
    items: str = key(default="")
    service: bool = False
    certain: bool = True


class Response(SQLModel, table=True):
    """A sign that came back from a house. Append-only. ``source_key`` makes recording it twice harmless."""

    __tablename__ = "response"
    __table_args__ = (
        UniqueConstraint("kind", "source_key"),
        Index("ix_response_organisation_at", "organisation_id", "at"),
        one_of("kind", ResponseKind),
    )

    id: int = Field(default=None, primary_key=True)
    kind: ResponseKind = Field(sa_type=by_value(ResponseKind), nullable=False)
    source_key: str = key()
    at: datetime = Field(sa_type=Instant, nullable=False)
    organisation_id: int = Field(sa_column=reference("organisation.id", index=False))
    person_id: int | None = Field(default=None, sa_column=reference("person.id", nullable=True))
    campaign_id: int | None = None
    occasion: str = key(default="")
    step: str = key(default="")
    detail: Any = Field(default=None, sa_type=Json)
