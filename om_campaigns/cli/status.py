"""The status page: what the bare command shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from om_campaigns.cli.output import counted, print_facts, print_rows, shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from om_campaigns.cli import State
    from om_campaigns.report.queries.standing import Owed

WELCOME = """There is no workspace in {folder} yet. A workspace is a folder with settings, people and texts.

  om-campaigns init          make one here, with samples to learn from
  om-campaigns init --blank  make an empty one
  om-campaigns demo          watch 120 days of campaigns in a folder of their own
  om-campaigns -w DIR …      use the one in DIR
  om-campaigns --help        all commands"""

COLUMNS = {"name": "campaign", "status": "status", "active": "active", "sent": "sent", "owed": "owed", "next_due_at": "next"}


def show(state: State) -> None:
    """Print how the workspace stands and what to do next; friendly where there is none."""
    from om_campaigns.settings import CONFIG_NAME

    if not (state.workspace / CONFIG_NAME).is_file():
        click.echo(WELCOME.format(folder=state.workspace.resolve()))
        return
    from om_campaigns.cli.opening import looking
    from om_campaigns.report.queries.standing import load_standing

    with looking(state) as (app, session):
        now = app.now()
        found = load_standing(session, app.today(now), now)
        mode, zone = app.mode.value, app.settings.zone_info
    counts = found["audience"]
    print_facts(
        {
            "workspace": state.workspace.resolve(),
            "mode": mode if mode == "live" else "rehearsal: mail goes to our own outbox or test address only",
            "halted": _halt(found),
            "scheduler": found["leader"] or "not running",
            "audience": f"{counts['organisations']} organisations, {counts['people']} people, {counts['addresses']} addresses",
            "without basis": counts["without_basis"],
            "owed": _owed(found["owed"], zone, now),
            "braked": "\n".join(_braked(each, zone) for each in found["braked"]),
            "alarm": "\n".join(_alarm(each) for each in found["alarms"]),
            "held": "\n".join(_held(each) for each in found["held"]),
            "look at": ", ".join(f"{number} {status}" for status, number in found["attention"].items() if number),
        },
        zone=zone,
    )
    if found["campaigns"]:
        click.echo()
        rows = [each | {"active": each["enrolled"]["active"]} for each in found["campaigns"]]
        print_rows(rows, "table", COLUMNS, zone=zone)
    click.echo(f"\nnext: {_advice(found)}")


def _owed(lines: Sequence[Owed], zone: ZoneInfo, now: datetime) -> str:
    """Letters that were planned and have not left; what is newly due only a plan can say."""
    from om_campaigns.cli.plans import make_moment

    due, put_off = ([each for each in lines if each.is_due is wanted] for wanted in (True, False))
    told = []
    if due:
        since = make_moment(min(each.since for each in due), zone, now)
        told.append(f"{counted(sum(each.letters for each in due), 'letter')} since {since}")
    if put_off:
        next_at = make_moment(min(each.next_at for each in put_off), zone, now)
        told.append(f"{counted(sum(each.letters for each in put_off), 'letter')} put off by the mail server, next try {next_at}")
    return "\n".join(told)


def _halt(found: dict[str, Any]) -> str:
    if found["halted_at"] is None:
        return ""
    why = f": {found['halt_reason']}" if found["halt_reason"] else ""
    return f"since {found['halted_at']:%Y-%m-%d %H:%M} UTC by {found['halted_by']}{why}"


def _braked(each: dict[str, Any], zone: ZoneInfo) -> str:
    if each["scope"] == "paused":
        return f"campaign '{each['name']}' paused by itself: {each['why']}; 'om-campaigns campaign resume {each['name']}' lets it go on"
    what = "asked to slow down" if each["scope"] == "slowed" else "refuses us"
    until = f"left alone until {shown(each['until'], zone)}, or 'om-campaigns unhalt {each['name']}'"
    return f"{each['name']} {what}: {each['why']}; {until}"


def _held(each: dict[str, Any]) -> str:
    what = f"{each['letters']} {'letter' if each['letters'] == 1 else 'letters'} of {each['campaign']}/{each['step']}"
    return f"{what}: {each['why'] or each['reason']}"


def _alarm(each: dict[str, Any]) -> str:
    what = {"mailing_list": "", "organisation": "letters of ", "all": "all letters"}[each["scope"].partition(" ")[0]]
    name = f"{what}{each['scope'].partition(' ')[2]}"
    return f"{each['left']} of {each['readers']} readers left {name} within an hour ({each['through']}); see 'om-campaigns leaving list'"


def _advice(found: dict[str, Any]) -> str:
    if found["halted_at"] is not None:
        return "'om-campaigns unhalt' lets sending go on"
    if not found["audience"]["organisations"]:
        return "'om-campaigns check', then 'om-campaigns audience import'"
    if not found["campaigns"]:
        return "'om-campaigns campaign publish'"
    for status in ("held", "uncertain", "failed"):
        if found["attention"][status]:
            then = {"uncertain": ", 'ledger settle' says what became of it", "failed": ", 'send --gaps' tries it again"}.get(status, "")
            return f"'om-campaigns ledger --status {status}' shows what needs a look{then}"
    return "'om-campaigns plan' shows what is due, 'om-campaigns run' sends it when it is"
