"""``segment``: list segments and see whom they match."""

from __future__ import annotations

from typing import Any

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import format_option, print_json, print_rows

TABLE_ROWS = 50


@click.group(cls=Group)
def segment() -> None:
    """List segments and see whom they match."""


@segment.command("list")
@format_option
@pass_state
def list_(state: State, format_: str) -> None:
    """Segments with how many they match now. JSON: name, title, title_en, selects, members, where."""
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.importing import load_workspace_segments
    from om_campaigns.staff.show_segment import count_members

    with looking(state) as (app, session):
        today = app.today(app.now())
        rows = [
            {
                "name": each.name,
                "title": each.title,
                "title_en": each.title_en,
                "selects": each.selects.value,
                "members": count_members(session, each, today=today),
                "where": each.where.strip(),
            }
            for each in load_workspace_segments(app).values()
        ]
    columns = {"name": "segment", "title": "title", "selects": "selects", "members": "members"}
    print_rows(rows, format_, columns, keys=(*("name", "title", "title_en", "selects", "members"), "where"), empty=NONE)


NONE = "no segment yet: write audiences/segments/<name>.toml"


@segment.command()
@click.argument("name")
@click.option("--explain", is_flag=True, help="Take the rule apart: how many each part lets through.")
@click.option("--limit", type=click.IntRange(min=0), help=f"At most so many members; 0 is all (tables: {TABLE_ROWS}, data: all).")
@format_option
@pass_state
def show(state: State, name: str, explain: bool, limit: int | None, format_: str) -> None:
    """Whom a segment matches now; whether they may be written to is asked when they enter a campaign.

    JSON: {"name", "title", "selects", "where", "members": number, "rows": [{"name", "email", "organisation",
    "organisation_name"}]}; with --explain {"considered", "joint", "matched", "parts": [{"line", "column", "text",
    "alone", "so_far"}]}. CSV has the rows or the parts.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.importing import explain_segment, get_segment
    from om_campaigns.staff.show_segment import count_members, load_members

    wanted = (TABLE_ROWS if format_ == "table" else 0) if limit is None else limit
    with looking(state) as (app, session):
        found, today = get_segment(app, name), app.today(app.now())
        if explain:
            _print_parts(explain_segment(app, session, found, app.now()), format_)
            return
        number = count_members(session, found, today=today)
        rows = load_members(session, found, today=today, limit=wanted)
    head = {"name": found.name, "title": found.title, "selects": found.selects.value, "where": found.where.strip()}
    columns = {"name": "name", "email": "address", "organisation": "organisation", "organisation_name": "name of the house"}
    if found.selects.value == "organisations":
        columns = {"organisation": "organisation", "organisation_name": "name"}
    if format_ == "json":
        print_json(head | {"members": number, "rows": rows})
        return
    if format_ == "table":
        click.echo(f"{found.title}: {number} {found.selects.value}\n\n{head['where']}\n")
    print_rows(rows, format_, columns, empty="matches nobody now; --explain shows which part of the rule loses them")
    if number > len(rows):
        click.echo(f"{len(rows)} of {number}; --limit 0 shows all", err=True)


def _print_parts(found: dict[str, Any], format_: str) -> None:
    columns = {"alone": "alone", "so_far": "so far", "text": "part of the rule"}
    if format_ == "json":
        print_json(found)
        return
    if format_ == "table":
        how = "each part keeps fewer" if found["joint"] == "and" else "each part adds more"
        click.echo(f"{found['considered']} considered, {found['matched']} match; {how}:")
    print_rows(found["parts"], format_, columns, keys=("line", "column", "text", "alone", "so_far"))
