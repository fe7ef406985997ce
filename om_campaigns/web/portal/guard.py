"""Who is signed in, and that a form of the portal was theirs: every route of the portal passes here (SEC-12, SEC-14, LAW-25)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from om_campaigns import store
from om_campaigns.letters.page_brands import load_face
from om_campaigns.partner.pack_form import Reach
from om_campaigns.partner.signing_in import Partner, find_partner
from om_campaigns.web.forms import Form, TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite

PATH = "/portal"

TOO_OLD = "alles:alt"
"""What is wrong with a form that was not shown in this session, or more than a day ago; its page is shown again with all that was typed."""


class Desk:
    """One request of somebody who is signed in."""

    def __init__(self, request: Request, site: Site, session_key: str, partner: Partner) -> None:
        self.request, self.site, self.session_key, self.partner = request, site, session_key, partner
        self.app = site.app

    @property
    def language(self) -> str:
        return self.site.language(self.request, self.partner.language)

    @property
    def reach(self) -> Reach:
        """What they may act on."""
        return Reach(self.partner.houses, self.partner.actor, self.partner.language)

    def is_own(self, form: Form) -> bool:
        """Whether a form came from a page that this session was shown (SEC-12)."""
        return has_key(self.site, form, "portal", self.session_key)

    @staticmethod
    def status(wrong: Sequence[str]) -> int:
        """Of a page that is shown again with its faults; 200 where there are none."""
        return 400 if TOO_OLD in wrong else 422 if wrong else 200

    def show(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of the portal in the colours of the house."""
        with store.read(self.app.engine) as session:
            face = load_face(self.app, session, self.partner.face)
        return self.site.show(
            self.request,
            f"portal/{name}",
            face=face,
            stored=self.partner.language,
            status=status,
            partner=self.partner,
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
    partner = find_partner(site.app, session_key)
    return Desk(request, site, session_key, partner) if partner is not None else None


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
