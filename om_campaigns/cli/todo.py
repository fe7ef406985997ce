"""``todo``: what people have to look at."""

from __future__ import annotations

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_rows
from om_campaigns.cli.overlay import tell_conflicts

KEYS = ("number", "kind", "organisation", "address", "detail", "at", "closed_at", "closed_by")
WORDS = {
    "receiver_left": "whoever receives the packs there left",
    "home_missing": "subscribed, but belongs to no house yet",
    "distributor_named": "was named as the one who passes things on; has not agreed yet",
    "contacts_wanted": "would like to be introduced",
    "home_left": "says not to be in this house any more",
    "house_says": "a house wrote in the portal",
    "mail_unclear": "mail came in that no program could understand; it lies in inbox/",
    "letters_held": "letters are held back; the ledger says which ('ledger --status held')",
    "mass_leaving": "many left at once, see 'leaving list'; 'leaving undo' takes it back",
    "case_offered": "a case for the monthly letter, see 'action list --for-letter'",
}
"""A kind of task, in words."""


@click.group(cls=Group)
def todo() -> None:
    """What people have to look at: list it, close it."""


@todo.command("list")
@click.option("--all", "with_closed", is_flag=True, help="Also what is closed.")
@format_option
@pass_state
def list_(state: State, with_closed: bool, format_: str) -> None:
    """What is open, the oldest first.

    JSON: number, kind, organisation, address, detail, at, closed_at, closed_by.
    """
    from om_campaigns.pipeline.recipient.leaving import load_tasks

    app = state.app()
    rows = [row | {"what": WORDS[row["kind"]], "more": _more(row["detail"])} for row in load_tasks(app, with_closed=with_closed)]
    columns = {"number": "number", "at": "since", "organisation": "organisation", "address": "address", "what": "what", "more": "more"}
    columns |= {"closed_by": "closed by"} if with_closed else {}
    print_rows(rows, format_, columns, keys=KEYS, zone=app.settings.zone_info, empty="nothing waits for anybody")
    if format_ == "table":
        tell_conflicts(app)


def _more(detail: object) -> str:
    known = detail if isinstance(detail, dict) else {}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items() if value not in ("", None))


@todo.command()
@click.argument("number", type=int)
@pass_state
def close(state: State, number: int) -> None:
    """Say that you have seen to it."""
    from om_campaigns.pipeline.recipient import leaving
    from om_campaigns.pipeline.staff.desk import load_actor

    app = state.app()
    done = leaving.close_task(app, number, app.now(), load_actor())
    click.echo(f"task {number} is closed" if done else f"task {number} was closed before")
