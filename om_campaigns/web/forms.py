"""Forms: what came in, held to a size; the hidden field that proves a page was shown; what is wrong, at its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import FormData, UploadFile

from om_campaigns.reader.tokens import is_form_key, make_form_key
from om_campaigns.web.faults import Fault as Fault
from om_campaigns.web.site import Site

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
