"""``audience``: import the people and houses, count them."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from om_campaigns.cli import Group, State, pass_state
from om_campaigns.cli.layout import Column
from om_campaigns.cli.output import DAY, counted, format_option, print_facts, print_json, print_rows

if TYPE_CHECKING:
    from om_campaigns.staff.entering import Entering
    from om_campaigns.staff.importing import ImportReport

COUNTED = (Column(""), Column("new", is_number=True), Column("changed", is_number=True), Column("unchanged", is_number=True))
SHOWN_REJECTIONS = 40
SHOWN_DIFFERENCES = 60


@click.group(cls=Group)
def audience() -> None:
    """Import and count the people and houses."""


@audience.command("import")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--strict", is_flag=True, help="Take nothing at all if a single row is refused.")
@click.option("--basis", metavar="KIND", help="Basis of rows that name none, e.g. consent_written or membership_or_service_duty.")
@click.option("--mailing-list", default="*", metavar="SLUG", show_default=True, help="What that basis covers; * for every list.")
@click.option("--collected-by", default="om", metavar="HOUSE", show_default=True, help="Who obtained it: om, or a house's slug.")
@click.option("--source", default="", metavar="TEXT", help="How it was obtained, in words.")
@click.option("--obtained-on", type=DAY, metavar="DATE", help="When it was obtained.")
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="How many would newly enter campaigns in all; lets them in.")
@format_option
@pass_state
def import_(
    state: State,
    files: tuple[Path, ...],
    dry_run: bool,
    strict: bool,
    basis: str | None,
    mailing_list: str,
    collected_by: str,
    source: str,
    obtained_on: date | None,
    expect: int | None,
    format_: str,
) -> None:
    """Import FILES (CSV or XLSX), or every table of the folder audiences/.

    The same file again changes nothing. Rows that cannot be taken are named with file, line, column and reason. Says who would newly
    enter which campaign; where the import makes more enter than one takes in a day, nothing is stored until that figure is typed or
    said (--expect).

    JSON: {"organisations": {"new", "changed", "unchanged"}, "people": {…}, "rejected": [{"file", "line", "column",
    "reason"}], "faults", "without_basis"}; where somebody would newly enter also "entering": [{"campaign", "people", "houses",
    "first_due_at", "most_people", "most_houses", "held", "stays_out"}]; with --dry-run also "changes".
    """
    from om_campaigns.cli.entering import print_entering, with_figure
    from om_campaigns.cli.screen import is_terminal, print_next, quoted
    from om_campaigns.staff.importing import import_audience, load_actor, make_grant

    if basis is None and (source or obtained_on):
        raise click.UsageError("--source and --obtained-on describe a --basis; name one")
    app = state.app()
    now = app.now()
    grant = make_grant(basis, mailing_list, collected_by, source, obtained_on, today=app.today(now)) if basis else None
    entering: list[Entering] = []

    command = " ".join(["audience import", *(quoted(str(file)) for file in files)])

    def note(found: list[Entering]) -> None:
        entering[:] = found

    report = with_figure(
        lambda figure: import_audience(
            app, files, now, load_actor(), is_strict=strict, is_dry_run=dry_run, basis=grant, expect=figure, tell=note
        ),
        expect,
        command=command,
        zone=app.settings.zone_info,
        now=now,
    )
    nothing = strict and bool(report.rejected)
    if format_ == "json":
        print_json(_as_json(report, entering, with_changes=dry_run))
    elif format_ == "csv":
        print_rows([_plain(each) for each in report.rejected], "csv", dict.fromkeys(("file", "line", "column", "reason"), ""))
    else:
        _tell(report, is_dry_run=dry_run, nothing=nothing)
        print_entering(entering, app.settings.zone_info, now)
        if is_terminal(sys.stdout):
            print_next(command if dry_run and not nothing else "plan")
    if nothing:
        raise SystemExit(2)


def _plain(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("file", "line", "column", "reason")}


def _as_json(report: ImportReport, entering: list[Entering], *, with_changes: bool) -> dict[str, object]:
    from om_campaigns.cli.entering import entering_as_json

    answer: dict[str, object] = {
        name: {"new": counts.new, "changed": counts.changed, "unchanged": counts.unchanged}
        for name, counts in (("organisations", report.organisations), ("people", report.people))
    }
    answer["rejected"] = [_plain(each) for each in report.rejected]
    answer["faults"] = report.faults
    answer["without_basis"] = report.without_basis
    if entering:
        answer["entering"] = entering_as_json(entering)
    if with_changes:
        answer["changes"] = [{name: getattr(each, name) for name in ("entity", "name", "field", "old", "new")} for each in report.changes]
    return answer


def _tell(report: ImportReport, *, is_dry_run: bool, nothing: bool) -> None:
    """What came, what was noticed on the way, and what was not taken."""
    from om_campaigns.cli.screen import print_block, print_headline, print_table

    counts = {"houses": report.organisations, "people": report.people}
    counts |= {name.replace("_", " "): number for name, number in report.other.items()}
    print_headline(_verdict(report, is_dry_run=is_dry_run, nothing=nothing), mark="✗" if nothing else "" if is_dry_run else "✓")
    if not nothing:
        rows = [[name, f"{each.new:,}", f"{each.changed:,}", f"{each.unchanged:,}"] for name, each in counts.items()]
        print_table(COUNTED, rows)
    for note in report.notes:
        print_block(f"note: {note}")
    if is_dry_run and report.changes:
        click.echo()
        for each in report.changes[:SHOWN_DIFFERENCES]:
            before = "" if each.old is None else f"{each.old!r} → "
            click.echo(f"  {each.entity} {each.name}: {each.field} {before}{each.new!r}")
        _more(len(report.changes), SHOWN_DIFFERENCES, "differences")
    if report.rejected:
        click.echo(f"{counted(report.faults, 'fault')} in rows that were not taken:", err=True)
        for fault in report.rejected[:SHOWN_REJECTIONS]:
            place = ":".join(str(part) for part in (fault.file, fault.line, fault.column) if part)
            click.echo(f"  {place}: {fault.reason}", err=True)
        if report.faults > SHOWN_REJECTIONS:
            listed = "has them all" if report.faults == len(report.rejected) else f"has the first {len(report.rejected):,}"
            click.echo(f"  … and {report.faults - SHOWN_REJECTIONS:,} more faults; --format json {listed}", err=True)


def _verdict(report: ImportReport, *, is_dry_run: bool, nothing: bool) -> str:
    """The sentence above: how much is new, changed and as before, and how much was not taken."""
    faults = f"; {counted(report.faults, 'fault')} in rows that were not taken" if report.faults else ""
    if nothing:
        return f"Nothing was imported: {counted(report.faults, 'fault')} in its rows, and --strict was given."
    counts = [report.organisations, report.people, *report.other.values()]
    new, changed = sum(each.new for each in counts), sum(each.changed for each in counts)
    found = f"{counted(new, 'row')} new, {changed:,} changed" if new or changed else "nothing is new or changed"
    return f"Trial: {found}{faults}. Nothing was stored." if is_dry_run else f"Imported: {found}{faults}."


BASIS_ADVICE = (
    "fill the columns basis, collected_by, obtained_on and source of people.csv, or import that file once with "
    '--basis membership_or_service_duty --source "…" --obtained-on 2026-01-31 where all rows share one.'
)


def _more(number: int, shown: int, what: str) -> None:
    if number > shown:
        click.echo(f"  … and {number - shown} more {what}; --format json has them all")


@audience.command()
@format_option
@pass_state
def show(state: State, format_: str) -> None:
    """Count houses, people, addresses, and who may be written to.

    JSON: {"organisations", "people", "role_addresses", "seats", "addresses", "suppressed", "without_basis",
    "mailing_lists": [{"slug", "name", "mailable", "suppressed"}]}.
    """
    from om_campaigns.cli.output import looking
    from om_campaigns.operate.standing import count_audience

    with looking(state) as (app, session):
        counts = count_audience(session, app.today(app.now()))
    lists = counts["mailing_lists"]
    columns = {"slug": "mailing list", "name": "name", "mailable": "mailable", "suppressed": "suppressed"}
    if format_ == "json":
        print_json(counts)
    elif format_ == "csv":
        print_rows(lists, "csv", columns)
    else:
        print_facts({name.replace("_", " "): number for name, number in counts.items() if name != "mailing_lists"})
        click.echo()
        print_rows(lists, "table", columns, empty="no mailing list yet: write audiences/mailing_lists.csv and import it")
        if counts["without_basis"]:
            click.echo(f"\n{counts['without_basis']} of {counts['addresses']} addresses have no basis. Do this: {BASIS_ADVICE}")
