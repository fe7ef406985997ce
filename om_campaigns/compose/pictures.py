"""Pictures of a text: files beside it, frozen with it, shown from our own pages and taken along in packs (REN-11, FWD-06).

A text says ``![words](bild.png)`` or ``![words](bilder/bild.png){width=300}``. Among the files of a campaign a picture is the
base64 of its bytes. Readers load it from ``BASE/bild/KEY/NAME``, where ``KEY`` is the beginning of the hash of that file: the
same picture has one address for everybody, without a cookie and for as long as its text is kept.
"""

from __future__ import annotations

import base64
import io
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from om_campaigns.columns import digest
from om_campaigns.errors import Problem, ProblemsError

PICTURE_PATH = "bild"
"""First part of the path behind which pictures are shown."""

MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
"""What every mail program shows; photographs as JPEG, drawings as PNG."""

KEY_LENGTH = 20
COLUMN = 548
"""Pixels between the margins of a letter: a wider picture is shown as wide as this."""

MAX_BYTES = 500_000
MAX_PIXELS = 12_000_000
"""A picture on every desk of 200,000 people is a small one; a bomb of pixels is never unpacked."""

_WRITTEN = re.compile(
    r"!\[(?P<alt>(?:[^\]\\\n]|\\.)*)\]"
    r"\((?P<source>(?!https?:|data:|cid:)[^)\s{}]+)(?P<title>[ \t]+\"[^\"\n]*\")?\)"
    r"(?:\{(?P<size>[^{}\n]*)\})?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LENGTH = re.compile(r"\b(width|height)=\"?(\d{1,4})\"?")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as one text shows it. ``width`` and ``height`` are those on the page, in CSS pixels."""

    name: str
    alt: str
    width: int
    height: int
    url: str
    content: bytes


def is_picture(path: str) -> bool:
    """Whether a file of the workspace is a picture by its name."""
    return posixpath.splitext(path)[1].lower() in MEDIA


def media_of(path: str) -> str:
    """The media type of a picture."""
    return MEDIA[posixpath.splitext(path)[1].lower()]


def encode(content: bytes) -> str:
    """A picture as it is kept among texts."""
    return base64.b64encode(content).decode("ascii")


def decode(kept: str) -> bytes:
    """The bytes of a picture that ``encode`` kept."""
    return base64.b64decode(kept)


def find_problems(body: str, path: str, first_line: int, files: Mapping[str, str]) -> list[Problem]:
    """Everything wrong with the pictures of the text at ``path``, with line and column."""
    problems = []
    for match in _WRITTEN.finditer(body):
        if fault := _fault(path, match, files):
            line = first_line + body.count("\n", 0, match.start())
            column = match.start() - body.rfind("\n", 0, match.start())
            problems.append(Problem(path, line, column, *fault))
    return problems


def _fault(path: str, match: re.Match[str], files: Mapping[str, str]) -> tuple[str, str] | None:
    source = match["source"]
    name = posixpath.basename(source)
    if not is_picture(source):
        return "FWD-06", f"'{source}' is no picture that every mail program shows; save it as .png or .jpg"
    if not _NAME.fullmatch(name):
        return "picture", f"'{name}' cannot stand in a web address; use letters, digits, '-' and '_'"
    if (where := _place(path, source)) not in files:
        return "picture", f"there is no picture '{where}'"
    if not match["alt"].strip():
        return "REN-11", f"say in the brackets what '{name}' shows: many read without pictures"
    try:
        measure(files[where])
    except ValueError as error:
        return "picture", f"'{where}' {error}"
    return None


def _place(path: str, source: str) -> str:
    """The path of a picture below ``templates/``, seen from the text that shows it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), source))


@lru_cache(maxsize=256)
def measure(kept: str) -> tuple[int, int]:
    """Width and height of a picture in its own pixels. Raises ValueError with what is wrong with it, as the end of a sentence."""
    from PIL import Image, UnidentifiedImageError

    content = decode(kept)
    if len(content) > MAX_BYTES:
        raise ValueError(f"has {len(content):,} bytes, at most {MAX_BYTES:,} are sent to so many readers")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            image.load()
    except Image.DecompressionBombError:
        raise ValueError(f"has more than {MAX_PIXELS:,} pixels; make it smaller") from None
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise ValueError("cannot be read as a PNG or JPEG picture") from None
    return width, height


def find_pictures(body: str, path: str, files: Mapping[str, str], pages: str) -> Iterator[tuple[re.Match[str], Picture]]:
    """The pictures of the text at ``path`` with where they stand. ``pages`` is the address of our pages.

    Raises ProblemsError for one that cannot be shown.
    """
    if "![" not in body:
        return
    if problems := find_problems(body, path, 1, files):
        raise ProblemsError(problems)
    for match in _WRITTEN.finditer(body):
        kept = files[_place(path, match["source"])]
        name = posixpath.basename(match["source"])
        width, height = _shown_size(measure(kept), match["size"] or "")
        yield match, Picture(name, match["alt"].strip(), width, height, make_url(pages, kept, name), decode(kept))


def _shown_size(own: tuple[int, int], wanted: str) -> tuple[int, int]:
    """What the text asks for, in the picture's own proportions; else its own size, no wider than the column."""
    said = {key: int(value) for key, value in _LENGTH.findall(wanted)}
    width = said.get("width") or (round(said["height"] * own[0] / own[1]) if said.get("height") else min(own[0], COLUMN))
    return width, said.get("height") or max(1, round(width * own[1] / own[0]))


def make_url(pages: str, kept: str, name: str) -> str:
    """Where readers load a picture from."""
    return f"{pages}/{PICTURE_PATH}/{make_key(kept)}/{name}"


def make_key(kept: str) -> str:
    """The part of an address that changes with the picture."""
    return digest(kept)[:KEY_LENGTH]


def point_to_pages(body: str, path: str, files: Mapping[str, str], pages: str) -> str:
    """The Markdown of a text with the addresses and sizes of its pictures. Raises ProblemsError as ``find_pictures`` does."""
    parts, end = [], 0
    for match, picture in find_pictures(body, path, files, pages):
        shown = f"![{match['alt']}]({picture.url}{match['title'] or ''}){{width={picture.width} height={picture.height}}}"
        parts += [body[end : match.start()], shown]
        end = match.end()
    return "".join([*parts, body[end:]])
