"""A neutral step as the HTML of a page: its Markdown, with each block as a section of its own (SEC-24, SEC-05)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import nh3

from om_campaigns.compose.dialect import make_parser
from om_campaigns.compose.markdown import set_words
from om_campaigns.compose.pictures import KEY_LENGTH, PICTURE_PATH

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
    "pre",
    "section",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
}
TAGS |= {"img", "tr", "ul"}
ATTRIBUTES = {"a": {"href"}, "section": {"class"}, "img": {"src", "alt"}}
_OWN_PICTURE = re.compile(rf"/{PICTURE_PATH}/[0-9a-f]{{{KEY_LENGTH}}}/[^/?#]+$")
_NO_PICTURE = re.compile(r"<img(?![^>]* src=)[^>]*>")
BLOCK = re.compile(r"^::: (\w+)\n(.*?)^:::$", re.DOTALL | re.MULTILINE)


def make_page_html(markdown: str, labels: Mapping[str, str], language: str) -> str:
    """Safe HTML without styles and scripts, with pictures of our own pages only; ``labels`` are the headings of blocks by name."""
    parts, end = [], 0
    for block in BLOCK.finditer(markdown):
        parts += [_render(markdown[end : block.start()], language), _section(block[1], block[2], labels, language)]
        end = block.end()
    return _clean("".join([*parts, _render(markdown[end:], language)]))


def make_words_html(text: str, language: str) -> str:
    """Safe HTML of the words of one block, as a letter in this language sets them."""
    return _clean(set_words(text, language))


def _clean(html: str) -> str:
    clean = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, attribute_filter=_only_own_pictures, url_schemes={"https", "mailto", "tel"}, link_rel=None
    )
    return _NO_PICTURE.sub("", clean)


def _only_own_pictures(tag: str, attribute: str, value: str) -> str | None:
    """A reader's address is told to nobody by looking at the archive (LAW-25)."""
    return None if (tag, attribute) == ("img", "src") and not _OWN_PICTURE.search(value) else value


def _section(name: str, text: str, labels: Mapping[str, str], language: str) -> str:
    label = f"<h2>{labels[name]}</h2>" if name in labels else ""
    return f'<section class="{name}">{label}{_render(text, language)}</section>'


def _render(text: str, language: str) -> str:
    return str(make_parser(language).render(text))
