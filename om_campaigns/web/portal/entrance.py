"""The way in and out of the portal. Nothing here tells whether an address is known (SEC-09)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from om_campaigns.partner.signing_in import count_request, enter, leave, look_at_link, send_entrance_link
from om_campaigns.web.forms import TheForm, has_key, make_key
from om_campaigns.web.portal.guard import PATH, OwnForm, TheDesk, delete_cookie, session_key_of, set_cookie
from om_campaigns.web.site import Site, TheSite

router = APIRouter()
ASK, ENTER = "portal-link", "portal-enter"


def show_entrance(request: Request, site: Site, *, wrong: tuple[str, ...] = (), typed: str = "", said: str = "") -> Response:
    """The page that asks for an address."""
    status = 422 if wrong else {"again": 400, "link": 404}.get(said, 200)
    return site.show(request, "portal/entrance.html", status=status, key=make_key(site, ASK, ""), wrong=wrong, typed=typed, said=said)


@router.post(f"{PATH}/anmelden", response_class=Response)
def ask_for_link(request: Request, site: TheSite, form: TheForm) -> Response:
    """The same answer, in the same time, for every address; the mail is an errand."""
    typed = form["adresse"]
    if not has_key(site, form, ASK, ""):
        return show_entrance(request, site, typed=typed, said="again")
    if "@" not in typed or len(typed) > 254:
        return show_entrance(request, site, typed=typed, wrong=("adresse",))
    if count_request(site.app, typed, request.client.host if request.client else ""):
        site.errands.do(send_entrance_link, site.app, typed)
    return site.show(request, "portal/asked.html")


@router.get(f"{PATH}/anmelden/{{token}}", response_class=Response)
def open_link(request: Request, site: TheSite, token: str) -> Response:
    """Shows a button; nothing is used up (UNS-04)."""
    partner = look_at_link(site.app, token)
    if partner is None:
        return show_entrance(request, site, said="link")
    return site.show(request, "portal/enter.html", stored=partner.language, partner=partner, key=make_key(site, ENTER, token))


@router.post(f"{PATH}/anmelden/{{token}}", response_class=Response)
def use_link(request: Request, site: TheSite, token: str, form: TheForm) -> Response:
    """Uses the link up and begins a session."""
    if not has_key(site, form, ENTER, token):
        return open_link(request, site, token)
    session_key = enter(site.app, token)
    if session_key is None:
        return show_entrance(request, site, said="link")
    leave(site.app, session_key_of(request, site))
    answer = RedirectResponse(f"{site.root}{PATH}", 303)
    set_cookie(site, answer, session_key)
    return answer


@router.post(f"{PATH}/abmelden", response_class=Response)
def sign_out(desk: TheDesk, form: OwnForm) -> Response:
    """Ends this session, or every one of the same person."""
    leave(desk.app, desk.session_key, everywhere=form["ueberall"] == "ja")
    answer = desk.go("", "abgemeldet")
    delete_cookie(desk.site, answer)
    return answer
