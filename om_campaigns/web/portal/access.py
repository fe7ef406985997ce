"""The way into the portal: signing in, who is there, and what nobody else may do for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from om_campaigns import store
from om_campaigns.letters.pages import load_face
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.show_house_packs import show_pack
from om_campaigns.partner.signing_in import (
    Acting,
    count_request,
    enter,
    find_signed_in,
    leave,
    look_at_link,
    open_pack_link,
    send_entrance_link,
)
from om_campaigns.web.forms import Form, TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite

PUBLIC_ID = re.compile("[a-z2-7]{16}")


@dataclass(frozen=True)
class Visit:
    """One request about one pack, which is there and belongs to the visitor. ``here`` is the path of its page."""

    request: Request
    site: Site
    acting: Acting
    pack: dict[str, Any]
    here: str
    purpose: str
    subject: str
    desk: Desk | None

    @property
    def public_id(self) -> str:
        return str(self.pack["public_id"])

    def is_own(self, form: Form) -> bool:
        """Whether a form came from one of these pages (SEC-12, UNS-05)."""
        return has_key(self.site, form, self.purpose, self.subject)

    def show(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page about the pack."""
        today = self.site.app.today(self.site.app.now())
        values = {"page": "packs", "is_signed_in": self.desk is not None, "pack": self.pack, "here": self.here, "today": today, **values}
        if self.desk is not None:
            return self.desk.show(name, status=status, frame="portal/desk.html", **values)
        with store.read(self.site.app.engine) as session:
            face = load_face(self.site.app, session, self.pack["house_id"])
        return self.site.show(
            self.request,
            f"portal/{name}",
            face=face,
            stored=self.acting.language,
            status=status,
            frame="portal/link.html",
            key=make_key(self.site, self.purpose, self.subject),
            **{"said": self.request.query_params.get("gut", ""), **values},
        )

    def go(self, said: str, path: str = "") -> Response:
        """Back to the page of the pack, or one below it, after something was done."""
        language = self.site.chosen(self.request)
        return RedirectResponse(f"{self.here}{path}?gut={said}{'&lang=' if language else ''}{language}", 303)


def find_visit(request: Request, site: TheSite) -> Visit:
    """Raises HTTPException: to the entrance for whoever is not signed in, 404 for what is not theirs, is no pack, or is forged."""
    token = request.path_params.get("token")
    if token is not None:
        found = open_pack_link(site.app, token)
        if found is None:
            raise HTTPException(404)
        acting, public_id = found
        here, purpose, subject, desk = f"{site.root}/paket/{token}", "pack", token, None
    else:
        desk = find_desk(request, site)
        if desk is None:
            raise to_entrance(request, site)
        acting, public_id = desk.acting, str(request.path_params["public_id"])
        here, purpose, subject = f"{site.root}{PATH}/pakete/{public_id}", "portal", desk.session_key
    pack = show_pack(site.app, acting, public_id) if PUBLIC_ID.fullmatch(public_id) else None
    if pack is None:
        raise HTTPException(404)
    return Visit(request, site, acting, pack, here, purpose, subject, desk)


TheVisit = Annotated[Visit, Depends(find_visit)]
"""Parameter type of every page about one pack."""


PATH = "/portal"

TOO_OLD = FormFault("alles", "alt")
"""What is wrong with a form that was not shown in this session, or more than a day ago; its page is shown again with all that was typed."""


class Desk:
    """One request of somebody who is signed in."""

    def __init__(self, request: Request, site: Site, session_key: str, acting: Acting) -> None:
        self.request, self.site, self.session_key, self.acting = request, site, session_key, acting
        self.app = site.app

    @property
    def language(self) -> str:
        return self.site.language(self.request, self.acting.language)

    def is_own(self, form: Form) -> bool:
        """Whether a form came from a page that this session was shown (SEC-12)."""
        return has_key(self.site, form, "portal", self.session_key)

    @staticmethod
    def status(wrong: Sequence[FormFault]) -> int:
        """Of a page that is shown again with its faults; 200 where there are none."""
        return 400 if TOO_OLD in wrong else 422 if wrong else 200

    def show(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of the portal in the colours of the house."""
        with store.read(self.app.engine) as session:
            face = load_face(self.app, session, self.acting.own[0])
        return self.site.show(
            self.request,
            f"portal/{name}",
            face=face,
            stored=self.acting.language,
            status=status,
            acting=self.acting,
            key=make_key(self.site, "portal", self.session_key),
            **{"said": self.request.query_params.get("gut", ""), **values},
        )

    def go(self, path: str, said: str = "") -> Response:
        """On to another page of the portal after something was done; ``said`` names what that page says about it."""
        query = "&".join(f"{name}={value}" for name, value in (("lang", self.site.chosen(self.request)), ("gut", said)) if value)
        return RedirectResponse(f"{self.site.root}{PATH}{path}{'?' if query else ''}{query}", 303)


def cookie_name(site: Site) -> str:
    """Browsers take a cookie of this name only over https."""
    return "__Secure-portal" if _is_https(site) else "portal"


def _is_https(site: Site) -> bool:
    return site.app.settings.web.base_url.startswith("https://")


def set_cookie(site: Site, answer: Response, session_key: str) -> None:
    """The one cookie of these pages, strictly necessary, gone with the browser; sent to the portal only."""
    answer.set_cookie(cookie_name(site), session_key, path=f"{site.root}{PATH}", secure=_is_https(site), httponly=True, samesite="lax")


def delete_cookie(site: Site, answer: Response) -> None:
    answer.delete_cookie(cookie_name(site), path=f"{site.root}{PATH}", secure=_is_https(site), httponly=True, samesite="lax")


def session_key_of(request: Request, site: Site) -> str:
    return request.cookies.get(cookie_name(site), "")[:100]


def find_desk(request: Request, site: TheSite) -> Desk | None:
    """Who is signed in; None for everybody else."""
    session_key = session_key_of(request, site)
    acting = find_signed_in(site.app, session_key)
    return Desk(request, site, session_key, acting) if acting is not None else None


def to_entrance(request: Request, site: Site) -> HTTPException:
    """On to the entrance for somebody who is not signed in (any more); whoever sent a form is told that it did not arrive."""
    said = "" if request.method in ("GET", "HEAD") else "?gut=zuende"
    return HTTPException(303, headers={"Location": f"{site.root}{PATH}{said}"})


def _require_desk(request: Request, site: TheSite, desk: Annotated[Desk | None, Depends(find_desk)]) -> Desk:
    if desk is None:
        raise to_entrance(request, site)
    return desk


def _require_form(desk: Annotated[Desk, Depends(_require_desk)], form: TheForm) -> Form:
    if not desk.is_own(form):
        raise HTTPException(400)
    return form


MaybeDesk = Annotated[Desk | None, Depends(find_desk)]
"""Parameter type of a page for everybody that greets those who are signed in."""

TheDesk = Annotated[Desk, Depends(_require_desk)]
"""Parameter type of a page for those who are signed in; everybody else is sent to the entrance."""

OwnForm = Annotated[Form, Depends(_require_form)]
"""Parameter type of everything that changes something: a form that this session was shown (SEC-12)."""


router = APIRouter()
ASK, ENTER = "portal-link", "portal-enter"


def show_entrance(request: Request, site: Site, *, wrong: tuple[FormFault, ...] = (), typed: str = "", said: str = "") -> Response:
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
        return show_entrance(request, site, typed=typed, wrong=(FormFault("adresse"),))
    if count_request(site.app, typed, request.client.host if request.client else ""):
        site.errands.do(send_entrance_link, site.app, typed)
    return site.show(request, "portal/asked.html")


@router.get(f"{PATH}/anmelden/{{token}}", response_class=Response)
def open_link(request: Request, site: TheSite, token: str) -> Response:
    """Shows a button; nothing is used up (UNS-04)."""
    acting = look_at_link(site.app, token)
    if acting is None:
        return show_entrance(request, site, said="link")
    return site.show(request, "portal/enter.html", stored=acting.language, acting=acting, key=make_key(site, ENTER, token))


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
