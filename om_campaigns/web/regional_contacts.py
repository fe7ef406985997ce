"""Who helps in my region: public contact lines by place and topic, without a token, for every pack to link to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse

from om_campaigns import store
from om_campaigns.reader.regional_contacts import NATIONWIDE, find_help, find_place
from om_campaigns.web.site import Site, TheSite

router = APIRouter()

PLACE = "^(DE|[0-9]{2}|[0-9]{3}|[0-9]{5}|[0-9]{8})$"
Topic = Annotated[str, Query(pattern="^[a-z0-9_]{0,80}$")]


@router.get("/wer-hilft", response_class=Response)
def everywhere(request: Request, site: TheSite, region: Annotated[str, Query(pattern=f"{PLACE}|^$")] = "", thema: Topic = "") -> Response:
    """The whole country, or on to the place that was chosen."""
    if region in ("", NATIONWIDE):
        return _show(request, site, NATIONWIDE, thema)
    return _go(request, site, region, thema)


@router.get("/wer-hilft/{ags}", response_class=Response)
def here(request: Request, site: TheSite, ags: Annotated[str, InPath(pattern=PLACE)], thema: Topic = "") -> Response:
    """One place by its AGS; where it has no name, the place around it."""
    with store.read(site.app.engine) as session:
        place = find_place(session, ags)
    return _show(request, site, ags, thema) if place == ags != NATIONWIDE else _go(request, site, place, thema)


def _go(request: Request, site: Site, ags: str, topic: str) -> Response:
    chosen = site.chosen(request)
    more = "&".join(f"{name}={value}" for name, value in (("thema", topic), ("lang", chosen)) if value)
    place = "" if ags == NATIONWIDE else f"/{ags}"
    return RedirectResponse(f"{site.root}/wer-hilft{place}{'?' if more else ''}{more}", 303)


def _show(request: Request, site: Site, ags: str, topic: str) -> Response:
    with store.read(site.app.engine) as session:
        found = find_help(session, ags, topic, site.language(request), site.app.today(site.app.now()))
    return site.show(request, "helping.html", indexed=True, found=found)
