"""Leaving: the one click of a mail program, and the page behind the link in a letter (UNS-01 … UNS-15)."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.delivery.rate_limits import network_of
from om_campaigns.letters.pages import Face, load_face
from om_campaigns.reader.leaving_page import Wish, fulfil, leave_at_once, stands_for_house, take_back
from om_campaigns.reader.tokens import Door, Visitor, count_request, find_visitor, make_door_token, send_leaving_link
from om_campaigns.service_letters import send_at_once
from om_campaigns.web.forms import Form, TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite, Token

router = APIRouter()

TAKE_BACK, NEW_LINK = "zuruecknehmen", "neuer-link"
"""Purposes of forms."""
TAKE_BACK_DAYS = 30
"""How long the page after leaving offers to take it back."""

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
    wish, now = form["wunsch"], site.app.now()
    if form["am"]:
        return _take_back(request, site, token, form, visitor, face)
    if not has_key(site, form, Door.unsubscribe, token) or wish not in set(Wish):
        return _show(request, site, token, visitor, face, status=400, chosen=wish)
    fulfil(site.app, visitor, Wish(wish), now)
    return _decided(request, site, token, visitor, face, wish, now)


def _take_back(request: Request, site: Site, token: str, form: Form, visitor: Visitor, face: Face) -> Response:
    """Undoes what this very page did, for 30 days; whoever else holds the letter can undo nothing that was decided elsewhere."""
    wish, decided = form["wunsch"], form["am"]
    if wish not in set(Wish) or not has_key(site, form, TAKE_BACK, f"{token} {wish} {decided}", days=TAKE_BACK_DAYS):
        return _show(request, site, token, visitor, face, status=400, chosen=wish)
    take_back(site.app, visitor, Wish(wish), datetime.fromisoformat(decided), site.app.now())
    return _decided(request, site, token, visitor, face, wish, None)


def _decided(request: Request, site: Site, token: str, visitor: Visitor, face: Face, wish: str, now: datetime | None) -> Response:
    """What holds from now on; ``now`` is None where it was taken back. The page looks the same whether anything changed (FWD-03)."""
    decided = now.isoformat() if now else ""
    return site.show(
        request, "unsubscribed.html", face=face, stored=visitor.language, visitor=visitor, wish=wish, decided=decided,
        key=make_key(site, TAKE_BACK, f"{token} {wish} {decided}"), preferences=_preferences(site, visitor),
        list_name=visitor.list_name(site.language(request, visitor.language)), back=f"{site.root}/{Door.unsubscribe}/{token}",
    )  # fmt: skip


@router.get("/abmelden", response_class=Response)
def without_a_token(request: Request, site: TheSite) -> Response:
    """A link that was cut before its token."""
    return show_broken_link(request, site)


@router.post("/abmelden", response_class=Response)
def ask_for_new_link(request: Request, site: TheSite, form: TheForm) -> Response:
    """A whole link, to the address itself; the same answer, in the same time, for every address (SEC-09)."""
    typed = form["adresse"]
    if not has_key(site, form, NEW_LINK, "") or "@" not in typed or len(typed) > 254:
        return show_broken_link(request, site, typed=typed, is_wrong=True)
    if count_request(site.app, typed, network_of(request.client.host if request.client else ""), site.app.now()):
        site.errands.do(_send_link, site.app, typed)
    return site.show(request, "link_sent.html")


def _send_link(app: App, typed: str) -> None:
    if send_leaving_link(app, typed):
        send_at_once(app)


def show_broken_link(request: Request, site: Site, *, typed: str = "", is_wrong: bool = False) -> Response:
    """The page behind every link to leave that is cut or forged: it still offers a way to leave (UNS-01)."""
    sender = site.app.settings.sender
    return site.show(
        request, "link_broken.html", status=422 if is_wrong else 404, key=make_key(site, NEW_LINK, ""), typed=typed, is_wrong=is_wrong,
        contact=sender.reply_to or f"{sender.local_part}@{sender.domain}", action=f"{site.root}/abmelden",
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
