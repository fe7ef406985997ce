"""The public archive: pages, feeds and the pictures letters showed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator

from om_campaigns import store
from om_campaigns.letters.pages import find_house_name
from om_campaigns.reader.archive import KEY_LENGTH, PICTURE_PATH, Entry, Question, choose, idea_names, is_idea, load_picture
from om_campaigns.reader.tokens import find_lists
from om_campaigns.web.site import Site, TheSite, Word

router = APIRouter()

Key = Annotated[str, InPath(pattern=f"^[0-9a-f]{{{KEY_LENGTH}}}$")]
Name = Annotated[str, InPath(pattern="^[A-Za-z0-9._-]{1,100}$")]


@router.get(f"/{PICTURE_PATH}/{{key}}/{{name}}", response_class=Response)
def picture(site: TheSite, key: Key, name: Name) -> Response:
    """A picture of a published text."""
    found = load_picture(site.app, key, name)
    if found is None:
        raise HTTPException(404)
    media, content = found
    return Response(content, media_type=media, headers={"Cache-Control": "public, max-age=31536000, immutable"})


Form = Annotated[str, InPath(pattern="^(rss|atom|json|html)$")]
MIME = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
    "html": "text/html; charset=us-ascii",
}
XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
LATEST = 30
IN_BLOCK = 3


@router.get("/feeds/{mailing_list}.{form}", response_class=Response)
def feed_of_list(request: Request, site: TheSite, mailing_list: Word, form: Form) -> Response:
    """The letters of one mailing list."""
    language = site.language(request)
    name = list_name(site, mailing_list, language)
    return _answer(request, site, form, name, f"feeds/{mailing_list}", site.archive.load(language, Question(mailing_list=mailing_list)))


@router.get("/feeds/haus/{house}.{form}", response_class=Response)
def feed_of_house(request: Request, site: TheSite, house: Word, form: Form) -> Response:
    """The public letters that one house received."""
    name = find_house_name(site.app, house)
    if not name:
        raise HTTPException(404)
    entries = site.archive.load(site.language(request), Question(house=house))
    return _answer(request, site, form, f"{name} – {site.app.settings.sender.name}", f"feeds/haus/{house}", entries)


def _answer(request: Request, site: Site, form: str, name: str, path: str, entries: Sequence[Entry]) -> Response:
    """The same bytes until a text changes, so that readers may ask with If-None-Match."""
    shelf = Shelf(site, name, path, site.language(request), f"?lang={chosen}" if (chosen := site.chosen(request)) else "")
    body = MAKERS[form](shelf, entries[:LATEST])
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=900", "Vary": "Accept-Language", "X-Robots-Tag": "noindex"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=MIME[form], headers=headers)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a feed is about. ``query`` goes on with the language that was clicked, in every address of ours."""

    site: Site
    name: str
    path: str
    language: str
    query: str

    def url(self, path: str) -> str:
        """An absolute address."""
        return f"{self.site.base_url}/{path}{self.query}"

    def id(self, path: str) -> str:
        """Permanent, also when the pages move to another address (RFC 4151)."""
        return f"tag:{self.site.app.settings.sender.list_domain},2026:{path}"


class WrittenEntry(FeedEntry):  # type: ignore[misc]
    """An entry that says which language it is in, which may be another than that of the feed."""

    written_in = ""

    def atom_entry(self, extensions: bool = True) -> Any:
        entry = super().atom_entry(extensions)
        entry.set(XML_LANGUAGE, self.written_in)
        return entry


def _make_feed(shelf: Shelf, entries: Sequence[Entry], form: str) -> FeedGenerator:
    feed = FeedGenerator()
    feed.id(shelf.id(shelf.path))
    feed.title(shelf.name)
    feed.subtitle(shelf.name)
    feed.author({"name": shelf.site.app.settings.sender.name})
    feed.link(href=shelf.url("archiv"), rel="alternate")
    feed.link(href=shelf.url(f"{shelf.path}.{form}"), rel="self")
    feed.language(shelf.language)
    latest = max((each.changed_at for each in entries), default=None)
    feed.updated(latest or "2026-01-01T00:00:00Z")
    feed.lastBuildDate(latest or "2026-01-01T00:00:00Z")
    feed.generator("om_campaigns")
    for each in entries:
        item = feed.add_entry(WrittenEntry(), order="append")
        item.written_in = each.language
        item.id(shelf.id(f"{each.campaign}/{each.step}"))
        item.guid(shelf.id(f"{each.campaign}/{each.step}"), permalink=False)
        item.title(each.title)
        item.link(href=shelf.url(each.path))
        item.summary(each.summary)
        item.content(each.html, type="html")
        item.published(each.first_at)
        item.updated(each.changed_at)
    return feed


def _make_rss(shelf: Shelf, entries: Sequence[Entry]) -> bytes:
    return bytes(_make_feed(shelf, entries, "rss").rss_str(pretty=True))


def _make_atom(shelf: Shelf, entries: Sequence[Entry]) -> bytes:
    return bytes(_make_feed(shelf, entries, "atom").atom_str(pretty=True))


def _make_json(shelf: Shelf, entries: Sequence[Entry]) -> bytes:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": shelf.name,
        "home_page_url": shelf.url("archiv"),
        "feed_url": shelf.url(f"{shelf.path}.json"),
        "language": shelf.language,
        "authors": [{"name": shelf.site.app.settings.sender.name}],
        "items": [
            {
                "id": shelf.id(f"{each.campaign}/{each.step}"),
                "url": shelf.url(each.path),
                "title": each.title,
                "summary": each.summary,
                "language": each.language,
                "content_html": each.html,
                "date_published": each.first_at.isoformat(),
                "date_modified": each.changed_at.isoformat(),
                "tags": [*each.ideas, *each.topics],
            }
            for each in entries
        ],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1).encode()


def _make_block(shelf: Shelf, entries: Sequence[Entry]) -> bytes:
    """A fragment for a partner's page: no script, no style sheet, pure ASCII, whatever charset the page has."""
    items = "".join(
        f'<li lang="{each.language}" style="margin:0 0 12px">'
        f'<a href="{escape(shelf.url(each.path))}">{escape(each.title)}</a><br>{escape(each.summary)}</li>'
        for each in entries[:IN_BLOCK]
    )
    fragment = (
        f'<div lang="{shelf.language}"><p><strong>{escape(shelf.name)}</strong></p><ul style="padding-left:20px">{items}</ul></div>\n'
    )
    return fragment.encode("ascii", "xmlcharrefreplace")


MAKERS = {"rss": _make_rss, "atom": _make_atom, "json": _make_json, "html": _make_block}


SEARCH_LENGTH = 100
Code = Annotated[str, InPath(pattern="^[A-Za-z0-9._-]{1,40}$")]


@router.get("/archiv", response_class=Response)
def everything(request: Request, site: TheSite, suche: str = "") -> Response:
    """Every letter, by words."""
    return _show(request, site, Question(words=suche))


@router.get("/archiv/gedanke/{idea}", response_class=Response)
def of_idea(request: Request, site: TheSite, idea: Annotated[str, InPath(max_length=40)]) -> Response:
    """Letters about one OM idea."""
    if not is_idea(idea):
        raise HTTPException(404)
    return _show(request, site, Question(idea=idea), heading=idea_names(site.language(request))[idea])


@router.get("/archiv/hilfe/{code}", response_class=Response)
def of_toolkit(request: Request, site: TheSite, code: Code) -> Response:
    """Letters that mention one toolkit."""
    language = site.language(request)
    everything = site.archive.load(language)
    if not choose(everything, Question(toolkit=code)):
        raise HTTPException(404)
    return _show(request, site, Question(toolkit=code), everything, heading=site.archive.toolkit_names([code], language)[code])


@router.get("/archiv/{mailing_list}", response_class=Response)
def of_list(request: Request, site: TheSite, mailing_list: Word, suche: str = "") -> Response:
    """Letters of one mailing list: where "read in the browser" leads of a letter that is not for everybody."""
    name = list_name(site, mailing_list, site.language(request))
    return _show(request, site, Question(mailing_list=mailing_list, words=suche), heading=name, feed=mailing_list)


@router.get("/archiv/{mailing_list}/{campaign}", response_class=Response)
def of_campaign(request: Request, site: TheSite, mailing_list: Word, campaign: Word) -> Response:
    """Letters of one campaign."""
    everything, asked = site.archive.load(site.language(request)), Question(mailing_list=mailing_list, campaign=campaign)
    first = next(iter(choose(everything, asked)), None)
    if first is None:
        raise HTTPException(404)
    return _show(request, site, asked, everything, heading=first.campaign_title, written_in=first.campaign_language, feed=mailing_list)


@router.get("/archiv/{mailing_list}/{campaign}/{step}", response_class=Response)
def letter(request: Request, site: TheSite, mailing_list: Word, campaign: Word, step: Word) -> Response:
    """One letter, as anybody may read it: where "read in the browser" leads."""
    found = site.archive.load(site.language(request), Question(mailing_list=mailing_list, campaign=campaign))
    entry = next((each for each in found if each.step == step), None)
    if entry is None:
        name = list_name(site, mailing_list, site.language(request))
        return _show(request, site, Question(mailing_list=mailing_list), heading=name, feed=mailing_list, is_gone=True)
    language = site.language(request)
    return site.show(
        request, "archive_letter.html", indexed=True, entry=entry, ideas=idea_names(language),
        toolkits=site.archive.toolkit_names(entry.toolkits, language),
    )  # fmt: skip


def list_name(site: Site, mailing_list: str, language: str) -> str:
    """The name of a mailing list; a page that does not exist where there is none."""
    with store.read(site.app.engine) as session:
        names = {slug: english if language == "en" else german for slug, german, english in find_lists(session)}
    if mailing_list not in names:
        raise HTTPException(404)
    return names[mailing_list]


def _show(
    request: Request, site: Site, question: Question, everything: list[Entry] | None = None, *, heading: str = "", written_in: str = "",
    feed: str = "", is_gone: bool = False,
) -> Response:  # fmt: skip
    """``everything``: all entries, where they were loaded already.

    ``written_in``: the language of the heading, where it may be another than the reader's. ``is_gone``: what was asked for is no letter
    of the archive (any more); these are the others of its mailing list.
    """
    language, is_too_long = site.language(request), len(question.words) > SEARCH_LENGTH
    with store.read(site.app.engine) as session:
        lists = [(slug, english if language == "en" else german) for slug, german, english in find_lists(session)]
    if everything is None:
        everything = site.archive.load(language)
    mentioned = site.archive.toolkit_names({code for entry in everything for code in entry.toolkits}, language)
    return site.show(
        request, "archive.html", status=404 if is_gone else 422 if is_too_long else 200, indexed=not (question.words or is_gone),
        is_gone=is_gone, is_too_long=is_too_long, longest=SEARCH_LENGTH,
        entries=[] if is_too_long else choose(everything, question), question=question,
        heading=heading, heading_language=written_in or language,
        lists=lists, ideas=idea_names(language), toolkits=mentioned, feed=feed, plain=not heading,
    )  # fmt: skip
