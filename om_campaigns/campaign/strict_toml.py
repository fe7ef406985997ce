"""TOML read strictly: known keys in English or German, the right kind of value, every problem at its line; times and waits as written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import time, timedelta
from typing import Any, TypeVar

from om_campaigns.audience.german import fold, words_of
from om_campaigns.audience.vocabulary import Route, Sender
from om_campaigns.campaign.definition import OFFERS_SAY_DO, ReEnter
from om_campaigns.campaign.vocabulary import CampaignKind
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import Findings, Key

DURATION = re.compile(r"(\d{1,5}) ?(d|h|w|tage?|days?|stunden?|hours?|wochen?|weeks?)", re.IGNORECASE)
CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
MAX_DAYS = 3650

CAMPAIGN_KEYS: dict[str, tuple[str, ...]] = {
    "format": (),
    "kind": ("Art",),
    "title": ("Titel",),
    "title_en": ("Titel_en", "Titel_englisch"),
    "mailing_list": ("Reihe",),
    "priority": ("Vorrang",),
    "pattern": ("Muster",),
    "window": ("Fenster",),
    "exit_when": ("Ende_wenn",),
    "then": ("Danach",),
    "starts_after": ("Beginnt_nach",),
    "not_while_in": ("Nicht_während",),
    "re_enter": ("Wiedereintritt",),
    "backfill": ("Bestand",),
    "public": ("öffentlich",),
    "per_hour": ("Je_Stunde",),
    "people_a_day": ("Personen_je_Tag",),
    "houses_a_day": ("Häuser_je_Tag",),
    "count_links": ("Links_zählen",),
    "audience": ("Zielgruppe",),
    "step": ("Schritt",),
}
WINDOW_KEYS: dict[str, tuple[str, ...]] = {"days": ("Tage",), "from": ("von",), "to": ("bis",)}
AUDIENCE_KEYS: dict[str, tuple[str, ...]] = {"segment": (), "routes": ("Wege",), "sender": ("Absender",)}
STEP_KEYS: dict[str, tuple[str, ...]] = {
    "name": (),
    "day": ("Tag",),
    "after": ("nach",),
    "at": ("um",),
    "grace": ("Nachfrist",),
    "when": ("wenn",),
    "variants": ("Varianten",),
}
VARIANT_KEYS: dict[str, tuple[str, ...]] = {"name": (), "when": ("wenn",)}
"""The keys of each table: English → German names; capitals, blanks, hyphens, underscores and ``ä``/``ae`` make no difference."""

KINDS = {
    "drip": CampaignKind.drip,
    "serie": CampaignKind.drip,
    "announcement": CampaignKind.announcement,
    "mitteilung": CampaignKind.announcement,
}
PATTERNS = {OFFERS_SAY_DO: OFFERS_SAY_DO, "bietet_sagen_tun": OFFERS_SAY_DO}
RE_ENTER = {each.value: each for each in ReEnter} | {"nie": ReEnter.never, "nach_ende": ReEnter.after_finish}
ROUTES = {word: Route(value) for word, value in words_of(Route).items()} | {each.value: each for each in Route}
SENDERS = {each.value: each for each in Sender} | {"heimatorganisation": Sender.home}
DAYS = {
    name: number
    for number, names in enumerate(
        (
            ("mon", "monday", "mo", "montag"),
            ("tue", "tuesday", "di", "dienstag"),
            ("wed", "wednesday", "mi", "mittwoch"),
            ("thu", "thursday", "do", "donnerstag"),
            ("fri", "friday", "fr", "freitag"),
            ("sat", "saturday", "sa", "samstag"),
            ("sun", "sunday", "so", "sonntag"),
        )
    )
    for name in names
}


def parse_clock(value: Any) -> time:
    """``"09:00"``, or TOML's own 09:00:00; ValueError in plain words."""
    if isinstance(value, time):
        if value.second or value.microsecond:
            raise ValueError("a time has hours and minutes only, like 09:00")
        return value
    match = CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f"'{value}' is no time of day; write \"09:00\"")
    return time(int(match[1]), int(match[2]))


def parse_closing(value: Any) -> time:
    """As ``parse_clock``; ``"24:00"`` is midnight at the end of the day, which is kept as 00:00."""
    return time.min if value == "24:00" else parse_clock(value)


def parse_duration(value: Any) -> int | timedelta:
    """``"14d"`` or ``"2w"`` as calendar days, ``"36h"`` as elapsed time (SCH-02); ValueError in plain words."""
    match = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    number = int(match[1]) if match else 0
    unit = match[2][0].lower() if match else ""
    days = number * 7 if unit == "w" else number
    if not 0 < (number / 24 if unit in "hs" else days) <= MAX_DAYS:
        raise ValueError(f'\'{value}\' is no waiting time; write "14d" (days), "2w" (weeks) or "36h" (hours)')
    return timedelta(hours=number) if unit in "hs" else days


T = TypeVar("T")


class Table:
    """One table with its keys in English. ``words``: English key → its German names; anything else is a problem."""

    def __init__(self, findings: Findings, raw: Mapping[str, Any], path: Key, words: Mapping[str, tuple[str, ...]]) -> None:
        self.findings, self.path = findings, path
        self._written: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        english = {fold(name): key for key, names in words.items() for name in (key, *names)}
        every = [name for key, names in words.items() for name in (key, *names)]
        for written, value in raw.items():
            key = english.get(fold(written))
            if key is None:
                findings.at_key((*path, written), "unknown-key", f"unknown key '{written}'{suggest(written, every)}")
            elif key in self._values:
                findings.at_key((*path, written), "unknown-key", f"'{written}' says '{key}' a second time")
            else:
                self._written[key], self._values[key] = written, value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def path_of(self, key: str) -> Key:
        """Where ``key`` stands as it was written; the table itself if it is not there."""
        return (*self.path, self._written[key]) if key in self._written else self.path

    def problem(self, key: str, text: str, rule_id: str = "value") -> None:
        self.findings.at_value(self.path_of(key), rule_id, text)

    def value(self, key: str) -> Any:
        """The raw value, None if absent."""
        return self._values.get(key)

    def text(self, key: str, *, required: bool = False) -> str:
        """One line of text or '' (an expression may have several lines); empty counts as missing."""
        value = self._values.get(key, "")
        if not isinstance(value, str):
            self.problem(key, f"'{key}' must be a text in quotation marks")
        elif required and not value.strip():
            self.problem(key, f"'{key}' is missing")
        else:
            return value.strip()
        return ""

    def one_line(self, key: str, *, required: bool = False) -> str:
        """Text for people that must stay on one line, without control characters."""
        value = self.text(key, required=required)
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in value):
            self.problem(key, f"'{key}' must be one line of plain text")
            return ""
        return value

    def whole(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``, None if absent or wrong."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.problem(key, f"'{key}' must be {low}" if low == high else f"'{key}' must be a whole number from {low} to {high}")
            return None
        return value

    def yes(self, key: str, *, default: bool) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, f"'{key}' must be true or false")
            return default
        return value

    def word(self, key: str, words: Mapping[str, T], *, default: T, required: bool = False) -> T:
        """One word of a closed vocabulary (word → meaning)."""
        text = self.text(key, required=required)
        return self._meaning(self.path_of(key), key, text, words, default) if text else default

    def words(self, key: str, words: Mapping[str, T]) -> tuple[T, ...]:
        """A list of words of a closed vocabulary, each once."""
        found: list[T] = []
        for path, text in self.texts(key):
            meaning = self._meaning(path, key, text, words, None)
            if meaning is not None and meaning in found:
                self.findings.at_value(path, "value", f"'{text}' stands there twice")
            elif meaning is not None:
                found.append(meaning)
        return tuple(found)

    def texts(self, key: str) -> Iterator[tuple[Key, str]]:
        """The texts of a list with the place of each; a single text counts as a list of one."""
        value = self._values.get(key, [])
        path = self.path_of(key)
        if isinstance(value, str):
            yield path, value.strip()
        elif not isinstance(value, list):
            self.problem(key, f'\'{key}\' must be a list of texts: ["…", "…"]')
        else:
            for position, item in enumerate(value):
                if isinstance(item, str) and item.strip():
                    yield (*path, position), item.strip()
                else:
                    self.findings.at_value((*path, position), "value", f"'{key}' holds texts in quotation marks only")

    def tables(self, key: str, words: Mapping[str, tuple[str, ...]]) -> Iterator[Table]:
        """The tables of an array of tables (``[[step]]`` or ``[{ … }]``)."""
        value = self._values.get(key, [])
        if not isinstance(value, list):
            self.findings.at_key(self.path_of(key), "value", f"'{key}' must be a list of tables")
            return
        for position, item in enumerate(value):
            path = (*self.path_of(key), position)
            if isinstance(item, dict):
                yield Table(self.findings, item, path, words)
            else:
                self.findings.at_value(path, "value", f"'{key}' holds tables only: {{ … }}")

    def table(self, key: str, words: Mapping[str, tuple[str, ...]]) -> Table | None:
        """The table at ``key``, None if absent or none."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, dict):
            self.problem(key, f"'{key}' must be a table: {{ … }}")
        return Table(self.findings, value, self.path_of(key), words) if isinstance(value, dict) else None

    def parsed(self, key: str, parse: Callable[[Any], T]) -> T | None:
        """What ``parse`` makes of the value; its ValueError becomes a problem. None if absent or wrong."""
        if key not in self._values:
            return None
        try:
            return parse(self._values[key])
        except ValueError as error:
            self.problem(key, f"'{key}': {error}")
            return None

    def _meaning(self, path: Key, key: str, text: str, words: Mapping[str, T], default: Any) -> Any:
        meaning = {fold(word): meaning for word, meaning in words.items()}.get(fold(text))
        if meaning is None:
            near = suggest(text, words) or f"; it can be {_choices(words)}"
            self.findings.at_value(path, "value", f"'{text}' is no value of '{key}'{near}")
            return default
        return meaning


def _choices(words: Mapping[str, Any]) -> str:
    """Each meaning once: by its own name, else by the first word for it."""
    first = {meaning: word for word, meaning in reversed(list(words.items()))}
    return ", ".join(sorted(meaning if isinstance(meaning, str) else word for meaning, word in first.items()))
