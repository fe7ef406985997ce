"""The archive: public, without a token, for everybody a letter was forwarded to (FWD-04, SEC-24)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath

from om_campaigns import store
from om_campaigns.reader.archive import Entry, Question, choose, idea_names, is_idea
from om_campaigns.reader.tokens import find_lists
from om_campaigns.web.site import Site, TheSite, Word

router = APIRouter()

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
