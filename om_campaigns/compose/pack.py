"""What a partner passes on, in every form it may need: a draft, a page, plain text, a block for its own newsletter, a sheet.

Each file is made from one edition that holds nothing personal, so the files of two contacts of one house are the same bytes.
``forwardable`` reads every file again before it is handed out: what is found there fails the build (FWD-01 … FWD-06).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import nh3

from om_campaigns.columns import dump_json
from om_campaigns.compose.edition import Edition
from om_campaigns.compose.forwardable import find_personal
from om_campaigns.compose.message import Letter
from om_campaigns.compose.pdf import make_pdf
from om_campaigns.compose.pictures import Picture
from om_campaigns.errors import Problem, ProblemsError


class Format(StrEnum):
    """The forms of a pack."""

    eml = "eml"
    html = "html"
    text = "text"
    markdown = "markdown"
    snippet = "snippet"
    pdf = "pdf"
    manifest = "manifest"


FILE_NAMES = {
    Format.eml: "weiterleiten.eml",
    Format.html: "weiterleiten.html",
    Format.text: "weiterleiten.txt",
    Format.markdown: "baustein.md",
    Format.snippet: "baustein.html",
    Format.pdf: "blatt.pdf",
    Format.manifest: "manifest.json",
}


PICTURES = "bilder"
"""The folder of a pack's pictures."""


@dataclass(frozen=True, slots=True)
class PackText:
    """A pack's edition with what its files say about it. ``labels``: the headings of blocks by name (``say`` → …).

    ``made_on`` is the day of the revision: the only time a file knows.
    """

    edition: Edition
    title: str
    house_slug: str
    house_name: str
    made_on: date
    labels: tuple[tuple[str, str], ...] = ()
    accent: str = "#1f4e79"
    pictures: tuple[Picture, ...] = ()
    own_words: str = ""
    """What a reader could see of the house's own words: braces in them were meant, and are no leftover of a template."""


def make_file(text: PackText, form: Format) -> bytes:
    """One form of a pack; raises ProblemsError when something personal, a code or a leftover stands in it, or it cannot be made."""
    try:
        content = _make(text, form)
    except ProblemsError:
        raise
    except ValueError as error:
        raise ProblemsError([Problem(FILE_NAMES[form], 0, 0, "pack", str(error))]) from error
    if problems := find_personal(FILE_NAMES[form], content, text.own_words):
        raise ProblemsError(problems)
    return content


def make_files(text: PackText) -> dict[str, bytes]:
    """Every form by its file name, the manifest last, and then the pictures."""
    return {FILE_NAMES[form]: make_file(text, form) for form in Format} | make_pictures(text)


def make_pictures(text: PackText) -> dict[str, bytes]:
    """The pictures as files; the manifest says what they show."""
    return {f"{PICTURES}/{each.name}": each.content for each in text.pictures}


def _make(text: PackText, form: Format) -> bytes:
    edition = text.edition
    if form is Format.eml:
        return make_draft(edition)
    if form is Format.html:
        return edition.html.chunks[0].encode()
    if form is Format.text:
        return edition.text.chunks[0].encode()
    if form is Format.markdown:
        return _block(text).encode()
    if form is Format.snippet:
        return make_snippet(edition.html.chunks[0])
    if form is Format.pdf:
        return make_pdf(
            edition.markdown,
            title=text.title,
            house=text.house_name,
            foot=_foot(edition),
            language=edition.language,
            labels=dict(text.labels),
            accent=text.accent,
            made_on=text.made_on,
        )
    return _manifest(text)


def make_draft(edition: Edition) -> bytes:
    """A mail that opens as a draft: nobody in it yet, no sender, so the partner's own identity is used (FWD-07)."""
    letter = Letter(edition)
    return b"X-Unsent: 1\r\nTo:\r\nCc:\r\n" + letter.subject + b"\r\nMIME-Version: 1.0\r\n" + letter.body(edition.id)


def _manifest(text: PackText) -> bytes:
    files = [
        {"name": FILE_NAMES[form], "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for form in Format
        if form is not Format.manifest
        for content in [make_file(text, form)]
    ]
    facts = {
        "title": text.title,
        "house": {"slug": text.house_slug, "name": text.house_name},
        "language": text.edition.language,
        "edition": text.edition.id,
        "made_on": text.made_on.isoformat(),
        "files": files,
        "pictures": [_picture_facts(each) for each in text.pictures],
    }
    return (dump_json(facts) + "\n").encode()


def _picture_facts(picture: Picture) -> dict[str, object]:
    return {
        "name": f"{PICTURES}/{picture.name}",
        "alt": picture.alt,
        "width": picture.width,
        "height": picture.height,
        "url": picture.url,
        "sha256": hashlib.sha256(picture.content).hexdigest(),
        "bytes": len(picture.content),
    }


_FENCE = re.compile(r"^ {0,3}:{3,}[ \t]*(?P<name>\w+)?.*$", re.MULTILINE)


def _block(text: PackText) -> str:
    """The text for a newsletter of the house: headings instead of fences, the foot as its last line."""
    labels = dict(text.labels)

    def heading(match: re.Match[str]) -> str:
        return f"### {labels.get(match['name'], match['name'])}" if match["name"] else ""

    body = re.sub(r"\n{3,}", "\n\n", _FENCE.sub(heading, text.edition.markdown)).strip()
    return f"## {text.title}\n\n{body}\n\n---\n\n{_foot(text.edition)}\n"


def _foot(edition: Edition) -> str:
    """Who says so and the imprint, as the plain text has them below its last rule."""
    return edition.text.chunks[0].rsplit("\n--------------------------------\n", 1)[-1].strip()


MAX_BYTES = 30_000

TAGS = {"a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "img", "li", "ol", "p", "pre", "span", "strong"}
TAGS |= {"table", "tbody", "td", "th", "thead", "tr", "ul"}
LAYOUT = {
    "align",
    "aria-hidden",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "dir",
    "height",
    "lang",
    "role",
    "style",
    "valign",
    "width",
}
ATTRIBUTES = {"*": LAYOUT, "a": {"href"}, "img": {"src", "alt"}, "th": {"scope"}}

_CONDITIONAL = re.compile(r"<!--\[if (?!!).*?<!\[endif\]-->", re.DOTALL)
_PREHEADER = re.compile(r'<div style="display:none[^>]*>.*?</div>', re.DOTALL)


def make_snippet(document: str) -> bytes:
    """The body of a letter as a fragment: inline styles only, pure ASCII with numeric entities, no head, class or comment.

    Raises ValueError when it is larger than a newsletter tool takes.
    """
    lang = re.search(r'<html[^>]*\blang="([a-z-]+)"', document)
    document = _PREHEADER.sub("", _CONDITIONAL.sub("", document), count=1)
    body = nh3.clean(
        document,
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags={"style", "script", "title"},
        url_schemes={"https", "mailto", "tel"},
        link_rel=None,
    )
    body = re.sub(r"\n\s*\n+", "\n", body).strip()
    fragment = f'<div lang="{lang[1] if lang else "de"}" dir="ltr">\n{body}\n</div>\n'.encode("ascii", "xmlcharrefreplace")
    if len(fragment) > MAX_BYTES:
        raise ValueError(f"the block has {len(fragment):,} bytes, newsletter tools take {MAX_BYTES:,}")
    return fragment
