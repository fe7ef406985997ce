"""The block of HTML a partner pastes into a newsletter tool of its own: a fragment that any host page and charset can take (FWD-14)."""

from __future__ import annotations

import re

import nh3

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
