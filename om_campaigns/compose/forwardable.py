"""The guard at the door: reads every file of a pack again and finds what must never be forwarded (FWD-01 … FWD-06).

It knows nothing of how a file was made, so it also finds what a changed layout, block or renderer lets through.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import quopri
import re
from collections.abc import Iterator

from pypdf import PdfReader

from om_campaigns.campaign.packs import is_valid
from om_campaigns.compose.links import SHORTENERS, Door, holds_token
from om_campaigns.compose.slots import MARK_START
from om_campaigns.errors import Problem

TRANSPORT = (
    "From",
    "Date",
    "Message-ID",
    "Return-Path",
    "Received",
    "DKIM-Signature",
    "Feedback-ID",
    "List-[A-Za-z-]+",
    "Precedence",
    "Reply-To",
    "Bcc",
)
"""Fields of a mail on its way; a draft has none of them."""

_FIELD = re.compile(rf"^({'|'.join(TRANSPORT)}):", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(r"^(To|Cc):[ \t]*\S", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"https?://[^\s\"'<>()]+", re.IGNORECASE)
_HOST = re.compile(r"https?://(?:[^/@?#]*@)?(?:www\.)?([^/?#:]*)", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"\b(src|width|height)\s*=\s*[\"']?([^\"'\s>]*)", re.IGNORECASE)
_MASKED = re.compile(r"\b[\w.+-]?(?:…|\.\.\.)@[\w.-]+")
_LEFTOVER = re.compile(rf"\{{\{{|\}}\}}|\{{%|%\}}|{MARK_START}|\blorem ipsum\b|\bTODO\b|\bXXX\b", re.IGNORECASE)
_NOTE = re.compile(r"so leiten sie weiter|how to pass this on|drei handgriffe", re.IGNORECASE)
_DOORS = re.compile(rf"/({'|'.join(door.value for door in Door)})(/|\?|$)", re.IGNORECASE)
_COUNTED = re.compile(
    r"[?&](?:amp;)?(utm_\w+|mtm_\w+|pk_\w+|mc_[ce]id|mkt_tok|_hs\w+|vero_\w+|oly_\w+|[fgdw]b?clid|msclkid)=", re.IGNORECASE
)
_DETOUR = re.compile(r"https?://.*[/?=&]https?(://|%3a%2f%2f)", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w-])[2-9A-Z]{3}-[2-9A-Z]{4}(?![\w-])")


def find_personal(name: str, content: bytes, own_words: str = "") -> list[Problem]:
    """Everything in a file that belongs to one reader, to the way here, or to the making; empty for a file that may go on.

    Braces that stand in ``own_words`` are what a house wanted to say.
    """
    found: list[tuple[str, str]] = []
    if name.endswith(".eml"):
        head = content.split(b"\r\n\r\n", 1)[0].decode("ascii", "replace")
        found += [("FWD-01", f"the field {field}") for field in _FIELD.findall(head)]
        found += [("FWD-07", f"somebody stands in {field}") for field in _RECIPIENT.findall(head)]
    for text in _texts(name, content):
        found += find_in_words(text, own_words)
    return [Problem(name, 0, 0, rule, f"{what} would be passed on") for rule, what in dict.fromkeys(found)]


def find_in_words(text: str, own_words: str = "") -> Iterator[tuple[str, str]]:
    """Rule and description of everything in a text that must not be forwarded."""
    for address in _ADDRESS.findall(text):
        if holds_token(address):
            yield "FWD-01", f"a personal link ({address[:40]}…)"
        elif _DOORS.search(address):
            yield "FWD-01", f"a link for one reader ({address[:60]})"
        elif counted := _COUNTED.search(address):
            yield "FWD-01", f"a link that counts its readers ({counted[1]})"
        elif _DETOUR.match(address):
            yield "FWD-01", f"a link that goes through somebody else ({address[:60]})"
        elif _HOST.match(address)[1].casefold() in SHORTENERS:  # type: ignore[index]  # every address has a host
            yield "REN-16", f"a shortened link ({address[:60]}), which hides where it leads,"
    for image in _IMAGE.findall(text):
        facts = {key.lower(): value for key, value in _ATTRIBUTE.findall(image)}
        source = facts.get("src", "")
        if facts.get("width") in ("0", "1") or facts.get("height") in ("0", "1"):
            yield "FWD-01", f"a pixel ({source[:60]})"
        if not source.startswith("https://"):
            yield "FWD-06", f"an image that is not on the web for everybody ({source[:60]})"
    if masked := _MASKED.search(text):
        yield "FWD-01", f"a masked address ({masked[0]})"
    for code in _CODE.findall(text):
        if is_valid(code.replace("-", "")):
            yield "FWD-02", f"the code {code}"
    leftovers = [each for each in _LEFTOVER.findall(text) if each not in own_words or each.isalnum()]
    if leftovers:
        yield "FWD-01", f"a leftover of the template ({leftovers[0]})"
    if note := _NOTE.search(text):
        yield "FWD-02", f"the note for the contact ('{note[0]}')"


def _texts(name: str, content: bytes) -> Iterator[str]:
    """What a reader of the file could see, decoded as far as its form needs."""
    if name.endswith(".pdf"):
        yield from _pdf_texts(content)
        return
    if name.endswith(".eml"):
        joined = quopri.decodestring(content).decode("utf-8", "replace")
        yield from (joined, html.unescape(joined), *_base64_texts(content))
        return
    text = content.decode("utf-8", "replace")
    yield text
    if name.endswith(".html"):
        yield re.sub(r"<[^>]+>", " ", html.unescape(text))


def _base64_texts(content: bytes) -> Iterator[str]:
    for run in re.findall(rb"(?:[A-Za-z0-9+/]{60,76}\r\n)+[A-Za-z0-9+/=]*", content):
        try:
            yield base64.b64decode(run).decode("utf-8", "replace")
        except binascii.Error:
            continue


def _pdf_texts(content: bytes) -> Iterator[str]:
    """The words of a sheet as a reader selects them, its facts, and the targets of its links."""
    reader = PdfReader(io.BytesIO(content))
    yield " ".join(str(value) for value in (reader.metadata or {}).values())
    for page in reader.pages:
        yield page.extract_text()
        notes = (note.get_object() for note in page.get("/Annots", ()))
        yield " ".join(str(note["/A"].get_object().get("/URI", "")) for note in notes if "/A" in note)
