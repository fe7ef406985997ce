"""``campaign``: list, show, publish, move to the newest version, skip a step, pause, resume, stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import counted, format_option, print_facts, print_json, print_rows, shown
from om_campaigns.cli.overlay import tell_conflicts
from om_campaigns.cli.screen import Column, print_block, print_headline, print_next, print_table

if TYPE_CHECKING:
    from om_campaigns.staff.entering import EntryOrigin
    from om_campaigns.staff.moving import Move
    from om_campaigns.staff.publishing import Publication, VersionChange

MOST_ORIGINS = 5
"""Imports and changes that are listed; the others are counted."""

KEYS = (
    "name", "title", "kind", "mailing_list", "status", "version", "published_at", "enrolled", "sent", "owed", "uncertain",
    "next_due_at",
)  # fmt: skip


@click.group(cls=Group)
def campaign() -> None:
    """List, publish, change, pause, resume and stop campaigns."""


@campaign.command("list")
@format_option
@pass_state
def list_(state: State, format_: str) -> None:
    """Published campaigns, and those that stand only as files (status draft).

    JSON: name, title, kind, mailing_list, status, version, published_at, enrolled ({active, finished, exited, stopped}),
    sent, owed, uncertain, next_due_at.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.letters.texts import campaign_names
    from om_campaigns.staff.show_campaigns import load_campaigns

    with looking(state) as (app, session):
        rows = load_campaigns(session)
        drafts = sorted(set(campaign_names(app)) - {row["name"] for row in rows})
        zone = app.settings.zone_info
    rows += [dict.fromkeys(KEYS) | {"name": name, "status": "draft"} for name in drafts]
    for row in rows:
        enrolled = row["enrolled"] or {}
        row["active"], row["finished"] = enrolled.get("active"), enrolled.get("finished")
    columns = {
        "name": "campaign", "status": "status", "version": "version", "active": "active", "finished": "finished", "sent": "sent",
        "owed": "owed", "next_due_at": "next",
    }  # fmt: skip
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="no campaign yet: write templates/campaigns/<name>/campaign.toml")


@campaign.command()
@click.argument("name")
@format_option
@pass_state
def show(state: State, name: str, format_: str) -> None:
    """Everything about one published campaign: audiences, steps with their counts, versions, and whom it holds.

    JSON: besides the columns of 'campaign list' then, exit_when, audiences, steps, ended, versions, largest_entry and
    largest_house_entry (the most that entered within a day, reviewed or undisputed), held_at, held_people and held_houses (more
    would enter than may in a day: nobody does until 'campaign admit'), and held_from (what brought them: people, houses, origin, at,
    by).
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.entering import load_origins
    from om_campaigns.staff.show_campaigns import load_campaign

    with looking(state) as (app, session):
        found, now = load_campaign(session, name), app.now()
        zone = app.settings.zone_info
        origins = load_origins(session, app, name, now) if found["held_at"] else []
        found["held_from"] = [asdict(each) for each in origins]
    steps = found["steps"]
    names = ("step", "when", "sent", "corrected", "owed", "failed", "uncertain", "skipped")
    is_plain = format_ == "table" and not any(step["corrected"] for step in steps)
    columns = {name: name for name in names if name != "corrected" or not is_plain}
    if format_ == "json":
        print_json(found)
    elif format_ == "csv":
        print_rows(steps, "csv", columns)
    else:
        if found["held_at"]:
            _tell_held(found, origins, zone, now)
        apart = ("steps", "audiences", "versions", "ended", "held_at", "held_people", "held_houses", "held_from")
        plain = {key: value for key, value in found.items() if key not in apart}
        print_facts({key.replace("_", " "): value for key, value in plain.items()}, zone=zone)
        for each in found["audiences"]:
            click.echo(f"for segment {each['segment']} by {', '.join(each['routes'])}, in the name of {each['sender']}")
        if found["ended"]:
            click.echo("ended: " + ", ".join(f"{number} {how}" for how, number in found["ended"].items()))
        click.echo()
        print_rows(steps, "table", columns)
        for step in (step for step in steps if step["taken_out_at"]):
            click.echo(f"{step['step']} was taken out on {shown(step['taken_out_at'], zone)} for everybody who had not had it")
        click.echo()
        columns = {"version": "version", "published_at": "published", "published_by": "by", "readers": "in the series"}
        columns |= {"despite": "despite"} if any(each["despite"] for each in found["versions"]) else {}
        print_rows(found["versions"], "table", columns, zone=zone)


def _tell_held(found: dict[str, Any], origins: Sequence[EntryOrigin], zone: ZoneInfo, now: datetime) -> None:
    """That nobody enters for now, who would and from where, and both ways out, with equal weight."""
    from om_campaigns.cli.entering import say_subjects
    from om_campaigns.cli.output import say_moment
    from om_campaigns.cli.screen import whole_command

    people = sum(each.people for each in origins) or found["held_people"]
    houses = sum(each.houses for each in origins) or found["held_houses"]
    print_headline(f"{found['name']} is held: {say_subjects(people, houses)} would enter, more than it takes in a day.", mark="!")
    click.echo(f"Nobody of them enters, since {say_moment(found['held_at'], zone, now)}; those under way go on.")
    columns = (Column("from"), Column("people", is_number=True), Column("houses", is_number=True))
    rows = [(_say_origin(each, zone, now), f"{each.people:,}", f"{each.houses:,}") for each in origins[:MOST_ORIGINS]]
    if rest := origins[MOST_ORIGINS:]:
        rows.append((f"{len(rest)} more", f"{sum(each.people for each in rest):,}", f"{sum(each.houses for each in rest):,}"))
    print_table(columns, rows)
    print_block("Does this look right?")
    click.echo("If not:  mend the table or the segment; they wait no more with the next look")
    answer = whole_command(f"campaign admit {found['name']} --expect {people + houses}")
    click.echo(f"If so:   {answer}\n")


def _say_origin(each: EntryOrigin, zone: ZoneInfo, now: datetime) -> str:
    """``import of Tue 4 May 09:41 by petra``."""
    from om_campaigns.cli.output import say_moment

    if each.at is None or each.origin is None:
        return "no change on record"
    what = "import" if each.origin in ("file", "sample") else "change"
    return f"{what} of {say_moment(each.at, zone, now)}{f' by {each.by}' if each.by else ''}"


@campaign.command()
@click.argument("names", nargs=-1, metavar="[NAMES]...")
@click.option("--despite", multiple=True, metavar="RULE", help="Publish what breaks this one rule of 'check'; logged with who. Repeatable.")
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="How many would newly enter in all; lets them in.")
@format_option
@pass_state
def publish(state: State, names: tuple[str, ...], despite: tuple[str, ...], expect: int | None, format_: str) -> None:
    """Check campaigns and freeze them as they are; without NAMES all of them. All or none.

    Shows who would newly enter. Whoever is at a terminal types that figure for a first publication; where more would enter than a
    campaign takes in a day it is needed in any case (--expect), else nothing is published. From then on people who match are
    enrolled. The same files again publish nothing new. Errors of 'check' stop what changed; a text
    that was published before is sent on, and its errors are named. A campaign that was stopped sends nothing any more; what its
    archive shows changes.
    JSON: name, version, new (whether anything had changed), first.
    """
    from om_campaigns.app import require_real_clock
    from om_campaigns.cli.entering import print_entering, with_figure
    from om_campaigns.cli.screen import can_ask
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.publishing import publish_campaigns

    app = state.app()
    require_real_clock(app)
    now, zone = app.now(), app.settings.zone_info
    publication = with_figure(
        lambda figure: publish_campaigns(app, names, now, load_actor(), despite=despite, expect=figure, asks=can_ask()),
        expect,
        command=" ".join(["campaign publish", *names, *(f"--despite {rule}" for rule in despite)]),
        zone=zone,
        now=now,
    )
    done = publication.done
    for fault in publication.earlier:
        click.echo(f"{fault}\n    published before as it is, and sent on", err=True)
    for fault in dict.fromkeys(fault for faults in publication.set_aside.values() for fault in faults):
        click.echo(f"{fault}\n    published despite this rule", err=True)
    rows = [{"name": each.campaign.name, "version": each.number, "new": each.is_new, "first": each.is_first} for each in done]
    if format_ != "table":
        print_rows(rows, format_, {"name": "campaign", "version": "version", "new": "published now"})
        return
    _tell_publication(publication)
    print_entering(publication.entering, zone, now)
    if any(each.is_new and each.campaign.status != "stopped" for each in done):
        tell_conflicts(app)
        print_next("plan")


def _tell_publication(publication: Publication) -> None:
    """What was frozen, and what that changes for whom."""
    new = [each.campaign for each in publication.done if each.is_new]
    names = counted(len(new), "campaign") if len(new) > 3 else ", ".join(each.name for each in new)
    unchanged = "every campaign is as it was published" if publication.done else "there is no campaign"
    print_headline(f"Published: {names}." if new else f"Nothing to publish: {unchanged}.", mark="✓" if new else "")
    how = {(True, True): "for the first time", (True, False): "anew"}
    rows = [[each.campaign.name, str(each.number), how.get((each.is_new, each.is_first), "unchanged")] for each in publication.done]
    print_table((Column("campaign"), Column("version", is_number=True), Column("published")), rows)
    stopped = [each.name for each in new if each.status == "stopped"]
    print_block(*(f"{name} was stopped for good: nothing of it is sent; the archive shows it as it is now" for name in stopped))
    for change in publication.changes:
        _tell_change(change)


def _tell_change(change: VersionChange) -> None:
    """Which steps a new version changed, and whom of those in the series that concerns."""
    lines = []
    parts = [f"added: {', '.join(change.added)}"] if change.added else []
    parts += [f"taken out: {', '.join(change.removed)}"] if change.removed else []
    parts += [f"new words: {', '.join(step for step, _ in change.rewritten)}"] if change.rewritten else []
    if parts:
        lines.append(f"{change.campaign}, version {change.version} - {'; '.join(parts)}")
    for step, readers in change.rewritten:
        if readers:
            lines.append(f"  {readers} in the series {'has' if readers == 1 else 'have'} not had '{step}' yet and will get the new words")
    for each in change.concerned:
        who = f"{each.readers} {'is' if each.readers == 1 else 'are'} in the series on version {each.version}"
        if each.will_not_get:
            lines.append(f"  {who} and will not get {_quoted(each.will_not_get)}")
        for step, readers in each.still_get:
            lines.append(f"  {who}; {readers} of them will still get '{step}'")
    print_block(*lines)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


@campaign.command("move-to-latest")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show who would be moved and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def move_to_latest(state: State, name: str, dry_run: bool, yes: bool) -> None:
    """Move those who are in a series to its newest version.

    Who is moved gets what the newest version has after the place they have come to; new steps that lie before their next one are
    left out. Who had a step that the newest version has no more stays on their version.
    """
    from om_campaigns.cli.screen import confirm
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.moving import move_to_latest as move

    app = state.app()
    found = move(app, name, app.now(), load_actor(), is_dry_run=True)
    lines = [f"  {each.readers} before '{each.step}' on version {each.version}: {_what_follows(each)}" for each in found.moves]
    lines += [f"  {each.readers} stay on version {each.version} before '{each.step}': {each.reason}" for each in found.stays]
    if not found.readers:
        told = f"Nobody in {name} can be moved to version {found.version}." if lines else f"Everybody in {name} is on its newest version."
        print_headline(told)
        print_block(*lines)
        return
    print_headline(f"{found.readers} in {name} would move to version {found.version}.")
    print_block(*lines)
    command = f"campaign move-to-latest {name} --yes"
    if dry_run:
        print_next(command)
        return
    if not yes:
        confirm("Move them?", answer=command, what=f"{found.readers} in {name} would move to version {found.version}")
    done = move(app, name, app.now(), load_actor())
    print_headline(f"{done.readers} in {name} are on version {done.version} now.", mark="✓")


def _what_follows(move: Move) -> str:
    """What the newest version has for a group that is moved."""
    follows = f"'{move.next_step}' comes next" if move.next_step else "nothing is left, they come to the end"
    return f"{follows}; {_quoted(move.skipped)} left out" if move.skipped else follows


@campaign.command()
@click.argument("step", metavar="NAME/STEP")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def skip(state: State, step: str, yes: bool) -> None:
    """Take a step out of a campaign for everybody who has not had it, for good.

    They come to it when it is due and go on as if it had passed, also to the next campaign. Packs that were offered stay open.
    """
    from om_campaigns.cli.screen import confirm
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.skipping import look_at_step, skip_step

    name, _, step_name = step.partition("/")
    if not step_name:
        raise click.UsageError(f"'{step}' names no step: write {name}/STEP")
    app = state.app()
    found = look_at_step(app, name, step_name)
    if found.was_skipped and not found.owed:
        print_headline(f"{step} was taken out before; nothing was changed.")
        return
    if not yes:
        print_headline(f"{found.ahead} in {name} have '{step_name}' ahead of them and would not get it.")
        print_block(f"{found.owed} of its letters are owed and would not leave. Whoever enters later does not get it either.")
        confirm("Take it out?", answer=f"campaign skip {step} --yes", what=f"'{step_name}' would be taken out of {name} for good")
    done = skip_step(app, name, step_name, app.now(), load_actor())
    print_headline(f"{step} is taken out: {done.ahead} in the series will not get it.", mark="✓")
    print_next(f"campaign show {name}")


@campaign.command()
@click.argument("name")
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="How many would enter, as 'campaign show' says.")
@pass_state
def admit(state: State, name: str, expect: int | None) -> None:
    """Let those into a campaign whom the brake holds: more than it takes in a day unasked.

    Shows who they are and asks for their number. It then holds for this campaign and seven days, up to a tenth more.
    """
    from om_campaigns.cli.entering import say_subjects, with_figure
    from om_campaigns.cli.output import say_moment
    from om_campaigns.cli.screen import can_ask, print_facts
    from om_campaigns.staff.entering import admit as let_in
    from om_campaigns.staff.entering import describe_entrants
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    now, zone = app.now(), app.settings.zone_info
    if expect is None and can_ask():
        print_facts(describe_entrants(app, name, now), err=True)
    done = with_figure(
        lambda figure: let_in(app, name, figure, now, load_actor()), expect, command=f"campaign admit {name}", zone=zone, now=now
    )
    if done.entering is None:
        click.echo(f"nobody waits to enter {name}")
    elif done.until is None:
        number = done.entering.number
        click.echo(f"{name} is not held: {say_subjects(number.people, number.houses)} would enter with the next tick")
    else:
        figure, until = done.entering.number.total, say_moment(done.until, zone, now)
        print_headline(f"Admitted until {until}: up to {done.most:,} (1.1 × {figure:,}), for {name} only.", mark="✓")
        print_next(f"plan {name}")


@campaign.command()
@click.argument("name")
@pass_state
def pause(state: State, name: str) -> None:
    """Freeze a campaign; nobody enters, nothing is sent."""
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.pausing import pause_campaign

    app = state.app()
    done = pause_campaign(app, name, app.now(), load_actor())
    click.echo(f"{name} is paused" if done else f"{name} was paused already")


@campaign.command()
@click.argument("name")
@pass_state
def resume(state: State, name: str) -> None:
    """Go on after a pause; every due time moves by its length, so nobody gets a burst."""
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.pausing import resume_campaign

    app = state.app()
    done = resume_campaign(app, name, app.now(), load_actor())
    click.echo(f"{name} is running again" if done else f"{name} was running already")
    if done:
        print_next("plan")


@campaign.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def stop(state: State, name: str, yes: bool) -> None:
    """End a campaign for good: everybody in it stops, what is owed is cancelled."""
    from om_campaigns.cli.output import looking
    from om_campaigns.cli.screen import confirm
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.staff.pausing import stop_campaign
    from om_campaigns.staff.show_campaigns import load_campaign

    with looking(state) as (app, session):
        found = load_campaign(session, name)
    if not yes:
        active = found["enrolled"]["active"]
        click.echo(f"{active} are in '{name}', {found['owed']} letters are owed. Stopped is for ever; a pause can be undone.")
        confirm("Stop it for good?", answer=f"campaign stop {name} --yes", what=f"'{name}' would end for {active} who are in it")
    cancelled = stop_campaign(app, name, app.now(), load_actor())
    click.echo(f"{name} is stopped; {cancelled} owed letters were cancelled")
