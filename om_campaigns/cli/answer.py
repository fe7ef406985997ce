"""``answer``: what houses say on the pages behind letters."""

from __future__ import annotations

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_rows

KEYS = ("number", "at", "house", "house_name", "by", "campaign", "step", "target", "said")


@click.group(cls=Group)
def answer() -> None:
    """What houses answered on the pages behind letters."""


@answer.command("list")
@click.option("--campaign", default="", metavar="NAME", help="Only to letters of this campaign.")
@click.option("--house", default="", metavar="SLUG", help="Only of this house.")
@format_option
@pass_state
def list_(state: State, campaign: str, house: str, format_: str) -> None:
    """Answers, the newest first: which house, who in it, to which letter, about what, and what was said.

    JSON: number, at, house, house_name, by, campaign, step, target, said.
    """
    from om_campaigns.audience.finding import find_house
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_answers import load_answers
    from om_campaigns.staff.show_campaigns import require_campaign

    with looking(state) as (app, session):
        if campaign:
            require_campaign(session, campaign)
        rows = load_answers(session, campaign=campaign, house=find_house(session, house))
        zone = app.settings.zone_info
    columns = {"number": "number", "at": "answered", "house": "house", "by": "by", "campaign": "campaign", "step": "step",
               "target": "about", "said": "said"}  # fmt: skip
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="nobody has answered yet")
