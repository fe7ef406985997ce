"""What belongs to every page: its style sheet, the imprint, and the answer to "are you there?"."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import PlainTextResponse

from om_campaigns.letters.page_brands import load_page_brand
from om_campaigns.reader.privacy import load_kept
from om_campaigns.reader.tokens import prove_keys
from om_campaigns.web.site import TheSite

router = APIRouter()


@router.get("/stil/{brand}.css", response_class=Response)
def style(site: TheSite, brand: Annotated[str, Path(pattern="^[a-z0-9-]{1,80}$")]) -> Response:
    """The look of every page in the colours of one brand."""
    body = site.render("style.css", "de", brand=load_page_brand(site.app, brand))
    return Response(body, media_type="text/css", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/kopieren.js", response_class=Response)
def copying(site: TheSite) -> Response:
    """The one script: it copies a letter. Every page works without it."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(site.render("kopieren.js", "de"), media_type="text/javascript", headers=headers)


@router.get("/impressum", response_class=Response)
def imprint(request: Request, site: TheSite) -> Response:
    """Who answers for these pages (LAW-15)."""
    return site.show(request, "imprint.html", indexed=True)


@router.get("/datenschutz", response_class=Response)
def privacy(request: Request, site: TheSite) -> Response:
    """What is kept about people (LAW-05 … LAW-10, LAW-14, LAW-25, LAW-26)."""
    return site.show(request, "privacy.html", indexed=True, kept=load_kept(site.app, site.language(request)))


@router.get("/", response_class=Response)
def home(request: Request, site: TheSite) -> Response:
    """The front door."""
    return site.show(request, "home.html", indexed=True)


@router.get("/health/{nonce}", response_class=PlainTextResponse)
def health(site: TheSite, nonce: Annotated[str, Path(pattern="^[a-z0-9]{16,40}$")]) -> Response:
    """Proves that these pages hold the keys of the workspace that sends: links of its mails work here."""
    try:
        return PlainTextResponse(prove_keys(site.app, nonce))
    except ValueError as error:
        raise HTTPException(404) from error
