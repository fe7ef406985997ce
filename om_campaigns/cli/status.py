"""The status page: what the bare command shows. One sentence that is the answer, then what it rests on."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from om_campaigns.cli.output import counted, print_json
from om_campaigns.cli.screen import Column, print_facts, print_headline, print_next, print_table, sign
from om_campaigns.cli.waiting import Waiting, load_waiting

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from om_campaigns.app import App
    from om_campaigns.cli import State

WELCOME = """There is no workspace in {folder} yet. A workspace is a folder with settings, people and texts.

  om-campaigns init          make one here, with samples to learn from
  om-campaigns init --blank  make an empty one
  om-campaigns demo          watch 120 days of campaigns in a folder of their own
  om-campaigns -w DIR …      use the one in DIR
  om-campaigns --help        all commands"""

CAMPAIGNS = (
    Column("next", is_whole=True),
    Column("campaign"),
    Column("status"),
    Column("in it", is_number=True),
    Column("left", is_number=True),
    Column("owed", is_number=True),
)
MOST_CAMPAIGNS, MOST_WAITING = 8, 5


def show(state: State, format_: str) -> None:
    """Print how the workspace stands and what to do next; friendly where there is none.

    JSON: schema ("status/1"), mode, refuses (why this database sends nothing, or null), halted {at, by, reason} or null,
    scheduler {leader, is_running}, audience, owed [{campaign, step, route, why, letters, since, next_at}], campaigns, waits [{kind,
    what, command, is_urgent, since, number}].
    """
    from om_campaigns.settings import CONFIG_NAME

    if not (state.workspace / CONFIG_NAME).is_file() and format_ == "table":
        click.echo(WELCOME.format(folder=state.workspace.resolve()))
        return
    from om_campaigns.cli.output import looking
    from om_campaigns.identity import find_refusal
    from om_campaigns.operate.installation import is_led
    from om_campaigns.operate.standing import load_standing
    from om_campaigns.partner.show_own_words import count_conflicts
    from om_campaigns.staff.todo import load_tasks

    with looking(state) as (app, session):
        now = app.now()
        found = load_standing(session, app.today(now), now)
        found["refuses"] = find_refusal(app, session)
        waits = load_waiting(found, load_tasks(app), count_conflicts(session, app), app.settings.zone_info)
        found["is_running"] = is_led(app)
    if format_ == "json":
        print_json(_data(app, found, waits))
        return
    _print_headline(app, found, waits, now)
    _print_facts(app, found, now)
    _print_campaigns(found["campaigns"], app.settings.zone_info, now)
    _print_waiting(waits, app.settings.zone_info, now)
    print_next(*_way_on(app, found, waits, now))


def _data(app: App, found: dict[str, Any], waits: list[Waiting]) -> dict[str, Any]:
    halted = {"at": found["halted_at"], "by": found["halted_by"], "reason": found["halt_reason"]}
    return {
        "schema": "status/1",
        "mode": app.mode,
        "refuses": found["refuses"] or None,
        "halted": halted if found["halted_at"] else None,
        "scheduler": {"leader": found["leader"] if found["is_running"] else None, "is_running": found["is_running"]},
        "audience": found["audience"],
        "owed": [asdict(each) for each in found["owed"]],
        "campaigns": found["campaigns"],
        "waits": [asdict(each) for each in waits],
    }


def _print_headline(app: App, found: dict[str, Any], waits: list[Waiting], now: datetime) -> None:
    owed = sum(each.letters for each in found["owed"])
    urgent = sum(each.is_urgent for each in waits)
    if found["refuses"]:
        print_headline(f"Nothing is sent: {found['refuses']}.", mark="✗")
    elif found["halted_at"]:
        waiting = f"{counted(owed, 'letter')} wait{'s' if owed == 1 else ''}, nothing is lost." if owed else "Nothing that is owed is lost."
        print_headline(f"Halted: no letter leaves. {waiting}", mark="✗")
    elif not found["audience"]["organisations"]:
        print_headline("A new workspace: nobody in it yet, no letter can leave.")
    elif not found["campaigns"]:
        print_headline("Nothing is published yet, no letter can leave.")
    elif waits and waits[0].kind == "entry_held":
        print_headline(waits[0].what, mark="!")
    elif waits:
        stops = f", {urgent} of them urgent" if urgent else ""
        print_headline(f"{counted(len(waits), 'thing')} wait{'s' if len(waits) == 1 else ''} for you{stops}.", mark="!")
    elif _is_due(found, now) and not found["is_running"]:
        print_headline("Letters are due and no scheduler runs: nothing sends them.", mark="!" if app.mode.value == "live" else "")
    else:
        print_headline(f"All is well. {_next_letters(found, app.settings.zone_info, now)}", mark="✓")


def _is_due(found: dict[str, Any], now: datetime) -> bool:
    return any(each["next_due_at"] and each["next_due_at"] <= now for each in found["campaigns"] if each["status"] == "running")


def _next_letters(found: dict[str, Any], zone: ZoneInfo, now: datetime) -> str:
    from om_campaigns.cli.plans import make_moment

    coming = [each["next_due_at"] for each in found["campaigns"] if each["next_due_at"] and each["status"] == "running"]
    if not coming:
        return "No letter is due for anybody."
    if min(coming) <= now:
        return "Letters are due now."
    return f"The next letters are due on {make_moment(min(coming), zone, now)}."


def _print_facts(app: App, found: dict[str, Any], now: datetime) -> None:
    counts, zone = found["audience"], app.settings.zone_info
    without = f"; {counts['without_basis']:,} without a basis" if counts["without_basis"] else ""
    people = f"{counted(counts['organisations'], 'house')}, {counts['people']:,} people, {counts['addresses']:,} addresses{without}"
    leader = found["leader"] if found["is_running"] else ""
    print_facts(
        {
            "halted": _halt(found, zone, now),
            "mode": ""
            if app.mode.value == "live"
            else f"rehearsal: mail goes to {app.settings.rehearsal_to[0] if app.settings.rehearsal_to else 'outbox/'} only",
            "live" if app.mode.value == "live" else "audience": people,
            "scheduler": leader or "not running",
            "owed": _owed(found, zone, now),
        }
    )


def _halt(found: dict[str, Any], zone: ZoneInfo, now: datetime) -> str:
    from om_campaigns.cli.plans import make_moment

    if found["halted_at"] is None:
        return ""
    why = f': "{found["halt_reason"]}"' if found["halt_reason"] else ""
    return f"since {make_moment(found['halted_at'], zone, now)} by {found['halted_by']}{why}"


def _owed(found: dict[str, Any], zone: ZoneInfo, now: datetime) -> str:
    """Letters that were planned and have not left; what is newly due only a plan can say."""
    from om_campaigns.cli.plans import make_moment

    due, put_off = ([each for each in found["owed"] if each.is_due is wanted] for wanted in (True, False))
    told = []
    if due:
        since = make_moment(min(each.since for each in due), zone, now)
        told.append(f"{counted(sum(each.letters for each in due), 'letter')} since {since}")
    if put_off:
        next_at = make_moment(min(each.next_at for each in put_off), zone, now)
        told.append(f"{counted(sum(each.letters for each in put_off), 'letter')} put off by the mail server, next try {next_at}")
    return "\n".join(told)


def _print_campaigns(campaigns: list[dict[str, Any]], zone: ZoneInfo, now: datetime) -> None:
    """What goes next first; a campaign that has nothing more to do last."""
    from om_campaigns.cli.plans import make_moment

    def moment(each: dict[str, Any]) -> str:
        at = each["next_due_at"]
        if at is None or each["status"] != "running":
            return "-"
        return "now" if at <= now else make_moment(at, zone, now)

    found = sorted(
        campaigns, key=lambda each: (each["status"] != "running", each["next_due_at"] is None, each["next_due_at"], each["name"])
    )
    rows = [
        (moment(each), each["name"], each["status"], f"{each['enrolled']['active']:,}", f"{each['sent']:,}", f"{each['owed']:,}")
        for each in found[:MOST_CAMPAIGNS]
    ]
    print_table(CAMPAIGNS, rows)
    if len(found) > MOST_CAMPAIGNS:
        click.echo(f"{sign('…')} {len(found) - MOST_CAMPAIGNS} more; 'campaign list' shows all")


def _print_waiting(waits: list[Waiting], zone: ZoneInfo, now: datetime) -> None:
    from om_campaigns.cli.plans import make_moment

    columns = (Column(""), Column("waits for you"), Column("since", is_whole=True))
    rows = [(sign(each.mark), each.what, make_moment(each.since, zone, now) if each.since else "") for each in waits[:MOST_WAITING]]
    print_table(columns, rows)
    if len(waits) > MOST_WAITING:
        click.echo(f"   and {len(waits) - MOST_WAITING} more")


def _way_on(app: App, found: dict[str, Any], waits: list[Waiting], now: datetime) -> tuple[str, ...]:
    if found["refuses"]:
        return ("plan", "restore --confirm-live") if app.mode.value == "live" else ("doctor",)
    if found["halted_at"]:
        return ("plan", "unhalt")
    if not found["audience"]["organisations"]:
        return ("check", "audience import")
    if not found["campaigns"]:
        return ("check", "campaign publish")
    if waits:
        return ("todo",)
    if found["is_running"]:
        return ("plan",)
    return ("plan", "send --all-due" if app.is_clock_given else "run")
