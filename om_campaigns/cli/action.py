"""``action``: what houses report to have done."""

from __future__ import annotations

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_rows

KEYS = (
    *("number", "at", "house", "house_name", "effect_level", "idea", "network", "together_with"),
    *("partners", "text", "letter_use", "actor"),
)


@click.group(cls=Group)
def action() -> None:
    """What houses did, as they report it."""


@action.command("list")
@click.option("--house", default="", metavar="SLUG", help="Only of this house.")
@click.option("--for-letter", is_flag=True, help="Only what may stand in the monthly letter, by name or nameless.")
@format_option
@pass_state
def list_(state: State, house: str, for_letter: bool, format_: str) -> None:
    """Action reports, the newest first: effect level (1 made aware, 2 analysed, 3 measures), where, with whom.

    JSON: number, at, house, house_name, effect_level, idea, network, together_with, partners, text, letter_use, actor.
    """
    from om_campaigns.audience.finding import find_house
    from om_campaigns.cli.output import looking
    from om_campaigns.partner.mirror import load_action_reports

    with looking(state) as (app, session):
        wanted = find_house(session, house)
        rows = [row for row in load_action_reports(session, for_letter=for_letter) if wanted in ("", row["house"])]
        zone = app.settings.zone_info
    columns = {"number": "number", "at": "reported", "house": "house", "effect_level": "level", "network": "network",
               "together_with": "with", "letter_use": "letter", "text": "what"}  # fmt: skip
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="no house has reported anything yet")
