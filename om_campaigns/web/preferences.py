"""Preferences: the link of a letter offers a second mail to the stored address; only that one shows and changes anything (FWD-03)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from om_campaigns import store
from om_campaigns.letters.pages import Face, load_face
from om_campaigns.reader.preferences import (
    FIELDS,
    RHYTHMS,
    Chosen,
    ask_for_link,
    find_manager,
    load_preferences,
    save_preferences,
    spell,
)
from om_campaigns.reader.tokens import Door, Visitor, find_visitor, make_door_token
from om_campaigns.service_letters import send_at_once
from om_campaigns.web.forms import Form, TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite, Token

router = APIRouter()


@router.get("/einstellungen/{token}", response_class=Response)
def from_a_letter(request: Request, site: TheSite, token: Token) -> Response:
    """A masked address, and the offer to send it a link; nothing of what is stored."""
    visitor, face = _meet(site, token)
    return _offer(request, site, token, visitor, face)


@router.post("/einstellungen/{token}", response_class=Response)
def send_link(request: Request, site: TheSite, token: Token, form: TheForm) -> Response:
    """Sends the link, to the stored address only."""
    visitor, face = _meet(site, token)
    if not has_key(site, form, Door.preferences, token):
        return _offer(request, site, token, visitor, face, status=400)
    ask_for_link(site.app, visitor, site.language(request, visitor.language), site.app.now())
    site.errands.do(send_at_once, site.app)
    return site.show(request, "preferences_sent.html", face=face, stored=visitor.language, visitor=visitor)


@router.get("/verwalten/{token}", response_class=Response)
def manage(request: Request, site: TheSite, token: Token) -> Response:
    """Everything that is stored about what one receives, to be changed."""
    return _show(request, site, token)


@router.post("/verwalten/{token}", response_class=Response)
def save(request: Request, site: TheSite, token: Token, form: TheForm) -> Response:
    """Stores what was chosen."""
    with store.read(site.app.engine) as session:
        visitor = find_manager(site.app, session, token, site.app.now())
    chosen = _read(form)
    if visitor is None or chosen is None or not has_key(site, form, "verwalten", token):
        return _show(request, site, token, status=400, chosen=chosen)
    save_preferences(site.app, visitor, chosen, site.language(request, visitor.language), "verwalten", site.app.now())
    return _show(request, site, token, is_saved=True)


def _read(form: Form) -> Chosen | None:
    """What was chosen; None for what is no form of ours, which always sends a rhythm and tells what it showed."""
    shown = form.shown(FIELDS)
    if form["takt"] not in RHYTHMS or len(shown) < len(FIELDS):
        return None
    return Chosen({name: " ".join(form.all(name)) for name in FIELDS}, shown, form["weg"] == "ja")


def _meet(site: Site, token: str) -> tuple[Visitor, Face]:
    with store.read(site.app.engine) as session:
        visitor = find_visitor(site.app, session, Door.preferences, token)
        if visitor is None:
            raise HTTPException(404)
        return visitor, load_face(site.app, session, visitor.organisation_id)


def _offer(request: Request, site: Site, token: str, visitor: Visitor, face: Face, status: int = 200) -> Response:
    leave = f"{site.root}/{Door.unsubscribe}/{make_door_token(site.app, Door.unsubscribe, visitor)}"
    return site.show(
        request, "preferences_offer.html", face=face, stored=visitor.language, status=status, visitor=visitor, is_again=status != 200,
        key=make_key(site, Door.preferences, token), leave=leave,
    )  # fmt: skip


def _show(request: Request, site: Site, token: str, *, is_saved: bool = False, status: int = 200, chosen: Chosen | None = None) -> Response:
    """``chosen`` stays ticked on a page that was open for too long."""
    with store.read(site.app.engine) as session:
        visitor = find_manager(site.app, session, token, site.app.now())
        if visitor is None:
            return site.show(request, "preferences_gone.html", status=404)
        face = load_face(site.app, session, visitor.organisation_id)
        language = site.language(request, visitor.language)
        known = load_preferences(session, visitor, language, site.app.today(site.app.now()))
    shown = spell(known)
    if chosen is not None:
        known = chosen.over(known)
    return site.show(
        request, "preferences.html", face=face, stored=visitor.language, status=status, known=known, shown=shown, is_saved=is_saved,
        is_again=status != 200, key=make_key(site, "verwalten", token),
    )  # fmt: skip
