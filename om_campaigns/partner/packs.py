"""What becomes of packs: said by partners in the portal or behind the link of a cover, by staff for them with commands.

``acknowledgements`` tells how far they came, ``show_house_packs`` what partners see of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting as Acting
from om_campaigns.audience.access import find_receivers
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.vocabulary import Origin, Route
from om_campaigns.campaign.corrections import HANDING_OVER_MARK, hand_over
from om_campaigns.campaign.house_values import load_houses
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.campaign.packs import find_codes
from om_campaigns.campaign.receivers import load_offices
from om_campaigns.campaign.releases import load_definitions
from om_campaigns.campaign.routing import Receiver
from om_campaigns.campaign.vocabulary import REASONS, Reason
from om_campaigns.campaign.vocabulary import RelayState as RelayState
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.pack import FILE_NAMES, make_file, make_files
from om_campaigns.compose.pack import Format as Format
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.letters.owed_editions import key_of_row, open_library
from om_campaigns.letters.packing import OPEN_STATES, make_pack_text, pack_key, record_revisions
from om_campaigns.letters.relay import move, offer_again, postpone
from om_campaigns.partner.faults import FaultError, FormFault

LATEST = timedelta(days=183)
"""A pack can be put off for half a year."""

CHOICES = (RelayState.accepted, RelayState.postponed, RelayState.skipped, RelayState.forwarded)
"""What people say about a pack, in the order pages offer it."""

TOO_LATE = FormFault("an", "spaet")
"""The pack cannot be handed over (any more)."""


def find_pack(session: Session, acting: Acting, name: str) -> Pack:
    """The pack somebody means: people of a house name it by its public id, staff by its code in any spelling. Raises InputError."""
    if acting.origin is not Origin.partner:
        return find_by_code(session, name)
    pack = find_house_pack(session, acting, name)
    if pack is None:
        raise InputError("these houses have no such pack")
    return pack


def find_by_code(session: Session, code: str) -> Pack:
    """The pack of a code, in any spelling. Raises InputError for a text that is no code, or one nobody was given."""
    codes = find_codes(code)
    if not codes:
        raise InputError(f"'{code}' is no code", hint="three and four symbols, as in the cover mail; one of them may be mistyped")
    found: Pack | None = session.execute(select(Pack).where(col(Pack.code) == codes[0])).scalar_one_or_none()
    if found is None:
        raise InputError(f"no pack has the code {codes[0]}", hint="see 'om-campaigns pack list'")
    return found


def find_house_pack(session: Session, acting: Acting, public_id: str) -> Pack | None:
    """A pack of these houses that has been handed over; None for every other."""
    query = select(Pack).where(col(Pack.public_id) == public_id, col(Pack.organisation_id).in_(acting.houses))
    return session.execute(query.where(col(Pack.relay_state) != RelayState.planned)).scalar_one_or_none()


def write_pack(app: App, code: str, folder: Path, now: datetime, forms: Collection[Format] = ()) -> list[Path]:
    """Write the files of a pack into ``folder``, or only these ``forms``; the same pack gives the same bytes.

    Raises InputError for an unknown code.

    What the published text would say by now becomes the pack's newest revision, unless it was passed on already.
    """
    with store.write(app.engine) as session:
        pack = find_by_code(session, code)
        is_open = pack.relay_state in OPEN_STATES
        library, key = open_text(session, app, pack, opens=is_open)
        text = make_pack_text(library, key)
        if is_open:
            library.record_made(session, now)
            record_revisions(session, library, [(pack.id, key)], now)
    files = {FILE_NAMES[form]: make_file(text, form) for form in forms} if forms else make_files(text)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [folder / name for name in files]


def open_text(session: Session, app: App, pack: Pack, *, opens: bool = False) -> tuple[Library, LetterKey]:
    """Where the text of a pack is found: what it passes on, in the words of its house. ``opens``: what is made gets stored."""
    return open_library(app, session, opens=opens), pack_key(key_of_row(session.get_one(Dispatch, pack.dispatch_id)))


def move_pack(app: App, acting: Acting, name: str, state: RelayState, now: datetime, *, until: date | None = None) -> bool:
    """Say that a pack is accepted, postponed (``until``), skipped or passed on; False where it was said already.

    Raises InputError for a state it cannot go to from where it is.
    """
    with store.write(app.engine) as session:
        return move_on(app, find_pack(session, acting, name), state, now, until=until)


def move_on(app: App, pack: Pack, state: RelayState, now: datetime, *, until: date | None = None) -> bool:
    """The same for a pack that was found."""
    today = app.today(now)
    if pack.relay_state is RelayState.planned:
        raise InputError(f"pack {pack.code} has not left yet")
    try:
        if state is not RelayState.postponed:
            return move(pack, state, now)
        until = until or today
        if not today < until <= today + LATEST:
            said = f"a pack can be put off from tomorrow until {today + LATEST}, not until {until}"
            raise FaultError(said, FormFault("bis", "weit"))
        return postpone(pack, until, now)
    except ValueError as error:
        raise InputError(f"pack {pack.code} is {pack.relay_state.value}; it cannot become {state.value} any more") from error


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Who has a pack by now: a name, else the address."""

    code: str
    receiver: str
    is_new: bool


def hand_over_pack(app: App, acting: Acting, name: str, now: datetime, *, to: str = "") -> HandedOver:
    """Send a pack's mails to somebody else in the house, else to the next in line (distributor, contact, deputy).

    ``to`` is an address, or for people of the house the ref of one.

    Without an address this is done once: whoever has it from somebody else keeps it until somebody is named.

    The pack keeps its code and gets its whole time again. Raises InputError for an address without such a role in the house or a pack
    that was passed on, RefusedError where nothing may be sent there.
    """
    with store.write(app.engine) as session:
        pack = find_pack(session, acting, name)
        dispatch = session.get_one(Dispatch, pack.dispatch_id)
        if dispatch.route is Route.list_address:
            raise FaultError(f"pack {pack.code} went to the house's own list; there is nobody to hand it over to", TOO_LATE)
        if not to and HANDING_OVER_MARK in dispatch.occasion:
            return HandedOver(pack.code, _name_at(session, dispatch.seat_id, dispatch.address_id), is_new=False)
        receiver = _find_receiver(app, session, acting, dispatch, now, to)
        before = dispatch.address_id
        is_new = hand_over(session, pack, receiver, now)
        if is_new:
            houses = Houses(session, app.today(now))
            last_day = houses.last_day(pack.organisation_id, houses.today(pack.organisation_id, now, app.settings.zone))
            try:
                offer_again(pack, last_day, now)
            except ValueError as error:
                said = f"pack {pack.code} is {pack.relay_state.value}; there is nothing to hand over any more"
                raise FaultError(said, TOO_LATE) from error
            old, new = str(before), str(receiver.address_id)
            record_change(session, "pack", pack.id, "address_id", old, new, now, acting.actor, acting.origin)
        return HandedOver(pack.code, _name_at(session, receiver.seat_id, receiver.address_id), is_new)


def _find_receiver(app: App, session: Session, acting: Acting, dispatch: Dispatch, now: datetime, to: str) -> Receiver:
    """Who receives instead, as the planner would choose among those who can."""
    campaign = session.get_one(Campaign, dispatch.campaign_id)
    definition = load_definitions(session, campaign)[dispatch.version_id]
    houses = load_houses(session, zone=app.settings.zone, language=app.settings.language)
    offices = load_offices(session, houses, definition, definition.audiences[dispatch.audience], today=app.today(now))
    receivers = offices[dispatch.organisation_id].receivers
    slug = session.get_one(Organisation, dispatch.organisation_id).slug
    if not to:
        able = [each for each in receivers if each.reason is Reason.none and each.address_id != dispatch.address_id]
        if not able:
            raise InputError(f"nobody else in '{slug}' could receive it", hint="give somebody the role distributor, contact or deputy")
        return able[0]
    if acting.origin is Origin.partner:
        wanted = {each.address_id for each in find_receivers(session, dispatch.organisation_id, app.today(now)) if each.ref == to}
    else:
        wanted = set(session.execute(select(col(Address.id)).where(col(Address.normal_key) == normalise(to).normal_key)).scalars())
    found = [each for each in receivers if each.address_id in wanted]
    if not found:
        raise InputError(f"{to} is neither distributor, contact nor deputy of '{slug}'", hint="give the role in people.csv first")
    if found[0].reason is not Reason.none:
        raise RefusedError(f"{to}: {REASONS[found[0].reason]}")
    return found[0]


def _name_at(session: Session, seat_id: int, address_id: int) -> str:
    seat = session.get(Seat, seat_id)
    person = session.get(Person, seat.person_id) if seat and seat.person_id else None
    return person.full_name if person else session.get_one(Address, address_id).address
