"""Subscribing on a page, and confirming through the mail it sends (LAW-05, LAW-06, SEC-09, SEC-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.addresses import find_unsafe, normalise
from om_campaigns.audience.models import Address, MailingList, Organisation
from om_campaigns.audience.opt_ins import OptIn, find_opt_in
from om_campaigns.audience.seats import seats_at
from om_campaigns.audience.vocabulary import OrganisationStatus
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.links import read_token
from om_campaigns.compose.notices import make_consent_text
from om_campaigns.delivery.rate_limits import network_of
from om_campaigns.reader import opting_in
from om_campaigns.reader.offers import Rhythm, Served
from om_campaigns.service_letters import CONFIRM

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
    try:
        normalise(wanted.email)
    except ValueError:
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
