"""The links of letters: who stands behind a token, and a whole link where one was damaged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import find_address
from om_campaigns.audience.addresses import mask, normalise
from om_campaigns.audience.models import Address, Basis, MailingList, Organisation, Person, Seat, Touch
from om_campaigns.audience.seats import people_at, seats_at
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.links import Door, make_token, read_token
from om_campaigns.delivery.models import Notice
from om_campaigns.delivery.rate_limits import hide, take_turn
from om_campaigns.letters.pages import PROOF

__all__ = ["Door", "Visitor", "find_visitor", "is_form_key", "make_door_token", "make_form_key", "prove_keys"]

FORM_MINUTES = 24 * 60
"""A form may lie open for a day; afterwards its page is shown again."""

NOBODY = ("", "", "")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever holds a link of a letter: its reader, or somebody it was forwarded to (FWD-03). So only ``masked`` may be shown."""

    address_id: int
    address_ref: str
    masked: str
    language: str
    """The reader's own, else that of the house; '' where nobody stated one."""
    organisation_id: int
    organisation_ref: str
    house: str
    mailing_list: str
    list_name_de: str
    list_name_en: str

    def list_name(self, language: str) -> str:
        """What the mailing list is called."""
        return (self.list_name_en or self.list_name_de) if language == "en" else self.list_name_de


def find_visitor(app: App, session: Session, door: Door, token: str) -> Visitor | None:
    """Whom a token of this door is about; None for every other text, and for an address that was erased."""
    parts = read_token(app.keyring, door, token) or NOBODY
    return find_visitor_of(session, *(parts if len(parts) == len(NOBODY) else NOBODY))


def find_visitor_of(session: Session, ref: str, organisation_ref: str, slug: str) -> Visitor | None:
    """The address, house and list of these public names; None where one of them is not there (any more)."""
    address, organisation, mailing_list, person = (table_of(each) for each in (Address, Organisation, MailingList, Person))
    row = session.execute(
        select(
            address.c.id,
            address.c.ref,
            address.c.address,
            organisation.c.id.label("organisation_id"),
            organisation.c.public_id,
            organisation.c.name,
            organisation.c.language,
            mailing_list.c.slug,
            mailing_list.c.name_de,
            mailing_list.c.name_en,
        )
        .select_from(address)
        .join(organisation, organisation.c.public_id == organisation_ref)
        .join(mailing_list, mailing_list.c.slug == slug)
        .where(address.c.ref == ref, address.c.erased_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    language = session.execute(
        select(person.c.language).where(person.c.id.in_(people_at(row.id)), person.c.language.is_not(None)).order_by(person.c.id).limit(1)
    ).scalar_one_or_none()
    return Visitor(
        row.id,
        row.ref,
        mask(row.address),
        language or row.language or "",
        row.organisation_id,
        row.public_id,
        row.name,
        row.slug,
        row.name_de,
        row.name_en,
    )


def find_lists(session: Session) -> list[tuple[str, str, str]]:
    """Every mailing list: slug, German and English name."""
    mailing_list = table_of(MailingList)
    query = select(mailing_list.c.slug, mailing_list.c.name_de, mailing_list.c.name_en).order_by(mailing_list.c.name_de)
    return [(row.slug, row.name_de, row.name_en or row.name_de) for row in session.execute(query)]


def make_door_token(app: App, door: Door, visitor: Visitor) -> str:
    """A token for another door of the same letter."""
    return make_token(app.keyring, door, visitor.address_ref, visitor.organisation_ref, visitor.mailing_list)


def make_form_key(app: App, purpose: str, subject: str, now: datetime) -> str:
    """The hidden field of a form: signed for one purpose and one subject (a token, a session, '' for anybody)."""
    return make_token(app.keyring, f"form-{purpose}", str(_minute(now)), _short(subject))


def is_form_key(app: App, purpose: str, subject: str, key: str, now: datetime, *, minutes: int = FORM_MINUTES) -> bool:
    """Whether this field came from our page for the same purpose and subject, within a day or ``minutes`` (UNS-05, SEC-12)."""
    parts = read_token(app.keyring, f"form-{purpose}", key)
    if parts is None or len(parts) != 2 or not parts[0].isdecimal() or parts[1] != _short(subject):
        return False
    return 0 <= _minute(now) - int(parts[0]) <= minutes


def prove_keys(app: App, nonce: str) -> str:
    """What only pages that hold this workspace's keys can answer to ``nonce``. Raises ValueError for one that is no nonce."""
    return make_token(app.keyring, PROOF, nonce)


def _minute(now: datetime) -> int:
    return int(now.timestamp() // 60)


def _short(subject: str) -> str:
    return digest(subject)[:32]


LEAVE = "leave"
"""Purpose of the mail that brings a whole link where one was damaged."""

PER_ADDRESS, PER_NETWORK, HOUR = 3, 60, timedelta(hours=1)
"""New links one address, and one corner of the net, may ask for in an hour (SEC-11)."""


def count_request(app: App, typed: str, network: str, now: datetime) -> bool:
    """Count that somebody asked for a new link; False where it will not be followed up. The same work for every address (SEC-09)."""
    with store.write(app.engine) as session:
        one = take_turn(session, "leave-address", hide(app, _key(typed)), PER_ADDRESS, HOUR, now)
        return take_turn(session, "leave-net", hide(app, network), PER_NETWORK, HOUR, now) and one


def send_leaving_link(app: App, typed: str) -> bool:
    """Send a link to leave to an address that gets letters; False where it gets none."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = find_address(session, _key(typed))
        found = _find_letter(session, address_id) if address_id is not None else None
        if found is None:
            return False
        address, house = session.get_one(Address, address_id), session.get_one(Organisation, found[0])
        session.add(
            Notice(
                purpose=LEAVE,
                address=address.address,
                address_id=address_id,
                organisation_id=house.id,
                language=house.language or app.settings.language,
                detail={"mailing_list": found[1]},
                made_at=now,
                due_at=now,
            )
        )
    return True


def _key(typed: str) -> str:
    try:
        return normalise(typed).normal_key
    except ValueError:
        return ""


def _find_letter(session: Session, address_id: int) -> tuple[int, str] | None:
    """The house and the mailing list of the last letter to an address; of what it would get, where none came yet."""
    touch, campaign, basis, seat, mailing_list = (table_of(each) for each in (Touch, Campaign, Basis, Seat, MailingList))
    last = (
        select(touch.c.organisation_id, campaign.c.mailing_list)
        .select_from(touch)
        .join(campaign, campaign.c.id == touch.c.campaign_id)
        .where(touch.c.address_id == address_id)
        .order_by(touch.c.day.desc(), touch.c.id.desc())
    )
    first = (
        select(seat.c.organisation_id, mailing_list.c.slug)
        .select_from(seat)
        .join(basis, basis.c.address_id == address_id)
        .join(mailing_list, or_(mailing_list.c.slug == basis.c.mailing_list, basis.c.mailing_list == "*"))
        .where(seat.c.id.in_(seats_at(address_id)), basis.c.withdrawn_at.is_(None))
        .order_by(seat.c.is_primary_home.desc(), seat.c.id, mailing_list.c.slug)
    )
    row = session.execute(last.limit(1)).one_or_none() or session.execute(first.limit(1)).one_or_none()
    return (row[0], row[1]) if row else None
