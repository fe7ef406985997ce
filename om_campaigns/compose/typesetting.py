"""German and English typesetting of a text: quotation marks, dashes between words, and places where a line never breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

OPENING, CLOSING = "([{„‚“‘»«–—/-", ")]}.,;:!?…"
"""Signs after which words begin, and before which they end."""

QUOTES = {"de": "„“‚‘", "en": "“”‘’"}


NO_BREAK = "\u00a0"


_DASH = re.compile(r"(?<=[ \u00a0])(-{2,3})(?=[ \u00a0]|$)")


def set_quotes_and_dashes(state: StateCore, signs: str) -> None:
    """Quotation marks of the language, and dashes between spaces."""
    for token in state.tokens:
        if token.type == "inline":
            texts = list(_typeset(token.children or []))
            for text in texts:
                text.content = _DASH.sub(lambda match: "–" if len(match[1]) == 2 else "—", text.content)
            _set_quotes(token.children or [], texts, signs)


def _typeset(children: Sequence[Token]) -> Iterator[Token]:
    """The texts that may be set; an address says what it says."""
    inside = False
    for child in children:
        if child.type in ("link_open", "link_close") and (child.info == "auto" or child.markup in ("autolink", "linkify")):
            inside = child.type == "link_open"
        elif child.type == "text" and not inside:
            yield child


def _set_quotes(children: Sequence[Token], texts: Sequence[Token], signs: str) -> None:
    """Pairs of straight marks around words; a mark without its partner (27", '89, Klaus') is no quotation mark."""
    may_change = {id(each) for each in texts}
    parts = [_as_seen(each) for each in children]
    seen = "".join(parts)
    if '"' not in seen and "'" not in seen:
        return
    open_at: list[tuple[str, int]] = []
    pairs: dict[int, str] = {}
    for place, sign in enumerate(seen):
        if sign not in "\"'":
            continue
        before, after = seen[place - 1 : place] or " ", seen[place + 1 : place + 2] or " "
        opened = [each for each, _ in open_at]
        if sign in opened and not before.isspace() and not after.isalnum():
            while open_at[-1][0] != sign:
                open_at.pop()
            start = open_at.pop()[1]
            pairs[start], pairs[place] = (signs[0], signs[1]) if sign == '"' else (signs[2], signs[3])
        elif (before.isspace() or before in OPENING + '"') and _may_begin(sign, after) and sign not in opened:
            open_at.append((sign, place))
    offset = 0
    for child, part in zip(children, parts, strict=True):
        if id(child) in may_change:
            child.content = "".join(pairs.get(offset + place, sign) for place, sign in enumerate(part))
        offset += len(part)


def _may_begin(sign: str, after: str) -> bool:
    return after.isalpha() if sign == "'" else not after.isspace() and after not in CLOSING


def _as_seen(token: Token) -> str:
    """What stands there as far as quotation marks are concerned: text, a blank at a line's end, else nothing or a word."""
    if token.type == "text":
        return token.content
    return " " if token.type in ("softbreak", "hardbreak") else "x" if token.type in ("code_inline", "image", "text_special") else ""


FIXED_SPACES = (
    (re.compile(r"(?<=\S) (?=[–—] )"), NO_BREAK),
    (re.compile(r"\b(z|d|u|o|i|s|v|n)\. (B|h|a|Ä|d|R|o|u|T|A|Chr)\."), rf"\1.{NO_BREAK}\2."),
    (re.compile(r"\b(e)\. (V|K|G)\."), rf"\1.{NO_BREAK}\2."),
    (re.compile(r"(?<=§) (?=\d)|(?<=§§) (?=\d)"), NO_BREAK),
    (re.compile(r"\b(Nr|Abs|Art|Dr|Prof|Version|Kapitel|Seite|Frage|Schritt) (?=[\dA-ZÄÖÜ]?\d|(?<=r )[A-ZÄÖÜ])"), rf"\1{NO_BREAK}"),
    (re.compile(r"(?<=\d) (?=(?:%|€|Euro|Uhr|Minuten|Tage|Tagen|Wochen|Monate|Monaten|km|kg)\b|[%€])"), NO_BREAK),
)
"""Where a German line never breaks: before a dash, inside abbreviations, between a number and its unit."""


def fix_spaces(text: str) -> str:
    """The text with no-break spaces where a line must not break."""
    for pattern, replacement in FIXED_SPACES:
        text = pattern.sub(replacement, text)
    return text


def set_fixed_spaces(state: StateCore) -> None:
    for token in state.tokens:
        for text in _typeset(token.children or []):
            text.content = fix_spaces(text.content)
