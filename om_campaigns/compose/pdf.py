"""The printed sheet of a pack: real, tagged text on A4, accessible (PDF/UA-1), set by typst from the same Markdown (FWD-12).

Words of the letter reach typst only with every mark escaped, so no name can become markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time

import typst
from markdown_it.token import Token

from om_campaigns.compose.dialect import make_parser
from om_campaigns.compose.mjml import run_native

_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")

SHEET = """
#set document(title: "{title}", author: "{house}", date: datetime(year: {year}, month: {month}, day: {day}))
#set page(paper: "a4", margin: (x: 23mm, top: 20mm, bottom: 18mm))
#set text(lang: "{language}", size: 11pt, font: ("Libertinus Serif",), fill: rgb("#222222"), hyphenate: true)
#set par(leading: 0.72em, spacing: 1.05em)
#set list(marker: [–], spacing: 0.8em)
#set enum(spacing: 0.8em)
#show link: it => underline(text(fill: rgb("{accent}"), it))
#show heading.where(level: 1): it => block(below: 1.1em, text(size: 21pt, weight: "regular", fill: rgb("{accent}"), it.body))
#show heading.where(level: 2): it => block(above: 1.2em, below: 0.7em, text(size: 9.5pt, weight: "bold", fill: rgb("{accent}"), it.body))
#let panel(body) = block(width: 100%, inset: (left: 12pt, right: 10pt, top: 9pt, bottom: 11pt), above: 1em, below: 1em,
  fill: rgb("{accent}").lighten(92%), stroke: (left: 2.5pt + rgb("{accent}")), breakable: false, body)
#block(below: 1.6em, text(size: 9.5pt, fill: rgb("#555555"))[{house_text}])
= {heading}
"""


FOOT = """
#v(1fr)
#text(size: 8pt, fill: rgb("#555555"))[{foot}]
"""
"""Text like any other: what repeats on every page is no content for a screen reader, and may hold no link (PDF/UA-1)."""


def make_pdf(
    markdown: str, *, title: str, house: str, foot: str, language: str, labels: Mapping[str, str], accent: str, made_on: date
) -> bytes:
    """The sheet. ``labels`` head the blocks by their names, ``accent`` is ``#rrggbb``; equal arguments give equal bytes.

    Raises ValueError for a text that cannot become an accessible page.
    """
    if not _COLOUR.fullmatch(accent):
        raise ValueError(f"'{accent}' is no colour")
    sheet = SHEET.format(
        title=_string(title),
        house=_string(house),
        house_text=_escape(house),
        heading=_escape(title),
        language=language,
        accent=accent,
        year=made_on.year,
        month=made_on.month,
        day=made_on.day,
    )
    source = sheet + "".join(_blocks(make_parser(language).parse(markdown), labels)) + FOOT.format(foot=_foot(foot))
    instant = datetime.combine(made_on, time(12), UTC)
    try:
        return bytes(run_native(lambda: typst.compile(source.encode(), pdf_standards=["ua-1"], timestamp=instant)))
    except typst.TypstError as error:
        raise ValueError(f"the printed sheet cannot be set: {error}") from error


def _blocks(tokens: Sequence[Token], labels: Mapping[str, str]) -> Iterator[str]:
    marks: list[str] = []
    for token in tokens:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            marks.append("-" if kind.startswith("bullet") else "+")
            yield "\n"
        elif kind in ("bullet_list_close", "ordered_list_close"):
            marks.pop()
            yield "\n"
        elif kind == "list_item_open":
            yield f"{'  ' * (len(marks) - 1)}{marks[-1]} #block["
        elif kind == "list_item_close":
            yield "]\n"
        elif kind == "container_block_open":
            name = token.info.split()[0]
            yield f"\n#panel[\n== {_escape(labels.get(name, name.capitalize()))}\n"
        elif kind == "blockquote_open":
            yield "\n#quote(block: true)[\n"
        elif kind in ("container_block_close", "blockquote_close"):
            yield "]\n"
        elif kind == "heading_open":
            yield "\n== "
        elif kind == "inline":
            yield _inline(token.children or [])
        elif kind in ("fence", "code_block"):
            yield f'\n#raw("{_string(token.content)}", block: true)\n\n'
        elif kind == "hr":
            yield "\n#line(length: 30%, stroke: 0.5pt)\n\n"
        elif kind in ("paragraph_close", "heading_close", "tr_close"):
            yield "\n\n"
        elif kind in ("td_close", "th_close"):
            yield " · "


def _inline(tokens: Sequence[Token]) -> str:
    parts = []
    href, begin, is_bare = "", 0, False
    for token in tokens:
        if token.type == "text":
            parts.append(_escape(token.content))
        elif token.type == "code_inline":
            parts.append(f'#raw("{_string(token.content)}")')
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" \\\n" if token.type == "hardbreak" else "\n")
        elif token.type in ("strong_open", "em_open"):
            parts.append("#strong[" if token.type == "strong_open" else "#emph[")
        elif token.type == "link_open":
            href, begin, is_bare = str(token.attrs["href"]), len(parts) + 1, token.info == "auto"
            parts.append(f'#link("{_string(href)}")[')
        elif token.type == "link_close":
            parts.append("]" if is_bare else f"]{_printed(href, ''.join(parts[begin:]))}")
        elif token.type in ("strong_close", "em_close"):
            parts.append("]")
        elif token.type == "image":
            parts.append(_escape(token.content))
    return "".join(parts)


def _printed(href: str, words: str) -> str:
    """Where a link leads, for whoever reads on paper; nothing where its words say it."""
    address = href.removeprefix("https://").removeprefix("mailto:").rstrip("/")
    return "" if _escape(address) in words else f" #text(size: 8.5pt)[({_escape(address)})]"


def _escape(text: str) -> str:
    """Words as typst markup: every ASCII mark loses its meaning."""
    return _SPECIAL.sub(r"\\\1", text.replace("\u00ad", ""))


def _foot(text: str) -> str:
    return " \\ ".join(_linked(line) for line in text.splitlines() if line.strip())


def _linked(line: str) -> str:
    """A line of the foot; web addresses in it are live."""
    parts = re.split(r"(https?://\S+)", line)
    return "".join(f'#link("{_string(part)}")[{_escape(part)}]' if place % 2 else _escape(part) for place, part in enumerate(parts))


def _string(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
