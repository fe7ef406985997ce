"""``org``: look at organisations."""

from __future__ import annotations

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_facts, print_json, print_rows

STATUSES = ("active", "paused", "left", "merged")


@click.group(cls=Group)
def organisation() -> None:
    """Look at organisations."""


@organisation.command("list")
@click.argument("text", default="")
@click.option("--type", "org_type", default="", metavar="CODE", help="Only this type, e.g. chamber_hwk.")
@click.option("--status", type=click.Choice(STATUSES), help="Only this status.")
@click.option("--region", default="", metavar="AGS", help="Only houses in this region: 05 also finds 05315; DE finds nationwide ones.")
@format_option
@pass_state
def list_(state: State, text: str, org_type: str, status: str | None, region: str, format_: str) -> None:
    """Organisations, or those with TEXT in name, short name or slug.

    JSON: slug, name, short_name, type, level, parent, status, regions, seats, adviser_headcount.
    """
    from om_campaigns.audience.finding import require_region, require_type
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_organisations import load_organisations

    with looking(state) as (app, session):
        if org_type:
            require_type(session, org_type)
        if region:
            require_region(region)
        rows = load_organisations(session, app.today(app.now()), text=text, org_type=org_type, status=status or "", region=region)
    columns = {"slug": "slug", "name": "name", "type": "type", "level": "level", "status": "status", "regions": "regions"}
    columns |= {"seats": "seats"}
    keys = (*("slug", "name", "short_name", "type", "level", "parent", "status", "regions", "seats"), "adviser_headcount")
    print_rows(rows, format_, columns, keys=keys, empty="no such organisation; 'om-campaigns audience import' brings them in")


@organisation.command()
@click.argument("who")
@format_option
@pass_state
def show(state: State, who: str, format_: str) -> None:
    """One organisation by slug or name: its place in the tree, routes, people, networks, toolkits, public contact lines."""
    from om_campaigns.audience.finding import find_organisation
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_organisations import load_organisation

    with looking(state) as (_, session):
        found = load_organisation(session, find_organisation(session, who))
    if format_ == "json":
        print_json(found)
        return
    if format_ == "csv":
        print_rows(found["seats"], "csv", SEATS)
        return
    apart = ("seats", "networks", "toolkits", "contact_lines", "routes_from")
    facts = {name.replace("_", " "): value for name, value in found.items() if name not in apart}
    if found["routes"] and found["routes_from"] != found["slug"]:
        facts["routes"] = f"{', '.join(found['routes'])} (from {found['routes_from']})"
    print_facts(facts)
    click.echo()
    print_rows(found["seats"], "table", SEATS, empty="nobody sits here")
    for name, columns in (("networks", NETWORKS), ("toolkits", TOOLKITS), ("contact_lines", CONTACT_LINES)):
        if found[name]:
            click.echo()
            print_rows(found[name], "table", columns)


SEATS = {"name": "name", "email": "address", "roles": "roles", "primary": "home", "since": "since", "until": "until", "status": "status"}
NETWORKS = {"slug": "network", "kind": "kind", "coordinates": "coordinates", "carried_over_on": "carried over"}
TOOLKITS = {"code": "toolkit", "version": "version", "status": "status", "since": "since", "confirmed_on": "confirmed"}
CONTACT_LINES = {"name": "contact line", "phone": "phone", "email": "address", "url": "page", "regions": "regions", "topics": "topics"}
CONTACT_LINES |= {"agreed_on": "agreed on", "agreed_by": "agreed by", "source": "source", "origin": "origin", "until": "until"}
CONTACT_LINES |= {"agreed": "may be shown"}
