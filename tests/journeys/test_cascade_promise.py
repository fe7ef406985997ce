"""The promise of the cascade on a real database: trees of umbrella, state bodies and offices with every mix of routes.

What must come out is computed here from the rows as they were written, without a line of the engine: who takes packs and can be
reached, hence who is served, how often, and who is not. ``plan`` must say beforehand exactly what then happens.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import Route
from om_campaigns.staff.show_packs import who_passes_on
from tests.journeys.test_cascade import packs, series, taker
from tests.journeys.workspace import Workspace, local, person

PASSING = {route.value for route in (Route.forward_pack, Route.list_address, Route.newsletter_block)}
ROUTES = (
    "forward_pack", "forward_pack", "newsletter_block", "list_address", "direct_email", "none", "", "forward_pack,direct_email",
    "direct_email,newsletter_block", "list_address,forward_pack",
)  # fmt: skip
LEVELS = ("umbrella", "state", "state", *["regional"] * 5, *["local"] * 6)
STEPS = ("b1", "b2")


@dataclass(frozen=True)
class Drawn:
    """One house as drawn: what it states itself, and who sits there."""

    slug: str
    parent: str
    level: str
    routes: str
    policy: str
    relay: str
    status: str
    advisers: int
    role: str
    list_address: str

    @property
    def has_advisers(self) -> bool:
        """By head count, or as somebody who sits there."""
        return self.advisers > 0 or self.role == "adviser"


def draw(dice: random.Random, relays: tuple[str, ...]) -> dict[str, Drawn]:
    """A tree of fourteen houses over four levels; a parent is always drawn before its children."""
    tree: dict[str, Drawn] = {}
    for number, level in enumerate(LEVELS):
        above = [each.slug for each in tree.values() if LEVELS.index(each.level) < LEVELS.index(level)]
        slug = f"h{number}"
        tree[slug] = Drawn(
            slug=slug,
            parent=dice.choice(above) if above and dice.random() < 0.9 else "",
            level=level,
            routes=dice.choice(ROUTES),
            policy=dice.choice(("as_is", "as_is", "edit_allowed", "block_only", "no_forwarding")),
            relay=dice.choice(relays),
            status=dice.choice(("active",) * 9 + ("left",)),
            advisers=dice.choice((0, 3, 9)),
            role=dice.choice(("", "", "contact", "contact", "distributor", "deputy", "adviser")),
            list_address=f"liste@{slug}.example" if dice.random() < 0.7 else "",
        )
    return tree


def build(office: Workspace, tree: dict[str, Drawn]) -> None:
    office.houses(
        *(
            taker(
                each.slug, level=each.level, parent=each.parent, routes=each.routes, forward_policy=each.policy, relay=each.relay,
                status=each.status, adviser_headcount=str(each.advisers or ""), list_address=each.list_address,
            )
            for each in tree.values()
        )
    )  # fmt: skip
    people = [person(f"Person {each.slug}", each.slug, roles=each.role) for each in tree.values() if each.role]
    people += [person("", each.slug, email=each.list_address, roles="") for each in tree.values() if each.list_address]
    office.people(*people)


# What must come out, from the drawing alone


def path_of(tree: dict[str, Drawn], slug: str) -> list[Drawn]:
    """The house and those above it, upwards."""
    path = [tree[slug]]
    while path[-1].parent:
        path.append(tree[path[-1].parent])
    return path


def takes(tree: dict[str, Drawn], house: Drawn) -> bool:
    """Takes packs in some way, by its own or an inherited word, and has somebody to receive them (domain rule 2)."""
    path = path_of(tree, house.slug)
    stated = next((each.routes for each in path if each.routes), "").split(",")
    route = next((each for each in stated if each in PASSING), "")
    if house.status != "active" or house.policy == "no_forwarding" or not route:
        return False
    if route == "list_address":
        return bool(house.list_address)
    own = house.role in ("contact", "distributor", "deputy")
    return own or any(each.status == "active" and each.role in ("contact", "distributor") for each in path[1:])


def takers_of(tree: dict[str, Drawn], slug: str) -> list[Drawn]:
    """Houses on the path of a pool that could relay for it, the lowest first; none for a house that is not active."""
    return [each for each in path_of(tree, slug) if takes(tree, each)] if tree[slug].status == "active" else []


def mode_of(tree: dict[str, Drawn], slug: str) -> str:
    return next((each.relay for each in path_of(tree, slug) if each.relay), "lowest")


def say(office: Workspace) -> dict[str, Any]:
    with store.read(office.app.engine) as session:
        [found] = who_passes_on(office.app, session, office.now)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "relays", [("", "", "lowest"), ("", "", "top"), ("", "", "lowest", "top"), ("", "both"), ("", "lowest", "top", "both")]
)
@pytest.mark.parametrize("seed", range(3))
def test_each_pool_is_served_as_promised_and_plan_said_so(seed: int, relays: tuple[str, ...], tmp_path: Path) -> None:
    tree = draw(random.Random(f"{seed} {relays}"), relays)
    office = Workspace(tmp_path)
    build(office, tree)
    series(office, "b1 day = 0", "b2 day = 14")
    office.now = local("2027-01-05")
    said = say(office)
    office.walk(local("2027-01-25"))
    pools = {slug for slug, each in tree.items() if each.has_advisers and each.status == "active"}
    rows = packs(office)
    for step in STEPS:
        passed = [(slug, str(row["house"])) for row in rows if row["step"] == step for slug in row["serves"]]  # type: ignore[attr-defined]
        served = Counter(slug for slug, _ in passed)
        levels = Counter((slug, tree[house].level) for slug, house in passed)
        for pool in pools:
            takers = takers_of(tree, pool)
            if mode_of(tree, pool) == "both":
                assert bool(served[pool]) == bool(takers), (step, pool)
                assert max((count for (slug, _), count in levels.items() if slug == pool), default=0) <= 1, (step, pool)
            else:
                assert served[pool] == min(len(takers), 1), (step, pool)
        assert set(served) <= pools
        assert {(each["house"], each["receiver"]) for each in said["served"]} == set(passed), step
    assert {each["house"] for each in said["unserved"]} == {pool for pool in pools if not takers_of(tree, pool)}
    assert all(each["why"] for each in said["served"])
    assert all(each["reason"] for each in said["unserved"])
    relay = {each["house"]: each["relay"] for each in said["served"] if mode_of(tree, each["house"]) != "both"}
    expected = {pool: takers_of(tree, pool)[0 if mode_of(tree, pool) == "lowest" else -1].slug for pool in relay}
    assert relay == expected


def test_the_drawing_holds_every_case() -> None:
    """Otherwise the promise would be shown on easy trees only."""
    seen: Counter[str] = Counter()
    for seed in range(30):
        tree = draw(random.Random(seed), ("", "lowest", "top", "both"))
        for pool in (slug for slug, each in tree.items() if each.has_advisers):
            takers = takers_of(tree, pool)
            seen[f"{mode_of(tree, pool)} {min(len(takers), 2)}"] += 1
    assert min(seen[f"{mode} {number}"] for mode in ("lowest", "top", "both") for number in (0, 1, 2)) >= 5, seen
