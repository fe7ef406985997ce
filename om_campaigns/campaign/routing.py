"""Who passes a letter on to which advisers: the cascade, decided for a whole tree at once.

A *pool* is the advisers of one house. On its path from the house up to the umbrella, houses that take packs are *relays*: the
lowest of them serves the pool, or the top one, or every one (``relay``); the pool's own house decides, else its nearest ancestor
that states it. A relay without a person of its own is served through the nearest ancestor's distributor (domain rule 2).
So each pool is served at most once, and exactly once where anybody on its path takes packs.

Who receives is chosen for each relay first, by what that house and those above it know. Only then packs are joined: those chosen to go
to one address, because nobody gets the same letter twice, and those of one house, because a house gets one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from om_campaigns.audience.seats import RECEIVING_ROLES
from om_campaigns.audience.tree import upwards
from om_campaigns.audience.vocabulary import PASSING_ON, ForwardPolicy, Level, Relay, Role, Route
from om_campaigns.campaign.vocabulary import Reason

_RECEIVES_BELOW = (Role.distributor, Role.contact)
"""Who also receives for houses below that have nobody (domain rule 2)."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a pack goes. ``seat_id`` is 0 for a house's list address. ``reason``: why nothing may be sent there, none if it may."""

    organisation_id: int
    seat_id: int
    address_id: int
    role: Role | None = None
    reason: Reason = Reason.none


@dataclass(frozen=True, slots=True)
class Office:
    """A house as the cascade sees it. ``route``: what it takes of what is offered. ``receivers``: in order of preference."""

    id: int
    parent_id: int | None
    level: Level
    is_active: bool
    route: Route
    policy: ForwardPolicy = ForwardPolicy.as_is
    relay: Relay | None = None
    receivers: tuple[Receiver, ...] = ()
    list_receiver: Receiver | None = None

    @property
    def takes(self) -> Route:
        """The way it passes on, ``none`` if it does not; who may use blocks only gets the block."""
        if not self.is_active or self.policy is ForwardPolicy.no_forwarding or self.route not in PASSING_ON:
            return Route.none
        if self.policy is ForwardPolicy.block_only and self.route is Route.forward_pack:
            return Route.newsletter_block
        return self.route


@dataclass(frozen=True, slots=True)
class Service:
    """One pool served: by which house (``relay_id``), through whom, in which way.

    ``chosen`` is who receives for the relay, there or above; ``receiver`` is where the pack goes, the same for all it was joined with: at
    the address of ``chosen``, or to the list of the same house.

    ``route`` is the way of the pack, the same for all it serves: that of the house which receives it. A relay below that takes
    blocks only is named in the cover (``Houses.blocks_only``).
    ``level`` tells the services of a pool apart where every level serves (``both``); it is '' where one house does.
    """

    pool_id: int
    relay_id: int
    chosen: Receiver
    receiver: Receiver
    route: Route
    level: str = ""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Who serves whom. ``unserved``: pools that nobody serves, and why."""

    services: tuple[Service, ...] = ()
    unserved: Mapping[int, Reason] = field(default_factory=dict)

    def by_receiver(self) -> dict[int, list[Service]]:
        """Services by the house that receives the pack, in order of the pools."""
        found: dict[int, list[Service]] = {}
        for each in self.services:
            found.setdefault(each.receiver.organisation_id, []).append(each)
        return found


def make_cascade(offices: Mapping[int, Office], pools: Iterable[int]) -> Cascade:
    """Serve each pool (ids of houses): choose who receives for each relay, then join what goes to one address."""
    services: list[Service] = []
    unserved: dict[int, Reason] = {}
    for pool in sorted(pools):
        path = list(_path(offices, pool))
        found = _relays(path, _inherited_relay(path)) if path and path[0].is_active else []
        services += [Service(pool, office.id, chosen, chosen, office.takes, level) for office, chosen, level in found]
        if not found:
            unserved[pool] = _why_unserved(path)
    return Cascade(tuple(_in_the_way_of_packs(_join(services))), unserved)


def _join(services: Sequence[Service]) -> list[Service]:
    """One pack for each address and for each house; a pool that would be in one pack for several levels is in it for the lowest.

    A pack belongs to the house with the lowest id of those its receiver was chosen for. A house that passes on through its list gets
    no second pack for its people: theirs belongs to another of their houses, else the list stands for them.
    """
    lists = {each.chosen.organisation_id: each.chosen for each in services if not each.chosen.seat_id}
    of_address: dict[int, Receiver] = {}
    for chosen in sorted((each.chosen for each in services), key=lambda each: (each.organisation_id, each.seat_id)):
        if lists.get(chosen.organisation_id, chosen).address_id == chosen.address_id:
            of_address.setdefault(chosen.address_id, chosen)
    joined: dict[tuple[int, int], Service] = {}
    for each in services:
        receiver = of_address.get(each.chosen.address_id) or of_address[lists[each.chosen.organisation_id].address_id]
        joined[each.pool_id, receiver.organisation_id] = replace(each, receiver=receiver)
    return list(joined.values())


def _in_the_way_of_packs(services: list[Service]) -> Iterator[Service]:
    """One pack goes one way: as the receiving house takes it, where it relays itself, else as the first relay it receives for."""
    routes: dict[int, Route] = {}
    for each in sorted(services, key=lambda each: each.relay_id != each.receiver.organisation_id):
        routes.setdefault(each.receiver.organisation_id, each.route)
    for each in services:
        yield replace(each, route=routes[each.receiver.organisation_id])


def _path(offices: Mapping[int, Office], start: int) -> Iterator[Office]:
    """The house and its ancestors, upwards, as far as they are known."""
    known = upwards(start, lambda each: offices[each].parent_id if each in offices else None)
    return (offices[each] for each in known if each in offices)


def _inherited_relay(path: list[Office]) -> Relay:
    return next((office.relay for office in path if office.relay is not None), Relay.lowest)


def _relays(path: list[Office], relay: Relay) -> list[tuple[Office, Receiver, str]]:
    """The houses on a path that pass on, with whom they receive through; at most one per level."""
    taking = [
        (office, receiver)
        for place, office in enumerate(path)
        if office.takes is not Route.none and (receiver := _receiver(office, path[place + 1 :])) is not None
    ]
    if relay is Relay.both:
        lowest_of_level = {office.level: (office, receiver, office.level.value) for office, receiver in reversed(taking)}
        return list(lowest_of_level.values())
    chosen = taking[-1:] if relay is Relay.top else taking[:1]
    return [(office, receiver, "") for office, receiver in chosen]


def _receiver(office: Office, above: list[Office]) -> Receiver | None:
    """Through whom a house receives: its own people, else the nearest ancestor's distributor, else its contact (domain rule 2)."""
    if office.takes is Route.list_address:
        return office.list_receiver if office.list_receiver is not None and office.list_receiver.reason is Reason.none else None
    if own := _first(office.receivers, RECEIVING_ROLES):
        return own
    for role in _RECEIVES_BELOW:
        for ancestor in above:
            if ancestor.is_active and (found := _first(ancestor.receivers, (role,))):
                return found
    return None


def _first(receivers: Iterable[Receiver], roles: tuple[Role, ...]) -> Receiver | None:
    return next((each for each in receivers if each.reason is Reason.none and each.role in roles), None)


def _why_unserved(path: list[Office]) -> Reason:
    """What to mend first: nobody takes packs, or those who do cannot be reached."""
    if not path or not path[0].is_active:
        return Reason.organisation_inactive
    takers = [office for office in path if office.takes is not Route.none]
    if not takers:
        return Reason.no_route
    known = [each for place, office in enumerate(path) if office in takers for each in _could_receive(office, path[place + 1 :])]
    return next((each.reason for each in known), Reason.nobody_receives)


def _could_receive(office: Office, above: list[Office]) -> list[Receiver]:
    """Everybody ``_receiver`` looks at, whether they may be written to or not."""
    if office.takes is Route.list_address:
        return [office.list_receiver] if office.list_receiver is not None else []
    return [*office.receivers, *(each for house in above if house.is_active for each in house.receivers if each.role in _RECEIVES_BELOW)]
