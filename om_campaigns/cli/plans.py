"""A plan on the screen: what is owed and what is newly due, who waits and who gets none. Shown before whatever lets letters go."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from om_campaigns.cli.output import counted
from om_campaigns.cli.screen import Column, print_headline, print_table

if TYPE_CHECKING:
    from om_campaigns.app import App
    from om_campaigns.planning import Owed
    from om_campaigns.tick import TickResult

ROUTES = {
    "direct_email": "direct mail",
    "forward_pack": "packs",
    "list_address": "house's list",
    "newsletter_block": "newsletter block",
}

LETTERS = (Column("letters", is_number=True), Column("why"), Column("letter"), Column("route", is_whole=True), Column(""))
Line = tuple[int, str, str, str, str]
"""As in ``LETTERS``; the last is what there is to say."""


def make_headline(result: TickResult, when: str = "now") -> str:
    """The plan in one sentence; whoever reads only this is not misled."""
    new = result.planned
    if result.letters:
        parts = [f"{number:,} {word}" for number, word in ((result.owed, "owed"), (new, "new")) if number]
        head = f"{counted(result.letters, 'letter')} would leave {when}: {', '.join(parts)}."
    else:
        head = f"Nothing would leave {when}."
    waits, none = result.deferred + result.put_off, result.refused
    rest = [text for number, text in ((waits, _waits(waits)), (none, _none(none))) if number]
    return f"{head} {', '.join(rest)}." if rest else head


def _waits(number: int) -> str:
    return f"{number:,} waits" if number == 1 else f"{number:,} wait"


def _none(number: int) -> str:
    return f"{number:,} gets none" if number == 1 else f"{number:,} get none"


def print_plan(app: App, result: TickResult, now: datetime, until: datetime | None = None) -> None:
    """The whole plan: headline, letters (owed first), who enters, waits, gets none, what is uncertain, and the checksum."""
    from om_campaigns.campaign.vocabulary import REASONS

    zone = app.settings.zone_info
    print_headline(make_headline(result, f"by {make_moment(until, zone, now)}" if until and until > now else "now"))
    click.echo(f"as of {make_moment(now, zone, now, with_year=True)}, {app.mode.value}")
    lines = [_owed_line(each, zone, now) for plan in result.campaigns for each in plan.owed if each.is_due]
    lines += [
        (count, "new", f"{plan.campaign}/{step}", ROUTES[route], "")
        for plan in result.campaigns
        for (step, route), count in sorted(plan.planned.by_step.items())
    ]
    if len(lines) > 1:
        lines.append((result.letters, "in all", "", "", ""))
    print_table(LETTERS, [(f"{number:,}", *words) for number, *words in lines])
    blocks: list[tuple[str, list[tuple[int, str, str]]]] = [
        ("enter", [(plan.enrolled, plan.campaign, "") for plan in result.campaigns if plan.enrolled]),
        ("wait", [*_waiting(result, zone, now)]),
        ("leave", [(plan.planned.exited, plan.campaign, "by exit_when") for plan in result.campaigns if plan.planned.exited]),
        (
            "get none",
            [
                (number, plan.campaign, REASONS[reason])
                for plan in result.campaigns
                for reason, number in sorted((plan.not_enrolled + plan.planned.skipped).items())
            ],
        ),
        (
            "uncertain",
            [
                (number, f"{plan.campaign}/{step}", "may have left; never sent again by itself, see 'ledger settle'")
                for plan in result.campaigns
                for step, number in sorted(plan.uncertain.items())
            ],
        ),
    ]
    for name, rows in blocks:
        print_table((Column(name, is_number=True), Column(""), Column("")), [(f"{number:,}", *words) for number, *words in rows])
    click.echo(f"\nchecksum {result.checksum}{'' if result.letters or result.put_off else ' (an empty plan)'}")


def _owed_line(each: Owed, zone: ZoneInfo, now: datetime) -> Line:
    said = {
        "owed": f"since {make_moment(each.since, zone, now)}",
        "held": f"since {make_moment(each.since, zone, now)}; tried again, see 'ledger --status held'",
        "retry": f"put off by the mail server, next try {make_moment(each.next_at, zone, now)}",
        "in_hand": "being handed over, or left by a process that died",
    }[each.why.value]
    return (each.letters, each.why.value.replace("_", " "), f"{each.campaign}/{each.step}", ROUTES[each.route], said)


def _waiting(result: TickResult, zone: ZoneInfo, now: datetime) -> list[tuple[int, str, str]]:
    put_off = [
        (each.letters, f"{each.campaign}/{each.step}", f"put off by the mail server, next try {make_moment(each.next_at, zone, now)}")
        for plan in result.campaigns
        for each in plan.owed
        if not each.is_due
    ]
    later = "moved to a later day (window, holiday or cap)"
    return put_off + [(plan.planned.deferred, plan.campaign, later) for plan in result.campaigns if plan.planned.deferred]


def make_moment(at: datetime, zone: ZoneInfo, now: datetime, *, with_year: bool = False) -> str:
    """A time as people say it, in the instance's zone: ``Tue 4 May 10:00``; the year is left out where it is this one."""
    local, present = at.astimezone(zone), now.astimezone(zone)
    year = f" {local.year}" if with_year or local.year != present.year else ""
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"
