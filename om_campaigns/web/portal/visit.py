"""The two doors to one pack: the portal, for whoever signed in, and the link of its cover mail. Behind both are the same pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from om_campaigns import store
from om_campaigns.letters.page_brands import load_face
from om_campaigns.partner.pack_form import Reach, reach_of_link, show_pack
from om_campaigns.web.forms import Form, has_key, make_key
from om_campaigns.web.portal.guard import PATH, Desk, find_desk, to_entrance
from om_campaigns.web.site import Site, TheSite

PUBLIC_ID = re.compile("[a-z2-7]{16}")


@dataclass(frozen=True)
class Visit:
    """One request about one pack, which is there and belongs to the visitor. ``here`` is the path of its page."""

    request: Request
    site: Site
    reach: Reach
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
            stored=self.reach.language,
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
        found = reach_of_link(site.app, token)
        if found is None:
            raise HTTPException(404)
        reach, public_id = found
        here, purpose, subject, desk = f"{site.root}/paket/{token}", "pack", token, None
    else:
        desk = find_desk(request, site)
        if desk is None:
            raise to_entrance(request, site)
        reach, public_id = desk.reach, str(request.path_params["public_id"])
        here, purpose, subject = f"{site.root}{PATH}/pakete/{public_id}", "portal", desk.session_key
    pack = show_pack(site.app, reach, public_id) if PUBLIC_ID.fullmatch(public_id) else None
    if pack is None:
        raise HTTPException(404)
    return Visit(request, site, reach, pack, here, purpose, subject, desk)


TheVisit = Annotated[Visit, Depends(find_visit)]
"""Parameter type of every page about one pack."""
