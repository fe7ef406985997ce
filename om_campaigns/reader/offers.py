"""What somebody who subscribes would really get: asked of the statements by which campaigns take people in, and kept while they stand.

For one adviser of every house, who agreed to every mailing list and is in no campaign yet. Whoever names no house gets nothing before
people of OM have found theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

from sqlalchemy import and_, func, insert, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.changes import Change
from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.models import Address, Basis, MailingList, Organisation, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, BasisKind, OrganisationStatus, Origin, Role
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import find_free
from om_campaigns.campaign.houses import HOUSE
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.releases import load_definitions, running_campaigns
from om_campaigns.campaign.timing import load_zone
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.columns import table_of
from om_campaigns.planning import make_entry

KEPT = timedelta(minutes=10)
"""How long an answer may be out of date where nothing that is known to matter has changed."""

STANDS_FOR = (Seat, SeatRole, Person, Address, Basis)
"""Tables in whose place the subscriber stands alone while campaigns are asked."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a series comes: ``letters`` in all, ``weeks`` between two of them; 0 where the distances differ, then ``span`` counts."""

    letters: int
    weeks: int
    span: int


@dataclass(frozen=True, slots=True)
class Served:
    """A mailing list that comes to advisers of these houses (ids), and how often; ``first`` is the day of the first letter, by house."""

    houses: frozenset[int]
    rhythm: Rhythm
    first: Mapping[int, date] = field(default_factory=dict)

    def first_on(self, houses: Collection[int]) -> date | None:
        """The day on which all of these houses' advisers would get the first letter; None where it is not the same or not known."""
        days = {self.first.get(each) for each in self.houses.intersection(houses)}
        return days.pop() if len(days) == 1 else None


class Offers:
    """One per process: what was found out last, and of which state of the database."""

    def __init__(self, app: App) -> None:
        self._app, self._lock = app, threading.Lock()
        self._found: tuple[Hashable, datetime, Mapping[str, Served]] | None = None

    def load(self) -> Mapping[str, Served]:
        """Mailing list → whom it is served to; lists that no running campaign serves are not there."""
        now = self._app.now()
        with store.read(self._app.engine) as session:
            state = _state(session, self._app, now)
        with self._lock:
            if self._found is None or self._found[0] != state or not timedelta() <= now - self._found[1] < KEPT:
                self._found = (state, now, find_served(self._app, now))
            return self._found[2]


def _state(session: Session, app: App, now: datetime) -> Hashable:
    """What changes when another answer must be expected: the day, the running campaigns, and the houses."""
    campaign, change, house = table_of(Campaign), table_of(Change), table_of(Organisation)
    running = select(campaign.c.id, campaign.c.latest_version_id).where(campaign.c.status == CampaignStatus.running)
    last = select(func.max(change.c.id)).where(change.c.entity == "organisation")
    return (
        app.today(now),
        tuple(tuple(row) for row in session.execute(running.order_by(campaign.c.id))),
        session.execute(last).scalar_one(),
        session.execute(select(func.count()).select_from(house)).scalar_one(),
    )


def find_served(app: App, now: datetime) -> dict[str, Served]:
    """Ask every running campaign that writes to people whether it would take a subscriber in; nothing is changed."""
    found: dict[str, Served] = {}
    with store.stood_in(app.engine, [table_of(each) for each in STANDS_FOR]) as session:
        _add_subscribers(session)
        definitions = {
            each.name: (each, load_definitions(session, each)[each.latest_version_id or 0]) for each in running_campaigns(session)
        }
        for campaign, definition in sorted(definitions.values(), key=lambda each: (-each[1].priority, each[1].name)):
            direct = tuple(each for each in definition.audiences if not each.passes_on and each.selects == Selects.seats)
            if not direct:
                continue
            entry = make_entry(session, app, campaign, campaign.latest_version_id or 0, replace(definition, audiences=direct))
            houses = find_free(session, entry, app.today(now))
            first = _find_first_days(session, entry.definition, houses, now)
            seen: set[str] = set()
            while houses and definition.name not in seen:  # whoever is in it goes on to what follows
                seen.add(definition.name)
                before = found.get(definition.mailing_list)
                rhythm = before.rhythm if before else make_rhythm(definition)
                known = before or Served(frozenset(), rhythm)
                found[definition.mailing_list] = Served(houses | known.houses, rhythm, {**first, **known.first})
                first = {}  # of what follows nobody can say yet when it begins
                if definition.then not in definitions:
                    break
                definition = definitions[definition.then][1]
    return found


def _find_first_days(session: Session, definition: CampaignDefinition, houses: Collection[int], now: datetime) -> dict[int, date]:
    """On which day of its own time zone somebody in each of these houses who enters now would get the first letter."""
    Calendar().plan_first(session, definition, now)
    joined = select(HOUSE.c.organisation_id, HOUSE.c.zone, TIME.c.due_at).join(
        TIME, and_(TIME.c.zone == HOUSE.c.zone, TIME.c.days == HOUSE.c.days)
    )
    return {
        row.organisation_id: row.due_at.astimezone(load_zone(row.zone)).date()
        for row in session.execute(joined)
        if row.organisation_id in houses
    }


def _add_subscribers(session: Session) -> None:
    """One adviser in each active house, with consents for every list."""
    house, mailing_list = table_of(Organisation), table_of(MailingList)
    houses = session.execute(select(house.c.id).where(house.c.status == OrganisationStatus.active)).scalars().all()
    lists = session.execute(select(mailing_list.c.slug)).scalars().all()
    if not houses:
        return
    strength = ROLE_STRENGTH[Role.adviser]
    own = [(-each, each) for each in houses]  # nobody who is stored, and so in a campaign, has such an id
    people = [Person(id=each, full_name="–", name_key="", main_address_id=each).model_dump() for each, _ in own]
    addresses = [
        Address(id=each, address="", normal_key=str(each), domain="", hmac=f"offered:{each}", key_id="").model_dump() for each, _ in own
    ]
    seats = [Seat(id=each, person_id=each, organisation_id=at, is_primary_home=True, strength=strength).model_dump() for each, at in own]
    for table, rows in ((Person, people), (Address, addresses), (Seat, seats)):
        session.execute(insert(table_of(table)), rows)
    session.execute(insert(table_of(SeatRole)), [{"seat_id": each, "role": Role.adviser} for each, _ in own])
    bases = [
        Basis(id=number, address_id=each, kind=BasisKind.consent_doi, mailing_list=slug, origin=Origin.answer).model_dump()
        for number, (each, slug) in enumerate(((each, slug) for each, _ in own for slug in lists), 1)
    ]
    if bases:
        session.execute(insert(table_of(Basis)), bases)


def make_rhythm(definition: CampaignDefinition) -> Rhythm:
    """How often the letters of a campaign come, in weeks, as far as its steps say so in days."""
    at, days = 0, []
    for step in definition.steps:
        at = step.day if step.day is not None else at + (step.after or (step.elapsed.days if step.elapsed else 0))
        days.append(at)
    apart = {later - earlier for earlier, later in pairwise(days)}
    weeks = apart.pop() // 7 if len(apart) == 1 and next(iter(apart)) % 7 == 0 else 0
    return Rhythm(len(days), weeks, -(-(days[-1] - days[0]) // 7))
