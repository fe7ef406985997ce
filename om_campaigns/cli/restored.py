"""What a restored database lacks, and what was taken over: shown before anybody says that it may send."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from om_campaigns.cli.output import counted
from om_campaigns.cli.plans import make_moment
from om_campaigns.cli.screen import Column, print_block, print_headline, print_table

if TYPE_CHECKING:
    from om_campaigns.app import App
    from om_campaigns.operate.answered_since import Answers
    from om_campaigns.operate.confirming_restored import Confirmation
    from om_campaigns.operate.logged_since import Matched
    from om_campaigns.operate.sent_since import Taken
    from om_campaigns.operate.stopped_since import Stops
    from om_campaigns.tick import TickResult

SHOWN = 10
"""Addresses that are listed; the others are counted."""


def print_confirmation(app: App, found: Confirmation, now: datetime) -> None:
    """Headline, what was taken over or matched, what could not be placed, and the plan before and after."""
    zone = app.settings.zone_info
    letters = found.after.letters
    if found.taken is not None and found.stops is not None and found.answers is not None:
        lacking = found.taken.letters.total() + len(found.taken.unknown)
        print_headline(f"The backup lacks {counted(lacking, 'letter')}; {letters:,} would leave after it.")
        _print_taken(found.source, found.taken, found.stops, found.answers, zone, now)
    elif found.matched is not None:
        _print_matched(found.source, found.matched, zone, now)
    else:
        print_headline(f"{found.why[0].upper()}{found.why[1:]}: what left after the backup would leave a second time.")
        print_block("Without --sent-since it is not known what left: the database moved aside or the mail server's log says so.")
    if found.before is not None:
        _print_difference(found.before, found.after)
    click.echo()


def _print_taken(source: str, taken: Taken, stops: Stops, answers: Answers, zone: ZoneInfo, now: datetime) -> None:
    number, campaigns = taken.letters.total(), ", ".join(stops.campaigns)
    rows: list[tuple[int, str, str]] = [
        (number, "letter sent after the backup, with its day in the caps", "letters sent after the backup, with their day in the caps"),
        (len(stops.opt_outs), f"opt-out: {_listed(stops.opt_outs)}", f"opt-outs: {_listed(stops.opt_outs)}"),
        (stops.consents_withdrawn, "consent taken back", "consents taken back"),
        (stops.preferences, "reader's wish: how often, or about what", "readers' wishes: how often, or about what"),
        (stops.notices, "service mail that left, or is not wanted any more", "service mails that left, or are not wanted any more"),
        (stops.erased, "person erased", "people erased"),
        (stops.bounced, "address that is not there any more", "addresses that are not there any more"),
        (stops.people, "person who left, or left a house", "people who left, or left a house"),
        (stops.houses, "house that is paused, left or merged", "houses that are paused, left or merged"),
        (len(stops.campaigns), f"campaign paused or stopped: {campaigns}", f"campaigns paused or stopped: {campaigns}"),
        (answers.acknowledgements, "answer to a pack", "answers to packs"),
        (answers.packs, "pack that a house has come further with", "packs that houses have come further with"),
        (answers.reports, "report of an action", "reports of actions"),
        (answers.signs, "sign of a house, as conditions read it", "signs of houses, as conditions read them"),
    ]
    told = [(f"{count:,}", one if count == 1 else several) for count, one, several in rows if count]
    if stops.halt is not None:
        at, by, why = stops.halt
        told.append(("1", f"halt, {make_moment(at, zone, now)} by {by}{f': {why}' if why else ''}; it holds"))
    print_block(f"from {source}")
    print_table(
        (Column("taken over", is_number=True), Column("by what it is, not by its number")), told or [("0", "nothing happened since")]
    )
    _print_left_out(answers)
    if taken.unknown:
        print_block(f"{counted(len(taken.unknown), 'letter')} could not be placed; nobody at these addresses is sent them again:")
        lines = [(make_moment(each.at, zone, now), each.address, each.letter, each.why) for each in taken.unknown[:SHOWN]]
        print_table((Column("at", is_whole=True), Column("address"), Column("letter"), Column("because")), lines)
        _print_more(len(taken.unknown))


def _print_left_out(answers: Answers) -> None:
    """What would let mail go, or was done by staff: somebody says it again."""
    subscribed, taken_back = (_listed(each) for each in (answers.subscribed, answers.taken_back))
    rows = [
        (len(answers.subscribed), f"subscribed: {subscribed}", "let them subscribe again"),
        (len(answers.taken_back), f"took back that they left: {taken_back}", "ask them; here they have left"),
        (answers.by_houses, "changes by houses on their pages", "show them what stands here"),
        (answers.by_staff, "changes by imports and staff", "import the tables again"),
        (answers.tasks, "open tasks", "read them in the database moved aside"),
    ]
    told = [(f"{number:,}", what, then) for number, what, then in rows if number]
    print_table((Column("not taken over", is_number=True), Column("what"), Column("what to do")), told)


def _print_matched(source: str, matched: Matched, zone: ZoneInfo, now: datetime) -> None:
    others = len(matched.leftovers)
    named = matched.mails + others
    told = [f"{matched.mails:,} {'matches' if matched.mails == 1 else 'match'}", f"{others:,} {'does' if others == 1 else 'do'} not"]
    torn = f" {counted(len(matched.unreadable), 'line')} cannot be read." if matched.unreadable else ""
    print_headline(f"{source} names {counted(named, 'mail')}: {', '.join(told)}.{torn}")
    lines = [(f"{number:,}", f"{campaign}/{step}") for (campaign, step), number in sorted(matched.letters.items())]
    print_table((Column("matched", is_number=True), Column("letter")), lines)
    left = [(str(each.mail.line), make_moment(each.mail.at, zone, now), each.mail.address, each.why) for each in matched.leftovers[:SHOWN]]
    print_table((Column("line", is_number=True), Column("at", is_whole=True), Column("not matched"), Column("because")), left)
    _print_more(others)
    lines = [(f"{each.line}:{each.column}", each.text[:200]) for each in matched.unreadable[:SHOWN]]
    print_table((Column("unreadable", is_whole=True), Column("expected a time and an address")), lines)
    _print_more(len(matched.unreadable))
    if others or matched.unreadable:
        print_block("Nothing is guessed: these lines change nothing.")


def _print_more(number: int) -> None:
    if number > SHOWN:
        click.echo(f"… {number - SHOWN:,} more")


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _print_difference(before: TickResult, after: TickResult) -> None:
    """Letters by campaign and step, without and with what was taken over."""
    first, then = (_by_letter(each) for each in (before, after))
    rows = [(why, f"{first[why, letter]:,}", f"{then[why, letter]:,}", letter) for why, letter in sorted(first.keys() | then.keys())]
    rows += [("", f"{before.letters:,}", f"{after.letters:,}", "in all")] if len(rows) > 1 else []
    print_table((Column("then"), Column("before", is_number=True), Column("after", is_number=True), Column("letter")), rows)


def _by_letter(result: TickResult) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for plan in result.campaigns:
        for line in plan.owed:
            if line.is_due:
                found["owed", f"{plan.campaign}/{line.step}"] += line.letters
        for (step, _), number in plan.planned.by_step.items():
            found["new", f"{plan.campaign}/{step}"] += number
    return found
