"""A neutral step as the HTML of a page: its Markdown, with each block as a section of its own (SEC-24, SEC-05)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import nh3
from markdown_it import MarkdownIt

TAGS = {
    "a",
    "blockquote",
    "br",
    "code",
    "em",
    "h2",
    "h3",
    "hr",
    "li",
    "ol",
    "p",
    "section",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
}
TAGS |= {"tr", "ul"}
BLOCK = re.compile(r"^::: (\w+)\n(.*?)^:::$", re.DOTALL | re.MULTILINE)


def make_page_html(markdown: str, labels: Mapping[str, str]) -> str:
    """Safe HTML without styles, scripts and pictures; ``labels`` are the headings of blocks by name."""
    parts, end = [], 0
    for block in BLOCK.finditer(markdown):
        parts += [_render(markdown[end : block.start()]), _section(block[1], block[2], labels)]
        end = block.end()
    html = "".join([*parts, _render(markdown[end:])])
    return nh3.clean(html, tags=TAGS, attributes={"a": {"href"}, "section": {"class"}}, url_schemes={"https", "mailto"}, link_rel=None)


def _section(name: str, text: str, labels: Mapping[str, str]) -> str:
    label = f"<h2>{labels[name]}</h2>" if name in labels else ""
    return f'<section class="{name}">{label}{_render(text)}</section>'


def _render(text: str) -> str:
    return str(_parser().render(text))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "typographer": True, "quotes": "„“‚‘"}).enable(["table", "replacements", "smartquotes"])
