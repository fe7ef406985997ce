"""``init``, ``doctor``, ``go-live``, ``halt``, ``unhalt``, ``run``, ``db``: for whoever runs the installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import counted, format_option, print_json, print_rows

if TYPE_CHECKING:
    from om_campaigns.app import App

MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option("--blank", is_flag=True, help="Without the made-up houses, people and campaigns of the starter.")
@pass_state
def init(state: State, folder: Path | None, blank: bool) -> None:
    """Make a workspace in DIR (default: the folder of --workspace): settings, keys, database, and the starter to learn from.

    Nothing that exists is overwritten.
    """
    from om_campaigns.operate.installation import init_workspace

    target = folder if folder is not None else state.workspace
    done = init_workspace(target, is_blank=blank)
    if not done.is_new:
        what = "made what was missing: " + ", ".join(done.written) if done.written else "nothing was missing"
        click.echo(f"{target} was a workspace already; {what}")
        return
    click.echo(f"made a workspace in {target} ({len(done.written)} files{', with made-up sample data' if done.is_sample else ''})")
    for name in done.kept:
        click.echo(f"  left as it was: {name}")
    here = "" if target.resolve() == Path.cwd() else f" -w {target}"
    click.echo("next:")
    steps = ("check", "audience import", "campaign publish", "plan") if done.is_sample else ("doctor", "check", "audience import")
    for command in steps:
        click.echo(f"  om-campaigns{here} {command}")
    click.echo("Mail goes to files in outbox/ until 'go-live'. Keep a copy of keys.toml in a safe place.")


@click.command()
@format_option
@pass_state
def doctor(state: State, format_: str) -> None:
    """Check the installation: config, keys, database, disk, clock, mail server, pages. Sends nothing.

    JSON: a list of {level (ok, warn, fail), topic, text, hint}. The exit code is 4 if anything fails.
    """
    from om_campaigns.clock import system_clock
    from om_campaigns.operate.doctor import examine

    findings = examine(state.workspace, system_clock)
    rows = [{"level": each.level.value, "topic": each.topic, "text": each.text, "hint": each.hint} for each in findings]
    if format_ == "table":
        show_findings(rows)
    else:
        print_rows(rows, format_, dict.fromkeys(("level", "topic", "text", "hint"), ""))
    if any(row["level"] == "fail" for row in rows):
        raise SystemExit(4)


def show_findings(rows: list[dict[str, str]]) -> None:
    """The doctor's findings as lines, with what to do below each that is not well."""
    for row in rows:
        click.echo(f"{MARKS[row['level']]}  {row['topic']}: {row['text']}")
        if row["hint"]:
            click.echo(f"      → {row['hint']}")


@click.command("go-live")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--backup-done", is_flag=True, help="A backup of the PostgreSQL database was made (SQLite is backed up here).")
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="How many would enter campaigns in all; lets them in.")
@pass_state
def go_live(state: State, yes: bool, backup_done: bool, expect: int | None) -> None:
    """Leave the rehearsal for real mail, once.

    Shows the doctor's findings and who will enter which campaign, backs up, forgets what the rehearsal made (the audience and what is
    published stay), then shows the first plan; mail leaves only after that is confirmed. Where more would enter than a campaign takes
    in a day, that figure is needed (--expect); --yes does not answer it.
    """
    from om_campaigns.cli.entering import print_entering, with_figure
    from om_campaigns.cli.plans import print_plan
    from om_campaigns.cli.screen import confirm
    from om_campaigns.clock import system_clock
    from om_campaigns.errors import RefusedError
    from om_campaigns.operate.doctor import examine
    from om_campaigns.operate.go_live import foresee_going_live, require_ready
    from om_campaigns.operate.go_live import go_live as switch
    from om_campaigns.operate.installation import unhalt as let_go
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.tick import look

    findings = examine(state.workspace, system_clock)
    show_findings([{"level": each.level.value, "topic": each.topic, "text": each.text, "hint": each.hint} for each in findings])
    app = state.app()
    require_ready(app, findings, backup_done=backup_done)
    now, zone = app.now(), app.settings.zone_info
    print_entering(foresee_going_live(app, now), zone, now)
    if not yes:
        click.echo("\nWhat the rehearsal sent, planned and enrolled will be forgotten; audience, suppressions and campaigns stay.")
        confirm("Switch to live mode?", answer="go-live --yes", what="this workspace would go live")
    actor = load_actor()
    command = f"go-live --yes{' --backup-done' if backup_done else ''}"
    backup = with_figure(lambda figure: switch(app, now, actor, expect=figure), expect, command=command, zone=zone, now=now)
    if backup:
        click.echo(f"backup: {backup}")
    app = state.app()
    now = app.now()
    first = look(app, now)
    click.echo("live, and halted. The first plan:\n")
    print_plan(app, first, now)
    if not yes:
        try:
            confirm("Let mail go from now on?", answer="unhalt", what=f"{counted(first.letters, 'letter')} would leave")
        except RefusedError:
            click.echo("sending stays halted; 'om-campaigns unhalt' lets it go")
            return
    let_go(app, app.now(), actor)
    click.echo("mail goes out with 'om-campaigns run' or 'send'; 'om-campaigns halt' stops everything")


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever wonders later.")
@pass_state
def halt(state: State, reason: str) -> None:
    """Stop all sending at once, also of a scheduler that is at it."""
    from om_campaigns.operate import installation
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    done = installation.halt(app, app.now(), load_actor(), reason)
    click.echo("halted: nothing is sent until 'om-campaigns unhalt'" if done else "it was halted already")


@click.command()
@click.argument("destination", required=False, metavar="[DOMAIN]")
@click.option("--clock", "is_clock", is_flag=True, help="The present time is right, although the clock was doubted.")
@click.option("--yes", is_flag=True, help="Do not ask (with --clock).")
@pass_state
def unhalt(state: State, destination: str | None, is_clock: bool, yes: bool) -> None:
    """Let sending go on after a halt, and say what leaves now; with DOMAIN, to a destination that was left alone because it refused us.

    With --clock, after the clock jumped: shows what was sent under the wrong time, asks, and goes on from the present time.
    """
    from om_campaigns.cli.plans import print_plan
    from om_campaigns.operate import installation
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.tick import look

    app = state.app()
    if is_clock:
        _accept_clock(app, yes=yes)
        return
    if destination:
        done = installation.let_destination_go(app, destination, app.now(), load_actor())
        click.echo(f"mail to {destination} may go again" if done else f"nothing holds mail to {destination}")
        return
    now = app.now()
    if not installation.unhalt(app, now, load_actor()):
        click.echo("it was not halted")
        return
    click.echo("sending may go on:\n")
    print_plan(app, look(app, now), now)


def _accept_clock(app: App, *, yes: bool) -> None:
    from om_campaigns.cli.output import counted, say_moment
    from om_campaigns.cli.screen import Column, confirm, print_facts, print_headline, print_next, print_table
    from om_campaigns.operate.clock_trust import accept_clock, load_clock_state
    from om_campaigns.staff.importing import load_actor

    now, zone = app.now(), app.settings.zone_info
    found = load_clock_state(app, now)
    if found.is_in_order(now):
        click.echo("nothing speaks against the clock")
        return
    ahead = sum(each.letters for each in found.sent_ahead)
    print_headline(f"Is it {say_moment(now, zone, now)}? {counted(ahead, 'letter')} left at times that have not come yet.", mark="?")
    print_facts({"doubt": found.doubt, "last done": say_moment(found.highest, zone, now) if found.highest else ""})
    columns = (Column("letter"), Column("letters", is_number=True), Column("from", is_whole=True), Column("to", is_whole=True))
    times = [(say_moment(each.first_at, zone, now), say_moment(each.last_at, zone, now)) for each in found.sent_ahead]
    rows = [[f"{each.campaign}/{each.step}", f"{each.letters:,}", *span] for each, span in zip(found.sent_ahead, times, strict=True)]
    print_table(columns, rows)
    if not yes:
        confirm("Go on from the present time?", answer="unhalt --clock --yes", what="sending would go on from the present time")
    accept_clock(app, now, load_actor())
    click.echo("\nsending goes on from the present time; what was sent is not sent again")
    print_next("plan")


@click.command()
@pass_state
def run(state: State) -> None:
    """Send whatever becomes due, until stopped by Ctrl-C or SIGTERM. One process per database leads."""
    from om_campaigns.cli.web import load_server
    from om_campaigns.events import set_up_logs
    from om_campaigns.operate.scheduler import run_until_told

    if state.now:
        raise click.UsageError("'run' follows the real clock; use 'send --now …' to walk a rehearsal by hand")
    app = state.app()
    set_up_logs(debug=state.debug, verbose=True)
    run_until_told(app, load_server)


@click.group(cls=Group)
def db() -> None:
    """Bring the database to the newest shape."""


@db.command()
@format_option
@pass_state
def upgrade(state: State, format_: str) -> None:
    """Bring the database to the newest shape; make a backup before. JSON: {"revision", "changed"}."""
    from om_campaigns import migrations
    from om_campaigns.operate.installation import upgrade_database

    app = state.app(check_schema=False)
    changed = upgrade_database(app.engine, app.keyring)
    answer = {"revision": migrations.current(app.engine), "changed": changed}
    if format_ == "json":
        print_json(answer)
    elif format_ == "csv":
        print_rows([answer], "csv", {"revision": "", "changed": ""})
    else:
        click.echo(f"the database {'is now' if changed else 'was already'} at revision {answer['revision']}")
