"""Counted links: on to where they lead, and one more for the day; nothing of whoever followed is read or kept (FWD-15, LAW-11)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from om_campaigns.reader.counted_links import COUNTED_PATH, count_click, find_link
from om_campaigns.web.site import TheSite

router = APIRouter()

AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Fields by which browsers say that nobody asked for the page yet."""


@router.get(f"/{COUNTED_PATH}/{{ref}}/{{host}}", response_class=Response)
def follow(
    request: Request,
    site: TheSite,
    ref: Annotated[str, Path(pattern="^[0-9a-f]{20}$")],
    host: Annotated[str, Path(max_length=253)],
) -> Response:
    """To the stored target; whatever was not stored, or is said to lead elsewhere, is no page of ours (SEC-07)."""
    link = find_link(site.app, ref, host)
    if link is None:
        raise HTTPException(404)
    if is_followed(request):
        site.errands.do(count_click, site.app, link.id, site.app.today(site.app.now()))
    return RedirectResponse(link.target, 302)


def is_followed(request: Request) -> bool:
    """Whether a person opened the link in a browser (Fetch Metadata).

    Programs that try every link of a mail, HEAD and pages fetched ahead are not counted. A scanner that drives a whole browser
    cannot be told from a person without watching people, so it counts.
    """
    if request.scope.get("is_head") or any(name in request.headers for name in AHEAD):
        return False
    return request.headers.get("sec-fetch-mode") == "navigate" and request.headers.get("sec-fetch-dest") == "document"
