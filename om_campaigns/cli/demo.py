"""``demo``: the sample campaigns, walked through 120 days."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from om_campaigns.operate.demo import DemoResult


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), metavar="[DIR]")
@click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Words, or data for programs."
)
def demo(folder: Path, format_: str) -> None:
    """Walk the sample campaigns through 120 days in a folder of their own (default: demo).

    The real pipeline on a virtual clock: SQLite, SMTP on loopback, every mail kept. A second run rebuilds the folder.
    JSON: organisations, people, mails, packs, by_route, skipped, outbox, packs_dir, database, index.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from om_campaigns.events import set_up_logs
    from om_campaigns.operate.demo import run_demo

    set_up_logs(debug=False)
    columns = (TextColumn("walking 120 days"), BarColumn(), TextColumn("day {task.completed:.0f}"))
    with Progress(*columns, console=Console(stderr=True), disable=format_ == "json", transient=True) as bar:
        task: Any = bar.add_task("walk", total=120)
        result = run_demo(folder, lambda day, days: bar.update(task, completed=day, total=days))
    if format_ == "json":
        from om_campaigns.cli.output import print_json

        print_json(_data(result))
    else:
        _print(result, folder)


def _data(result: DemoResult) -> dict[str, Any]:
    return {
        "organisations": result.organisations,
        "people": result.people,
        "mails": result.mails,
        "packs": result.packs,
        "by_route": dict(sorted(result.by_route.items())),
        "skipped": {str(reason): count for reason, count in sorted(result.skipped.items())},
        "outbox": str(result.folder / "outbox"),
        "packs_dir": str(result.folder / "packs"),
        "database": str(result.folder / "om-campaigns.db"),
        "index": str(result.index),
    }


def _print(result: DemoResult, folder: Path) -> None:
    import shlex
    import sys

    from om_campaigns.cli.output import print_rows

    click.echo(f"{result.organisations} organisations, {result.people} people, {result.mails} mails, {result.packs} packs in 120 days\n")
    rows = [
        {
            "campaign": each.campaign,
            "steps": each.steps,
            "routes": ", ".join(f"{route} {count}" for route, count in sorted(each.routes.items())),
            "mails": each.mails,
            "finished": each.finished,
            "skipped": ", ".join(f"{count} {reason}" for reason, count in sorted(each.skipped.items())) or "–",
        }
        for each in result.campaigns
    ]
    headings = {name: name for name in ("campaign", "steps", "routes", "mails", "finished", "skipped")} | {"routes": "letters"}
    print_rows(rows, "table", headings)
    command = "om-campaigns" if Path(sys.argv[0]).name != "om-campaigns" else sys.argv[0]
    start = shlex.join([command, "-w", str(folder), "--now", f"{result.until:%Y-%m-%dT%H:%MZ}"])
    click.echo("\nTry:")
    for rest in (
        "why m.feldkamp@hwk-westerfurt.example wir-gedanke",
        "preview wir-gedanke/a2",
        "pack list fuenf-gedanken/b2",
    ):
        click.echo(f"  {start} {rest}")
    click.echo(f"\nEvery mail as its reader sees it:\n  {result.index}")
