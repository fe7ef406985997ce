"""The look of a house, chosen by its own people: one colour, and a logo, seen in letters, packs and pages at once.

The colour is one field of the settings, the logo has a page of its own: a browser gives no file back with the faults of other fields.
"""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.models import Organisation
from om_campaigns.compose.brand import contrast
from om_campaigns.compose.contexts import load_looks
from om_campaigns.compose.models import HouseLook, LogoPicture
from om_campaigns.compose.own_look import KEY, MAX_BYTES, Logo, OwnLook, lay_over, renew_logo
from om_campaigns.compose.own_look import NoLogoError as NoLogoError
from om_campaigns.compose.pictures import encode, make_key
from om_campaigns.letters.pages import load_page_brand, read_brands
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.signing_in import FieldChange, find_house, record_changes

LOGO_BYTES = MAX_BYTES

_COLOUR = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


@dataclass(frozen=True, slots=True)
class ColourFault(FormFault):
    """``contrast`` is what the colour reaches on the sheet, ``better`` the nearest that can be read; 0 and '' where it is no colour."""

    field: str = "farbe"
    contrast: float = 0
    better: str = ""


def show_logo(app: App, acting: Acting, slug: str) -> dict[str, Any] | None:
    """logo {name, width, height}, or None where they have none of their own; None for a foreign house."""
    with store.read(app.engine) as session:
        house = find_house(session, acting, slug)
        if house is None:
            return None
        logo = load_look(session, house).logo
    return {"logo": {"name": logo.name, "width": logo.width, "height": logo.height} if logo else None}


def load_look(session: Session, house: Organisation) -> OwnLook:
    """What a house chose; without colour and logo where it chose none."""
    nothing = OwnLook(KEY + house.public_id, house.name, house.brand or "", "")
    return load_looks(session, house.public_id).get(house.id, nothing)


def read_accent(app: App, house: Organisation, text: str) -> str | ColourFault:
    """A colour as it is stored, '' for none of their own; or why it cannot be taken."""
    accent = _hex(text)
    if accent is None:
        return ColourFault()
    return (_fault(app, house, accent) if accent else None) or accent


def save_look(session: Session, house: Organisation, accent: str, logo: Logo | None) -> list[FieldChange]:
    """Put this in the place of what a house chose; returns what changed (field, old, new).

    It stands over the brand that the house's file names now, see ``HouseLook``.
    """
    before = load_look(session, house)
    old, new = (each.name if each else None for each in (before.logo, logo))
    pairs = (("own_accent", before.accent or None, accent or None), ("own_logo", old, new))
    changes = [each for each in pairs if each[1] != each[2]]
    if changes:
        session.execute(delete(HouseLook).where(col(HouseLook.organisation_id) == house.id))
        if accent or logo:
            session.add(HouseLook(organisation_id=house.id, over=house.brand or "", accent=accent, logo=new))
    return changes


def save_logo(app: App, acting: Acting, slug: str, content: bytes, *, drop: bool = False) -> bool:
    """Take over a logo (a file as it was handed in; empty leaves the one they have); False for a foreign house. Raises NoLogoError."""
    new = renew_logo(content) if content else None
    with store.write(app.engine) as session:
        house = find_house(session, acting, slug, locks=True)
        if house is None:
            return False
        before = load_look(session, house)
        logo = _keep(session, app, house, *new) if new else None if drop else before.logo
        record_changes(session, "organisation", house.id, save_look(session, house, before.accent, logo), acting, app.now())
    return True


def _keep(session: Session, app: App, house: Organisation, body: bytes, width: int, height: int) -> Logo:
    """A logo that is kept now; the same one is kept once."""
    name = f"{make_key(encode(body))}/{house.slug}.png"
    if session.get(LogoPicture, name) is None:
        session.add(LogoPicture(name=name, organisation_id=house.id, body=body, width=width, height=height, made_at=app.now()))
        session.flush()
    return Logo(name, width, height)


def _hex(text: str) -> str | None:
    """``#rrggbb``; '' for nothing, None for what is no colour."""
    found = _COLOUR.fullmatch(text)
    if found is None:
        return None if text else ""
    digits = found[1].lower()
    return "#" + (digits if len(digits) == 6 else "".join(2 * each for each in digits))


def _fault(app: App, house: Organisation, accent: str) -> ColourFault | None:
    """Whether the letters of a house can be read in this colour, in light, dark and inverted (REN-08)."""
    if _holds(app, house, accent):
        return None
    reached = contrast(accent, load_page_brand(app, house.brand or "om").colours["sheet"])
    hue, light, saturation = colorsys.rgb_to_hls(*(int(accent[place : place + 2], 16) / 255 for place in (1, 3, 5)))
    for step in range(1, 100):
        parts = colorsys.hls_to_rgb(hue, light * (1 - step / 100), saturation)
        darker = "#" + "".join(f"{round(part * 255):02x}" for part in parts)
        if _holds(app, house, darker):
            return ColourFault(contrast=reached, better=darker)
    return ColourFault(contrast=reached)


def _holds(app: App, house: Organisation, accent: str) -> bool:
    look = OwnLook(KEY + house.public_id, house.name, house.brand or "", accent)
    return lay_over(read_brands(app), look, "")[0] == look.key
