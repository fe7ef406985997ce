"""Subscribing on a page: what the form offers, and taking down what was asked for."""

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
from om_campaigns.audience.addresses import find_unsafe, is_address, normalise
from om_campaigns.audience.changes import Change
from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.models import Address, Basis, MailingList, Organisation, Person, Seat, SeatRole
from om_campaigns.audience.opt_ins import OptIn, find_opt_in
from om_campaigns.audience.seats import seats_at
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, BasisKind, OrganisationStatus, Origin, Role
from om_campaigns.campaign.calendar import TIME, Calendar
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.enrolment import find_free
from om_campaigns.campaign.house_values import HOUSE
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.releases import load_definitions, running_campaigns
from om_campaigns.campaign.timing import load_zone
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.links import read_token
from om_campaigns.compose.notices import make_consent_text
from om_campaigns.delivery.rate_limits import network_of
from om_campaigns.planning import make_entry
from om_campaigns.reader import opting_in
from om_campaigns.service_letters import CONFIRM

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


MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Offer:
    """What a form offers: lists (slug, name), and houses to choose from where the form belongs to none (slug, name).

    ``series`` says what each list is and how often it comes; ``served`` which lists come to the advisers of which house (both by slug).
    """

    lists: list[tuple[str, str]]
    houses: list[tuple[str, str]]
    organisation_id: int | None
    house: str
    series: Mapping[str, Series] = field(default_factory=dict)
    served: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Series:
    """What a reader wants to know of a mailing list before they subscribe.

    ``first_on``: when the first letter would come if they confirmed at once; None where that depends on the house.
    """

    description: str
    rhythm: Rhythm
    first_on: date | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed into the form."""

    name: str
    email: str
    house: str
    lists: tuple[str, ...]
    agreed: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its mail's link finds it. ``lists`` are (slug, name); ``has_house``: somebody sits in a house at this address."""

    ref: str
    address: str
    lists: list[tuple[str, str]]
    consent_text: str
    language: str
    organisation_id: int | None
    is_confirmed: bool
    has_house: bool
    house_said: str
    """Which house they said they advise for, where it stands in no list."""


def load_offer(session: Session, language: str, served: Mapping[str, Served], *, mailing_list: str = "", house: str = "") -> Offer | None:
    """The form of everything, of one list or of one house, with what is really ``served`` there; None for what is not there.

    ``lists`` is empty where nothing would come of it.
    """
    table, organisation = table_of(MailingList), table_of(Organisation)
    known = [row for row in session.execute(select(table).order_by(table.c.name_de)) if mailing_list in ("", row.slug)]
    active = select(organisation.c.id, organisation.c.slug, organisation.c.name).where(organisation.c.status == OrganisationStatus.active)
    houses = list(session.execute(active.where(organisation.c.slug == house) if house else active.order_by(organisation.c.name)))
    if not known or (house and not houses):
        return None
    slugs = {row.id: row.slug for row in houses}
    reached = {row.slug: frozenset(slugs[each] for each in served[row.slug].houses if each in slugs) for row in known if row.slug in served}
    offered = [row for row in known if reached.get(row.slug)]
    english = language == "en"
    lists = [(row.slug, (row.name_en or row.name_de) if english else row.name_de) for row in offered]
    series = {
        row.slug: Series(
            (row.description_en or row.description_de) if english else row.description_de,
            served[row.slug].rhythm,
            served[row.slug].first_on(slugs),
        )
        for row in offered
    }
    if house:
        return Offer(lists, [], houses[0].id, houses[0].name, series)
    chosen = [(row.slug, row.name) for row in houses if any(row.slug in each for each in reached.values())]
    return Offer(lists, chosen, None, "", series, {slug: reached[slug] for slug, _ in lists})


def consent_text(app: App, language: str, offer: Offer) -> str:
    """The sentence beside the box. Where several lists are offered it speaks of those that are ticked."""
    names = [f"“{name}”" if language == "en" else f"„{name}“" for _, name in offer.lists]
    several = "the series ticked above" if language == "en" else "die oben angekreuzten Reihen"
    return make_consent_text(language, names[0] if len(names) == 1 else several, app.settings.sender.name, offer.house)


def find_faults(wanted: Wanted, offer: Offer) -> list[str]:
    """Names of the fields that are wrong; only about what was typed, never about what is stored (SEC-09)."""
    faults = []
    if not wanted.name or len(wanted.name) > MAX_NAME or find_unsafe(wanted.name) or "@" in wanted.name or "://" in wanted.name:
        faults.append("name")
    if not is_address(wanted.email):
        faults.append("email")
    if not set(wanted.lists) or not set(wanted.lists) <= {slug for slug, _ in offer.lists}:
        faults.append("reihen")
    if wanted.house and wanted.house not in {slug for slug, _ in offer.houses}:
        faults.append("haus")
    elif wanted.house and not all(wanted.house in offer.served.get(slug, ()) for slug in wanted.lists):
        faults.append("reihen-haus")
    return [*faults, *([] if wanted.agreed else ["einverstanden"])]


def subscribe(app: App, wanted: Wanted, offer: Offer, language: str, path: str, network: str, now: datetime) -> None:
    """Owe the mail that asks for a confirmation; whether one is owed shows nowhere. ``find_faults`` comes first."""
    with store.write(app.engine) as session:
        organisation = table_of(Organisation)
        chosen = session.execute(select(organisation.c.id).where(organisation.c.slug == wanted.house)).scalar_one_or_none()
        request = opting_in.Request(
            address=normalise(wanted.email),
            full_name=wanted.name,
            language=language,
            organisation_id=offer.organisation_id or (chosen if wanted.house else None),
            mailing_lists=tuple(sorted(set(wanted.lists))),
            consent_text=consent_text(app, language, offer),
            form_url=f"{app.settings.web.base_url}{path}",
            network=network_of(network),
        )
        opting_in.ask(session, app.keyring, request, now)


def find_request(app: App, session: Session, token: str, now: datetime) -> Asked | None:
    """The request behind a confirmation link; None for everything else, and for what is too old or was forgotten."""
    opt_in = _find(app, session, token, now)
    if opt_in is None:
        return None
    houses = Houses(session, app.today(now))
    names = [(slug, houses.mailing_list_name(slug, opt_in.language)) for slug in opt_in.mailing_lists]
    address = table_of(Address)
    known = session.execute(select(address.c.id).where(address.c.normal_key == opt_in.normal_key)).scalar_one_or_none()
    has_house = opt_in.organisation_id is not None or session.execute(seats_at(known)).first() is not None
    task = opting_in.find_home_task(session, opt_in.ref)
    return Asked(
        opt_in.ref, opt_in.address, names, opt_in.consent_text, opt_in.language, opt_in.organisation_id,
        opt_in.confirmed_at is not None, has_house, str((task.detail or {}).get("says", "")) if task else "",
    )  # fmt: skip


def name_house(app: App, token: str, text: str, now: datetime) -> None:
    """Whoever subscribed without a house says which one they advise for: it goes to the people of OM who look for it."""
    said = " ".join(text.split())[:MAX_NAME]
    with store.write(app.engine) as session:
        opt_in = _find(app, session, token, now)
        task = opting_in.find_home_task(session, opt_in.ref) if opt_in is not None else None
        if said and task is not None and task.closed_at is None and not find_unsafe(said):
            task.detail = {**(task.detail or {}), "says": said}


def confirm(app: App, token: str, now: datetime) -> bool:
    """Confirm a request; False where its link is not ours or does not hold any more. Twice changes nothing."""
    with store.write(app.engine) as session:
        opt_in = _find(app, session, token, now)
        if opt_in is None:
            return False
        opting_in.confirm(session, app.keyring, opt_in, now)
        return True


def _find(app: App, session: Session, token: str, now: datetime) -> OptIn | None:
    parts = read_token(app.keyring, CONFIRM, token)
    return find_opt_in(session, parts[0] if parts is not None and len(parts) == 1 else "", now)
