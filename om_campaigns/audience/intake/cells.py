"""What one cell means. Every reader takes the text of a cell (not empty) and what is known, and returns a plain value.

Readers raise ValueError with a reason in plain words. Dates are returned as ISO text, vocabulary as its value.
A cell that holds only ``-`` or ``–`` clears the value; an empty cell says nothing (unknown).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from om_campaigns.audience import german as words
from om_campaigns.audience.addresses import find_unsafe, normalise
from om_campaigns.audience.german import UNFIT, name_key, read_count, read_day, shorten
from om_campaigns.audience.house_days import read_newsletter_days, read_quiet_days
from om_campaigns.audience.vocabulary import LAENDER, NATIONWIDE
from om_campaigns.nearest import suggest

MAX_NAME = 200
MAX_TEXT = 2_000
MAX_PARTS = 500
"""Most entries in one list cell."""

CLEAR = ("-", "–", "—")
FORMULA_STARTS = frozenset("=+-@\t\r＝＋－＠")


_UNFIT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SIGNS = frozenset("%{}")
"""What may be part of something unfit though it is printed; everything else that is unfit is not."""

_PARTS = re.compile(r"[,|;\n]")
_PHONE = re.compile(r"\+?[0-9][0-9 /()-]{3,38}[0-9]")
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(slots=True)
class Known:
    """What cells may refer to; grows while files are read."""

    organisations: dict[str, int] = field(default_factory=dict)
    """Slug → id."""
    organisation_names: dict[str, set[str]] = field(default_factory=dict)
    """Key of a name or short name → slugs."""
    types: dict[str, str] = field(default_factory=dict)
    """Folded word → code."""
    regions: dict[str, set[str]] = field(default_factory=dict)
    """Folded name → AGS."""
    mailing_lists: set[str] = field(default_factory=set)
    hints_left: int = 200
    """Looking for a similar name is slow; after so many hints a file has other troubles (SEC-16)."""

    def hint(self, given: str, names: Iterable[str]) -> str:
        """``; did you mean 'x'?`` or nothing."""
        self.hints_left -= 1
        return suggest(given, names) if self.hints_left >= 0 else ""


Reader = Callable[[str, Known], Any]


def clean_name(text: str) -> str:
    """A name, short text or title on one line; NFC with single blanks (SEC-01, SEC-06)."""
    if not text.isprintable() or not _SIGNS.isdisjoint(text):
        if found := UNFIT.search(text):
            raise ValueError(f"there is {_describe(found.group())} in it")
        if (unsafe := find_unsafe(text)) is not None:
            raise ValueError(f"there is {unsafe} in it")
    if text[0] in FORMULA_STARTS:
        raise ValueError(f"it begins with '{text[0]}' like a formula")
    if text[0] == "'" and text[1:2] in FORMULA_STARTS:
        raise ValueError(f"it begins with '{text[1]}' like a formula")
    if len(text) > MAX_NAME:
        raise ValueError(f"it is longer than {MAX_NAME} characters")
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def _describe(found: str) -> str:
    if found in "\r\n" or found.lower() in ("%0a", "%0d"):
        return "a line break"
    return "a tab" if found == "\t" else f"the control character U+{ord(found[0]):04X}"


def name(text: str, _known: Known) -> str:
    return clean_name(text)


def free_text(text: str, _known: Known) -> str:
    """Text that may have lines. An apostrophe before a formula sign is Excel's and is taken away again (SEC-06)."""
    if found := _UNFIT_IN_TEXT.search(text):
        raise ValueError(f"there is {_describe(found.group())} in it")
    if len(text) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT:,} characters")
    if text[0] in "=@＝＠":
        raise ValueError(f"it begins with '{text[0]}' like a formula")
    text = text[1:] if text[0] == "'" and text[1:2] in FORMULA_STARTS else text
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def slug(text: str, _known: Known) -> str:
    if not _SLUG.fullmatch(text.lower()):
        raise ValueError(f"'{shorten(text)}' is not a slug: letters a–z, digits, '-', '_' and '.', beginning with a letter or digit")
    return text.lower()


def code(text: str, _known: Known) -> str:
    found = clean_name(text)
    if len(found) > 40 or "@" in found:
        raise ValueError(f"'{shorten(text)}' is not a code: at most 40 characters, no '@'")
    return found


def day(text: str, _known: Known) -> str:
    return read_day(text)


def quiet_days(text: str, _known: Known) -> str:
    return read_quiet_days(text)


def newsletter_days(text: str, _known: Known) -> str:
    return read_newsletter_days(text)


def whole_number(text: str, _known: Known) -> int:
    """As people write it, ``ca. 1.200`` too."""
    return read_count(UNFIT.sub("·", text))


def yes_or_no(text: str, _known: Known) -> bool:
    folded = words.fold(text)
    if folded in words.YES:
        return True
    if folded in words.NO:
        return False
    raise ValueError(f"'{shorten(text)}' is neither yes nor no")


def word(kind: type[StrEnum], what: str) -> Reader:
    """A reader for one word of a closed vocabulary, German or English."""

    def read(text: str, known: Known) -> str:
        return _look_up(known, words.words_of(kind), text, what)

    return read


def words_list(kind: type[StrEnum], what: str) -> Reader:
    """A reader for several words of a closed vocabulary; order kept, repetitions dropped."""

    def read(text: str, known: Known) -> tuple[str, ...]:
        table = words.words_of(kind)
        return tuple(dict.fromkeys(_look_up(known, table, part, what) for part in parts(text)))

    return read


def organisation_type(text: str, known: Known) -> str:
    return _look_up(known, known.types, text, "organisation type")


def _look_up(known: Known, table: dict[str, str], text: str, what: str) -> str:
    folded = words.fold(text)
    if folded in table:
        return table[folded]
    raise ValueError(f"unknown {what} '{shorten(text)}'{known.hint(folded, table)}")


def parts(text: str) -> list[str]:
    """The entries of a list cell, parted by comma, semicolon, bar or line."""
    found = [part.strip() for part in _PARTS.split(text)]
    if len(found) > MAX_PARTS:
        raise ValueError(f"it lists more than {MAX_PARTS} entries")
    return [part for part in found if part]


def region(text: str, known: Known) -> str:
    """An AGS of 2, 3, 5 or 8 digits (a zero that Excel ate is put back), a Land by code or name, a known region, or DE."""
    if text.isascii() and text.isdigit():
        ags = f"0{text}" if len(text) in (1, 4, 7) else text
        if len(ags) not in (2, 3, 5, 8) or ags[:2] not in LAENDER:
            raise ValueError(f"'{shorten(text)}' is not a region: an AGS has 2, 3, 5 or 8 digits and begins with 01 to 16")
        return ags
    folded = words.fold(text)
    if found := words.land_words().get(folded):
        return found
    named = known.regions.get(folded, set())
    if len(named) > 1:
        raise ValueError(f"'{shorten(text)}' names several regions ({', '.join(sorted(named))}); write the AGS")
    if not named:
        raise ValueError(f"unknown region '{shorten(text)}'{known.hint(folded, known.regions | words.land_words())}")
    return next(iter(named))


def ags_only(text: str, known: Known) -> str:
    """For the file of regions itself."""
    return NATIONWIDE if text.upper() == NATIONWIDE else region(text, known)


def regions(text: str, known: Known) -> tuple[str, ...]:
    return tuple(sorted({region(part, known) for part in parts(text)}))


def land(text: str, known: Known) -> str:
    found = region(text, known)
    if found not in LAENDER:
        raise ValueError(f"'{shorten(text)}' is not one Land")
    return found


def sectors(text: str, _known: Known) -> tuple[str, ...]:
    """Sections of the WZ by letter, or ``all``."""
    found = set()
    for part in parts(text):
        if words.fold(part) in ("all", "alle"):
            found.add("all")
        elif re.fullmatch(r"[A-Ua-u]", part):
            found.add(part.upper())
        else:
            raise ValueError(f"unknown sector '{shorten(part)}': a letter A to U of the WZ, or all")
    return tuple(sorted(found))


def topics(text: str, _known: Known) -> tuple[str, ...]:
    """OM ideas and topics; topics are an open list, so a new one is taken in the form of a code."""
    found = {words.topic_words().get(words.fold(part)) or words.make_slug(clean_name(part)).replace("-", "_") for part in parts(text)}
    return tuple(sorted(found - {""}))


def language(text: str, _known: Known) -> str:
    return words.language_of(text)


def languages(text: str, _known: Known) -> str:
    return ",".join(sorted({words.language_of(part) for part in parts(text)}))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(text: str, known: Known) -> str:
    """An IANA zone; an unknown one is an error, never a silent fallback (SCH-06)."""
    if text not in _zones():
        raise ValueError(f"unknown time zone '{shorten(text)}'{known.hint(text, _zones())}")
    return text


def url(text: str, _known: Known) -> str:
    if UNFIT.search(text) or not re.fullmatch(r"https://[^\s<>\"'\\]{3,500}", text):
        raise ValueError(f"'{shorten(text)}' is not an address of the form https://…")
    return text


def phone(text: str, _known: Known) -> str:
    """A number to call, written as people write it; an apostrophe before the ``+`` is Excel's."""
    found = " ".join(text.removeprefix("'").split())
    if not _PHONE.fullmatch(found):
        raise ValueError(f"'{shorten(text)}' is not a telephone number; write it like 0345 67890 or +49 345 67890")
    return found


def email(text: str, _known: Known) -> Any:
    """A ``NormalAddress``."""
    if text[0] in FORMULA_STARTS:
        raise ValueError(f"it begins with '{text[0]}' like a formula")
    if len(text) > 320:
        raise ValueError("it is longer than 320 characters")
    return normalise(text)


def emails_or_keys(text: str, _known: Known) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parts(text)))


def organisation(text: str, known: Known) -> str:
    """A house by slug, name or short name; returns its slug."""
    folded = text.lower()
    if folded in known.organisations:
        return folded
    named = known.organisation_names.get(name_key(text), set())
    if len(named) > 1:
        raise ValueError(f"'{shorten(text)}' names several organisations ({', '.join(sorted(named)[:5])}); write the slug")
    if not named:
        raise ValueError(f"unknown organisation '{shorten(text)}'{known.hint(folded, known.organisations)}")
    return next(iter(named))


def organisations(text: str, known: Known) -> tuple[str, ...]:
    return tuple(dict.fromkeys(organisation(part, known) for part in parts(text)))


def as_written(text: str, _known: Known) -> str:
    """A reference that is resolved later."""
    return clean_name(text)


def all_as_written(text: str, _known: Known) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean_name(part) for part in parts(text)))


def collector(text: str, known: Known) -> str:
    """``om`` or a house's slug."""
    return "om" if words.fold(text) in ("om", "offensivemittelstand") else organisation(text, known)


def mailing_lists(text: str, known: Known) -> tuple[str, ...]:
    """``*`` or slugs of mailing lists."""
    found = []
    for part in parts(text):
        folded = "*" if words.fold(part) == "alle" else part.lower()
        if folded != "*" and folded not in known.mailing_lists:
            raise ValueError(f"unknown mailing list '{shorten(part)}'{known.hint(folded, known.mailing_lists)}")
        found.append(folded)
    return tuple(sorted(set(found)))
