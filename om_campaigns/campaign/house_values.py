"""What a house states or inherits, for a whole plan at once: routes, zone, days off, rhythm, language.

The answers stand in a temporary table, so planning stays set-based however many people sit in a house.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, text
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Session

from om_campaigns.audience.models import Organisation, OrganisationRegion, OrganisationRoute
from om_campaigns.audience.tree import find_stating
from om_campaigns.audience.vocabulary import NATIONWIDE, RHYTHM_DAYS, Route
from om_campaigns.columns import BYTEWISE_TEXT, table_of

temporary = MetaData()

HOUSE = Table(
    "plan_house",
    temporary,
    Column("organisation_id", Integer, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("days", Text, nullable=False),
    Column("block_days", Text, nullable=False),
    Column("slow_days", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("route", BYTEWISE_TEXT, nullable=False),
    prefixes=["TEMPORARY"],
)
"""``route`` is what the house takes of what one ``[[audience]]`` offers; ``days`` are the days off (``days_key``), ``block_days``
those for blocks of its newsletter; ``slow_days`` is how slowly it wants packs (``RHYTHM_DAYS``)."""


@dataclass(frozen=True, slots=True)
class House:
    """An organisation with what it inherited. ``land`` is a two-digit AGS or '' for nationwide holidays (SCH-14)."""

    organisation_id: int
    zone: str
    land: str
    language: str
    routes: tuple[Route, ...]
    parent_id: int | None = None
    quiet_days: str = ""
    newsletter_days: str = ""
    slow_days: int = 0


def load_houses(session: Session, *, zone: str, language: str) -> dict[int, House]:
    """Every organisation by id, with routes of the nearest ancestor that states any, and the instance's defaults."""
    organisation = table_of(Organisation)
    own = ("id", "parent_id", "zone", "holiday_land", "language", "quiet_days", "newsletter_days", "rhythm")
    rows = session.execute(select(*[organisation.c[name] for name in own])).all()
    own_routes: dict[int, list[Route]] = defaultdict(list)
    route = table_of(OrganisationRoute)
    for organisation_id, found in session.execute(
        select(route.c.organisation_id, route.c.route).order_by(route.c.organisation_id, route.c.position)
    ):
        own_routes[organisation_id].append(found)
    regions: dict[int, set[str]] = defaultdict(set)
    region = table_of(OrganisationRegion)
    for organisation_id, ags in session.execute(select(region.c.organisation_id, region.c.ags)):
        regions[organisation_id].add(ags if ags == NATIONWIDE else ags[:2])
    parents = {row.id: row.parent_id for row in rows}
    return {
        row.id: House(
            row.id,
            row.zone or zone,
            row.holiday_land or _only_land(regions[row.id]),
            row.language or language,
            tuple(own_routes.get(find_stating(row.id, parents.get, own_routes.get) or 0, ())),
            row.parent_id,
            row.quiet_days or "",
            row.newsletter_days or "",
            RHYTHM_DAYS[row.rhythm] if row.rhythm else 0,
        )
        for row in rows
    }


def days_key(land: str, quiet_days: str = "", newsletter_days: str = "") -> str:
    """One text for all that decides which days are off; houses with the same one are planned together."""
    return f"{land}|{quiet_days}|{newsletter_days}"


def _only_land(lands: set[str]) -> str:
    return next(iter(lands)) if len(lands) == 1 and NATIONWIDE not in lands else ""


def choose_route(house: House, offered: Sequence[Route]) -> Route:
    """The house's most preferred route among those a campaign offers; without any preference the campaign's first."""
    if not house.routes:
        return next(iter(offered), Route.none)
    return next((route for route in house.routes if route in offered), Route.none)


def fill_houses(
    session: Session, houses: Iterable[House], offered: Sequence[Route] = (), *, chosen: Mapping[int, Route] | None = None
) -> None:
    """Write the houses into the temporary table that plans join, with the route each takes of those ``offered``.

    ``chosen`` says it instead where the cascade has decided; whoever it does not name takes none.
    """
    renew_temporary(session, HOUSE)
    rows = [
        {
            "organisation_id": each.organisation_id,
            "zone": each.zone,
            "days": days_key(each.land, each.quiet_days),
            "block_days": days_key(each.land, each.quiet_days, each.newsletter_days),
            "slow_days": each.slow_days,
            "language": each.language,
            "route": (choose_route(each, offered) if chosen is None else chosen.get(each.organisation_id, Route.none)).value,
        }
        for each in houses
    ]
    if rows:
        session.execute(insert(HOUSE), rows)


def renew_temporary(session: Session, table: Table) -> None:
    """An empty temporary table. They outlive a transaction on pooled connections; emptied, their statements stay prepared."""
    session.execute(CreateTable(table, if_not_exists=True))
    for index in table.indexes:
        session.execute(CreateIndex(index, if_not_exists=True))
    session.execute(text(f"{'TRUNCATE' if session.get_bind().dialect.name == 'postgresql' else 'DELETE FROM'} {table.name}"))
