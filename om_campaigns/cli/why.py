"""``why``: for one person or house and one campaign, what decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from om_campaigns.cli import State, pass_state

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from om_campaigns.staff.why import Answer, SeatAnswer


@click.command()
@click.argument("who", metavar="PERSON|ORG")
@click.argument("campaign", required=False)
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Words, or data for programs."
)
@pass_state
def why(state: State, who: str, campaign: str | None, format_: str) -> None:
    """Why PERSON (address, name, number) or ORG (slug, name) gets CAMPAIGN, or does not; without it, every campaign. Changes nothing.

    JSON: subject, campaign, status, gets, because, is_enrolled, would_enter, state, ended_because, next_step, next_due_at, promised_at,
    is_taken_out, seats [{house, segment, matches, joint, parts [{text, holds}], reason}], history [{step, status, reason, detail,
    due_at, sent_at}]; without CAMPAIGN a list of these.
    """
    from om_campaigns.audience.finding import find_namesakes, find_organisations, find_person_or_organisation
    from om_campaigns.cli.output import print_json
    from om_campaigns.cli.person import print_namesakes
    from om_campaigns.staff.show_people import load_people
    from om_campaigns.staff.why import explain_everywhere, explain_recipient
    from om_campaigns.store import read

    app = state.app()
    with read(app.engine) as session:
        if format_ == "text" and not find_organisations(session, who) and (several := find_namesakes(session, who)):
            rows, _ = load_people(session, app.today(app.now()), ids=several)
            print_namesakes(who, rows, "why")
            return
        person_id, organisation_id = find_person_or_organisation(session, who)
    if campaign is None:
        answers = explain_everywhere(app, app.now(), person_id=person_id, organisation_id=organisation_id)
        if format_ == "json":
            print_json([asdict(each) for each in answers])
        else:
            _tell_all(who, answers, app.settings.zone_info)
        return
    answer = explain_recipient(app, campaign, app.now(), person_id=person_id, organisation_id=organisation_id)
    if format_ == "json":
        print_json(asdict(answer))
    else:
        _tell(answer, app.settings.zone_info)


def _tell_all(who: str, answers: list[Answer], zone: ZoneInfo) -> None:
    from om_campaigns.cli.output import shown
    from om_campaigns.cli.screen import Column, print_headline, print_next, print_table, quoted

    if not answers:
        print_headline(f"{who} gets nothing: no campaign is published.")
        return
    print_headline(f"{answers[0].subject} gets {sum(each.gets for each in answers)} of {len(answers)} campaigns.")
    rows = [
        [each.campaign, "yes" if each.gets else "no", shown(each.next_due_at, zone) if each.next_due_at else "-", each.because]
        for each in answers
    ]
    print_table([Column("campaign"), Column("gets it"), Column("next", is_whole=True), Column("because")], rows)
    refused = next((each for each in answers if not each.gets), answers[0])
    print_next(f"why {quoted(who)} {refused.campaign}")


def _tell(answer: Answer, zone: ZoneInfo) -> None:
    from om_campaigns.campaign.vocabulary import REASONS
    from om_campaigns.cli.output import shown
    from om_campaigns.cli.screen import print_headline

    print_headline(f"{answer.subject} {'gets' if answer.gets else 'does not get'} {answer.campaign}: {answer.because}.")
    if answer.is_enrolled:
        ended = f", because {REASONS[answer.ended_because]}" if answer.ended_because else ""
        click.echo(f"  enrolled: {answer.state}{ended}")
    elif answer.would_enter:
        click.echo("  not enrolled yet: would enter at the next 'send' or 'run'")
    else:
        click.echo("  not enrolled")
    if answer.next_step and answer.next_due_at:
        moved = f" (first due {shown(answer.promised_at, zone)})" if answer.promised_at and answer.promised_at < answer.next_due_at else ""
        passes = "; it was taken out and passes without a letter" if answer.is_taken_out else ""
        click.echo(f"  next: {answer.next_step} on {shown(answer.next_due_at, zone)}{moved}{passes}")
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
    from om_campaigns.campaign.vocabulary import REASONS

    verdict = "matches" if seat.matches else "does not match"
    lines = [f"  {seat.house}: {verdict} segment {seat.segment}" + (" (asked at entry only)" if is_enrolled else "")]
    if not seat.matches:
        lines += [f"    {'yes' if part.holds else 'no '}  {part.text}" for part in seat.parts]
    elif seat.reason:
        lines.append(f"    but: {REASONS[seat.reason]}")
    return lines
