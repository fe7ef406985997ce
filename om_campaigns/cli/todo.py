"""``todo``: what people have to look at, each with the command that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import counted, format_option, print_rows, shown
from om_campaigns.cli.screen import columns_of, print_headline, print_next, sign, whole_command
from om_campaigns.cli.waiting import Waiting, load_waiting

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

KEYS = ("number", "kind", "organisation", "address", "detail", "at", "closed_at", "closed_by")


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def todo(ctx: click.Context) -> None:
    """What people have to look at: list it (also without a word), close it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@todo.command("list")
@click.option("--all", "with_closed", is_flag=True, help="The tasks that were closed, too.")
@format_option
@pass_state
def list_(state: State, with_closed: bool = False, format_: str = "table") -> None:
    """What is open, what stops mail first; each line with the command that does it.

    JSON and CSV hold the tasks: number, kind, organisation, address, detail, at, closed_at, closed_by.
    """
    from om_campaigns.operate.standing import load_attention
    from om_campaigns.partner.show_own_words import count_conflicts
    from om_campaigns.staff.todo import load_tasks
    from om_campaigns.store import read

    app = state.app()
    now, zone = app.now(), app.settings.zone_info
    tasks = load_tasks(app, with_closed=with_closed)
    if format_ != "table":
        print_rows(tasks, format_, {each: each for each in KEYS}, keys=KEYS, zone=zone)
        return
    with read(app.engine) as session:
        found, conflicts = load_attention(session, now), count_conflicts(session, app)
    waits = load_waiting(found, [row for row in tasks if row["closed_at"] is None], conflicts, zone)
    if waits:
        print_headline(f"{counted(len(waits), 'thing')} wait{'s' if len(waits) == 1 else ''}. What stops mail first, then the oldest.")
        _print_waiting(waits, zone, now)
    else:
        print_headline("Nothing waits for anybody.", mark="✓")
        click.echo("\nlooked at: tasks, uncertain and failed letters, brakes, words of houses")
    closed = [row for row in tasks if row["closed_at"] is not None]
    if closed:
        click.echo("\nclosed:")
        for row in closed:
            click.echo(f"{row['number']:>3}  {shown(row['closed_at'], zone)} by {row['closed_by']}  {row['kind'].replace('_', ' ')}")
    first = next((each for each in waits if each.number), None)
    print_next(*((waits[0].command, *([f"todo close {first.number}"] if first else [])) if waits else ("",)))


def _print_waiting(waits: list[Waiting], zone: ZoneInfo, now: datetime) -> None:
    """Each as a sentence with its number and day, and below it the one command that does it."""
    from om_campaigns.cli.layout import wrap
    from om_campaigns.cli.plans import make_moment

    click.echo("\n no")
    room = max(columns_of() - 7, 20)
    for each in waits:
        when = f"{make_moment(each.since, zone, now)}: " if each.since else ""
        first, *rest = wrap(f"{sign(each.mark)} {when}{each.what}", room)
        click.echo(f"{each.number or '-':>3}  {first}")
        for line in rest:
            click.echo(f"       {line}")
        click.echo(f"    {whole_command(each.command)}")


@todo.command()
@click.argument("number", type=int)
@pass_state
def close(state: State, number: int) -> None:
    """Say that you have seen to it."""
    from om_campaigns.staff import todo
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    done = todo.close_task(app, number, app.now(), load_actor())
    click.echo(f"task {number} is closed" if done else f"task {number} was closed before")
