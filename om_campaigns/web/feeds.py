"""Feeds of public letters per list and per house, and a block for partners' own sites (FWD-13, FWD-14)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from feedgen.feed import FeedGenerator

from om_campaigns.pipeline.faces import find_house_name
from om_campaigns.pipeline.recipient.archive import Entry, Question
from om_campaigns.web.archive import list_name
from om_campaigns.web.site import Site, TheSite, Word

router = APIRouter()

Form = Annotated[str, InPath(pattern="^(rss|atom|json|html)$")]
MIME = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
    "html": "text/html; charset=us-ascii",
}
LATEST = 30
IN_BLOCK = 3


@router.get("/feeds/{mailing_list}.{form}", response_class=Response)
def of_list(request: Request, site: TheSite, mailing_list: Word, form: Form) -> Response:
    """The letters of one mailing list."""
    language = site.language(request)
    name = list_name(site, mailing_list, language)
    return _answer(request, site, form, name, f"feeds/{mailing_list}", site.archive.load(language, Question(mailing_list=mailing_list)))


@router.get("/feeds/haus/{house}.{form}", response_class=Response)
def of_house(request: Request, site: TheSite, house: Word, form: Form) -> Response:
    """The public letters that one house received."""
    name = find_house_name(site.app, house)
    if not name:
        raise HTTPException(404)
    entries = site.archive.load(site.language(request), Question(house=house))
    return _answer(request, site, form, f"{name} – {site.app.settings.sender.name}", f"feeds/haus/{house}", entries)


def _answer(request: Request, site: Site, form: str, name: str, path: str, entries: Sequence[Entry]) -> Response:
    """The same bytes until a text changes, so that readers may ask with If-None-Match."""
    body = MAKERS[form](site, name, path, entries[:LATEST], site.language(request))
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=900", "Vary": "Accept-Language", "X-Robots-Tag": "noindex"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=MIME[form], headers=headers)


def _url(site: Site, path: str) -> str:
    return f"{site.base_url}/{path}"


def _id(site: Site, entry: Entry) -> str:
    """Permanent, also when the pages move to another address (RFC 4151)."""
    return f"tag:{site.app.settings.sender.list_domain},2026:{entry.campaign}/{entry.step}"


def _make_feed(site: Site, name: str, path: str, entries: Sequence[Entry], language: str, form: str) -> FeedGenerator:
    feed = FeedGenerator()
    feed.id(f"tag:{site.app.settings.sender.list_domain},2026:{path}")
    feed.title(name)
    feed.subtitle(name)
    feed.author({"name": site.app.settings.sender.name})
    feed.link(href=_url(site, "archiv"), rel="alternate")
    feed.link(href=_url(site, f"{path}.{form}"), rel="self")
    feed.language(language)
    latest = max((each.updated_at for each in entries), default=None)
    feed.updated(latest or "2026-01-01T00:00:00Z")
    feed.lastBuildDate(latest or "2026-01-01T00:00:00Z")
    feed.generator("om_campaigns")
    for each in entries:
        item = feed.add_entry(order="append")
        item.id(_id(site, each))
        item.guid(_id(site, each), permalink=False)
        item.title(each.title)
        item.link(href=_url(site, each.path))
        item.summary(each.summary)
        item.content(each.html, type="html")
        item.published(each.first_at)
        item.updated(max(each.updated_at, each.first_at))
    return feed


def _make_rss(site: Site, name: str, path: str, entries: Sequence[Entry], language: str) -> bytes:
    return bytes(_make_feed(site, name, path, entries, language, "rss").rss_str(pretty=True))


def _make_atom(site: Site, name: str, path: str, entries: Sequence[Entry], language: str) -> bytes:
    return bytes(_make_feed(site, name, path, entries, language, "atom").atom_str(pretty=True))


def _make_json(site: Site, name: str, path: str, entries: Sequence[Entry], language: str) -> bytes:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": name,
        "home_page_url": _url(site, "archiv"),
        "feed_url": _url(site, f"{path}.json"),
        "language": language,
        "authors": [{"name": site.app.settings.sender.name}],
        "items": [
            {
                "id": _id(site, each),
                "url": _url(site, each.path),
                "title": each.title,
                "summary": each.summary,
                "language": each.language,
                "content_html": each.html,
                "date_published": each.first_at.isoformat(),
                "date_modified": max(each.updated_at, each.first_at).isoformat(),
                "tags": [*each.ideas, *each.topics],
            }
            for each in entries
        ],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1).encode()


def _make_block(site: Site, name: str, path: str, entries: Sequence[Entry], language: str) -> bytes:
    """A fragment for a partner's page: no script, no style sheet, pure ASCII, whatever charset the page has."""
    items = "".join(
        f'<li lang="{each.language}" style="margin:0 0 12px">'
        f'<a href="{escape(_url(site, each.path))}">{escape(each.title)}</a><br>{escape(each.summary)}</li>'
        for each in entries[:IN_BLOCK]
    )
    fragment = f'<div lang="{language}"><p><strong>{escape(name)}</strong></p><ul style="padding-left:20px">{items}</ul></div>\n'
    return fragment.encode("ascii", "xmlcharrefreplace")


MAKERS = {"rss": _make_rss, "atom": _make_atom, "json": _make_json, "html": _make_block}
