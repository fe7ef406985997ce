"""What the people of a house do with its packs: look, fetch, say what becomes of them, acknowledge – in the portal or from a link
in the cover mail.

Everything is asked for by the public id of a pack *and* the houses somebody may act for; a pack of any other house is not there
(SEC-14). Nothing here changes anything when it is only looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting, find_acting, find_receivers
from om_campaigns.audience.german import read_count
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.responses import CascadeLevel
from om_campaigns.audience.vocabulary import Origin, Route
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.compose.building import find_shown
from om_campaigns.compose.links import Door, read_token
from om_campaigns.compose.overlay_log import OverlayKey
from om_campaigns.compose.pack import FILE_NAMES, Format
from om_campaigns.compose.pictures import Picture, media_of
from om_campaigns.delivery.states import RELAY
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.letters.packing import make_kept_file, make_pack_text
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.pack_list import load_house_packs
from om_campaigns.partner.packs import LATEST, acknowledge, find_house_pack, hand_over_pack, move_pack, open_text
from om_campaigns.partner.show_own_words import count_conflicts_by_text

SENTENCE_LENGTH = 500

MOST_DONE = 60
"""Packs of one page that are done; all that wait are shown."""

CHOICES = (RelayState.accepted, RelayState.postponed, RelayState.skipped, RelayState.forwarded)
"""What people say about a pack, in the order pages offer it."""

TYPED = ("tun", "bis", "an", "stufe", "zahl", "satz", "haus")
"""The fields of the forms about a pack."""

MEDIA = {
    Format.eml: "message/rfc822",
    Format.html: "text/html; charset=utf-8",
    Format.text: "text/plain; charset=utf-8",
    Format.markdown: "text/markdown; charset=utf-8",
    Format.snippet: "text/html; charset=utf-8",
    Format.pdf: "application/pdf",
    Format.manifest: "application/json",
}
"""FWD-07: a draft is served as a mail, and downloaded."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is passed on. ``html`` is the whole mail."""

    subject: str
    html: str
    text: str
    language: str
    pictures: tuple[Picture, ...]


def list_packs(app: App, acting: Acting) -> dict[str, Any]:
    """packs, as ``load_house_packs`` gives them, with ``conflicts``: blocks of a waiting one to decide about; most_done, and has_more
    where more than these are done."""
    with store.read(app.engine) as session:
        packs = load_house_packs(session, acting.houses, most_done=MOST_DONE + 1)
        has_more = sum(not each["is_waiting"] for each in packs) > MOST_DONE
        packs = packs[:-1] if has_more else packs
        texts = [OverlayKey(each["house_id"], each["campaign_id"], each["step"], each["language"]) for each in packs]
        waiting = {key for key, each in zip(texts, packs, strict=True) if each["is_waiting"]}
        conflicts = count_conflicts_by_text(session, app, waiting)
    told = [each | {"conflicts": conflicts.get(key, 0)} for key, each in zip(texts, packs, strict=True)]
    return {"packs": told, "most_done": MOST_DONE, "has_more": has_more}


def show_pack(app: App, acting: Acting, public_id: str) -> dict[str, Any] | None:
    """One pack with ``choices``: what may be said about it now, and ``colleagues`` [{ref, name}]: who else could receive it.

    None for one these houses do not have.
    """
    with store.read(app.engine) as session:
        found = load_house_packs(session, acting.houses, public_id=public_id)
        if not found:
            return None
        state = found[0]["state"]
        can_move = state is RelayState.offered or (state, RelayState.offered) in RELAY
        colleagues = _colleagues(session, app, found[0]) if can_move else []
    return found[0] | {"choices": [each.value for each in CHOICES if (state, each) in RELAY], "colleagues": colleagues}


def _colleagues(session: Session, app: App, pack: dict[str, Any]) -> list[dict[str, str]]:
    receives = session.execute(select(col(Dispatch.address_id)).join(Pack).where(col(Pack.id) == pack["id"])).scalar_one()
    return [
        {"ref": each.ref, "name": each.name}
        for each in find_receivers(session, pack["house_id"], app.today(app.now()))
        if each.address_id != receives
    ]


def _receiver_ref(app: App, pack_id: int) -> str:
    query = select(col(Address.ref)).join(Dispatch, col(Dispatch.address_id) == col(Address.id)).join(Pack)
    with store.read(app.engine) as session:
        return str(session.execute(query.where(col(Pack.id) == pack_id)).scalar_one())


def give_to(app: App, acting: Acting, public_id: str, ref: str) -> tuple[FormFault, ...]:
    """Hand a pack over to a colleague, named by the ref of their address; () when they have it, else which field is wrong."""
    found = show_pack(app, acting, public_id)
    if found is not None and ref == _receiver_ref(app, found["id"]):
        return ()
    if found is None or found["route"] == Route.list_address or not found["colleagues"]:
        return (FormFault("an", "spaet"),)
    if ref not in [each["ref"] for each in found["colleagues"]]:
        return (FormFault("an"),)
    with store.read(app.engine) as session:
        address = session.execute(select(col(Address.address)).where(col(Address.ref) == ref)).scalar_one()
    try:
        hand_over_pack(app, found["code"], app.now(), actor=acting.actor, to=address, origin=Origin.partner)
    except (InputError, RefusedError):
        return (FormFault("an"),)
    return ()


def show_text(app: App, acting: Acting, public_id: str) -> Shown | None:
    """What a pack says now."""
    with _opened(app, acting, public_id) as found:
        if found is None:
            return None
        library, key = open_text(*found)
        edition = library.edition(key)
        subject, html, text = ("".join(each.chunks) for each in (edition.subject, edition.html, edition.text))
        return Shown(subject, html, text, edition.language, tuple(find_shown(library.given(key))))


def load_file(app: App, acting: Acting, public_id: str, name: str) -> tuple[str, bytes] | None:
    """Media type and content of a file of a pack, or of one of its pictures, by its name.

    None where these houses have no such pack, or a pack no such file.
    """
    with _opened(app, acting, public_id) as found:
        if found is None:
            return None
        text = make_pack_text(*open_text(*found))
        if form := next((form for form, known in FILE_NAMES.items() if known == name), None):
            return MEDIA[form], make_kept_file(text, form)
        return next(((media_of(each.name), each.content) for each in text.pictures if each.name == name), None)


@contextmanager
def _opened(app: App, acting: Acting, public_id: str) -> Iterator[tuple[Session, App, Pack] | None]:
    with store.read(app.engine) as session:
        pack = find_house_pack(session, acting, public_id)
        yield None if pack is None else (session, app, pack)


def say(app: App, acting: Acting, public_id: str, choice: str, until: str = "") -> tuple[FormFault, ...]:
    """Say what becomes of a pack; () when it is done (or was said before), else which field is wrong.

    ``choice`` is one of ``CHOICES``, ``until`` the day (ISO) where it is put off.
    """
    now = app.now()
    with store.read(app.engine) as session:
        pack = find_house_pack(session, acting, public_id)
        if pack is None or choice not in CHOICES:
            return (FormFault("tun"),)
        code = pack.code
    day: date | None = None
    if choice == RelayState.postponed:
        try:
            day = date.fromisoformat(until)
        except ValueError:
            return (FormFault("bis"),)
        if not app.today(now) < day <= app.today(now) + LATEST:
            return (FormFault("bis", "weit"),)
    try:
        move_pack(app, code, RelayState(choice), now, until=day)
    except InputError:
        return (FormFault("tun"),)
    return ()


def answer(
    app: App, acting: Acting, public_id: str, *, level: str, count: str = "", sentence: str = "", house: str = ""
) -> tuple[FormFault, ...]:
    """Acknowledge a pack; () when it is recorded (once, however often it is sent), else which field is wrong.

    ``level`` is a CascadeLevel or ``no``; ``count`` as people write numbers; ``house`` is '' or the slug of one it serves.
    """
    with store.read(app.engine) as session:
        found = load_house_packs(session, acting.houses, public_id=public_id)
    if not found:
        return (FormFault("stufe"),)
    is_declined = level == "no"
    if not is_declined and level not in set(CascadeLevel):
        return (FormFault("stufe"),)
    try:
        number = read_count(count) if count else None
    except ValueError:
        return (FormFault("zahl"),)
    if len(sentence) > SENTENCE_LENGTH:
        return (FormFault("satz"),)
    if house and house not in [each["slug"] for each in found[0]["serves"]]:
        return (FormFault("haus"),)
    acknowledge(
        app,
        found[0]["code"],
        app.now(),
        actor=acting.actor,
        level=None if is_declined else CascadeLevel(level),
        count=None if is_declined else number,
        sentence=" ".join(sentence.split()),
        house=house,
        is_declined=is_declined,
        origin=Origin.partner,
    )
    return ()


def reach_of_link(app: App, token: str) -> tuple[Acting, str] | None:
    """What the link of a cover mail lets its holder act on: one pack, while the mail's reader still acts for its house."""
    parts = read_token(app.keyring, Door.pack, token)
    ref, house_ref, public_id = parts if parts is not None and len(parts) == 3 else ("", "", "")
    with store.read(app.engine) as session:
        query = select(col(Pack.organisation_id)).join(Organisation, col(Organisation.id) == col(Pack.organisation_id))
        query = query.where(col(Pack.public_id) == public_id, col(Organisation.public_id) == house_ref)
        house = session.execute(query.where(col(Pack.relay_state) != RelayState.planned)).scalar_one_or_none()
        address_id = session.execute(select(col(Address.id)).where(col(Address.ref) == ref)).scalar_one_or_none()
        acting = find_acting(session, address_id or 0, app.today(app.now()))
        if house is None or acting is None or house not in acting.houses:
            return None
        return replace(acting, own=(house,), below=()), public_id
