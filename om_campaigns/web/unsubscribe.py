"""Leaving: the one click of a mail program, and the page behind the link in a letter (UNS-01 … UNS-15)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from om_campaigns import store
from om_campaigns.pipeline.faces import Face, load_face
from om_campaigns.pipeline.recipient.doors import Door, Visitor, find_visitor, make_door_token
from om_campaigns.pipeline.recipient.leaving import Wish, fulfil, leave_at_once, stands_for_house
from om_campaigns.web.forms import TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite, Token

router = APIRouter()

ANYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Web mail may send the POST from its reader's browser (UNS-07)."""


@router.post("/one-click/{token}", response_class=Response)
def one_click(site: TheSite, token: Token, form: TheForm) -> Response:
    """RFC 8058: leave the list at once, by POST only, without a page, a cookie or another click."""
    if form["List-Unsubscribe"] != "One-Click" or not leave_at_once(site.app, token, site.app.now()):
        return Response(status_code=404, headers=ANYWHERE)
    return Response(status_code=204, headers=ANYWHERE)


@router.options("/one-click/{token}", response_class=Response)
def one_click_from_a_browser(token: Token) -> Response:
    """What a browser asks before it sends the POST; the same for every token."""
    return Response(status_code=204, headers=ANYWHERE)


@router.get("/one-click/{token}", response_class=Response)
def one_click_opened(site: TheSite, token: Token) -> Response:
    """Opened by a person: on to the page, where nothing happens without a button."""
    with store.read(site.app.engine) as session:
        visitor = find_visitor(site.app, session, Door.one_click, token)
    if visitor is None:
        raise HTTPException(404)
    return RedirectResponse(f"{site.root}/{Door.unsubscribe}/{make_door_token(site.app, Door.unsubscribe, visitor)}", 303)


@router.get("/abmelden/{token}", response_class=Response)
def unsubscribe(request: Request, site: TheSite, token: Token) -> Response:
    """Shows what can be left, and changes nothing (UNS-04, UNS-05)."""
    visitor, face = _meet(site, token)
    return _show(request, site, token, visitor, face)


@router.post("/abmelden/{token}", response_class=Response)
def unsubscribe_confirmed(request: Request, site: TheSite, token: Token, form: TheForm) -> Response:
    """Does what was chosen, if the form is ours."""
    visitor, face = _meet(site, token)
    wish = form["wunsch"]
    if not has_key(site, form, Door.unsubscribe, token) or wish not in set(Wish):
        return _show(request, site, token, visitor, face, status=400, chosen=wish)
    fulfil(site.app, visitor, Wish(wish), site.app.now())
    return site.show(
        request, "unsubscribed.html", face=face, stored=visitor.language, visitor=visitor, wish=wish,
        preferences=_preferences(site, visitor),
        list_name=visitor.list_name(site.language(request, visitor.language)),
    )  # fmt: skip


def _preferences(site: Site, visitor: Visitor) -> str:
    return f"{site.root}/{Door.preferences}/{make_door_token(site.app, Door.preferences, visitor)}"


def _meet(site: Site, token: str) -> tuple[Visitor, Face]:
    """Who the letter went to, and the face of their house; one answer for everything that is no such token (UNS-13)."""
    with store.read(site.app.engine) as session:
        visitor = find_visitor(site.app, session, Door.unsubscribe, token)
        if visitor is None:
            raise HTTPException(404)
        return visitor, load_face(site.app, session, visitor.organisation_id)


def _show(
    request: Request, site: Site, token: str, visitor: Visitor, face: Face, status: int = 200, chosen: str = Wish.this_list
) -> Response:
    """``chosen`` is ticked; what somebody ticked on a page that was open for too long stays so."""
    return site.show(
        request, "unsubscribe.html", face=face, stored=visitor.language, status=status, visitor=visitor,
        is_again=status == 400, chosen=chosen if chosen in set(Wish) else Wish.this_list, preferences=_preferences(site, visitor),
        list_name=visitor.list_name(site.language(request, visitor.language)),
        key=make_key(site, Door.unsubscribe, token), stands_for_house=stands_for_house(site.app, visitor),
    )  # fmt: skip
