"""What pages have in common: forms, what they showed, and how they come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.datastructures import FormData, UploadFile

from om_campaigns.letters.pages import load_page_brand
from om_campaigns.reader.privacy import load_kept
from om_campaigns.reader.tokens import is_form_key, make_form_key, prove_keys
from om_campaigns.web.middleware import Fault as Fault
from om_campaigns.web.site import Site, TheSite

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


KEY = "formular"
"""Name of the hidden field."""

SHOWN = "gezeigt-"
"""Before the name of a hidden field: what stood in the field when the page was opened (``om_campaigns.seen``)."""

FIELDS = 200


@dataclass(frozen=True, slots=True)
class Form:
    """The text fields of a POST; a field that was not sent is ''. Line ends are ``\\n``; NULs are gone."""

    values: Mapping[str, tuple[str, ...]]
    files: Mapping[str, UploadFile]

    def __getitem__(self, name: str) -> str:
        """The first value, trimmed."""
        return next(iter(self.values.get(name, ("",)))).strip()

    def content(self, name: str, limit: int) -> bytes:
        """What a file holds, up to one byte more than ``limit``; empty where none was chosen."""
        found = self.files.get(name)
        return found.file.read(limit + 1) if found else b""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of boxes with the same name."""
        return self.values.get(name, ())

    def shown(self, names: Iterable[str]) -> dict[str, str]:
        """What the page showed in these fields, ticks parted by blanks; a field it did not tell of is not there."""
        return {name: self[SHOWN + name] for name in names if self.all(SHOWN + name)}


async def _read_form(request: Request) -> Form:
    try:
        data: FormData = await request.form(max_files=4, max_fields=FIELDS)
    except (ValueError, UnicodeError, AssertionError) as error:
        raise HTTPException(400) from error
    values: dict[str, tuple[str, ...]] = {}
    files: dict[str, UploadFile] = {}
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            files[name] = value
        else:
            values[name] = (*values.get(name, ()), value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))
    return Form(values, files)


TheForm = Annotated[Form, Depends(_read_form)]
"""Parameter type of a route that takes a form, in either encoding of HTML."""


def make_key(site: Site, purpose: str, subject: str) -> str:
    """The value of the hidden field; ``subject`` is what the form acts on: a token, a session, '' for anybody."""
    return make_form_key(site.app, purpose, subject, site.app.now())


def has_key(site: Site, form: Form, purpose: str, subject: str, *, days: int = 1) -> bool:
    """Whether the form came from our own page for this subject, within ``days``. Where not, show the page again and change nothing."""
    return is_form_key(site.app, purpose, subject, form[KEY], site.app.now(), minutes=days * 24 * 60)
