"""MJML, read strictly before MRML reads it kindly: MRML drops unknown tags in silence and accepts a wrong closing tag.

``make_html`` takes rendered MJML whose tags still say where they stand (``templates.mark_positions``), so a fault names the
file and line a person edits. MRML lays out and inlines what MJML attributes say; css-inline only adds the rules of
``<mj-style inline="inline">``, which is how running text (paragraphs, lists, links, tables) gets its look without ``<style>``.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import css_inline
import tinycss2
from mjml import mjml2html

from om_campaigns.compose.templates import POSITION
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest

CONTENT = frozenset({"mj-button", "mj-divider", "mj-image", "mj-raw", "mj-spacer", "mj-table", "mj-text"})
CHILDREN: dict[str, frozenset[str]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-preview", "mj-attributes", "mj-style", "mj-raw", "mj-breakpoint"}),
    "mj-attributes": frozenset({"mj-all", "mj-class", "mj-body", "mj-section", "mj-column", "mj-group", "mj-wrapper", *CONTENT}),
    "mj-body": frozenset({"mj-section", "mj-wrapper", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column"}),
    "mj-column": CONTENT,
}
"""What may stand in what; tags that load from elsewhere (mj-include, mj-font, mj-social) are not among them (REN-14)."""

HTML_INSIDE = frozenset({"mj-text", "mj-button", "mj-table", "mj-raw", "mj-title", "mj-preview", "mj-style"})
KNOWN = frozenset().union(*CHILDREN.values()) | {"mjml"}
FORBIDDEN = frozenset({"script", "form", "iframe", "object", "embed", "input", "link", "base", "video", "audio", "svg"})
VOID = frozenset({"br", "img", "hr", "meta", "wbr", "col"})
MAX_DEPTH = 60
"""Tags inside each other; a letter needs a dozen."""

TOKEN = re.compile(
    r"<!--.*?-->|<(/?)([a-zA-Z][\w:-]*?)(?:Zq7p([0-9a-f]+)x(\d+)q7Z)?(?=[\s/>])((?:[^\"'>]|\"[^\"]*\"|'[^']*')*?)(/?)>", re.DOTALL
)
ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
WHOLE = re.compile(r"""(?:\s+[\w-]+(?::[a-z]+)?\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*""")
WORDS = frozenset({"alt", "title", "name", "href", "src", "rel", "target", "css-class", "inline", "id", "lang", "dir", "background-url"})
"""Attributes of MJML whose values do not end up in a style."""

INLINE_STYLE = re.compile(r"<mj-style\s+inline=[\"']inline[\"']\s*>(.*?)</mj-style>", re.DOTALL)
KEPT_STYLE = '<style data-css-inline="ignore"'


@dataclass(frozen=True, slots=True)
class _Open:
    tag: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def check_mjml(source: str, file: str) -> list[Problem]:
    """What is wrong with rendered MJML: unknown, misplaced, unclosed and wrongly closed tags, tags no mail may hold."""
    return list(_faults(source, file))


def _faults(source: str, file: str) -> Iterator[Problem]:
    stack: list[_Open] = []
    last = _Open("", file, 0)
    for token in TOKEN.finditer(source):
        closing, tag, path, line, attributes, empty = token.groups()
        if tag is None:
            continue
        here = _Open(tag, bytes.fromhex(path).decode(), int(line)) if path else _Open(tag, last.file, last.line)
        last = here
        if closing:
            if not stack or stack[-1].tag != tag:
                yield _wrongly_closed(here, stack)
                return
            stack.pop()
            continue
        if text := _misplaced(tag, stack[-1].tag if stack else ""):
            yield Problem(here.file, here.line, 0, "mjml", text)
        for text in _style_faults(tag, attributes or ""):
            yield Problem(here.file, here.line, 0, "style", text)
        if not empty and tag not in VOID:
            stack.append(here)
        if len(stack) > MAX_DEPTH:  # MRML and css-inline recurse in native code
            yield Problem(here.file, here.line, 0, "mjml", f"tags stand more than {MAX_DEPTH} deep inside each other")
            return
    for left in stack:
        yield Problem(left.file, left.line, 0, "mjml", f"<{left.tag}> is never closed")


def _wrongly_closed(here: _Open, stack: list[_Open]) -> Problem:
    if not stack:
        return Problem(here.file, here.line, 0, "mjml", f"</{here.tag}> closes nothing")
    opened = stack[-1]
    return Problem(here.file, here.line, 0, "mjml", f"</{here.tag}> stands where <{opened.tag}>, opened at {opened.place}, must be closed")


def _misplaced(tag: str, parent: str) -> str:
    if tag in FORBIDDEN:
        return f"<{tag}> cannot be in a mail (REN-14)"
    if not tag.startswith("mj"):
        return (
            "" if parent and (parent in HTML_INSIDE or not parent.startswith("mj")) else f"<{tag}> must stand inside <mj-text> or <mj-raw>"
        )
    if tag not in KNOWN:
        return f"there is no <{tag}>{suggest(tag, KNOWN)}"
    if not parent:
        return "" if tag == "mjml" else f"<{tag}> must stand inside <mjml>"
    if parent in HTML_INSIDE or not parent.startswith("mj"):
        return f"<{tag}> cannot stand inside <{parent}>"
    if tag not in CHILDREN.get(parent, frozenset()):
        allowed = [name for name, children in CHILDREN.items() if tag in children]
        return f"<{tag}> cannot stand inside <{parent}>; it belongs into {' or '.join(f'<{name}>' for name in allowed)}"
    return ""


def _unreadable(source: str, file: str) -> Iterator[Problem]:
    """Where a tag is not closed or its attributes are no ``name="value"``; asked only when MRML gives up, which it does without a place."""
    last, end = _Open("", file, 0), 0
    for token in TOKEN.finditer(source):
        _, tag, path, line, attributes, _ = token.groups()
        if "<" in source[end : token.start()]:
            yield Problem(last.file, last.line, 0, "mjml", f"behind <{last.tag}> stands a '<' that begins no tag; write &lt;")
        end = token.end()
        if tag is None:
            continue
        last = _Open(tag, bytes.fromhex(path).decode(), int(line)) if path else _Open(tag, last.file, last.line)
        if not WHOLE.fullmatch(POSITION.sub("", attributes or "")):
            yield Problem(last.file, last.line, 0, "mjml", f'the attributes of <{tag}> cannot be read; each is written as name="value"')


def _style_faults(tag: str, attributes: str) -> Iterator[str]:
    """What programs could not read: a style that is no list of ``name: value``, and an attribute that would end one early."""
    for name, *quoted in ATTRIBUTE.findall(attributes):
        value = html.unescape(quoted[0] or quoted[1])
        if name.lower() == "style":
            yield from _declaration_faults(value)
        elif tag.startswith("mj") and name not in WORDS and re.search(r"[;{}]", value):
            yield f"{name} of <{tag}>: '{value}' is no value of a style"


@functools.lru_cache(maxsize=4096)
def _declaration_faults(style: str) -> tuple[str, ...]:
    parts = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    return tuple(f"the style '{style}' is no list of 'name: value'" for part in parts if part.type != "declaration")[:1]


@functools.lru_cache(maxsize=64)
def _inliner(css: str) -> css_inline.CSSInliner:
    return css_inline.CSSInliner(keep_style_tags=True, keep_at_rules=True, load_remote_stylesheets=False, extra_css=css)


def make_html(source: str, file: str) -> str:
    """Rendered MJML → the HTML of a mail. Raises ProblemsError with file and line for anything MRML would swallow."""
    if problems := check_mjml(source, file):
        raise ProblemsError(problems)
    clean = POSITION.sub("", source)
    rules: list[str] = []
    while match := INLINE_STYLE.search(clean):
        rules.append(html.unescape(match[1]))
        clean = clean[: match.start()] + clean[match.end() :]
    try:
        document = str(run_native(lambda: mjml2html(clean)))
    except ValueError as error:
        whole = Problem(file, 0, 0, "mjml", " ".join(str(error).split()))
        raise ProblemsError(list(_unreadable(source, file)) or [whole]) from error
    if not rules:
        return document
    kept = document.replace("<style", KEPT_STYLE)  # the rules of the head stay in the head
    try:
        return str(run_native(lambda: _inliner("\n".join(rules)).inline(kept))).replace(KEPT_STYLE, "<style")
    except ValueError as error:
        raise ProblemsError([Problem(file, 0, 0, "style", f"a style cannot be read: {error}")]) from error


Made = TypeVar("Made")


def run_native(call: Callable[[], Made]) -> Made:
    """What the call gives. A panic of Rust code, which passes every ``except Exception``, raises ValueError instead."""
    try:
        return call()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"a library stopped: {error}") from None
