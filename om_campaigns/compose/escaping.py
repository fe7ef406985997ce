"""Where marks land in finished HTML, and which places are no place for a recipient's value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from om_campaigns.compose.slots import MARK, MARK_START, Gapped, Hole, Landing, SlotUse

TOKEN = re.compile(
    r"<!--(?P<comment>.*?)-->|<(?P<raw>style|script|textarea|xmp|noscript)\b[^>]*>.*?</(?P=raw)\s*>|<(?P<tag>/?[a-zA-Z](?:[^\"'>]|\"[^\"]*\"|'[^']*')*)>",
    re.DOTALL | re.IGNORECASE,
)
ATTRIBUTE = re.compile(r"([^\s\"'>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
CONDITION = re.compile(r"\[if[^\]]*\]>(.*?)(?:<!\[endif\]|$)", re.DOTALL)
URL_ATTRIBUTES = frozenset({"href", "src", "action", "background", "cite", "formaction", "poster"})
ADDRESSES = re.compile(r"\b(?:href|src|action|background)=\"([^\"]*)\"")
SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.\-]*):")
SCHEMES = frozenset({"http", "https", "mailto", "tel"})


class LandingError(ValueError):
    """A mark in a place where no escaping makes its value safe."""

    def __init__(self, slot: int, place: str) -> None:
        super().__init__(place)
        self.slot, self.place = slot, place


def cut_html(document: str, uses: Sequence[SlotUse]) -> Gapped:
    """The document as chunks and holes. Marks in style, script, ``on…``, unquoted attributes or comments raise LandingError."""
    chunks: list[str] = []
    holes: list[Hole] = []
    last = 0
    for start, end, slot, landing in _marks(document, 0):
        if landing is Landing.url_part and slot < len(uses) and any(name == "urlencode" for name, _ in uses[slot].filters):
            landing = Landing.attribute  # encoded already, by the author
        chunks.append(document[last:start])
        holes.append(Hole(slot, landing))
        last = end
    chunks.append(document[last:])
    return Gapped(tuple(chunks), tuple(holes))


def _marks(document: str, offset: int) -> Iterator[tuple[int, int, int, Landing]]:
    marks = list(MARK.finditer(document))
    if not marks:
        return
    following = 0
    for token in TOKEN.finditer(document):
        while following < len(marks) and marks[following].end() <= token.start():
            yield _in_text(marks[following], offset)
            following += 1
        if following == len(marks):
            return
        if marks[following].start() >= token.end():
            continue
        while following < len(marks) and marks[following].start() < token.end():
            following += 1
        if token["comment"] is not None:
            yield from _comment(token, offset)
        elif token["raw"]:
            raise LandingError(int(_first(token[0])), f"inside <{token['raw'].lower()}>")
        else:
            yield from _attributes(token, offset)
    for mark in marks[following:]:
        yield _in_text(mark, offset)


def _in_text(mark: re.Match[str], offset: int) -> tuple[int, int, int, Landing]:
    return offset + mark.start(), offset + mark.end(), int(mark[1]), Landing.text


def _comment(token: re.Match[str], offset: int) -> Iterator[tuple[int, int, int, Landing]]:
    """MRML repeats addresses for Outlook inside conditional comments; those are read as HTML, all others are refused."""
    inner = CONDITION.match(token["comment"])
    if inner is None:
        raise LandingError(int(_first(token[0])), "inside a comment")
    yield from _marks(inner[1], offset + token.start("comment") + inner.start(1))


def _attributes(token: re.Match[str], offset: int) -> Iterator[tuple[int, int, int, Landing]]:
    tag = token["tag"]
    name_end = re.match(r"/?[\w:\-]+", tag)
    begin = name_end.end() if name_end else 0
    if MARK_START in tag[:begin]:
        raise LandingError(int(_first(tag)), "in the name of a tag")
    base = offset + token.start("tag")
    for attribute in ATTRIBUTE.finditer(tag, begin):
        if MARK_START not in attribute[0]:
            continue
        name, group = attribute[1].lower(), 2 if attribute[2] is not None else 3
        value = attribute[group]
        if MARK_START in attribute[1] or value is None:
            raise LandingError(int(_first(attribute[0])), "in an attribute without quotation marks")
        if name == "style" or name.startswith("on"):
            raise LandingError(int(_first(value)), f"inside {name}=")
        whole = MARK.fullmatch(value.strip()) is not None
        landing = (Landing.url if whole else Landing.url_part) if name in URL_ATTRIBUTES else Landing.attribute
        for mark in MARK.finditer(tag, attribute.start(group), attribute.end(group)):
            if landing is Landing.url_part and mark.start() == attribute.start(group):
                raise LandingError(int(mark[1]), f"at the beginning of an address in {name}= that goes on; let it stand alone")
            yield base + mark.start(), base + mark.end(), int(mark[1]), landing


def _first(text: str) -> str:
    mark = MARK.search(text)
    return mark[1] if mark else "0"


def unsafe_addresses(document: str) -> list[str]:
    """Addresses in links and pictures with a scheme other than http, https, mailto, tel (SEC-07)."""
    found = []
    for value in ADDRESSES.findall(document):
        scheme = SCHEME.match(value)
        if scheme and scheme[1].lower() not in SCHEMES:
            found.append(value)
    return found
