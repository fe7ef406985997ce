"""``plan`` and ``send``: what is due, shown first and then done by the same code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import TIME

if TYPE_CHECKING:
    from om_campaigns.app import App
    from om_campaigns.planning import Owed
    from om_campaigns.tick import TickResult

Result = TypeVar("Result")

FORMATS = click.Choice(["table", "json"])


@click.command()
@click.argument("campaign", required=False)
@click.option("--cascade", is_flag=True, help="Also who passes on to whose advisers, and why.")
@click.option("--until", type=TIME, metavar="TIME", help="Also what becomes due then, that day included (each recipient's next step).")
@click.option("--format", "format_", type=FORMATS, default="table", show_default=True, help="A table to read, or data for programs.")
@pass_state
def plan(state: State, campaign: str | None, cascade: bool, until: date | datetime | None, format_: str) -> None:
    """What would be sent now, and why not to everybody. Changes nothing.

    JSON: now, until, checksum, letters (owed and planned), owed (planned earlier, due), put_off (by the mail server), uncertain,
    enrolled, planned (newly due), deferred, campaigns [{campaign, enrolled, not_enrolled {reason: count}, steps [{step, route,
    mails}], owed [{step, route, why (owed, held, retry, in_hand), letters, since, next_at, due}], uncertain {step: count}, skipped
    {reason: count}, deferred, exited}], cascade [{campaign, served [{house, relay, receiver, route, why}], overlaps, unserved
    [{house, reason}]}].
    """
    from om_campaigns import store
    from om_campaigns.cli.plans import print_plan
    from om_campaigns.cli.screen import is_terminal, print_next
    from om_campaigns.clock import to_instant
    from om_campaigns.errors import InputError
    from om_campaigns.staff.show_packs import who_passes_on
    from om_campaigns.tick import look

    app = state.app()
    now = app.now()
    end = to_instant(until, app.settings.zone_info) if until else now
    if until and not isinstance(until, datetime):
        end += timedelta(days=1, microseconds=-1)  # a day means the whole day
    if end < now:
        raise InputError(f"--until {until} lies before now", hint="what is due already stands in every plan; leave --until out")
    result = look(app, now, until=end, campaign=campaign)
    with store.read(app.engine) as session:
        passing = who_passes_on(app, session, now, campaign)
    if format_ == "json":
        from om_campaigns.cli.output import print_json

        print_json(_plan_data(result, now, end) | {"cascade": passing})
        return
    print_plan(app, result, now, end)
    _print_cascade(passing, is_full=cascade)
    if result.letters and end == now and is_terminal(sys.stdout):
        print_next(f"send {campaign or '--all-due'} --expect {result.checksum}")


@click.command()
@click.argument("campaign", required=False)
@click.option("--all-due", is_flag=True, help="Every running campaign.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--expect", metavar="CHECKSUM", help="Send only if the plan is the one that was reviewed.")
@click.option("--as-of", type=TIME, metavar="TIME", help="The moment of the reviewed plan, for --expect.")
@click.option("--gaps", is_flag=True, help="Only what failed in CAMPAIGN, and what was put off and is due again.")
@click.option("--correction", is_flag=True, help="The present wording of CAMPAIGN/STEP to those who got an earlier one, at once.")
@click.option("--yes", is_flag=True, help="Do not ask (live mode).")
@click.option("--format", "format_", type=FORMATS, default="table", show_default=True, help="Words, or data for programs.")
@pass_state
def send(
    state: State,
    campaign: str | None,
    all_due: bool,
    dry_run: bool,
    expect: str | None,
    as_of: date | datetime | None,
    gaps: bool,
    correction: bool,
    yes: bool,
    format_: str,
) -> None:
    """Send what is due now: CAMPAIGN, or --all-due; or make good what went wrong, with --gaps or --correction.

    JSON: enrolled, planned, owed (with --dry-run: planned earlier, due), packs, deferred (letters), sent, retry, failed, uncertain
    (mails: a pack is one letter and up to two mails), skipped {reason: count}, ended (why the run ended, 'done' if nothing stopped
    it), detail. With --gaps or --correction, planned is how many letters are owed once more. Ends with 4 where the mail server
    ended the run.
    """
    from om_campaigns.app import require_real_clock
    from om_campaigns.cli.output import counted, print_json
    from om_campaigns.cli.plans import print_plan
    from om_campaigns.cli.screen import confirm, print_facts
    from om_campaigns.clock import to_instant
    from om_campaigns.errors import InputError, RefusedError
    from om_campaigns.letters.plan_checksum import is_confirmed, record_confirmed
    from om_campaigns.staff.importing import load_actor
    from om_campaigns.store import Mode
    from om_campaigns.tick import look, tick

    if gaps or correction:
        if not campaign or all_due or expect or as_of or (gaps and correction):
            raise InputError("name one campaign to make good", hint="'send --gaps CAMPAIGN' or 'send --correction CAMPAIGN/STEP'")
        _make_good(state, campaign, is_correction=correction, dry_run=dry_run, yes=yes, format_=format_)
        return
    if bool(campaign) == all_due:
        raise InputError("say what to send", hint="name a campaign, or use --all-due")
    if as_of and not expect:
        raise InputError("--as-of says when the plan of --expect was made", hint="add --expect CHECKSUM")
    app = state.app()
    now = app.now()
    reviewed = expect if expect and not as_of else ""
    if dry_run or (app.mode is Mode.live and not yes and not expect):
        result = look(app, now, campaign=campaign)
        if format_ == "json" and dry_run:
            print_json(_sent_data(result))
            return
        print_plan(app, result, now)
        if dry_run:
            return
        require_real_clock(app)
        if result.letters and not is_confirmed(app, result.checksum, now):
            print_facts(_sent_from(app), err=True)
            letters = counted(result.letters, "letter")
            question = f"This is live: {letters}. What has left cannot be fetched back. Send now?"
            confirm(question, answer=f"send {campaign or '--all-due'} --expect {result.checksum}", what=f"{letters} would leave")
            record_confirmed(app, result.checksum, result.letters, now, load_actor())
        reviewed = result.checksum
    require_real_clock(app)
    if expect:
        moment = to_instant(as_of, app.settings.zone_info) if as_of else now
        found = look(app, moment, campaign=campaign, expect=expect, since=moment if as_of else None)
        if not found.is_expected:
            raise RefusedError(
                f"the plan has changed: its checksum is {found.checksum}, not {expect}; nothing was sent",
                hint="look at 'om-campaigns plan' again",
            )
        if app.mode is Mode.live:
            record_confirmed(app, expect, found.letters, now, load_actor())
    work = partial(tick, app, now, campaign=campaign, reviewed=reviewed)
    result = _with_progress(work, app.settings.run.stop_seconds, show=format_ == "table")
    _tell_sent(app, result, format_)


def _make_good(state: State, campaign: str, *, is_correction: bool, dry_run: bool, yes: bool, format_: str) -> None:
    from om_campaigns.app import require_real_clock
    from om_campaigns.cli.output import counted, print_json
    from om_campaigns.cli.screen import confirm
    from om_campaigns.errors import InputError
    from om_campaigns.staff import corrections
    from om_campaigns.store import Mode

    app = state.app()
    now = app.now()
    name, _, step = campaign.partition("/")
    if is_correction is not bool(step):
        raise InputError("a correction is of one step" if is_correction else "gaps are those of a whole campaign", hint="see 'send --help'")
    found = corrections.look_at_correction(app, name, step) if is_correction else corrections.look_at_gaps(app, name)
    count = found if isinstance(found, int) else found.owed
    if format_ == "table":
        if isinstance(found, int):
            click.echo(f"{counted(count, 'failed letter')} of '{name}' would be sent once more")
        else:
            click.echo(f"{found.got_it} got '{campaign}' in other words; {count} of them would get the correction")
            if found.uncertain:
                click.echo(f"  {found.uncertain} may have got it: 'om-campaigns ledger settle' first, then send the correction again")
    if dry_run:
        if format_ == "json":
            print_json(_sent_data(corrections.Amended(count).as_tick()))
        return
    if app.mode is Mode.live and not yes:
        option = "--correction" if is_correction else "--gaps"
        confirm("Send this now?", answer=f"send {option} {campaign} --yes", what=f"{counted(count, 'letter')} would leave")
    require_real_clock(app)

    def work(**given: Any) -> corrections.Amended:
        if is_correction:
            return corrections.send_correction(app, name, step, now, **given)
        return corrections.send_gaps(app, name, now, **given)

    _tell_sent(app, _with_progress(work, app.settings.run.stop_seconds, show=format_ == "table").as_tick(), format_)


def _with_progress(work: Callable[..., Result], stop_seconds: float, *, show: bool) -> Result:
    """Do the sending with a count on a terminal; SIGTERM and Ctrl-C let the letters on the wire finish, for so long at most."""
    from om_campaigns.operate.scheduler import told_to_stop

    def progress(count: int) -> None:
        if show and sys.stderr.isatty():
            click.echo(f"\r{count} mails sent", nl=False, err=True)

    try:
        with told_to_stop(stop_seconds) as stop:
            return work(stop=stop, progress=progress)
    finally:
        if show and sys.stderr.isatty():
            click.echo("\r", nl=False, err=True)


def _plan_data(result: TickResult, now: datetime, until: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "until": until,
        "checksum": result.checksum,
        "letters": result.letters,
        "owed": result.owed,
        "put_off": result.put_off,
        "uncertain": result.uncertain,
        "enrolled": result.enrolled,
        "planned": result.planned,
        "deferred": result.deferred,
        "campaigns": [
            {
                "campaign": each.campaign,
                "enrolled": each.enrolled,
                "not_enrolled": {str(reason): count for reason, count in sorted(each.not_enrolled.items())},
                "steps": [
                    {"step": step, "route": str(route), "mails": count} for (step, route), count in sorted(each.planned.by_step.items())
                ],
                "owed": [_owed_data(line) for line in each.owed],
                "uncertain": each.uncertain,
                "skipped": {str(reason): count for reason, count in sorted(each.planned.skipped.items())},
                "deferred": each.planned.deferred,
                "exited": each.planned.exited,
            }
            for each in result.campaigns
        ],
    }


def _owed_data(line: Owed) -> dict[str, Any]:
    names = ("step", "route", "why", "letters", "since", "next_at")
    return {name: getattr(line, name) for name in names} | {"due": line.is_due}


def _sent_data(result: TickResult) -> dict[str, Any]:
    return {
        "enrolled": result.enrolled,
        "planned": result.planned,
        "owed": result.owed,
        "sent": result.sent.sent,
        "packs": sum(each.planned.packs for each in result.campaigns),
        "deferred": result.deferred,
        "retry": result.sent.retry,
        "failed": result.sent.failed,
        "uncertain": result.sent.uncertain,
        "skipped": {str(reason): count for reason, count in sorted(result.skipped.items())},
        "ended": result.sent.ended.value,
        "detail": result.sent.detail,
    }


def _sent_from(app: App) -> dict[str, str]:
    """In whose name and through which server letters would leave."""
    sender, smtp = app.settings.sender, app.settings.smtp
    limit = f", at most {smtp.rate_per_minute:,} a minute" if smtp.rate_per_minute else ""
    return {"sender": f"{sender.name} <{sender.local_part}@{sender.domain}>", "through": f"{smtp.host}{limit}"}


def _print_cascade(passing: list[dict[str, Any]], *, is_full: bool) -> None:
    from om_campaigns.campaign.vocabulary import REASONS
    from om_campaigns.cli.output import print_rows

    for each in passing:
        relays = {row["relay"] for row in each["served"]}
        houses = {row["house"] for row in each["served"]}
        click.echo(f"{each['campaign']}: {len(relays)} houses pass on to the advisers of {len(houses)}")
        if each["overlaps"]:
            click.echo(f"  served on more than one level: {', '.join(each['overlaps'])}")
        for row in each["unserved"]:
            click.echo(f"  nobody serves {row['house']}: {REASONS[row['reason']]}")
        if is_full:
            columns = {"house": "advisers of", "relay": "passed on by", "receiver": "received by", "route": "as", "why": "why"}
            print_rows(each["served"], "table", columns)


def _tell_sent(app: App, result: TickResult, format_: str) -> None:
    """Print what was done. Raises InstallationError where the mail server ended the run."""
    from om_campaigns.cli.output import print_json
    from om_campaigns.errors import InstallationError

    if format_ == "json":
        print_json(_sent_data(result))
    else:
        _print_sent(app, result)
    if result.sent.ended.is_fault_of_server:
        raise InstallationError(
            f"the mail server ended the run: {result.sent.detail}", hint="what did not leave is owed still; see 'om-campaigns doctor'"
        )


def _print_sent(app: App, result: TickResult) -> None:
    from om_campaigns.campaign.vocabulary import REASONS
    from om_campaigns.cli.output import counted

    if result.is_clock_behind:
        click.echo("this moment lies before the latest one played; nothing was changed")
        return
    sent = result.sent
    packs = sum(each.planned.packs for each in result.campaigns)
    among = f" ({counted(packs, 'pack')} among them)" if packs else ""
    planned = f"{counted(result.planned, 'letter')} planned{among}"
    click.echo(f"{result.enrolled} enrolled, {planned}, {counted(sent.sent, 'mail')} {_where_to(app)}")
    for count, one, text in (
        (result.deferred, "letter", "moved to a later day (window, holiday or cap)"),
        (sent.retry, "mail", "put off by the mail server: tried again later"),
        (sent.failed, "mail", "refused by the mail server"),
        (sent.uncertain, "mail", "uncertain: handed over without an answer, never sent again by itself"),
    ):
        if count:
            click.echo(f"  {counted(count, one)} {text}")
    for reason, count in sorted(result.skipped.items()):
        click.echo(f"  {count} skipped: {REASONS[reason]}")
    if sent.held:
        click.echo(f"  {sent.held} of them wait until that is mended: 'om-campaigns ledger --status held'")
    if sent.detail and not sent.ended.is_fault_of_server:
        click.echo(f"  stopped: {sent.detail}")


def _where_to(app: App) -> str:
    """What became of the mails: a rehearsal says that nobody got one."""
    if app.mode.value == "live":
        return "sent"
    to = app.settings.rehearsal_to
    return f"sent to {to[0]} only (rehearsal)" if to else "written to outbox/ (rehearsal)"
