"""The cascade as the database knows it: pools from a segment, houses with those who receive in them, who was served already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Column, Integer, Table, insert, literal, select, update
from sqlmodel import Session

from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.models import Organisation, Seat, SeatRole
from om_campaigns.audience.seats import RECEIVING_ROLES
from om_campaigns.audience.segments import Segment, subjects
from om_campaigns.audience.vocabulary import OrganisationStatus, RecipientKind, Route, Sender
from om_campaigns.campaign.definition import Audience, CampaignDefinition
from om_campaigns.campaign.house_values import House, choose_route, renew_temporary, temporary
from om_campaigns.campaign.matching import is_active, join_parties, make_parties, make_reason
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, PackOrganisation
from om_campaigns.campaign.routing import Cascade, Office, Receiver, Service, make_cascade
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import table_of

RECEIVER = Table(
    "plan_receiver",
    temporary,
    Column("organisation_id", Integer, primary_key=True),
    Column("seat_id", Integer, nullable=False),
    Column("address_id", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The houses that receive packs of one ``[[audience]]``, and at whom."""


@dataclass(frozen=True)
class Passing:
    """One ``[[audience]]`` that is served through its houses: the tree and the pools, read once per plan."""

    offices: Mapping[int, Office]
    pools: frozenset[int]

    def cascade(self, served: Iterable[tuple[int, str]] = ()) -> Cascade:
        """Who serves whom, without what ``served`` (pool, level) has had already."""
        found = make_cascade(self.offices, self.pools)
        done = frozenset(served)
        if not done:
            return found
        return replace(found, services=tuple(each for each in found.services if not _is_served(each, done)))


def _is_served(service: Service, done: frozenset[tuple[int, str]]) -> bool:
    """A pool that one house serves is served once by whoever did; where every level serves, once per level."""
    if service.level:
        return (service.pool_id, service.level) in done or (service.pool_id, "") in done
    return any(pool == service.pool_id for pool, _ in done)


def load_passing(
    session: Session,
    houses: Mapping[int, House],
    definition: CampaignDefinition,
    audience: Audience,
    *,
    today: date,
    campaign_ids: Mapping[str, int],
) -> Passing:
    """The pools are the houses of the segment (of its seats, where it selects seats)."""
    found = subjects(segment_of(audience), today=today, campaigns=campaign_ids).subquery("pools")
    pools = session.execute(select(found.c.organisation_id).distinct()).scalars()
    return Passing(load_offices(session, houses, definition, audience, today=today), frozenset(pools))


def segment_of(audience: Audience) -> Segment:
    """The segment as it was when the version was published."""
    return Segment(audience.segment, audience.segment, "", Selects(audience.selects), audience.where, "", 1, 1)


def load_offices(
    session: Session, houses: Mapping[int, House], definition: CampaignDefinition, audience: Audience, *, today: date
) -> dict[int, Office]:
    """Every house of the tree with its way of passing on and everybody who could receive there."""
    receivers = _load_receivers(session, definition.mailing_list, audience.sender, today)
    lists = _load_list_receivers(session, definition, audience, today)
    organisation = table_of(Organisation)
    columns = [organisation.c[name] for name in ("id", "parent_id", "level", "status", "forward_policy", "relay")]
    return {
        row.id: Office(
            row.id,
            row.parent_id,
            row.level,
            row.status is OrganisationStatus.active,
            choose_route(houses[row.id], audience.routes),
            row.forward_policy,
            row.relay,
            tuple(receivers[row.id]),
            lists.get(row.id),
        )
        for row in session.execute(select(*columns))
    }


def _load_receivers(
    session: Session, mailing_list: str, sender: Sender, today: date, house_id: int | None = None
) -> dict[int, list[Receiver]]:
    """By house (or for one house only), those who could receive there, in order of preference, each with why not."""
    parties, role, seat = make_parties(), table_of(SeatRole), table_of(Seat)
    place = (
        select(role.c.seat_id, role.c.role, seat.c.organisation_id)
        .join_from(role, seat, seat.c.id == role.c.seat_id)
        .where(role.c.role.in_(RECEIVING_ROLES))
        .subquery("place")
    )
    query = (
        select(
            parties.organisation.c.id,
            parties.seat.c.id,
            parties.address.c.id,
            place.c.role,
            make_reason(
                parties,
                today=today,
                mailing_list=mailing_list,
                sender=sender,
                route=literal(Route.forward_pack.value),
            ),
        )
        .select_from(join_parties(place, parties, seat_id=place.c.seat_id, organisation_id=place.c.organisation_id))
        .order_by(parties.seat.c.is_primary_home.desc(), parties.seat.c.id)
    )
    if house_id is not None:
        query = query.where(place.c.organisation_id == house_id)
    found: dict[int, list[Receiver]] = defaultdict(list)
    rows = [Receiver(house, seat, address or 0, kind, Reason(reason)) for house, seat, address, kind, reason in session.execute(query)]
    for each in sorted(rows, key=lambda each: RECEIVING_ROLES.index(each.role or RECEIVING_ROLES[-1])):
        found[each.organisation_id].append(each)
    return found


def _load_list_receivers(session: Session, definition: CampaignDefinition, audience: Audience, today: date) -> dict[int, Receiver]:
    parties, house = make_parties(), table_of(Organisation).alias("h")
    query = (
        select(
            house.c.id,
            parties.address.c.id,
            make_reason(
                parties,
                today=today,
                mailing_list=definition.mailing_list,
                sender=audience.sender,
                route=literal(Route.list_address.value),
            ),
        )
        .select_from(join_parties(house, parties, seat_id=literal(0), organisation_id=house.c.id, address_id=house.c.list_address_id))
        .where(house.c.list_address_id.is_not(None))
    )
    return {house_id: Receiver(house_id, 0, address, None, Reason(reason)) for house_id, address, reason in session.execute(query)}


def load_served(session: Session, campaign_id: int, occasion: str, step: str) -> set[tuple[int, str]]:
    """(pool, level) of everything that was packed for one step."""
    served = table_of(PackOrganisation)
    query = select(served.c.organisation_id, served.c.level).where(
        served.c.campaign_id == campaign_id, served.c.occasion == occasion, served.c.step == step
    )
    return {(pool, level) for pool, level in session.execute(query)}


def fill_receivers(session: Session, cascade: Cascade) -> dict[int, Route]:
    """Lay the receiving houses beside the plan; returns the way each of them takes."""
    renew_temporary(session, RECEIVER)
    routes: dict[int, Route] = {}
    rows = []
    for house_id, services in cascade.by_receiver().items():
        receiver, routes[house_id] = services[0].receiver, services[0].route
        rows.append({"organisation_id": house_id, "seat_id": receiver.seat_id, "address_id": receiver.address_id})
    if rows:
        session.execute(insert(RECEIVER), rows)
    return routes


@dataclass(frozen=True, slots=True)
class Moved:
    """A pack that waits for a house whose receiver left: ``seat_id`` is who receives now, None where there is nobody else."""

    dispatch_id: int
    seat_id: int | None


def find_following(session: Session, mailing_list: str, sender: Sender, today: date, house_id: int, address_id: int) -> Receiver | None:
    """Who receives in a house where whoever reads this address does not; None where there is nobody else."""
    others = _load_receivers(session, mailing_list, sender, today, house_id)[house_id]
    return next((each for each in others if each.reason is Reason.none and each.address_id != address_id), None)


def move_to_next_receiver(session: Session, address_id: int, house_id: int, today: date) -> list[Moved]:
    """Packs owed to a house at this address go to the next person who receives there and may be written to."""
    dispatch, campaign = table_of(Dispatch), table_of(Campaign)
    query = (
        select(dispatch.c.id, dispatch.c.sender, campaign.c.mailing_list)
        .join_from(dispatch, campaign, campaign.c.id == dispatch.c.campaign_id)
        .where(
            dispatch.c.organisation_id == house_id,
            dispatch.c.address_id == address_id,
            dispatch.c.recipient_kind == RecipientKind.organisation,
            dispatch.c.seat_id != 0,
            dispatch.c.status.in_((DispatchStatus.planned, DispatchStatus.held, DispatchStatus.retry)),
        )
        .order_by(dispatch.c.id)
    )
    moved = []
    for row in session.execute(query).all():
        following = find_following(session, row.mailing_list, row.sender, today, house_id, address_id)
        if following is not None:
            session.execute(
                update(dispatch).where(dispatch.c.id == row.id).values(seat_id=following.seat_id, address_id=following.address_id)
            )
        moved.append(Moved(row.id, following.seat_id if following else None))
    return moved


def follow_receivers(session: Session, campaign_id: int, version_id: int, position: int) -> None:
    """A house's series goes on when somebody else receives for it: its enrolment learns the present seat and address."""
    enrolment = table_of(Enrolment)
    session.execute(
        update(enrolment)
        .where(
            enrolment.c.campaign_id == campaign_id,
            is_active(enrolment),
            enrolment.c.version_id == version_id,
            enrolment.c.audience == position,
            enrolment.c.subject_kind == RecipientKind.organisation,
            enrolment.c.organisation_id == RECEIVER.c.organisation_id,
        )
        .values(seat_id=RECEIVER.c.seat_id, address_id=RECEIVER.c.address_id)
    )
