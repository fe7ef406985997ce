"""What every page needs: the opened workspace, the house's face, the reader's language, and templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from babel.dates import format_date
from babel.numbers import format_decimal
from fastapi import Depends, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from om_campaigns.app import App
from om_campaigns.letters.pages import Face, load_face
from om_campaigns.reader.archive import Archive
from om_campaigns.reader.subscribing import Offers
from om_campaigns.web.errands import Errands
from om_campaigns.web.middleware import spell
from om_campaigns.web.words import LANGUAGES, choose_language, load_words

HTML = Path(__file__).parent / "html"


class Site:
    """One per process. Holds nothing of any visitor."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.root = urlsplit(app.settings.web.base_url).path.rstrip("/")
        """What stands before every path of ours, for links: pages may live below a path of another site."""
        self.errands = Errands()
        self.base_url = app.settings.web.pages
        """What absolute addresses begin with, in feeds; never a request's host (SEC-20)."""
        named = app.settings.sender.privacy_url
        self.privacy_url = "" if named == f"{self.base_url}/datenschutz" else named
        """The page on data protection, where it is not our own."""
        self.archive = Archive(app)
        self.offers = Offers(app)
        self._pages = {language: _make_environment(language) for language in LANGUAGES}

    def language(self, request: Request, stored: str = "") -> str:
        """The language this visitor reads; ``?lang=en`` wins, ``stored`` is what we know of them."""
        asked = request.query_params.get("lang", "")
        return choose_language(asked, stored, request.headers.get("accept-language", ""), self.app.settings.language)

    def path(self, request: Request) -> str:
        """The path of a page as it is asked for below ``base_url``. ``request.url`` would read the Host header for it (SEC-20)."""
        return str(request.scope["path"]).removeprefix(self.root)

    def chosen(self, request: Request) -> str:
        """The language that was clicked, to go on with on the next page; '' where none was."""
        asked = request.query_params.get("lang", "")
        return asked if asked in LANGUAGES else ""

    def show(
        self,
        request: Request,
        name: str,
        *,
        face: Face | None = None,
        stored: str = "",
        status: int = 200,
        indexed: bool = False,
        **values: Any,
    ) -> HTMLResponse:
        """A page. ``face``: the house that leads it, else OM; ``stored``: the visitor's language as far as it is known.

        ``indexed``: search engines may list it; only for pages without a token.
        """
        language = self.language(request, stored)
        other = next(each for each in LANGUAGES if each != language)
        page = self._pages[language].get_template(name)
        body = page.render(
            face=face or load_face(self.app),
            language=language,
            other=other,
            switch=_switch(request, other) if status < 400 else urlencode({"lang": other}),
            is_chosen=request.query_params.get("lang", "") == language,
            is_answer=request.method == "POST",  # many of these addresses only take forms: there is nothing to switch to
            root=self.root,
            sender=self.app.settings.sender,
            privacy_url=self.privacy_url,
            indexed=indexed,
            **values,
        )
        headers = {"X-Robots-Tag": "all", "Cache-Control": "public, max-age=300", "Vary": "Accept-Language"} if indexed else {}
        return HTMLResponse(body, status, headers | {"Content-Language": language})

    def render(self, name: str, language: str, **values: Any) -> str:
        """A template that is no page of its own: a style sheet, a fragment."""
        return self._pages[language].get_template(name).render(root=self.root, **values)


def _switch(request: Request, other: str) -> str:
    """The query of the same page in the other language: what was asked for stays, what was just done is not said again."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("lang", "gut")]
    return urlencode([*kept, ("lang", other)])


def _make_environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HTML),
        autoescape=select_autoescape(["html"], default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(load_words(language), newstyle=True)  # type: ignore[attr-defined]
    environment.filters["day"] = _day(language)
    environment.filters["decimal"] = lambda value: format_decimal(value, "0.0", "de" if language == "de" else "en_GB")
    environment.filters["call"] = _call
    environment.filters["lang"] = lambda written: "" if written == language else Markup(' lang="{}"').format(written)
    environment.filters["written_in"] = _written_in(language)
    environment.globals["spell"] = spell
    return environment


def _day(language: str) -> Callable[[date | datetime], str]:
    """A date as people write it: 5. Januar 2027, 5 January 2027."""
    pattern, locale = ("d. MMMM y", "de") if language == "de" else ("d MMMM y", "en_GB")
    return lambda day: format_date(day, pattern, locale)


def _written_in(language: str) -> Callable[[str, str], str]:
    """Words in whatever language they were written, marked where that is not the language of the page (WCAG 3.1.2)."""
    return lambda text, written: text if written == language else Markup('<span lang="{}">{}</span>').format(written, text)


def _call(phone: str) -> str:
    """A link that dials: a German number as it is dialled from everywhere."""
    digits = "".join(each for each in phone.split("(0)")[0] + phone.partition("(0)")[2] if each.isdecimal())
    if phone.startswith("+"):
        return f"tel:+{digits}"
    return f"tel:+{digits[2:]}" if digits.startswith("00") else f"tel:+49{digits[1:]}" if digits.startswith("0") else f"tel:{digits}"


def _get_site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


Token = Annotated[str, InPath(max_length=400)]
"""A signed part of a path; what it opens is for the use case to say."""

Word = Annotated[str, InPath(pattern="^[a-z0-9-]{1,80}$")]
"""A slug in a path."""

TheSite = Annotated[Site, Depends(_get_site)]
"""Parameter type of a route that shows pages."""
