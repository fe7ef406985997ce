"""A finished letter as a reader's program sees it: elements with the colours, sizes and visibility they end up with.

The rules of ``<style>`` are laid into the elements first, those for dark mode on demand; what a program drops is another
matter, see ``clients``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import css_inline
import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode
from tinycss2.ast import AtRule, Declaration
from tinycss2.color3 import RGBA, parse_color

from om_campaigns.compose.brand import MIN_CONTRAST, contrast, inverted, mix
from om_campaigns.compose.lint.findings import Finding, shorten_quote

BOLD_TAGS = frozenset({"b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"})
HEADING_SIZES = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h4": 1.0, "h5": 0.83, "h6": 0.67}
LINK_COLOUR = "#0000ee"
"""What programs paint a link with when nobody says otherwise."""

NUMBER = re.compile(r"-?\d*\.?\d+")
DARK = re.compile(r"prefers-color-scheme\s*:\s*dark")


@dataclass(frozen=True, slots=True)
class Look:
    """How text in an element appears. Sizes in pixels; ``ground`` is what lies behind it."""

    ink: str = "#000000"
    ground: str = "#ffffff"
    size: float = 16
    line: float = 0
    """Line height; 0 = what the program thinks fit."""
    is_bold: bool = False
    is_hidden: bool = False
    is_silent: bool = False
    """Hidden from screen readers."""
    is_underlined: bool = False


@dataclass(eq=False, slots=True)
class Element:
    """An element of the body or head; ``children`` are elements and texts in order."""

    tag: str
    attributes: Mapping[str, str]
    style: Mapping[str, str]
    look: Look
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in reading order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def texts(self) -> Iterator[tuple[str, Element]]:
        """Every piece of text below with the element it stands in."""
        for child in self.children:
            if isinstance(child, Element):
                yield from child.texts()
            elif child.strip():
                yield child, self

    def within(self, *tags: str) -> Element | None:
        """The nearest element around this one (or itself) with one of these tags."""
        here: Element | None = self
        while here is not None and here.tag not in tags:
            here = here.parent
        return here

    @property
    def words(self) -> str:
        """What one reads in it; pictures by what stands in for them."""
        parts = [
            child if isinstance(child, str) else child.attributes.get("alt", "") if child.tag == "img" else child.words
            for child in self.children
            if isinstance(child, str) or not child.look.is_hidden
        ]
        return " ".join("".join(parts).split())


def read_page(document: str, *, dark: bool = False) -> Element:
    """The letter's ``<html>`` element with everything in it."""
    extra = "\n".join(_dark_rules(sheet) for sheet in sheets(document)) if dark else None
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_link_tags=True, extra_css=extra)
    root = LexborHTMLParser(inliner.inline(document)).root
    if root is None:
        return Element("html", {}, {}, Look(), None)
    return _read(root, None)


def sheets(document: str) -> list[str]:
    """The texts of all ``<style>`` elements."""
    return [each.text() for each in LexborHTMLParser(document).css("style")]


@functools.lru_cache(maxsize=64)
def _dark_rules(sheet: str) -> str:
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    return "\n".join(
        tinycss2.serialize(rule.content)
        for rule in rules
        if isinstance(rule, AtRule) and rule.content and DARK.search(tinycss2.serialize(rule.prelude))
    )


def _read(node: LexborNode, parent: Element | None) -> Element:
    attributes = {name: value or "" for name, value in node.attributes.items()}
    style = parse_style(attributes.get("style", ""))
    look = _look(str(node.tag), attributes, style, parent.look if parent else Look())
    element = Element(str(node.tag), attributes, style, look, parent)
    child = node.first_child
    while child is not None:
        if child.is_text_node:
            element.children.append(child.text_content or "")
        elif child.is_element_node:
            element.children.append(_read(child, element))
        child = child.next
    return element


@functools.lru_cache(maxsize=4096)
def parse_style(style: str) -> dict[str, str]:
    """Declarations of a style attribute by lower-case name; the last one wins, an important one over others."""
    found: dict[str, str] = {}
    strong: set[str] = set()
    for each in tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True):
        if isinstance(each, Declaration) and (each.important or each.lower_name not in strong):
            found.pop(each.lower_name, None)  # so that the order tells which of two overlapping names came last
            found[each.lower_name] = tinycss2.serialize(each.value).strip()
            if each.important:
                strong.add(each.lower_name)
    return found


def _look(tag: str, attributes: Mapping[str, str], style: Mapping[str, str], above: Look) -> Look:
    ground = _ground(attributes, style, above.ground)
    size = _size(tag, style.get("font-size", ""), above.size)
    default = LINK_COLOUR if tag == "a" and "href" in attributes else above.ink
    weight = style.get("font-weight", "")
    decoration = style.get("text-decoration", style.get("text-decoration-line", ""))
    underlined = "underline" in decoration if decoration else above.is_underlined or (tag == "a" and "href" in attributes)
    hides = style.get("display") == "none" or style.get("visibility") == "hidden" or tag in ("head", "title", "style", "script")
    return Look(
        ink=_colour(style.get("color", attributes.get("color", "")), ground) or default,
        ground=ground,
        size=size,
        line=_line(style.get("line-height", ""), size, above.line),
        is_bold=_is_bold(weight) if weight else above.is_bold or tag in BOLD_TAGS,
        is_hidden=above.is_hidden or hides,
        is_silent=above.is_silent or attributes.get("aria-hidden") == "true",
        is_underlined=underlined,
    )


def _is_bold(weight: str) -> bool:
    return weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 600)


def _ground(attributes: Mapping[str, str], style: Mapping[str, str], above: str) -> str:
    found = _colour(attributes.get("bgcolor", ""), above) or above
    for name, value in style.items():
        if name in ("background", "background-color"):
            colours = [_colour(part, above) for part in re.findall(r"#\w+|\w+\([^)]*\)|[a-zA-Z]+", value)]
            found = next((colour for colour in colours if colour), found)
    return found


def _colour(text: str, ground: str) -> str:
    """``#rrggbb`` as it looks on ``ground``; empty for what is no colour."""
    parsed = parse_color(text) if text else None
    if not isinstance(parsed, RGBA):
        return ""
    solid = "#" + "".join(f"{round(min(max(part, 0), 1) * 255):02x}" for part in parsed[:3])
    return mix(solid, ground, parsed.alpha) if parsed.alpha < 1 else solid


def _size(tag: str, text: str, above: float) -> float:
    number = NUMBER.match(text)
    if number is None:
        return above * HEADING_SIZES.get(tag, 1)
    value = float(number[0])
    factors = {"px": 1.0, "pt": 4 / 3, "em": above, "rem": 16.0, "%": above / 100}
    return value * factors.get(text[number.end() :].strip(), 1.0)


def _line(text: str, size: float, above: float) -> float:
    number = NUMBER.match(text)
    if number is None:
        return 0 if text == "normal" else above
    value, unit = float(number[0]), text[number.end() :].strip()
    return value * {"": size, "em": size, "%": size / 100, "pt": 4 / 3}.get(unit, 1.0)


MIN_LARGE = 3.0
LARGE, LARGE_BOLD = 24.0, 18.66
"""Pixels from which WCAG calls text large (18 pt, or 14 pt bold)."""
PURE = {"#000000", "#ffffff"}


def check_colours(light: Element, dark: Element) -> Iterator[Finding]:
    """``light`` and ``dark`` are the same letter, see ``read_page``."""
    yield from check_contrast(light, "light")
    yield from check_contrast(light, "inverted", invert=True)
    yield from check_contrast(dark, "dark")
    pure = next(((text, where) for text, where in _seen(light) if {where.look.ink, where.look.ground} == PURE), None)
    if pure is not None:
        text = f"„{shorten_quote(pure[0])}“ is pure black on white or white on black; dark mode inverts that badly"
        yield Finding("REN-07", text, near=pure[0].strip())
    if not any(each.tag == "meta" and each.attributes.get("name") == "color-scheme" for each in light.walk()):
        yield Finding("REN-07", 'the head has no <meta name="color-scheme" content="light dark"/>')


def _seen(page: Element) -> Iterator[tuple[str, Element]]:
    """What is read by eye and ear; marks hidden from screen readers are decoration."""
    return ((text, where) for text, where in page.texts() if not where.look.is_hidden and not where.look.is_silent)


def check_contrast(page: Element, condition: str, *, invert: bool = False) -> Iterator[Finding]:
    """Texts that hardly stand out from their ground, each pair of colours once (REN-08)."""
    told: set[tuple[str, str]] = set()
    for text, where in _seen(page):
        look = where.look
        ink, ground = (inverted(colour) if invert else colour for colour in (look.ink, look.ground))
        ratio, needed = contrast(ink, ground), MIN_LARGE if _is_large(look) else MIN_CONTRAST
        if ratio < needed and (ink, ground) not in told:
            told.add((ink, ground))
            said = f"{ink} on {ground} has a contrast of {ratio:.1f}:1 ({condition}), needed is {needed}:1: „{shorten_quote(text)}“"
            yield Finding("REN-08", said, near=text.strip())


def _is_large(look: Look) -> bool:
    return look.size >= LARGE or (look.is_bold and look.size >= LARGE_BOLD)
