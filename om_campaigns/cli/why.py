"""``why``: for one person or house and one campaign, what decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from om_campaigns.cli import State, pass_state

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from om_campaigns.pipeline.staff.explaining import Answer, SeatAnswer


@click.command()
@click.argument("who", metavar="PERSON|ORG")
@click.argument("campaign")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Words, or data for programs."
)
@pass_state
def why(state: State, who: str, campaign: str, format_: str) -> None:
    """Why PERSON (address, name, number) or ORG (slug, name) gets CAMPAIGN, or does not. Changes nothing.

    JSON: subject, campaign, status, is_enrolled, would_enter, state, ended_because, next_step, next_due_at, promised_at,
    seats [{house, segment, matches, joint, parts [{text, holds}], reason}], history [{step, status, reason, detail, due_at, sent_at}].
    """
    from om_campaigns.cli.output import print_json
    from om_campaigns.pipeline.staff.explaining import explain_recipient
    from om_campaigns.report.queries.finding import find_person_or_organisation
    from om_campaigns.store import read

    app = state.app()
    with read(app.engine) as session:
        person_id, organisation_id = find_person_or_organisation(session, who)
    answer = explain_recipient(app, campaign, app.now(), person_id=person_id, organisation_id=organisation_id)
    if format_ == "json":
        print_json(asdict(answer))
    else:
        _tell(answer, app.settings.zone_info)


def _tell(answer: Answer, zone: ZoneInfo) -> None:
    from om_campaigns.cli.output import shown
    from om_campaigns.pipeline.staff.explaining import REASONS

    click.echo(f"{answer.subject} and '{answer.campaign}' (campaign {answer.status})")
    if answer.is_enrolled:
        ended = f", because {REASONS[answer.ended_because]}" if answer.ended_because else ""
        click.echo(f"  enrolled: {answer.state}{ended}")
    elif answer.would_enter:
        click.echo("  not enrolled yet: would enter at the next 'send' or 'run'")
    else:
        click.echo("  not enrolled")
    if answer.next_step and answer.next_due_at:
        moved = f" (first due {shown(answer.promised_at, zone)})" if answer.promised_at and answer.promised_at < answer.next_due_at else ""
        click.echo(f"  next: {answer.next_step} on {shown(answer.next_due_at, zone)}{moved}")
    for row in answer.history:
        because = f": {REASONS[row['reason']]}" if row["reason"] else ""
        detail = f" ({row['detail']})" if row["detail"] else ""
        click.echo(f"  {row['step']}: {row['status']} {shown(row['sent_at'] or row['due_at'], zone)}{because}{detail}")
    alike: dict[str, int] = {}
    for seat in answer.seats:
        told = "\n".join(_seat_lines(seat, is_enrolled=answer.is_enrolled))
        alike[told] = alike.get(told, 0) + 1
    for told, count in alike.items():
        click.echo(told.replace(":", f" ({count} seats):", 1) if count > 1 else told)


def _seat_lines(seat: SeatAnswer, *, is_enrolled: bool) -> list[str]:
    from om_campaigns.pipeline.staff.explaining import REASONS

    verdict = "matches" if seat.matches else "does not match"
    lines = [f"  {seat.house}: {verdict} segment {seat.segment}" + (" (asked at entry only)" if is_enrolled else "")]
    if not seat.matches:
        lines += [f"    {'yes' if part.holds else 'no '}  {part.text}" for part in seat.parts]
    elif seat.reason:
        lines.append(f"    but: {REASONS[seat.reason]}")
    return lines
