"""What houses write themselves: their files, and the guard before their words go into anything that is passed on.

Own words are plain Markdown: no HTML, no template, no picture, and nothing that tells one reader from another (FWD-01). What is
refused is named with its line and column, so a partner can mend it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it.token import Token

from om_campaigns.compose.dialect import find_excess, find_lost, make_parser, unify_line_ends
from om_campaigns.compose.forwardable import find_in_words
from om_campaigns.compose.markdown import BLOCK_NAMES
from om_campaigns.compose.overlay import TOP, OverlayKind, OwnBlock
from om_campaigns.errors import Problem

MAX_LENGTH = 2_000
"""Characters of one block: about half a printed page."""

RULE = "own-words"

_NAME = r"[a-z][a-z0-9_-]*"
_HEAD = re.compile(r" {0,3}:{3,}[ \t]*(?P<head>\S.*?)[ \t]*")
_CLOSING = re.compile(r"\s{0,3}:{3,}\s*")
_OWN = re.compile(rf"(?:own|eigen)[ \t]+(?P<name>{_NAME})(?:[ \t]+(?:after|nach)[ \t]+(?P<after>{_NAME})|[ \t]+(?P<top>top|oben))?")
_BASE = re.compile(rf"(?P<name>{_NAME})(?P<hide>[ \t]+(?:hide|auslassen))?")

NO_LINK = "is no address a reader could open; links begin with https://, mailto: or tel:"

_FORBIDDEN = (
    (re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\{[{%#]|[}%#]\}"), "SEC-03", "is a sign of templates; own words are plain text"),
    (re.compile(r"</?[a-zA-Z][^<>]*>|<!"), RULE, "is HTML; own words are plain Markdown"),
    (re.compile(r":{3,}.*|^\s{0,3}\+{3,}.*", re.MULTILINE), RULE, "begins or ends a block; it cannot stand inside one"),
    (re.compile(r"\]\(\s*<?(?:javascript|vbscript|data|file):[^)\s]*", re.IGNORECASE), RULE, NO_LINK),
    (re.compile(r"Zq7\w*"), RULE, "cannot be used in a text"),
    (re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028-\u202e\u2066-\u2069]"), "SEC-01", "is an invisible sign that steers how text is shown"),
)
_AUTOLINK = re.compile(r"<(https?://|mailto:)[^<>\s]*>")

_PLAIN_TOKENS = frozenset(
    {"inline", "text", "softbreak", "hardbreak", "code_inline", "text_special", "list_item_open", "list_item_close", "hr"}
    | {f"{name}_{side}" for name in ("paragraph", "heading", "blockquote", "bullet_list", "ordered_list") for side in ("open", "close")}
    | {f"{name}_{side}" for name in ("strong", "em", "link") for side in ("open", "close")}
    | {f"{name}_{side}" for name in ("table", "thead", "tbody", "tr", "th", "td") for side in ("open", "close")}
)
_REFUSED_TOKENS = {
    "image": "is a picture: it would be fetched from elsewhere and could count its readers (FWD-01)",
    "fence": "is program code",
    "code_block": "is taken for program code because of the blanks before it; begin the line at its left edge",
}


@dataclass(frozen=True, slots=True)
class WrittenBlock:
    """A block of a file: ``line`` is where it begins, its text one line below."""

    own: OwnBlock
    line: int


def read_overlay(source: str, path: str) -> tuple[list[WrittenBlock], list[Problem]]:
    """The blocks of a house's file, and everything wrong in it.

    ``::: say`` … ``:::`` replaces the block *say*, ``::: say hide`` leaves it out, ``::: own name after say`` (or ``top``, or
    neither) adds one. German words do the same: sagen, auslassen, eigen, nach, oben.
    """
    written: list[WrittenBlock] = []
    problems: list[Problem] = []
    lines = unify_line_ends(source.removeprefix("\ufeff")).split("\n")
    position = 0
    while position < len(lines):
        head = _HEAD.fullmatch(lines[position])
        if head is None:
            if lines[position].strip():
                problems.append(Problem(path, position + 1, 1, RULE, "text outside of a block; begin it with a line '::: say'"))
            position += 1
            continue
        end = next((at for at in range(position + 1, len(lines)) if _CLOSING.fullmatch(lines[at])), None)
        if end is None:
            problems.append(Problem(path, position + 1, 1, RULE, "this block is never closed; end it with a line ':::'"))
            break
        text = "\n".join(lines[position + 1 : end])
        own, fault = _read_block(head["head"], text.strip("\n"))
        if own is not None and any(each.own.block == own.block for each in written):
            fault = f"'{own.block}' stands here twice"
        if own is None or fault:
            problems.append(Problem(path, position + 1, 1, RULE, fault))
        else:
            if own.kind is not OverlayKind.hidden:
                problems += check_words(own.text, path, position + 2 + len(text) - len(text.lstrip("\n")))
            written.append(WrittenBlock(own, position + 1))
        position = end + 1
    return written, problems


def _read_block(head: str, text: str) -> tuple[OwnBlock | None, str]:
    if match := _OWN.fullmatch(head):
        after = TOP if match["top"] else BLOCK_NAMES.get(match["after"] or "", match["after"] or "")
        return OwnBlock(match["name"], OverlayKind.added, text, after=after), ""
    match = _BASE.fullmatch(head)
    if match is None:
        return None, f"'::: {head}' is no block head; write '::: say', '::: say hide' or '::: own name after say'"
    name = BLOCK_NAMES.get(match["name"], match["name"])
    if not match["hide"]:
        return OwnBlock(name, OverlayKind.replaced, text), ""
    return OwnBlock(name, OverlayKind.hidden), "a block that is left out has no text" if text.strip() else ""


def check_words(text: str, file: str, first_line: int) -> list[Problem]:
    """Everything that keeps own words from being passed on; ``file`` and ``first_line`` say where they stand."""
    text = unify_line_ends(text)
    if not text.strip():
        return [Problem(file, first_line, 0, RULE, "there are no words in this block; to leave it out, say so")]
    if len(text) > MAX_LENGTH:
        return [Problem(file, first_line, 0, RULE, f"the block has {len(text):,} characters, at most {MAX_LENGTH:,} fit")]
    if excess := find_excess(text):
        return [Problem(file, first_line, 0, RULE, excess)]
    problems = []
    for pattern, rule, said in _FORBIDDEN:
        for match in pattern.finditer(_AUTOLINK.sub(lambda link: " " * len(link[0]), text)):
            line, column = _place(text, match.start(), first_line)
            problems.append(Problem(file, line, column, rule, f"'{_visible(match[0])}' {said}"))
    told = {each.line for each in problems}
    for line, line_text in enumerate(text.split("\n"), first_line):
        found = [] if line in told else list(find_in_words(line_text))
        problems += [Problem(file, line, 0, rule, f"{what} would be passed on") for rule, what in found]
    problems += [Problem(file, line, 0, RULE, said) for line, said in _token_faults(text, first_line)]
    return list(dict.fromkeys(problems))


def _visible(found: str) -> str:
    found = found.replace("\n", " ").strip()
    return found[:40] if found.isprintable() else " ".join(f"U+{ord(letter):04X}" for letter in found[:5])


def _place(text: str, position: int, first_line: int) -> tuple[int, int]:
    return first_line + text.count("\n", 0, position), position - (text.rfind("\n", 0, position) + 1) + 1


def _token_faults(text: str, first_line: int) -> Iterator[tuple[int, str]]:
    """What Markdown makes of the words, beyond paragraphs, lists, quotes, headings, emphasis and links."""
    known: dict[str, object] = {}
    line = first_line
    before = ""
    tokens = make_parser("de").parse(text, known)
    yield from ((first_line + number, said) for number, said in find_lost(tokens, text.split("\n")))
    for token in tokens:
        line = first_line + token.map[0] if token.map else line
        if before == "heading_open" and not token.content.strip():
            yield line, "this heading has no words"
        before = token.type
        for each in (token, *(token.children or ())):
            if each.type not in _PLAIN_TOKENS:
                yield line, f"this {_REFUSED_TOKENS.get(each.type, 'is more than text, lists, quotes and links')}"
            elif each.type == "link_open" and not _is_plain_link(each):
                yield line, f"'{each.attrGet('href')}' {NO_LINK}"
    if known.get("references"):
        yield first_line, "a link address on a line of its own would change OM's words too; write [text](https://…)"


def _is_plain_link(token: Token) -> bool:
    """A bare http address was not made a link by whoever wrote it."""
    return str(token.attrGet("href")).startswith(("https://", "mailto:", "tel:")) or token.markup == "linkify"
