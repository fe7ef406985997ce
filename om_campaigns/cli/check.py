"""``check``: every file of the workspace; changes nothing."""

from __future__ import annotations

import click

from om_campaigns.cli import State, pass_state
from om_campaigns.cli.output import counted, format_option, print_rows
from om_campaigns.cli.screen import print_block, print_facts, print_headline

COLUMNS = {"file": "file", "line": "line", "column": "column", "rule": "rule", "level": "level", "text": "text"}


@click.command()
@click.option("--browser", "measured", is_flag=True, help="Measure in Chromium, too, whether every letter fits on a phone.")
@format_option
@pass_state
def check(state: State, measured: bool, format_: str) -> None:
    """Check every file: tables (by a trial import), segments, brands, campaigns, texts, and the finished letters as their
    readers' programs show them. Exit code 2 if anything is wrong; warnings are shown and do not count.

    JSON and CSV: one row for each problem with file, line, column, rule, level (error, warning), text.
    """
    from om_campaigns.staff.importing import check_workspace

    app = state.app()
    found = check_workspace(app, app.now(), measured=measured)
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
        warnings = counted(len(found.problems) - len(found.errors), "warning") if len(found.problems) > len(found.errors) else ""
        if found.errors:
            print_headline(f"{counted(len(found.errors), 'problem')}{f' and {warnings}' if warnings else ''} to mend.", mark="✗")
        elif warnings:
            print_headline(f"All well, with {warnings}: nothing stops for them, but look at them.", mark="!")
        else:
            print_headline("All well.", mark="✓")
        print_block(*map(str, found.problems))
        texts = f"{counted(found.campaigns, 'campaign')} with {counted(found.texts, 'text')}"
        looked = [counted(found.tables, "table"), counted(found.segments, "segment"), counted(found.brands, "brand"), texts]
        looked += [counted(found.overlays, "file of own words", "files of own words")] if found.overlays else []
        tested = f"mail programs as tested up to {found.tested_on}" if found.texts else ""
        print_facts({"looked at": ", ".join(looked), "held against": tested})
    if found.errors:
        raise SystemExit(2)
