"""Colours: enough contrast in light, in the letter's own dark dress, and where a program inverts them by force (REN-07, REN-08)."""

from __future__ import annotations

from collections.abc import Iterator

from om_campaigns.compose.brand import MIN_CONTRAST, contrast, inverted
from om_campaigns.compose.lint.findings import Finding, shorten_quote
from om_campaigns.compose.lint.page import Element, Look

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
