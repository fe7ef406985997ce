"""Who helps in a region: the lines that houses agreed to show, near ones first, and never an empty answer where somebody can help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.contact_lines import Line, load_public
from om_campaigns.audience.models import Region
from om_campaigns.audience.vocabulary import IDEA_NAMES, LAENDER, TOPIC_NAMES
from om_campaigns.audience.vocabulary import NATIONWIDE as NATIONWIDE
from om_campaigns.columns import table_of

COUNTY = 5
"""Digits of the AGS of a county or a town that is one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with its regions and topics in words."""

    line: Line
    regions: tuple[str, ...]
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Help:
    """Who helps in one place with one topic. ``wider``: (name of the district or Land, '' for the country; lines), from small to large.

    ``nearby``: lines of other places, where nobody helps here.
    """

    ags: str
    name: str
    topic: str
    here: list[Shown]
    wider: list[tuple[str, list[Shown]]]
    nearby: list[Shown]
    places: list[tuple[str, str, list[tuple[str, str]]]]
    """To choose from: AGS and name of each Land, and of the counties in it."""
    topics: list[tuple[str, str]]

    @property
    def is_country(self) -> bool:
        """The page without a place."""
        return self.ags == NATIONWIDE

    @property
    def is_anybody(self) -> bool:
        """Somebody helps, near or far."""
        return bool(self.here or self.wider or self.nearby)


def find_place(session: Session, ags: str) -> str:
    """The AGS itself where its place has a name, else the smallest known place around it."""
    names = _place_names(session, "de")
    return next((ags[:length] for length in range(len(ags), 1, -1) if ags[:length] in names), NATIONWIDE)


def find_help(session: Session, ags: str, topic: str, language: str, today: date) -> Help:
    """Everything the page of a place shows; ``ags`` is one that ``find_place`` gave, ``topic`` may be ''."""
    names, everything = _place_names(session, language), load_public(session, today, language)
    words = _topic_names(everything, language)
    fitting = [each for each in everything if not topic or not each.topics or topic in each.topics]
    fitting.sort(key=lambda each: topic not in each.topics)  # who names the topic first, then who helps with everything
    shown = [Shown(each, _named(each.regions, names), _named(each.topics, words)) for each in fitting]
    here = [each for each in shown if any(_is_here(region, ags) for region in each.line.regions)]
    wider = []
    for place in dict.fromkeys((ags[:3], ags[:2], NATIONWIDE)):
        found = [each for each in shown if place in each.line.regions and each not in here]
        if place != ags and found:
            wider.append(("" if place == NATIONWIDE else names.get(place, place), found))
    far = [each for _, lines in wider for each in lines] + here
    return Help(
        ags,
        names[ags],
        topic,
        here,
        wider,
        _find_nearby(ags, topic, here, [each for each in shown if each not in far]),
        _places(names),
        sorted(words.items(), key=lambda each: each[1]),
    )


def _find_nearby(ags: str, topic: str, here: list[Shown], others: list[Shown]) -> list[Shown]:
    """For the country everybody, once a topic narrows them; for a place where nobody is near those of its Land, its district first."""
    if ags == NATIONWIDE:
        return others if topic else []
    near = [each for each in others if any(region.startswith(ags[:2]) for region in each.line.regions)]
    return [] if here else sorted(near, key=lambda each: not any(region.startswith(ags[:3]) for region in each.line.regions))


def _is_here(region: str, ags: str) -> bool:
    """A line for this place, for a part of it, or for the county it lies in."""
    if NATIONWIDE in (region, ags):
        return region == ags
    return region.startswith(ags) or (len(region) >= COUNTY and ags.startswith(region))


def _place_names(session: Session, language: str) -> dict[str, str]:
    region = table_of(Region)
    names = {ags: name for ags, (_, name) in LAENDER.items()}
    names |= {row.ags: row.name for row in session.execute(select(region.c.ags, region.c.name))}
    return names | {NATIONWIDE: "Germany" if language == "en" else "Deutschland"}


def _places(names: Mapping[str, str]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    counties = sorted(((ags, name) for ags, name in names.items() if len(ags) == COUNTY), key=lambda each: each[1].casefold())
    laender = sorted(((ags, names[ags]) for ags in LAENDER), key=lambda each: each[1].casefold())
    return [(ags, name, [each for each in counties if each[0].startswith(ags)]) for ags, name in laender]


def _topic_names(lines: Iterable[Line], language: str) -> dict[str, str]:
    """The topics that occur, in words; a topic of a house's own is shown as it is written."""
    known = {**TOPIC_NAMES, **{idea.value: names for idea, names in IDEA_NAMES.items()}}
    codes = dict.fromkeys(topic for each in lines for topic in each.topics)
    return {code: known[code][language] if code in known else code.replace("_", " ") for code in codes}


def _named(codes: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(code, code) for code in codes)
