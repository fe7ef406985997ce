"""``leaving``: who leaves, hour by hour; take a burst back."""

from __future__ import annotations

from datetime import date, timedelta

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import TIME, counted, format_option, print_rows

FATES = {
    "undone": "is written to again",
    "left_otherwise": "left the same otherwise, too",
    "stopped_otherwise": "was stopped for another reason, or before",
    "over": "came back, or is not stopped any more",
}


@click.group(cls=Group)
def leaving() -> None:
    """Who leaves, hour by hour; take a burst back."""


@leaving.command("list")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True, help="How far back.")
@format_option
@pass_state
def list_(state: State, days: int, format_: str) -> None:
    """How many left what, hour by hour, and through which door.

    JSON: hour, scope (mailing_list, organisation, all), name, through (one_click, page, mail, or who of staff), left, taken_back.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.leaving_figures import load_leaving

    with looking(state) as (app, session):
        zone = app.settings.zone_info
        rows = load_leaving(session, app.now() - timedelta(days=days), zone)
    columns = {"hour": "hour", "scope": "left", "name": "which", "through": "through", "left": "number", "taken_back": "taken back"}
    print_rows(rows, format_, columns, zone=zone, empty="nobody left")


@leaving.command()
@click.option("--since", required=True, type=TIME, metavar="TIME", help="From then on, that moment included.")
@click.option("--until", required=True, type=TIME, metavar="TIME", help="Until then, that moment included.")
@click.option("--through", type=click.Choice(["one_click", "page", "mail"]), required=True, help="The door they left through.")
@click.option("--list", "mailing_list", default="", metavar="SLUG", help="Only who left this mailing list.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the history of every address.")
@click.option("--dry-run", is_flag=True, help="Only say whom it would concern.")
@format_option
@pass_state
def undo(state: State, since: date, until: date, through: str, mailing_list: str, reason: str, dry_run: bool, format_: str) -> None:
    """Write again to those who left through one door in that time: after a scanner or a fault, not after a letter people disliked.

    Whoever left the same otherwise, too – on the page, by mail, or at another time – stays out.
    JSON: address, scope, at, fate (undone, left_otherwise, stopped_otherwise, over).
    """
    from om_campaigns.clock import to_instant
    from om_campaigns.reader.leaving_waves import Channel, undo_leaving
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    zone = app.settings.zone_info
    done = undo_leaving(
        app, to_instant(since, zone), to_instant(until, zone), Channel(through), app.now(),
        reason=reason, actor=load_actor(), mailing_list=mailing_list, is_dry_run=dry_run,
    )  # fmt: skip
    rows = [row | {"what": FATES[row["fate"]]} for row in done.rows]
    columns = {"address": "address", "scope": "left", "at": "at", "what": "what"}
    keys = ("address", "scope", "at", "fate")
    print_rows(rows, format_, columns, keys=keys, zone=zone, empty="nobody left so")
    if format_ == "table" and rows:
        verb = "would be" if dry_run else "are" if done.undone != 1 else "is"
        click.echo(f"\n{counted(done.undone, 'address', 'addresses')} {verb} written to again")
