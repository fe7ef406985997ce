"""What opens behind the link in a cover: the pack, for somebody who has a seat in the house that received it.

A page calls these, and for everything else that can be done with a pack ``partner`` (state, acknowledgement, handing over) and
``own_words`` (blocks), with the code or the text that stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.vocabulary import ForwardPolicy, PersonStatus
from om_campaigns.campaign.models import Campaign, Dispatch, Pack, RelayState
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import Library
from om_campaigns.compose.links import Door, read_token
from om_campaigns.compose.pack import FILE_NAMES, Format, PackText, make_file
from om_campaigns.pipeline.outgoing import key_of_row
from om_campaigns.pipeline.own_words import OwnText
from om_campaigns.pipeline.packing import OPEN_STATES, load_packs, make_pack_text, pack_key, record_revisions

CONTENT_TYPES = {
    Format.eml: "message/rfc822",
    Format.html: "text/html; charset=utf-8",
    Format.text: "text/plain; charset=utf-8",
    Format.markdown: "text/markdown; charset=utf-8",
    Format.snippet: "text/html; charset=us-ascii",
    Format.pdf: "application/pdf",
    Format.manifest: "application/json",
}
"""How the files of a pack go over the web: always as a download, a draft under its own type (FWD-07)."""


@dataclass(frozen=True)
class FetchedPack:
    """A pack as its page shows it. ``text`` names what the house may say in its own words, if ``may_edit``.

    ``serves`` are the names of the houses whose advisers it is for; ``visitor`` is the name of who came, '' for an office.
    """

    code: str
    title: str
    house: str
    organisation_id: int
    serves: tuple[str, ...]
    state: RelayState
    due_on: date | None
    visitor: str
    text: OwnText
    may_edit: bool


@dataclass(frozen=True)
class FetchedFile:
    """A file to download."""

    name: str
    content_type: str
    content: bytes


def fetch_pack(app: App, token: str, now: datetime) -> FetchedPack | None:
    """The pack behind a link; None for whatever is forged, was never handed over, or is asked for by somebody without a seat there."""
    with store.read(app.engine) as session:
        found = _open(app, session, token, now)
        if found is None:
            return None
        pack, visitor = found
        text, library = _text_of(app, session, pack)
        house = session.get_one(Organisation, pack.organisation_id)
        served = load_packs(session, [pack.dispatch_id])[pack.dispatch_id].served
        return FetchedPack(
            code=pack.code,
            title=text.title,
            house=text.house_name,
            organisation_id=pack.organisation_id,
            serves=tuple(library.houses.organisation(each)["name"] for each in served),
            state=pack.relay_state,
            due_on=pack.due_on,
            visitor=visitor,
            text=OwnText(house.slug, session.get_one(Campaign, pack.campaign_id).name, pack.step, text.edition.language),
            may_edit=house.forward_policy is not ForwardPolicy.as_is,
        )


def fetch_file(app: App, token: str, form: Format, now: datetime) -> FetchedFile | None:
    """One form of the pack behind a link, as ``fetch_pack``; what it says becomes its newest revision, unless it was passed on."""
    with store.write(app.engine) as session:
        found = _open(app, session, token, now)
        if found is None:
            return None
        pack, _ = found
        text, library = _text_of(app, session, pack)
        if pack.relay_state in OPEN_STATES:
            library.record_made(session, now)
            record_revisions(session, library, [(pack.id or 0, pack_key(key_of_row(session.get_one(Dispatch, pack.dispatch_id))))], now)
    return FetchedFile(FILE_NAMES[form], CONTENT_TYPES[form], make_file(text, form))


def _text_of(app: App, session: Session, pack: Pack) -> tuple[PackText, Library]:
    library = Library(session, app.settings.sender, Houses(session))
    return make_pack_text(library, pack_key(key_of_row(session.get_one(Dispatch, pack.dispatch_id)))), library


def _open(app: App, session: Session, token: str, now: datetime) -> tuple[Pack, str] | None:
    """The pack a token names, and the name of who came with it."""
    parts = read_token(app.keyring, Door.pack, token)
    if parts is None or len(parts) != 3:
        return None
    address_ref, house_ref, pack_ref = parts
    pack = session.execute(
        select(Pack)
        .join(Organisation, col(Organisation.id) == col(Pack.organisation_id))
        .where(col(Pack.public_id) == pack_ref, col(Organisation.public_id) == house_ref, col(Pack.relay_state) != RelayState.planned)
    ).scalar_one_or_none()
    if pack is None:
        return None
    visitor = session.execute(
        select(func.coalesce(col(Person.full_name), ""))
        .select_from(Seat)
        .outerjoin(Person, col(Person.id) == col(Seat.person_id))
        .join(Address, col(Address.id) == func.coalesce(col(Seat.address_id), col(Person.main_address_id)))
        .where(
            col(Seat.organisation_id) == pack.organisation_id,
            or_(col(Seat.until).is_(None), col(Seat.until) >= app.today(now)),
            or_(col(Person.id).is_(None), col(Person.status) == PersonStatus.active),
            col(Address.ref) == address_ref,
            col(Address.erased_at).is_(None),
        )
        .order_by(col(Seat.id))
    ).first()
    return (pack, visitor[0]) if visitor else None
