"""Service mails: one matter, one button, no advertising, nothing counted (LAW-06, MSG-18)."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from om_campaigns.columns import digest
from om_campaigns.compose.brand import Brand
from om_campaigns.compose.edition import Edition
from om_campaigns.compose.mjml import make_html
from om_campaigns.compose.slots import Gapped
from om_campaigns.compose.typesetting import fix_spaces

FOLDER = Path(__file__).parent
LANGUAGES = ("de", "en")
FALLBACK = "de"


@dataclass(frozen=True, slots=True)
class NoticeInput:
    """What one notice says. ``purpose`` is a table of the words; ``values`` fill its gaps; ``url`` is where its button leads."""

    purpose: str
    language: str
    url: str
    address: str
    """Masked."""
    om: str
    house: str
    brand: Brand
    imprint: str = ""
    imprint_url: str = ""
    privacy_url: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


def make_notice(given: NoticeInput) -> Edition:
    """The finished text of a notice, without gaps."""
    words, own = _load_words(given.language), _load_words(given.language)[given.purpose]
    values = {**given.values, "om": given.om, "house": given.house, "address": given.address}

    def say(text: str) -> str:
        return fix_spaces(text % values)

    said = {"why": say(words["why"]), "behalf": say(words["behalf_home" if given.house else "behalf"])}
    said |= {name: words[name] for name in ("in_words", "imprint", "privacy")}
    paragraphs, after = [say(each) for each in own["text"]], [say(each) for each in own["after"]]
    subject, title, action = say(own["subject"]), say(own["title"]), say(own["action"])
    page = _environment().get_template("notice.mjml").render(
        language=given.language, subject=subject, title=title, text=paragraphs, action=action, after=after, url=given.url, words=said,
        om=given.om, house=given.house, brand=given.brand.as_context(), imprint=given.imprint,
        imprint_url=given.imprint_url, privacy_url=given.privacy_url,
    )  # fmt: skip
    pages = [f"{said[name]}: {url}" for name, url in (("imprint", given.imprint_url), ("privacy", given.privacy_url)) if url]
    foot = [said["why"], said["behalf"], given.imprint, *pages]
    text = "\n\n".join(filter(None, [title, *paragraphs, f"{action}:\n{given.url}", *after, "-- \n" + "\n".join(filter(None, foot))]))
    html = make_html(page, "notice.mjml")
    return Edition(
        digest("notice", subject, html, text), given.language, (), _fixed(subject), _fixed(""), _fixed(html), _fixed(text + "\n")
    )


def make_consent_text(language: str, lists: str, om: str, house: str) -> str:
    """What stands beside the box of a subscription, and is kept word for word (LAW-05)."""
    own = _load_words(language)["consent"]
    return fix_spaces(own["text_house" if house else "text"] % {"lists": lists, "om": om, "house": house})


def _fixed(text: str) -> Gapped:
    return Gapped((text,), ())


@functools.cache
def _load_words(language: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{language if language in LANGUAGES else FALLBACK}.toml").read_text(encoding="utf-8"))


@functools.cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
