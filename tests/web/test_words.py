"""Every text of a page exists in both languages, and the catalogue holds nothing that no page says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from om_campaigns.web.site import HTML
from om_campaigns.web.words import FOLDER, choose_language, load_words

OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}


def said() -> Iterator[str | tuple[str, ...]]:
    for _, _, message, _, _ in extract_from_dir(HTML, [("**.html", "jinja2")], OPTIONS):
        yield tuple(message) if isinstance(message, list | tuple) else message


def test_every_text_is_translated_and_no_other() -> None:
    """A new text: ``make words``, then translate it."""
    with (FOLDER / "en.po").open("rb") as file:
        catalogue = {message.id: message for message in read_po(file, locale="en") if message.id}
    assert set(catalogue) == set(said())
    empty = [each.id for each in catalogue.values() if not all(each.string if isinstance(each.string, tuple) else (each.string,))]
    assert empty == []
    for each in catalogue.values():
        texts = each.string if isinstance(each.string, tuple) else (each.string,)
        ids = each.id if isinstance(each.id, tuple) else (each.id,)
        named = [set(re.findall(r"%\((\w+)\)s", text)) for text in (*ids, *texts)]
        assert all(names == named[-1] for names in named[1:]), each.id


def test_german_is_typeset_as_german() -> None:
    texts = (part for message in said() for part in (message if isinstance(message, tuple) else (message,)))
    for text in (re.sub(r"<[^>]+>", "", each) for each in texts):
        assert '"' not in text, text
        assert " - " not in text, text
        assert "'" not in text, text


def test_translations_are_found() -> None:
    assert load_words("en").gettext("Impressum") == "Imprint"
    assert load_words("de").gettext("Impressum") == "Impressum"


@pytest.mark.parametrize(
    ("asked", "stored", "accepted", "chosen"),
    [
        ("en", "de", "de", "en"),
        ("", "en", "de-DE,de;q=0.9", "en"),
        ("", "", "en-GB,en;q=0.9,de;q=0.5", "en"),
        ("", "", "fr-FR,fr;q=0.9,en;q=0.5", "en"),
        ("", "", "de-AT", "de"),
        ("", "", "fr", "de"),
        ("", "", "", "de"),
        ("xx", "yy", "*;q=0.1, \\ , ,;;", "de"),
    ],
)
def test_the_language_is_what_was_clicked_then_known_then_accepted(asked: str, stored: str, accepted: str, chosen: str) -> None:
    assert choose_language(asked, stored, accepted, "de") == chosen
