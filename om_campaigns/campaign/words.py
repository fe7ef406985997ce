"""The words of ``campaign.toml``, English and German, and how its times and waits are written."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

from om_campaigns.audience.german import words_of
from om_campaigns.audience.vocabulary import Route, Sender
from om_campaigns.campaign.definition import OFFERS_SAY_DO, ReEnter
from om_campaigns.campaign.vocabulary import CampaignKind

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
