"""Everybody who matches a segment and is not in the campaign yet, with what stands in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
)
from sqlmodel import Session

from om_campaigns.audience.consent import has_own_consent
from om_campaigns.audience.expressions.catalogue import Selects
from om_campaigns.audience.models import Organisation, Person, Seat
from om_campaigns.audience.seats import address_id_of
from om_campaigns.audience.segments import subjects
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, RecipientKind, Role
from om_campaigns.campaign.definition import Audience, CampaignDefinition, ReEnter
from om_campaigns.campaign.entry_brake import EntryRule
from om_campaigns.campaign.house_values import HOUSE, House, fill_houses, renew_temporary, temporary
from om_campaigns.campaign.matching import Parties, is_in_campaign, join_parties, make_parties, make_reason, subject_id, subject_kind
from om_campaigns.campaign.models import Campaign, Enrolment
from om_campaigns.campaign.receivers import RECEIVER, fill_receivers, load_passing, segment_of
from om_campaigns.campaign.routing import Cascade
from om_campaigns.campaign.vocabulary import EnrolmentState, Reason
from om_campaigns.columns import BYTEWISE_TEXT, table_of
from om_campaigns.store import change

_enrolment = table_of(Enrolment)

CANDIDATE = Table(
    "plan_candidate",
    temporary,
    Column("audience", Integer, nullable=False),
    Column("subject_kind", BYTEWISE_TEXT, nullable=False),
    Column("subject_id", Integer, nullable=False),
    Column("organisation_id", Integer, nullable=False),
    Column("seat_id", Integer, nullable=False),
    Column("address_id", Integer),
    Column("strength", Integer, nullable=False),
    Column("is_primary_home", Boolean, nullable=False),
    Column("reason", BYTEWISE_TEXT, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class Entry:
    """What entering needs to know of a campaign: its latest version and the campaigns it looks at."""

    campaign: Campaign
    version_id: int
    definition: CampaignDefinition
    campaign_ids: dict[str, int]
    not_while_in: tuple[int, ...]
    starts_after: tuple[int, ...]
    houses: dict[int, House]
    rule: EntryRule


def fill_candidates(session: Session, entry: Entry, today: date) -> int:
    """Everybody who matches and is not in yet, with what stands in the way; returns how many."""
    renew_temporary(session, CANDIDATE)
    occasions = _load_occasions(session, entry)
    found = 0
    through = _load_through(session, entry, today)
    for position, audience in enumerate(entry.definition.audiences):
        if position in through.cascades:
            fill_houses(session, entry.houses.values(), chosen=fill_receivers(session, through.cascades[position]))
        else:
            fill_houses(session, entry.houses.values(), audience.routes)
        chosen = _candidates(entry, position, audience, today, occasions, through)
        found += change(session, insert(CANDIDATE).from_select([column.name for column in CANDIDATE.c], chosen))
    return found


@dataclass(frozen=True)
class _Through:
    """Whom a campaign reaches through the houses: they are not written to a second time (domain rules 1 and 3)."""

    cascades: dict[int, Cascade]

    @property
    def pools(self) -> list[int]:
        return sorted({each.pool_id for cascade in self.cascades.values() for each in cascade.services})

    @property
    def addresses(self) -> list[int]:
        return sorted({each.receiver.address_id for cascade in self.cascades.values() for each in cascade.services})


def _load_through(session: Session, entry: Entry, today: date) -> _Through:
    return _Through(
        {
            position: load_passing(
                session, entry.houses, entry.definition, audience, today=today, campaign_ids=entry.campaign_ids
            ).cascade()
            for position, audience in enumerate(entry.definition.audiences)
            if audience.passes_on
        }
    )


def _not_through_house(entry: Entry, through: _Through, parties: Parties) -> list[tuple[ColumnElement[bool], Reason]]:
    """Home first: an adviser is written to directly only on the person's own subscription (domain rule 3)."""
    if not through.cascades:
        return []
    subscribed = has_own_consent(parties.address.c.id, entry.definition.mailing_list)
    only_adviser = parties.seat.c.strength == ROLE_STRENGTH[Role.adviser]
    return [
        (parties.address.c.id.in_(through.addresses), Reason.stronger_role),
        (and_(only_adviser, parties.organisation.c.id.in_(through.pools), ~subscribed), Reason.through_house),
    ]


def _candidates(entry: Entry, position: int, audience: Audience, today: date, occasions: Sequence[str], through: _Through) -> Select[Any]:
    query, parties = _members(entry, audience, today)
    kind: ColumnElement[Any] = literal(RecipientKind.organisation.value) if audience.passes_on else subject_kind(parties)
    number = parties.organisation.c.id if audience.passes_on else subject_id(parties)
    more = _conditions_between_campaigns(entry, parties, as_house=audience.passes_on)
    if not audience.passes_on:
        more += _not_through_house(entry, through, parties)
    columns = (
        literal(position),
        kind,
        number,
        parties.organisation.c.id,
        func.coalesce(parties.seat.c.id, 0),
        parties.address.c.id,
        func.coalesce(parties.seat.c.strength, 99),
        func.coalesce(parties.seat.c.is_primary_home, literal(False)),
        make_reason(
            parties,
            today=today,
            mailing_list=entry.definition.mailing_list,
            sender=audience.sender,
            route=select(HOUSE.c.route).where(HOUSE.c.organisation_id == parties.organisation.c.id).scalar_subquery(),
            more=more,
        ),
    )
    mine, earlier = table_of(Enrolment).alias("e_mine"), CANDIDATE.alias("earlier")
    is_in_already = exists().where(
        mine.c.campaign_id == entry.campaign.id,
        mine.c.occasion.in_(occasions),
        mine.c.subject_kind == kind,
        mine.c.subject_id == number,
        mine.c.left_at.is_(None),
    )
    query = query.with_only_columns(*columns, maintain_column_froms=True).where(~is_in_already)
    if position:
        query = query.where(~exists().where(earlier.c.audience < position, earlier.c.subject_kind == kind, earlier.c.subject_id == number))
    return query


def _members(entry: Entry, audience: Audience, today: date) -> tuple[Select[Any], Parties]:
    """Who matches an ``[[audience]]``, with the seat, person, house and address that stand in the query."""
    if audience.passes_on:
        parties = make_parties()
        receiving = RECEIVER.c
        joined = join_parties(
            RECEIVER,
            parties,
            seat_id=receiving.seat_id,
            organisation_id=receiving.organisation_id,
            address_id=receiving.address_id,
        )
        return select(RECEIVER).select_from(joined), parties
    found, parties = subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids), make_parties()
    if audience.selects == Selects.organisations:
        house = found.subquery("m")
        return select(house).select_from(join_parties(house, parties, seat_id=literal(0), organisation_id=house.c.organisation_id)), parties
    seat, person = table_of(Seat), table_of(Person)
    parties = Parties(seat, person, table_of(Organisation), parties.address)
    return found.outerjoin(parties.address, parties.address.c.id == address_id_of(seat, person)), parties


def _load_occasions(session: Session, entry: Entry) -> list[str]:
    """The occasions in use, which makes the unique key of enrolments usable: '' alone where nobody enters again."""
    if entry.definition.re_enter != ReEnter.after_finish:
        return [""]
    enrolment = table_of(Enrolment)
    return ["", *session.execute(select(enrolment.c.occasion).where(enrolment.c.campaign_id == entry.campaign.id).distinct()).scalars()]


def _conditions_between_campaigns(entry: Entry, parties: Parties, *, as_house: bool) -> list[tuple[ColumnElement[bool], Reason]]:
    conditions: list[tuple[ColumnElement[bool], Reason]] = []
    if entry.not_while_in:
        still_in = is_in_campaign(parties, entry.not_while_in, EnrolmentState.active, as_house=as_house)
        conditions.append((still_in, Reason.not_while_in))
    if entry.starts_after:
        done = is_in_campaign(parties, entry.starts_after, EnrolmentState.finished, as_house=as_house)
        conditions.append((~done, Reason.starts_after))
    return conditions


def is_in(entry: Entry, subject: FromClause, occasion: ColumnElement[str]) -> ColumnElement[bool]:
    """The subject, or another person through the same address, has its place in this occasion already."""
    mine = _enrolment.alias("e_in")
    same = and_(mine.c.subject_kind == subject.c.subject_kind, mine.c.subject_id == subject.c.subject_id)
    through = and_(
        mine.c.subject_kind == literal_column("'person'"),  # in the words of the partial index
        subject.c.subject_kind == RecipientKind.person.value,
        mine.c.address_id == subject.c.address_id,
    )
    in_occasion = and_(mine.c.campaign_id == entry.campaign.id, mine.c.occasion == occasion)
    return or_(exists().where(in_occasion, same), exists().where(in_occasion, through))
