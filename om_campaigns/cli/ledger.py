"""``ledger``: who was sent what, and who was not; ``ledger settle`` says what became of a letter nobody knows the fate of."""

from __future__ import annotations

from collections.abc import Sequence

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import format_option, print_rows

TABLE_ROWS = 100
STATUSES = ("planned", "held", "claimed", "retry", "sent", "failed", "uncertain", "skipped", "cancelled")


@click.group(invoke_without_command=True, subcommand_metavar="[COMMAND]")
@click.option("--campaign", metavar="NAME", help="Only this campaign.")
@click.option("--status", type=click.Choice(STATUSES), help="Only what stands like this.")
@click.option("--person", metavar="WHO", help="Only this person, by address, name or id.")
@click.option("--org", "house", metavar="WHO", help="Only this organisation, by slug or name.")
@click.option("--limit", type=click.IntRange(min=0), help=f"The latest so many rows; 0 is all (tables: {TABLE_ROWS}, data: all).")
@format_option
@click.pass_context
def ledger(
    context: click.Context,
    campaign: str | None,
    status: str | None,
    person: str | None,
    house: str | None,
    limit: int | None,
    format_: str,
) -> None:
    """Who was sent what, who is owed it, and who was not sent it and why.

    JSON and CSV: campaign, occasion, step, route, recipient (address), organisation (slug), status, due_at, sent_at,
    message_id.
    """
    if context.invoked_subcommand is not None:
        if any((campaign, status, person, house, limit)):
            raise click.UsageError(f"options of '{context.invoked_subcommand}' stand behind it")
        return
    from om_campaigns.audience.finding import find_organisation, find_person
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_dispatches import KEYS, load_ledger

    wanted = (TABLE_ROWS if format_ == "table" else 0) if limit is None else limit
    with looking(context.obj) as (app, session):
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
    columns |= {"message_id": "Message-ID"} if status == "uncertain" else {}
    columns |= {"why": "why"} if any(row["why"] for row in rows) else {}
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="the ledger has no such row", apart="message_id")
    if total > len(rows):
        click.echo(f"the latest {len(rows)} of {total} rows; --limit 0 shows all", err=True)
    if status == "uncertain" and rows and format_ == "table":
        click.echo(
            "look for the Message-ID in the mail server's log, then: om-campaigns ledger settle MESSAGE_ID --arrived | --not-arrived"
        )


@ledger.command()
@click.argument("letters", nargs=-1, metavar="[MESSAGE_ID]...")
@click.option("--arrived/--not-arrived", default=None, help="What became of them; what did not arrive is owed again.")
@click.option("--all", "all_", is_flag=True, help="Every uncertain letter.")
@click.option("--campaign", metavar="NAME", help="Those of this campaign.")
@click.option("--person", metavar="WHO", help="Those to this person, by address, name or id.")
@click.option("--org", "house", metavar="WHO", help="Those to this organisation, by slug or name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_state
def settle(
    state: State,
    letters: tuple[str, ...],
    arrived: bool | None,
    all_: bool,
    campaign: str | None,
    person: str | None,
    house: str | None,
    yes: bool,
) -> None:
    """Say what became of uncertain letters: the content left, and no answer came.

    Nobody on our side can know; the mail server's log, or the reader, can. A letter that did not arrive goes again, with the
    same Message-ID, when its window is open.
    """
    from om_campaigns.audience.finding import find_organisation, find_person
    from om_campaigns.cli.output import looking
    from om_campaigns.cli.screen import confirm
    from om_campaigns.errors import InputError
    from om_campaigns.staff.corrections import Chosen, load_uncertain, settle_letters
    from om_campaigns.staff.importing import load_actor

    if not (letters or all_ or campaign or person or house):
        raise InputError("say which letters", hint="'om-campaigns ledger --status uncertain' lists them; --all means every one")
    if arrived is None:
        raise InputError("say what became of them", hint="add --arrived or --not-arrived")
    with looking(state) as (app, session):
        person_id = find_person(session, person) if person else None
        organisation_id = find_organisation(session, house) if house else None
        chosen = Chosen(letters, campaign or "", person_id, organisation_id)
        count = len(load_uncertain(session, chosen))
    what = "1 letter" if count == 1 else f"{count} letters"
    if not arrived and count and not yes:
        confirm(
            f"Send {what} again? Whoever has one already gets it twice.",
            answer=" ".join(["ledger settle", *_selection(letters, all_, campaign, person, house), "--not-arrived --yes"]),
            what=f"{what} would leave once more",
        )
    done = settle_letters(app, chosen, app.now(), load_actor(), arrived=arrived)
    click.echo(f"{'1 letter' if done == 1 else f'{done} letters'} settled: {'arrived' if arrived else 'not arrived, owed again'}")


def _selection(letters: Sequence[str], all_: bool, campaign: str | None, person: str | None, house: str | None) -> list[str]:
    """Which letters were meant, as it was typed."""
    from om_campaigns.cli.screen import quoted

    named = {"--campaign": campaign, "--person": person, "--org": house}
    return [*letters, *(["--all"] if all_ else []), *(f"{option} {quoted(value)}" for option, value in named.items() if value)]
