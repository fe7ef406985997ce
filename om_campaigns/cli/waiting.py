"""What waits for people, as sentences with the command that does it: for the status page and ``todo``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from om_campaigns.cli.entering import say_subjects
from om_campaigns.cli.output import counted, shown
from om_campaigns.cli.screen import quoted


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing. ``number`` is its task's; what the ledger or the sender says has none and closes by itself."""

    kind: str
    what: str
    command: str
    is_urgent: bool = False
    since: datetime | None = None
    number: int | None = None

    @property
    def mark(self) -> str:
        return "!" if self.is_urgent else "?"


TASKS: dict[str, tuple[bool, str, str]] = {
    "mass_leaving": (True, "{left} of {readers} readers left {where} within an hour ({through}).", "leaving list"),
    "letters_held": (True, "{letters} of {campaign}/{step} held back: {why}.", "ledger --status held --campaign {campaign}"),
    "entry_held": (True, "{campaign} is held: {who} would enter, more than it takes in a day.", "campaign show {campaign}"),
    "clock_doubted": (True, "Is the clock right? Nothing leaves: {why}.", "unhalt --clock"),
    "mail_unclear": (True, "Mail came in that no program understood; it lies in inbox/.", "todo close {number}"),
    "receiver_left": (False, "{address} received the packs of {house} and left.", "org show {house}"),
    "home_missing": (False, "{address} subscribed and belongs to no house yet.", "person show {address}"),
    "home_left": (False, "{address} says not to be in {house} any more.", "person show {address}"),
    "distributor_named": (False, "{house} named who passes on; that person has not agreed yet.", "org show {house}"),
    "contacts_wanted": (False, "{address} would like to be introduced.", "person show {address}"),
    "house_says": (False, "{house} wrote in the portal: {says}", "org show {house}"),
    "case_offered": (False, "{house} offers a case for the monthly letter.", "action list --for-letter"),
}
"""A kind of task: whether it stops something, the sentence, and the command that helps. Braces are filled from the task."""


def load_waiting(found: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]], conflicts: int, zone: ZoneInfo) -> list[Waiting]:
    """Everything that waits, what stops mail first, then the oldest.

    ``found`` as ``load_attention`` gives it, ``tasks`` as ``load_tasks`` does; ``conflicts``: blocks of houses that want a decision.
    """
    lines = [*map(_task, tasks), *_ledger(found["attention"]), *_braked(found["braked"], zone)]
    if conflicts:
        noun = counted(conflicts, "block")
        lines.append(Waiting("own_words", f"{noun} in the words of houses: OM has changed them since.", "overlay list --conflicts"))
    return sorted(lines, key=lambda each: (not each.is_urgent, each.since is None, each.since))


def _task(row: Mapping[str, Any]) -> Waiting:
    is_urgent, sentence, command = TASKS[row["kind"]]
    detail = row["detail"] if isinstance(row["detail"], Mapping) else {}
    said = {name: shown(value) for name, value in detail.items() if value not in ("", None)}
    said |= {
        "house": row["organisation"] or "a house",
        "address": row["address"] or said.get("name") or "somebody",
        "number": str(row["number"]),
    }
    if row["kind"] == "mass_leaving":
        said["where"] = _scope(said["scope"])
    elif row["kind"] == "letters_held":
        said |= {"letters": counted(int(said["letters"]), "letter"), "why": said.get("why") or said["reason"].replace("_", " ")}
    elif row["kind"] == "entry_held":
        said["who"] = say_subjects(*(int(said.get(name, "0").replace(",", "")) for name in ("people", "houses")))
    else:
        used = {name for _, name, *_ in Formatter().parse(sentence)}
        more = [f"{name.replace('_', ' ')} {said[name]}" for name in detail if name in said and name not in used]
        sentence += " ({more})" if more else ""
        said["more"] = ", ".join(more)
    if "{address}" in command and not row["address"]:
        command = "todo list --format json"
    what = " ".join(sentence.format_map(defaultdict(lambda: "?", said)).split())
    words = defaultdict(lambda: "NAME", {name: quoted(value) for name, value in said.items()})
    return Waiting(row["kind"], what, command.format_map(words), is_urgent, row["at"], row["number"])


def _scope(scope: str) -> str:
    kind, _, name = scope.partition(" ")
    return {"mailing_list": name, "organisation": f"letters of {name}", "all": "all letters"}[kind]


def _ledger(attention: Mapping[str, int]) -> list[Waiting]:
    lines = []
    if uncertain := attention["uncertain"]:
        asked = f"{counted(uncertain, 'letter')} may or may not have left: the line was cut."
        lines.append(Waiting("uncertain", asked, "ledger --status uncertain", is_urgent=True))
    if failed := attention["failed"]:
        asked = f"{counted(failed, 'letter')} could not be delivered."
        lines.append(Waiting("failed", asked, "ledger --status failed"))
    return lines


def _braked(braked: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> list[Waiting]:
    lines = []
    for each in braked:
        if each["scope"] == "paused":
            what = f"Campaign {each['name']} paused by itself: {each['why']}."
            lines.append(Waiting("paused", what, f"campaign resume {each['name']}", is_urgent=True))
        else:
            does = "asked to slow down" if each["scope"] == "slowed" else "refuses us"
            what = f"{each['name']} {does}: {each['why']}; left alone until {each['until'].astimezone(zone):%H:%M}."
            lines.append(Waiting(each["scope"], what, f"unhalt {each['name']}"))
    return lines
