"""German and English on pages. Pages are written in German; ``words/en.po`` holds the English (Babel, gettext)."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent / "words"
LANGUAGES = ("de", "en")


@cache
def load_words(language: str) -> NullTranslations:
    """The translations of a language; German is what stands in the pages themselves."""
    path = FOLDER / f"{language}.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose_language(asked: str, stored: str, accepted: str, default: str) -> str:
    """The language of a page: what its reader clicked, else what we know of them, else their browser's, else the instance's.

    ``accepted`` is an Accept-Language header; its order is taken, its weights are not.
    """
    for known in (asked, stored):
        if known in LANGUAGES:
            return known
    wanted = [part.partition(";")[0].strip().replace("-", "_") for part in accepted[:200].split(",")]
    return (negotiate_locale([each for each in wanted if each], LANGUAGES) or default).partition("_")[0]
