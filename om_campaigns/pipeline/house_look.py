"""The look of a house, chosen by its own people: one colour, and a logo, seen in letters, packs and pages at once."""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation
from om_campaigns.compose.brand import contrast
from om_campaigns.compose.logos import MAX_BYTES, renew_logo
from om_campaigns.compose.logos import NoLogoError as NoLogoError
from om_campaigns.compose.looks import load_looks
from om_campaigns.compose.models import HouseLook, LogoPicture
from om_campaigns.compose.own_look import KEY, OwnLook, lay_over
from om_campaigns.compose.pictures import encode, make_key
from om_campaigns.pipeline.faces import load_page_brand, read_brands
from om_campaigns.pipeline.house_settings import find_house, record_changes
from om_campaigns.pipeline.pack_desk import Reach

LOGO_BYTES = MAX_BYTES

_COLOUR = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


@dataclass(frozen=True, slots=True)
class ColourFault:
    """``contrast`` is what the colour reaches on the sheet, ``better`` the nearest that can be read; 0 and '' where it is no colour."""

    contrast: float = 0
    better: str = ""


def show_look(app: App, reach: Reach, slug: str) -> dict[str, Any] | None:
    """accent (their own, or ''), logo {name, width, height} or None; None for a foreign house."""
    with store.read(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None:
            return None
        found = load_looks(session, house.public_id).get(house.id or 0)
    logo = found.logo if found else None
    shown = {"name": logo.name, "width": logo.width, "height": logo.height} if logo else None
    return {"accent": found.accent if found else "", "logo": shown}


def save_look(app: App, reach: Reach, slug: str, colour: str, logo: bytes, *, drop_logo: bool = False) -> ColourFault | None:
    """Take over colour ('' for none of their own) and logo (a file as it was handed in; empty leaves the one they have), or nothing.

    None where it holds. Raises NoLogoError. The look stands over the brand that the house's file names now, see ``HouseLook``.
    """
    accent, new = _hex(colour), renew_logo(logo) if logo else None
    with store.write(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None or accent is None:
            return ColourFault()
        if accent and (fault := _fault(app, house, accent)):
            return fault
        before = load_looks(session, house.public_id).get(house.id or 0)
        old_logo = before.logo.name if before and before.logo else None
        new_logo = _keep(session, app, house, *new) if new else None if drop_logo else old_logo
        session.execute(delete(HouseLook).where(col(HouseLook.organisation_id) == house.id))
        if accent or new_logo:
            session.add(HouseLook(organisation_id=house.id or 0, over=house.brand or "", accent=accent, logo=new_logo))
        pairs = (("own_accent", (before.accent if before else "") or None, accent or None), ("own_logo", old_logo, new_logo))
        changes = [each for each in pairs if each[1] != each[2]]
        record_changes(session, "organisation", house.id or 0, changes, reach.actor, app.now())
    return None


def _keep(session: Session, app: App, house: Organisation, body: bytes, width: int, height: int) -> str:
    """The name of a logo that is kept now; the same one is kept once."""
    name = f"{make_key(encode(body))}/{house.slug}.png"
    if session.get(LogoPicture, name) is None:
        session.add(LogoPicture(name=name, organisation_id=house.id or 0, body=body, width=width, height=height, made_at=app.now()))
        session.flush()
    return name


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
            return ColourFault(reached, darker)
    return ColourFault(reached)


def _holds(app: App, house: Organisation, accent: str) -> bool:
    look = OwnLook(KEY + house.public_id, house.name, house.brand or "", accent)
    return lay_over(read_brands(app), look, "")[0] == look.key
