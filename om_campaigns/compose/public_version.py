"""A step as anybody may read it: what it is made from, whether it may be read so, and its HTML in the archive (SEC-24, SEC-05)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import nh3

from om_campaigns.audience.vocabulary import NATIONWIDE, Sender
from om_campaigns.campaign.reading import PACK
from om_campaigns.compose.building import make_neutral
from om_campaigns.compose.contexts import OM_BRAND, om_context
from om_campaigns.compose.dialect import make_parser
from om_campaigns.compose.edition import EditionInput
from om_campaigns.compose.frontmatter import StepFile, read_step
from om_campaigns.compose.library import LetterKey, Library, step_context
from om_campaigns.compose.markdown import set_words
from om_campaigns.compose.pictures import KEY_LENGTH, PICTURE_PATH
from om_campaigns.errors import ProblemsError

YOUR_HOUSE = {
    "de": {"name": "Ihr Haus", "short_name": "Ihr Haus"},
    "en": {"name": "your organisation", "short_name": "your organisation"},
}
"""How the archive calls the house of whoever reads."""


def neutral_input(library: Library, version_id: int, step: str, language: str) -> EditionInput | None:
    """All that a step of a published version is made from as anybody may read it, in OM's own name; None where it has no text.

    Of a letter that is the cover of a pack, everybody reads what is passed on.
    """
    source = library.source(version_id)
    names = sorted(path for path in source.files if path.startswith(f"campaigns/{source.name}/{step}."))
    names = [path for path in names if f".{PACK}." in path] or names
    wanted = [path for each in (language, "de", "en") for path in names if path.endswith(f".{each}.md")]
    if not wanted:
        return None
    path = min(wanted, key=lambda each: (each.count("."), wanted.index(each)))
    head, found = _read_once(source.files[path], path), path.rsplit(".", 2)[-2]
    definition, toolkits = source.definition, library.houses.toolkits(head.toolkits, found)
    key = LetterKey(0, version_id, step, "", found, 0, Sender.om, 0)
    context: dict[str, Any] = {
        "org": {**dict.fromkeys(("slug", "level", "type", "type_name"), ""), **YOUR_HOUSE[found]},
        "region": library.with_page(library.houses.whole_country(found), NATIONWIDE),
        "campaign": {
            "name": source.name,
            "title": (definition.title_en or definition.title) if found == "en" else definition.title,
            "mailing_list": definition.mailing_list,
            "mailing_list_name": library.houses.mailing_list_name(definition.mailing_list, found),
        },
        "step": step_context(key, replace(head, due_days=None), head, found),
        "toolkits": toolkits,
        "toolkit": toolkits[0] if toolkits else None,
        "om": om_context(library.sender, library.pages),
        "sender": Sender.om.value,
    }
    return EditionInput(source.files, path, found, OM_BRAND, context, pages=library.pages)


@lru_cache(maxsize=1024)
def _read_once(text: str, path: str) -> StepFile:
    """A published text never changes, and the archive asks for all of them with every page."""
    return read_step(text, path)


def find_archived(library: Library, key: LetterKey) -> str:
    """campaign/step of a letter that stands in the archive; '' for one that is not public, or cannot be without its reader (SEC-24)."""
    version_id = library.latest_version(key)
    source = library.source(version_id)
    if not source.definition.is_public or source.definition.step(key.step) is None:
        return ""
    try:
        given = neutral_input(library, version_id, key.step, key.language)
        return f"{source.name}/{key.step}" if given is not None and make_neutral(given) else ""
    except ProblemsError:
        return ""


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
