"""routing: one relay per adviser pool, on random trees with every mix of routes, policies and reachable people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.audience.vocabulary import ForwardPolicy, Level, Relay, Role, Route
from om_campaigns.campaign.routing import Cascade, Office, Receiver, make_cascade
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.staff.show_packs import tell_why

LEVELS = list(Level)


@st.composite
def trees(draw: st.DrawFn) -> dict[int, Office]:
    """Up to a dozen houses; a parent always has a lower number, some people cannot be written to."""
    offices: dict[int, Office] = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        parent = draw(st.sampled_from([None, *offices]))
        depth = 0 if parent is None else min(LEVELS.index(offices[parent].level) + draw(st.integers(0, 2)), 3)
        reason = st.sampled_from([Reason.none, Reason.none, Reason.suppressed])
        address = st.integers(1, 15)
        roles = draw(st.lists(st.sampled_from([Role.distributor, Role.contact, Role.deputy]), max_size=2))
        people = tuple(Receiver(number, number * 10 + place, draw(address), role, draw(reason)) for place, role in enumerate(sorted(roles)))
        offices[number] = Office(
            number,
            parent,
            LEVELS[depth],
            draw(st.booleans()) or draw(st.booleans()),
            draw(st.sampled_from(Route)),
            draw(st.sampled_from(ForwardPolicy)),
            draw(st.sampled_from([None, None, *Relay])),
            people,
            draw(st.none() | st.builds(Receiver, st.just(number), st.just(0), st.integers(100, 103), st.none(), reason)),
        )
    return offices


def path_of(offices: dict[int, Office], pool: int) -> list[Office]:
    path, here = [], pool
    while here is not None:
        path.append(offices[here])
        here = offices[here].parent_id  # type: ignore[assignment]
    return path


def mode_of(path: Sequence[Office]) -> Relay:
    return next((office.relay for office in path if office.relay), Relay.lowest)


def can_take(offices: dict[int, Office], office: Office) -> bool:
    """Takes packs and has somebody who may be written to: own people, or a distributor or contact above (domain rule 2)."""
    if office.takes is Route.none:
        return False
    if office.takes is Route.list_address:
        return office.list_receiver is not None and office.list_receiver.reason is Reason.none
    own = any(each.reason is Reason.none for each in office.receivers)
    above = (each for house in path_of(offices, office.id)[1:] if house.is_active for each in house.receivers)
    return own or any(each.reason is Reason.none and each.role in (Role.distributor, Role.contact) for each in above)


@pytest.mark.slow
@given(trees())
def test_each_pool_is_served_once_wherever_anybody_on_its_path_takes_packs(offices: dict[int, Office]) -> None:
    cascade = make_cascade(offices, offices)
    served = Counter(each.pool_id for each in cascade.services)
    levels = Counter((each.pool_id, each.level) for each in cascade.services)
    for pool in offices:
        path = path_of(offices, pool)
        takers = [office for office in path if can_take(offices, office)] if offices[pool].is_active else []
        if not takers:
            assert served[pool] == 0
            assert pool in cascade.unserved
            continue
        assert pool not in cascade.unserved
        mode = mode_of(path)
        if mode is Relay.both:
            assert served[pool] >= 1
            assert max(number for (house, _), number in levels.items() if house == pool) == 1, "twice on one level"
        else:
            assert served[pool] == 1
            expected = takers[0] if mode is Relay.lowest else takers[-1]
            assert next(each.relay_id for each in cascade.services if each.pool_id == pool) == expected.id


@pytest.mark.slow
@given(trees())
def test_nobody_receives_who_may_not_be_written_to_and_one_address_gets_one_pack(offices: dict[int, Office]) -> None:
    cascade = make_cascade(offices, offices)
    assert all(each.receiver.reason is Reason.none for each in cascade.services)
    houses_by_address: dict[int, set[int]] = {}
    for each in cascade.services:
        houses_by_address.setdefault(each.receiver.address_id, set()).add(each.receiver.organisation_id)
    assert all(len(houses) == 1 for houses in houses_by_address.values())


@pytest.mark.slow
@given(trees())
def test_one_pack_goes_one_way_that_its_receiving_house_takes(offices: dict[int, Office]) -> None:
    """What the plan shows of a pool is what happens: a pack has one route, whatever the houses it is also for would take."""
    for house, services in make_cascade(offices, offices).by_receiver().items():
        [route] = {each.route for each in services}
        own = [each for each in services if each.relay_id == house]
        assert route is (offices[house].takes if own else offices[services[0].relay_id].takes)


def addresses_of(office: Office) -> set[int]:
    """Where mail for a house may go: to its people, or to its list."""
    known = [*office.receivers, *([office.list_receiver] if office.list_receiver else [])]
    return {each.address_id for each in known if each.reason is Reason.none}


@pytest.mark.slow
@given(trees())
def test_each_pool_is_served_by_somebody_who_receives_there_or_above(offices: dict[int, Office]) -> None:
    """Whoever sits in several houses receives for each of them what that house or those below chose, and for no other."""
    for each in make_cascade(offices, offices).services:
        assert each.receiver.address_id in set().union(*(addresses_of(office) for office in path_of(offices, each.pool_id)))
        assert each.chosen.address_id in set().union(*(addresses_of(office) for office in path_of(offices, each.relay_id)))


@pytest.mark.slow
@given(trees())
def test_what_goes_to_different_addresses_is_joined_only_where_a_house_has_a_list(offices: dict[int, Office]) -> None:
    for each in make_cascade(offices, offices).services:
        if each.receiver.address_id != each.chosen.address_id:
            at_list = offices[each.chosen.organisation_id]
            assert at_list.takes is Route.list_address
            assert at_list.list_receiver is not None
            assert at_list.list_receiver.address_id == each.receiver.address_id


@pytest.mark.slow
@given(trees())
def test_every_printed_reason_is_true(offices: dict[int, Office]) -> None:
    cascade = make_cascade(offices, offices)
    slugs = {number: f"h{number}" for number in offices}
    for each in cascade.services:
        first, *more = tell_why(each, slugs).split("; ")
        path = path_of(offices, each.pool_id)
        assert offices[each.relay_id] in path
        assert offices[each.relay_id].takes is not Route.none
        if first == "every level passes on here":
            assert mode_of(path) is Relay.both
            assert more.pop(0) == f"this is the {offices[each.relay_id].level} level"
        else:
            assert (each.relay_id == each.pool_id) is (first == "it takes packs itself")
        for told in more:
            house = offices[int(re.findall(r"h(\d+)", told)[-1])]
            if told.startswith("nobody in"):
                assert not [one for one in offices[each.relay_id].receivers if one.reason is Reason.none]
                assert house in path_of(offices, each.relay_id)[1:]
                assert each.chosen in house.receivers
            elif told.endswith("at its list"):
                assert house.list_receiver is not None
                assert house.list_receiver.address_id == each.receiver.address_id
            else:
                assert told.startswith("the same address receives for")
                assert (house.id, each.receiver.address_id) in {
                    (one.chosen.organisation_id, one.chosen.address_id) for one in cascade.services
                }


def test_who_is_contact_in_one_house_and_deputy_in_another_receives_for_their_own() -> None:
    """Anna is contact of A; Uwe is contact of B and deputy in A: one pack each, whichever house was stored first."""
    for a, b in ((1, 2), (2, 1)):
        people = {
            a: (Receiver(a, 10, 100, Role.contact), Receiver(a, 11, 200, Role.deputy)),
            b: (Receiver(b, 20, 200, Role.contact),),
        }
        offices = {number: Office(number, None, Level.local, True, Route.forward_pack, receivers=people[number]) for number in (1, 2)}
        found = {each.pool_id: each.receiver for each in make_cascade(offices, [1, 2]).services}
        assert found == {a: people[a][0], b: people[b][0]}


def test_one_address_that_is_chosen_for_two_houses_gets_one_pack_for_both() -> None:
    contacts = {number: (Receiver(number, number * 10, 500, Role.contact),) for number in (1, 2)}
    offices = {number: Office(number, None, Level.local, True, Route.forward_pack, receivers=contacts[number]) for number in (1, 2)}
    first, second = make_cascade(offices, [1, 2]).services
    assert (first.receiver, second.receiver, second.chosen) == (contacts[1][0], contacts[1][0], contacts[2][0])
    told = tell_why(second, {1: "eins", 2: "zwei"})
    assert told == "it takes packs itself; the same address receives for eins, so one pack is for both"


def chamber(**changes: object) -> dict[int, Office]:
    """An umbrella with a distributor, a state body, an office without anybody."""
    lists: dict[int, dict[str, object]] = {
        1: {"level": Level.umbrella, "receivers": (Receiver(1, 10, 100, Role.distributor),)},
        2: {"level": Level.state, "receivers": (Receiver(2, 20, 200, Role.contact),)},
        3: {"level": Level.regional, "receivers": ()},
    }
    return {
        number: Office(
            **{
                "id": number,
                "parent_id": number - 1 or None,
                "is_active": True,
                "route": Route.forward_pack,
                **values,
                **changes.get(f"house{number}", {}),  # type: ignore[dict-item]
            }
        )
        for number, values in lists.items()
    }


def only(cascade: Cascade, pool: int) -> tuple[int, int, Route]:
    [found] = [each for each in cascade.services if each.pool_id == pool]
    return found.relay_id, found.receiver.address_id, found.route


def test_an_office_without_anybody_is_served_through_the_nearest_ancestors_distributor() -> None:
    """Domain rule 2: the distributor of the umbrella goes before the contact of the state body."""
    assert only(make_cascade(chamber(), [3]), 3) == (3, 100, Route.forward_pack)


def test_the_lowest_taker_relays_and_the_top_one_where_the_tree_says_so() -> None:
    assert only(make_cascade(chamber(house3={"route": Route.none}), [3]), 3)[0] == 2
    assert only(make_cascade(chamber(house1={"relay": Relay.top}), [3]), 3)[0] == 1
    assert only(make_cascade(chamber(house1={"relay": Relay.top}, house2={"relay": Relay.lowest}), [3]), 3)[0] == 3


def test_with_both_every_level_serves_once() -> None:
    cascade = make_cascade(chamber(house1={"relay": Relay.both}), [2])
    assert {(each.relay_id, each.level) for each in cascade.services} == {(1, "umbrella"), (2, "state")}


@pytest.mark.parametrize(
    ("policy", "route"), [(ForwardPolicy.block_only, Route.newsletter_block), (ForwardPolicy.edit_allowed, Route.forward_pack)]
)
def test_who_may_use_blocks_only_gets_the_block(policy: ForwardPolicy, route: Route) -> None:
    assert only(make_cascade(chamber(house2={"policy": policy}), [2]), 2) == (2, 200, route)


def test_what_is_unserved_says_what_to_mend() -> None:
    nobody = {f"house{number}": {"route": Route.none} for number in (1, 2, 3)}
    assert make_cascade(chamber(**nobody), [3]).unserved == {3: Reason.no_route}
    blocked = (Receiver(2, 20, 200, Role.contact, Reason.no_basis),)
    alone = chamber(house1={"route": Route.none, "receivers": ()}, house2={"receivers": blocked}, house3={"route": Route.none})
    assert make_cascade(alone, [3]).unserved == {3: Reason.no_basis}
    empty = chamber(house1={"receivers": ()}, house2={"receivers": ()})
    assert make_cascade(empty, [3]).unserved == {3: Reason.nobody_receives}, "there is no address to speak of"
    to_list = {f"house{number}": {"route": Route.list_address, "receivers": ()} for number in (1, 2, 3)}
    assert make_cascade(chamber(**to_list), [3]).unserved == {3: Reason.nobody_receives}
    assert make_cascade(chamber(house3={"is_active": False}), [3]).unserved == {3: Reason.organisation_inactive}
