"""``ledger``: who was sent what, and who was not."""

from __future__ import annotations

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import format_option, print_rows

TABLE_ROWS = 100
STATUSES = ("planned", "held", "claimed", "retry", "sent", "failed", "uncertain", "skipped", "cancelled")


@click.command()
@click.option("--campaign", metavar="NAME", help="Only this campaign.")
@click.option("--status", type=click.Choice(STATUSES), help="Only what stands like this.")
@click.option("--person", metavar="WHO", help="Only this person, by address, name or id.")
@click.option("--org", "house", metavar="WHO", help="Only this organisation, by slug or name.")
@click.option("--limit", type=click.IntRange(min=0), help=f"The latest so many rows; 0 is all (tables: {TABLE_ROWS}, data: all).")
@format_option
@pass_state
def ledger(
    state: State, campaign: str | None, status: str | None, person: str | None, house: str | None, limit: int | None, format_: str
) -> None:
    """Who was sent what, who is owed it, and who was not sent it and why.

    JSON and CSV: campaign, occasion, step, route, recipient (address), organisation (slug), status, due_at, sent_at,
    message_id.
    """
    from om_campaigns.cli.opening import looking
    from om_campaigns.report.queries.finding import find_organisation, find_person
    from om_campaigns.report.queries.ledger import KEYS, load_ledger

    wanted = (TABLE_ROWS if format_ == "table" else 0) if limit is None else limit
    with looking(state) as (app, session):
        rows, total = load_ledger(
            session,
            campaign=campaign or "",
            status=status or "",
            person_id=find_person(session, person) if person else None,
            organisation_id=find_organisation(session, house) if house else None,
            limit=wanted,
        )
        zone = app.settings.zone_info
    for row in rows:
        row["why"] = ": ".join(text for text in (row["reason"], row["detail"]) if text)
        row["when"] = row["sent_at"] or row["due_at"]
        row["letter"] = "/".join(text for text in (row["campaign"], row["occasion"], row["step"]) if text)
    columns = {"when": "sent or due", "status": "status", "letter": "letter", "recipient": "recipient", "organisation": "house"}
    columns |= {"why": "why"} if any(row["why"] for row in rows) else {}
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="the ledger has no such row")
    if total > len(rows):
        click.echo(f"the latest {len(rows)} of {total} rows; --limit 0 shows all", err=True)
