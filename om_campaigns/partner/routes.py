"""The ways letters come to a house, in the order it prefers them: chosen, changed and dropped by its own people.

A house may state none: then the house above decides, and where none does, what fits the letter. Ways that a house dropped itself can be
chosen again; others than ``OFFERED`` are set up by OM.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlmodel import Session, col

from om_campaigns.audience.changes import PARTNER_ORIGINS, Change
from om_campaigns.audience.models import Organisation, OrganisationRoute
from om_campaigns.audience.vocabulary import Route

OFFERED = (Route.forward_pack, Route.newsletter_block)
"""Ways every house can choose; others only where OM has set them up."""


def load_routes(session: Session, house: Organisation) -> list[Route]:
    """The ways a house states, the preferred one first."""
    route = select(col(OrganisationRoute.route)).where(col(OrganisationRoute.organisation_id) == house.id)
    return list(session.execute(route.order_by(col(OrganisationRoute.position))).scalars())


def find_ways(session: Session, house: Organisation, routes: Sequence[Route]) -> list[Route]:
    """What a house can choose among, its own ways first."""
    to_list = [Route.list_address] if house.list_address_id else []
    return list(dict.fromkeys([*routes, *OFFERED, *to_list, *_dropped(session, house)]))


def _dropped(session: Session, house: Organisation) -> list[Route]:
    """Ways the house itself has given up since anybody else last decided about them."""
    query = select(col(Change.old), col(Change.origin)).where(
        col(Change.entity) == "organisation", col(Change.entity_id) == house.id, col(Change.field) == "routes"
    )
    found: list[Route] = []
    for old, origin in session.execute(query.order_by(col(Change.id).desc())):
        if origin not in PARTNER_ORIGINS:
            break
        found += [Route(each) for each in (old or "").split(",") if each]
    return found


def read_routes(first: str, others: Sequence[str], ways: Sequence[Route]) -> list[Route]:
    """What was chosen, in its order. ``first`` is '' for a house that states no way; *none* and '' leave no room for others.

    Raises ValueError with the field that is wrong: ``weg``, ``sonst`` or ``sonst:ohne``.
    """
    if first not in {"", *ways}:
        raise ValueError("weg")
    if not set(others) <= set(ways) - {Route.none}:
        raise ValueError("sonst")
    if first in ("", Route.none):
        if others:
            raise ValueError("sonst:ohne")
        return [Route.none] if first else []
    return list(dict.fromkeys([Route(first), *map(Route, others)]))


def save_routes(session: Session, house: Organisation, routes: Sequence[Route]) -> None:
    """Put these in the place of what the house stated."""
    session.execute(delete(OrganisationRoute).where(col(OrganisationRoute.organisation_id) == house.id))
    session.add_all(
        OrganisationRoute(organisation_id=house.id or 0, position=position, route=route) for position, route in enumerate(routes)
    )
    session.flush()
