"""What a campaign says, as values: audiences, steps, window and rules. ``reading`` makes them from ``campaign.toml``.

A published version freezes exactly this (``to_structure``), with the segments' expressions as they were that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time, timedelta
from enum import StrEnum
from typing import Any

from om_campaigns.audience.vocabulary import PASSING_ON, Route, Sender
from om_campaigns.campaign.vocabulary import CampaignKind
from om_campaigns.columns import digest, dump_json

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFERS_SAY_DO = "offers_say_do"


class ReEnter(StrEnum):
    """Whether somebody who finished and left the segment enters again when matching anew."""

    never = "never"
    after_finish = "after_finish"


@dataclass(frozen=True, slots=True)
class Window:
    """When mail may leave, in the recipient's zone: on ``days`` (0 = Monday) in [``start``, ``end``) (SCH-07).

    ``end`` not later than ``start`` closes on the next day; the opening day's name counts. ``end`` 00:00 is midnight (24:00).
    """

    days: tuple[int, ...]
    start: time
    end: time

    @property
    def overnight(self) -> bool:
        return self.end <= self.start

    def holds(self, at: time) -> bool:
        """Whether the wall-clock time lies in the window, whatever the day."""
        return at >= self.start or at < self.end if self.overnight else self.start <= at < self.end

    def starting(self, at: time) -> Window:
        """The part of the window from ``at`` on; past midnight it opens on the day after the named one."""
        if self.overnight and at < self.end:
            return Window(tuple(sorted((day + 1) % 7 for day in self.days)), at, self.end)
        return replace(self, start=at)


WORKING_HOURS = Window((0, 1, 2, 3, 4), time(9), time(17))
"""When mail leaves where a campaign names no window."""


@dataclass(frozen=True, slots=True)
class Audience:
    """One ``[[audience]]`` entry: a segment, the routes offered to it, and who speaks.

    ``selects`` and ``where`` are the segment's own (``seats`` or ``organisations``; its expression) when the file was read.
    """

    segment: str
    routes: tuple[Route, ...] = (Route.direct_email,)
    sender: Sender = Sender.om
    selects: str = "seats"
    where: str = ""

    @property
    def passes_on(self) -> bool:
        """Served through the houses: the segment names pools of advisers, the cascade finds who passes on to them."""
        return any(route in PASSING_ON for route in self.routes)


@dataclass(frozen=True, slots=True)
class Variant:
    """A wording for those to whom ``when`` applies; the first match of a step wins."""

    name: str
    when: str


@dataclass(frozen=True, slots=True)
class Step:
    """One mail of a campaign and when it is due. Exactly one of ``day``, ``after`` and ``elapsed`` is set (SCH-02).

    ``day``: calendar days from enrolment; ``after``: calendar days from the previous hand-over; ``elapsed``: real time from
    the previous hand-over. ``at``: local time of the calendar kinds, None for the start of the window.
    ``grace``: how late it may still go, None for ever. ``when``: only for those it applies to, else the step is skipped.
    """

    name: str
    day: int | None = None
    after: int | None = None
    elapsed: timedelta | None = None
    at: time | None = None
    grace: timedelta | None = None
    when: str = ""
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True)
class CampaignDefinition:
    """A whole campaign. ``window`` None means ``WORKING_HOURS``; ``pattern`` is '' or ``offers_say_do``."""

    name: str
    kind: CampaignKind
    title: str
    mailing_list: str
    audiences: tuple[Audience, ...]
    steps: tuple[Step, ...]
    title_en: str = ""
    priority: int = 50
    pattern: str = ""
    window: Window | None = None
    exit_when: str = ""
    then: str = ""
    starts_after: tuple[str, ...] = ()
    not_while_in: tuple[str, ...] = ()
    re_enter: ReEnter = ReEnter.never
    backfill: bool = True
    is_public: bool = True
    """Its steps stand in the archive, without anything personal, once they were sent."""
    per_hour: int = 0
    """At most so many letters in any hour, so that a house can keep up with the answers; 0 is without limit."""
    people_a_day: int = 0
    houses_a_day: int = 0
    """So many may enter within 24 hours however small the days before were (see ``entry_brake``); 0 is what the settings say."""
    count_links: bool = False
    """How often the links of its texts are followed is counted per house, where enough people read them (FWD-15)."""

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    def step_after(self, name: str) -> Step | None:
        """The step that follows ``name`` in this version, None at the end or if this version has no such step."""
        names = [step.name for step in self.steps]
        return self.steps[names.index(name) + 1] if name in names[:-1] else None

    def window_for(self, step: Step) -> Window:
        """When this step may leave: the campaign's window, from the step's own ``at`` on."""
        window = self.window or WORKING_HOURS
        return window.starting(step.at) if step.at is not None else window

    def to_structure(self) -> dict[str, Any]:
        """The definition as JSON-able data; ``from_structure`` gives an equal one back."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "title": self.title,
            "title_en": self.title_en,
            "mailing_list": self.mailing_list,
            "priority": self.priority,
            "pattern": self.pattern,
            "window": _window_data(self.window) if self.window else None,
            "exit_when": self.exit_when,
            "then": self.then,
            "starts_after": list(self.starts_after),
            "not_while_in": list(self.not_while_in),
            "re_enter": self.re_enter.value,
            "backfill": self.backfill,
            **({} if self.is_public else {"public": False}),
            **({"per_hour": self.per_hour} if self.per_hour else {}),  # what was published before keeps its hash
            **({"people_a_day": self.people_a_day} if self.people_a_day else {}),
            **({"houses_a_day": self.houses_a_day} if self.houses_a_day else {}),
            **({"count_links": True} if self.count_links else {}),
            "audiences": [_audience_data(audience) for audience in self.audiences],
            "steps": [_step_data(step) for step in self.steps],
        }

    @staticmethod
    def from_structure(data: Mapping[str, Any]) -> CampaignDefinition:
        """A definition from what ``to_structure`` gave; KeyError or ValueError if it is not that."""
        return CampaignDefinition(
            name=data["name"],
            kind=CampaignKind(data["kind"]),
            title=data["title"],
            title_en=data["title_en"],
            mailing_list=data["mailing_list"],
            priority=data["priority"],
            pattern=data["pattern"],
            window=_window(data["window"]) if data["window"] else None,
            exit_when=data["exit_when"],
            then=data["then"],
            starts_after=tuple(data["starts_after"]),
            not_while_in=tuple(data["not_while_in"]),
            re_enter=ReEnter(data["re_enter"]),
            backfill=data["backfill"],
            is_public=data.get("public", True),
            per_hour=CampaignDefinition.limit_in(data),
            people_a_day=data.get("people_a_day", 0),
            houses_a_day=data.get("houses_a_day", 0),
            count_links=data.get("count_links", False),
            audiences=tuple(_audience(each) for each in data["audiences"]),
            steps=tuple(_step(each) for each in data["steps"]),
        )

    @staticmethod
    def limit_in(structure: Mapping[str, Any]) -> int:
        """Letters per hour, as a published structure says; 0 is without limit."""
        return int(structure.get("per_hour", 0))

    @property
    def structure_hash(self) -> str:
        """Equal exactly for equal definitions, segments' expressions included; the texts have a hash of their own."""
        return digest(dump_json(self.to_structure()))


def _window_data(window: Window) -> dict[str, Any]:
    return {"days": [WEEKDAYS[day] for day in window.days], "from": _clock(window.start), "to": _clock(window.end)}


def _window(data: Mapping[str, Any]) -> Window:
    days = tuple(WEEKDAYS.index(day) for day in data["days"])
    return Window(days, time.fromisoformat(data["from"]), time.fromisoformat(data["to"]))


def _audience_data(audience: Audience) -> dict[str, Any]:
    return {
        "segment": audience.segment,
        "routes": [route.value for route in audience.routes],
        "sender": audience.sender.value,
        "selects": audience.selects,
        "where": audience.where,
    }


def _audience(data: Mapping[str, Any]) -> Audience:
    routes = tuple(Route(route) for route in data["routes"])
    return Audience(data["segment"], routes, Sender(data["sender"]), data["selects"], data["where"])


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "day": step.day,
        "after": step.after,
        "elapsed_seconds": _seconds(step.elapsed),
        "at": _clock(step.at) if step.at is not None else None,
        "grace_seconds": _seconds(step.grace),
        "when": step.when,
        "variants": [{"name": variant.name, "when": variant.when} for variant in step.variants],
    }


def _step(data: Mapping[str, Any]) -> Step:
    return Step(
        name=data["name"],
        day=data["day"],
        after=data["after"],
        elapsed=_duration(data["elapsed_seconds"]),
        at=time.fromisoformat(data["at"]) if data["at"] is not None else None,
        grace=_duration(data["grace_seconds"]),
        when=data["when"],
        variants=tuple(Variant(each["name"], each["when"]) for each in data["variants"]),
    )


def _clock(at: time) -> str:
    return at.strftime("%H:%M")


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())


def _duration(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
