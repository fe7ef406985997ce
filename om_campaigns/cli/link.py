"""``link``: how often the links of letters were followed."""

from __future__ import annotations

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import format_option, print_rows

LINK = ("campaign", "step", "passed_on", "target")


@click.group()
def link() -> None:
    """How often links were followed, per house; never by whom."""


@link.command("list")
@click.argument("target", required=False, metavar="[CAMPAIGN[/STEP]]")
@click.option("--by", type=click.Choice(["house", "day"]), default="house", show_default=True, help="What is counted apart.")
@format_option
@pass_state
def list_(state: State, target: str | None, by: str, format_: str) -> None:
    """Every counted link. Figures about fewer people than 'privacy.smallest_group' are told together with others, or not at all.

    JSON by house: campaign, step, passed_on, target, house (empty: all others together), readers, clicks.
    By day: campaign, step, passed_on, target, day (null: all other days together), clicks.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_links import load_by_day, load_by_house
    from om_campaigns.staff.show_packs import require_known

    campaign, _, step = (target or "").partition("/")
    with looking(state) as (app, session):
        require_known(session, campaign=campaign, house="")
        smallest = app.settings.privacy.smallest_group
        if by == "house":
            rows = load_by_house(session, smallest, app.today(app.now()), campaign=campaign, step=step)
        else:
            rows = load_by_day(session, smallest, campaign=campaign, step=step)
    few = f"fewer than {smallest}"
    for row in rows:
        row["shown"] = few if row["clicks"] is None else str(row["clicks"])
        row["where"] = row[by] or "all others"
    columns = {"campaign": "campaign", "step": "step", "passed_on": "passed on", "target": "leads to", "where": by}
    columns |= {"readers": "readers"} if by == "house" else {}
    keys = (*LINK, "house", "readers", "clicks") if by == "house" else (*LINK, "day", "clicks")
    print_rows(rows, format_, columns | {"shown": "clicks"}, keys=keys, empty="no link is counted: see 'count_links' of a campaign")
