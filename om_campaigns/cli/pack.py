"""``pack``: list, show, write, acknowledge, and the states in between."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.output import DAY, format_option, print_facts, print_json, print_rows

KEYS = ("code", "campaign", "occasion", "step", "house", "receiver", "route", "state", "state_at", "due_on", "serves", "level", "count")
LEVELS = ("head_office", "state", "regional", "adviser", "business")
STATES = ("planned", "offered", "accepted", "postponed", "skipped", "forwarded", "reported", "replaced", "expired")
FORMATS = ("eml", "html", "text", "markdown", "snippet", "pdf", "manifest")


@click.group(cls=Group)
def pack() -> None:
    """What partners pass on to their advisers."""


@pack.command("list")
@click.argument("target", required=False, metavar="[CAMPAIGN[/STEP]]")
@click.option("--house", default="", metavar="SLUG", help="Received by this house, or serving its advisers.")
@click.option("--state", "relay_state", default="", type=click.Choice(["", *STATES]), help="Only packs in this state.")
@format_option
@pass_state
def list_(state: State, target: str | None, house: str, relay_state: str, format_: str) -> None:
    """Every pack: which house received it, and how far it came; 'pack show' tells to whom it went and whose advisers it serves.

    JSON: code, campaign, occasion, step, house, receiver, route, state, state_at, due_on, serves, level, count.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.staff.show_packs import load_packs, require_known

    campaign, _, step = (target or "").partition("/")
    with looking(state) as (app, session):
        require_known(session, campaign=campaign, house=house)
        rows = load_packs(session, campaign=campaign, step=step, house=house, state=relay_state)
        zone = app.settings.zone_info
    for row in rows:
        row["letter"] = f"{row['campaign']}/{row['step']}"
        row["answer"] = " ".join(str(each) for each in (row["level"], row["count"]) if each is not None)
    columns = {"code": "code", "letter": "letter", "house": "house", "state": "state", "due_on": "until", "answer": "came to"}
    print_rows(rows, format_, columns, keys=KEYS, zone=zone, empty="no such pack: packs are made for campaigns that go through houses")


@pack.command()
@click.argument("code")
@format_option
@pass_state
def show(state: State, code: str, format_: str) -> None:
    """One pack: whom it serves, its revisions, every answer."""
    from om_campaigns.cli.output import looking
    from om_campaigns.partner.packs import find_by_code
    from om_campaigns.staff.show_packs import load_pack

    with looking(state) as (app, session):
        found = load_pack(session, find_by_code(session, code).code)
        zone = app.settings.zone_info
    if format_ == "json":
        print_json(found)
        return
    if format_ == "csv":
        print_rows([{key: found[key] for key in KEYS}], "csv", {}, keys=KEYS)
        return
    print_facts({key.replace("_", " "): value for key, value in found.items() if key not in ("revisions", "answers")}, zone=zone)
    click.echo()
    print_rows(found["revisions"], "table", {"number": "revision", "made_at": "made", "edition_id": "edition"}, zone=zone)
    if found["answers"]:
        columns = {"at": "answered", "house": "house", "level": "came to", "count": "number", "sentence": "sentence", "actor": "by"}
        click.echo()
        print_rows(found["answers"], "table", columns, zone=zone)


@pack.command()
@click.argument("code")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", "forms", multiple=True, type=click.Choice(FORMATS), help="Only this form; may be given several times.")
@pass_state
def write(state: State, code: str, folder: Path, forms: tuple[str, ...]) -> None:
    """Write the files of a pack into FOLDER: draft, page, text, blocks, sheet, manifest, pictures."""
    from om_campaigns.partner.packs import Format, write_pack

    app = state.app()
    for path in write_pack(app, code, folder, app.now(), [Format(form) for form in forms]):
        click.echo(str(path))


@pack.command()
@click.argument("text", metavar="CODE", required=False)
@click.option("--level", type=click.Choice(LEVELS), help="How deep it came.")
@click.option("--count", type=click.IntRange(min=0), help="About how many, in the unit of the level.")
@click.option("--sentence", default="", help="What they said, in one sentence.")
@click.option("--house", default="", metavar="SLUG", help="Only for this one of the houses it serves.")
@click.option("--no", "is_declined", is_flag=True, help="Not this time; that helps as well.")
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Many at once, from a CSV file.")
@pass_state
def acknowledge(
    state: State,
    text: str | None,
    level: str | None,
    count: int | None,
    sentence: str,
    house: str,
    is_declined: bool,
    path: Path | None,
) -> None:
    """Record what a house says about a pack: by CODE and options, by the whole line it wrote, or from a file.

    A line reads like "K7M-2X99 – Regionalstellen – 12" or "K7M-2X99 – nein". A file has the columns code, level, count,
    sentence, house.
    """
    from om_campaigns.errors import InputError
    from om_campaigns.partner.acknowledgements import Answer, CascadeLevel, acknowledge_line
    from om_campaigns.partner.acknowledgements import acknowledge as record
    from om_campaigns.partner.packs import Acting
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    if (text is None) == (path is None):
        raise InputError("say which pack", hint="a CODE, or --file")
    if path is not None:
        _acknowledge_file(app, path, app.now(), load_actor())
        return
    if level and is_declined:
        raise InputError("--level and --no contradict each other")
    acting, line = Acting(load_actor()), text or ""
    if level or is_declined:
        answer = Answer(CascadeLevel(level) if level else None, count, sentence, house)
        done = record(app, acting, line, answer, app.now())
    else:
        done = acknowledge_line(app, acting, line, app.now(), count=count, sentence=sentence, house=house)
    said = done.level or done.state
    how = f"{said}, {done.count}" if done.count is not None else said
    click.echo(f"{done.code}: {how}" + ("" if done.is_new else " (known already)"))


def _acknowledge_file(app: Any, path: Path, now: datetime, actor: str) -> None:
    from om_campaigns.partner.acknowledgements import import_acknowledgements
    from om_campaigns.partner.packs import Acting

    result = import_acknowledgements(app, path, now, Acting(actor))
    for row in result.rejected:
        click.echo(f"{row['file']}:{row['line']}: {row['reason']}", err=True)
    click.echo(f"{result.new} recorded, {result.known} known already, {result.faults} rejected")
    if result.rejected:
        raise SystemExit(2)


@pack.command()
@click.argument("code")
@pass_state
def accept(state: State, code: str) -> None:
    """The contact says it will be passed on."""
    _move(state, code, "accepted")


@pack.command()
@click.argument("code")
@click.option("--until", required=True, type=DAY, metavar="DATE", help="The new last day.")
@pass_state
def postpone(state: State, code: str, until: date) -> None:
    """The contact names a later day."""
    _move(state, code, "postponed", until)


@pack.command()
@click.argument("code")
@pass_state
def skip(state: State, code: str) -> None:
    """Not this time; no acknowledgement is expected."""
    _move(state, code, "skipped")


@pack.command()
@click.argument("code")
@pass_state
def forwarded(state: State, code: str) -> None:
    """The contact, or a colleague, has passed it on; how far it came is not known yet."""
    _move(state, code, "forwarded")


@pack.command("hand-over")
@click.argument("code")
@click.option("--to", default="", metavar="ADDRESS", help="Distributor, contact or deputy of the house; the next in line otherwise.")
@pass_state
def hand_over(state: State, code: str, to: str) -> None:
    """Send it to somebody else in the house: a new contact, a deputy. The code stays; the mails leave with the next run."""
    from om_campaigns.partner.packs import Acting, hand_over_pack
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    done = hand_over_pack(app, Acting(load_actor()), code, app.now(), to=to)
    click.echo(f"{done.code}: handed over to {done.receiver}" + ("" if done.is_new else " (already; --to names somebody else)"))


def _move(state: State, code: str, new: str, until: date | None = None) -> None:
    from om_campaigns.partner.packs import Acting, RelayState, move_pack
    from om_campaigns.staff.importing import load_actor

    app = state.app()
    moved = move_pack(app, Acting(load_actor()), code, RelayState(new), app.now(), until=until)
    click.echo(f"{new}" + ("" if moved else " (already)"))
