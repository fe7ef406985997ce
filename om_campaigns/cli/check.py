"""``check``: every file of the workspace; changes nothing."""

from __future__ import annotations

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import format_option, print_rows

COLUMNS = {"file": "file", "line": "line", "column": "column", "rule": "rule", "level": "level", "text": "text"}


@click.command()
@format_option
@pass_state
def check(state: State, format_: str) -> None:
    """Check every file: tables (by a trial import), segments, brands, campaigns, texts, and the finished letters as their
    readers' programs show them. Exit code 2 if anything is wrong; warnings are shown and do not count.

    JSON and CSV: one row for each problem with file, line, column, rule, level (error, warning), text.
    """
    from om_campaigns.pipeline.staff import check_workspace

    app = state.app()
    found = check_workspace(app, app.now())
    if format_ != "table":
        rows = [
            {
                "file": each.file,
                "line": each.line,
                "column": each.column,
                "rule": each.rule_id,
                "level": "warning" if each.is_warning else "error",
                "text": each.text,
            }
            for each in found.problems
        ]
        print_rows(rows, format_, COLUMNS)
    else:
        for each in found.problems:
            click.echo(str(each), err=True)
        looked = (
            f"{found.tables} tables, {found.segments} segments, {found.brands} brands, {found.campaigns} campaigns with {found.texts} texts"
        ) + (f", {found.overlays} files of own words" if found.overlays else "")
        verdict = f"{len(found.errors)} problems in" if found.errors else "all well:"
        click.echo(f"{verdict} {looked} (mail programs as tested up to {found.tested_on})")
        if warnings := len(found.problems) - len(found.errors):
            click.echo(f"{warnings} warnings: nothing stops, but look at them")
    if found.errors:
        raise SystemExit(2)
