"""Links: they say where they lead, lead where they say, over https, without a detour (REN-12, REN-16)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from om_campaigns.compose.links import SHORTENERS
from om_campaigns.compose.lint.findings import Finding, shorten_quote
from om_campaigns.compose.lint.page import Element

EMPTY_WORDS = frozenset({
    "hier", "hier klicken", "klicken sie hier", "klick", "mehr", "mehr lesen", "mehr dazu", "mehr erfahren", "weiter", "weiterlesen",
    "link", "zum link", "diese seite", "here", "click here", "click", "more", "read more", "learn more", "continue",
    "this page", "this link",
})  # fmt: skip
"""Words that say nothing about a target when a screen reader lists the links of a letter."""

LOOKS_LIKE_ADDRESS = re.compile(r"\s*(?:https?://|www\.)?((?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?\s*", re.IGNORECASE)


def check_links(page: Element) -> Iterator[Finding]:
    targets: dict[str, str] = {}
    for link in (each for each in page.walk() if each.tag == "a" and "href" in each.attributes and not each.look.is_hidden):
        target, said = link.attributes["href"].strip(), link.words
        yield from _words(link, said, target)
        yield from _target(said, target)
        if targets.setdefault(said.casefold(), target) != target and said:
            text = f"two links „{shorten_quote(said)}“ lead to different places; name the difference"
            yield Finding("REN-12", text, is_warning=True, near=said)


def _words(link: Element, said: str, target: str) -> Iterator[Finding]:
    if not said:
        yield Finding("REN-12", f"the link to {shorten_quote(target, 60)} has no words", near=target)
    elif said.casefold().strip(" .…→>»›") in EMPTY_WORDS:
        yield Finding("REN-12", f"the link „{said}“ says nothing when it is read out alone; name its target", near=said)
    has_ground = any(name in ("background", "background-color") for name in link.style)
    is_button = has_ground and link.style.get("display") in ("inline-block", "block")
    if said and not link.look.is_underlined and not is_button:
        yield Finding("REN-12", f"the link „{shorten_quote(said)}“ is not underlined, so only its colour tells that it is one", near=said)


def _target(said: str, target: str) -> Iterator[Finding]:
    try:
        parts = urlsplit(target)
    except ValueError:
        yield Finding("REN-16", f"'{shorten_quote(target, 60)}' is no address", near=target)
        return
    if parts.scheme in ("mailto", "tel"):
        shown = said.casefold()
        if "@" in shown and " " not in shown and shown != parts.path.casefold():
            yield Finding("REN-16", f"the text shows {said} but the mail goes to {parts.path}", near=said)
        return
    if parts.scheme != "https":
        yield Finding("REN-16", f"'{shorten_quote(target, 60)}' is not encrypted; link to https://", near=target)
    host = (parts.hostname or "").removeprefix("www.")
    if host in SHORTENERS:
        yield Finding("REN-16", f"{host} hides where a link leads, and filters count it as spam; link to the page itself", near=target)
    shown_host = LOOKS_LIKE_ADDRESS.fullmatch(said[:300])
    if shown_host and shown_host[1].casefold().removeprefix("www.") != host:
        yield Finding("REN-16", f"the text shows '{shown_host[1]}' but the link goes to '{host}'", near=said)
