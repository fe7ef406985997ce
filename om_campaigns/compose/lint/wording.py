"""What must be said, and honestly: imprint, way out, sender, subject; and the same in both parts (LAW-15, LAW-16, MSG-11, REN-01)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from om_campaigns.compose.edition import MAX_HTML, TOO_LONG
from om_campaigns.compose.links import SHORTENERS
from om_campaigns.compose.lint.findings import Finding, Rendered, shorten_quote
from om_campaigns.compose.lint.page import Element
from om_campaigns.compose.step_checks import FAKE_REPLY

WARN_HTML = 90_000
MIN_OVERLAP = 0.95
"""Share of the words of one part that must stand in the other (MSG-11)."""
FEW = 5
"""Words a layout may add to either part of the shortest letter."""

FEIGNED = re.compile(
    r"\b(?:ihre|deine|unsere)?\s*(?:anfrage|bestellung|rechnung|mahnung|zahlungserinnerung|reklamation|bewerbung)\b.*\b(?:vom|nr|nummer)\b"
    r"|^(?:ihre|deine) (?:anfrage|bestellung|rechnung|mahnung|buchung)\b"
    r"|^your (?:request|order|invoice|payment|booking)\b|\bletzte (?:mahnung|chance)\b|\blast chance\b|^wie besprochen\b|^as discussed\b",
    re.IGNORECASE,
)
"""Subjects that look like a running matter between two people, which a letter of a series is not."""

MARKUP = re.compile(r"&(?:[a-z]{2,8}|#\d{2,5});|</?(?:a|b|br|div|em|i|img|li|p|span|strong|table|td|tr|ul)\b[^>]*>", re.IGNORECASE)
"""What a text part must not hold; addresses between angle brackets are none of it."""

ADDRESS = re.compile(
    r"(?:https?://|mailto:|tel:|(?<![\w@/.])www\.)(?:[^\s<>()\"]|\([^\s<>()\"]*\))+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
)
WORD = re.compile(r"[^\W_]+(?:[-’'][^\W_]+)*")


def check_wording(letter: Rendered, page: Element) -> Iterator[Finding]:
    yield from _size(letter)
    yield from _law(letter)
    yield from _subject(letter)
    yield from _same_words(letter, page)
    yield from _same_links(letter, page)
    shown = "".join(text for text, _ in page.texts())
    if markup := next((each[0] for each in MARKUP.finditer(letter.text) if each[0] not in shown), None):  # what is shown was meant
        yield Finding("MSG-11", f"the text part holds HTML: {markup}", near=markup)


def _size(letter: Rendered) -> Iterator[Finding]:
    size = len(letter.html.encode())
    if size > MAX_HTML:
        yield Finding("REN-01", TOO_LONG.format(size, MAX_HTML))
    elif size >= WARN_HTML:
        yield Finding("REN-01", f"the letter has {size:,} bytes; from {MAX_HTML:,} on Gmail cuts it off", is_warning=True)


def _law(letter: Rendered) -> Iterator[Finding]:
    """The foot must be there, and before the line at which Gmail cuts."""
    shown = letter.html.encode()[:MAX_HTML].decode("utf-8", "ignore").replace("&amp;", "&")
    for part, text in (("HTML", shown), ("text", letter.text)):
        if letter.unsubscribe and letter.unsubscribe not in text:
            yield Finding("UNS-14", f"the {part} part has no way to unsubscribe; the layout must link links.unsubscribe")
        flat = " ".join(text.split())
        if letter.imprint and not any(each in flat for each in letter.imprint):
            said = f"the {part} part neither carries the imprint nor links it; the layout must print om.imprint or om.imprint_url"
            yield Finding("LAW-15", said)
    if letter.om_name not in " ".join(letter.text.split()):
        yield Finding("LAW-16", f"the letter does not say that it comes from {letter.om_name}")


def _subject(letter: Rendered) -> Iterator[Finding]:
    if FAKE_REPLY.match(letter.subject):
        yield Finding("LAW-16", "a subject must not look like an answer or a forwarded mail", near=letter.subject)
    for name, text in (("subject", letter.subject), ("preheader", letter.preheader)):
        if FEIGNED.search(text):
            yield Finding("LAW-16", f"the {name} „{text}“ looks like a matter between two people; say what the letter is", near=text)
    if letter.reader and letter.reader in letter.subject:
        text = "the reader's name in the subject makes a letter of a series look like a personal one"
        yield Finding("LAW-16", text, is_warning=True)


def _same_words(letter: Rendered, page: Element) -> Iterator[Finding]:
    """Both parts are made from one text; a layout may add a few words to either, no more."""
    seen = _words(" ".join(part for part, where in page.texts() if not where.look.is_hidden and not where.look.is_silent))
    seen |= _words(" ".join(each.attributes.get("alt", "") for each in page.walk() if each.tag == "img"))
    read = _words(letter.text)
    for have, other, name in ((seen, read, "text"), (read, seen, "HTML")):
        missing = have - other
        if len(missing) > max(FEW, len(have) * (1 - MIN_OVERLAP)):
            few = ", ".join(sorted(missing, key=len, reverse=True)[:5])
            text = f"{len(missing)} of {len(have)} words are missing in the {name} part, among them: {few}"
            yield Finding("MSG-11", text)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in WORD.findall(ADDRESS.sub(" ", text.replace("\u00ad", "")))}


def _same_links(letter: Rendered, page: Element) -> Iterator[Finding]:
    linked = {_leads_to(each.attributes["href"]) for each in page.walk() if each.tag == "a" and each.attributes.get("href")}
    written = {_leads_to(each) for each in ADDRESS.findall(letter.text)}
    for target in sorted(linked - written):
        yield Finding("MSG-11", f"the link to {target} is missing in the text part", near=target)
    shown = linked | {_leads_to(each) for text, where in page.texts() if not where.look.is_hidden for each in ADDRESS.findall(text)}
    for target in sorted(written - shown):
        yield Finding("MSG-11", f"the link to {target} is missing in the HTML part", near=target)


def _leads_to(address: str) -> str:
    """An address as both parts may write it: without the end of a sentence, mail without subject and copies."""
    address = unquote(address.rstrip(".,;:!?"))
    if address.startswith("mailto:"):
        return address.removeprefix("mailto:").split("?")[0]
    return f"https://{address}" if address.startswith("www.") else address


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
        yield from _link_words(link, said, target)
        yield from _target(said, target)
        if targets.setdefault(said.casefold(), target) != target and said:
            text = f"two links „{shorten_quote(said)}“ lead to different places; name the difference"
            yield Finding("REN-12", text, is_warning=True, near=said)


def _link_words(link: Element, said: str, target: str) -> Iterator[Finding]:
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
