"""Subscribing on a page, and confirming through the mail it sends (LAW-05, LAW-06, SEC-09, SEC-11)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.addresses import find_unsafe, normalise
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import OrganisationStatus
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.links import read_token
from om_campaigns.compose.notices import make_consent_text
from om_campaigns.feedback import opting_in
from om_campaigns.feedback.models import OptIn
from om_campaigns.pipeline.notices import CONFIRM
from om_campaigns.pipeline.recipient.doors import find_lists

MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Offer:
    """What a form offers: lists (slug, name), and houses to choose from where the form belongs to none (slug, name)."""

    lists: list[tuple[str, str]]
    houses: list[tuple[str, str]]
    organisation_id: int | None
    house: str


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
    """A request as its mail's link finds it."""

    ref: str
    address: str
    lists: list[str]
    consent_text: str
    language: str
    organisation_id: int | None
    is_confirmed: bool


def load_offer(session: Session, language: str, *, mailing_list: str = "", house: str = "") -> Offer | None:
    """The form of everything, of one list or of one house; None for a list or house that is not there."""
    lists = [(slug, en if language == "en" else de) for slug, de, en in find_lists(session) if mailing_list in ("", slug)]
    organisation = table_of(Organisation)
    active = select(organisation.c.id, organisation.c.slug, organisation.c.name).where(organisation.c.status == OrganisationStatus.active)
    if house:
        row = session.execute(active.where(organisation.c.slug == house)).one_or_none()
        return Offer(lists, [], row.id, row.name) if row is not None and lists else None
    houses = [(row.slug, row.name) for row in session.execute(active.order_by(organisation.c.name))]
    return Offer(lists, houses, None, "") if lists else None


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


def network_of(host: str) -> str:
    """The network a request comes from: /24 or /48, so that nobody is counted alone; '' where it cannot be told."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def find_request(app: App, session: Session, token: str, now: datetime) -> Asked | None:
    """The request behind a confirmation link; None for everything else, and for what is too old or was forgotten."""
    opt_in = _find(app, session, token, now)
    if opt_in is None:
        return None
    houses = Houses(session, app.today(now))
    names = [houses.mailing_list_name(slug, opt_in.language) for slug in opt_in.mailing_lists]
    return Asked(
        opt_in.ref, opt_in.address, names, opt_in.consent_text, opt_in.language, opt_in.organisation_id, opt_in.confirmed_at is not None
    )


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
    return opting_in.find_opt_in(session, parts[0] if parts is not None and len(parts) == 1 else "", now)
