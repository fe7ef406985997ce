"""Writes ``docs/reference/cli.md`` from the help texts of the commands: ``python docs/make_cli_reference.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from om_campaigns.cli import root

PAGE = Path(__file__).parent / "reference" / "cli.md"
WIDTH = 100

HEAD = """# Commands

Made from the commands' own `--help` by `docs/make_cli_reference.py`. A list of what JSON output holds is in [json.md](json.md),
of exit codes in [errors.md](errors.md).

Global options stand before the command: `om-campaigns -w myworkspace --now 2027-01-05T09:00 plan`. Days and
times are written as `2027-01-05`, `2027-01-05T09:00` or as `5.1.2027`, `5.1.2027 9:00`; without an offset they are local time of the
instance (`zone` in `config.toml`). `--now` is refused for commands that write in live mode.
"""


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all commands below it, in alphabetical order, each with the context of its help text."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from walk(below, make_context(below, name, context))


def make_context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """A context that makes help texts of the same width on every machine."""
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"]
    )


def make_page() -> str:
    """The whole page."""
    parts = [HEAD]
    for command, context in walk(root, make_context(root, "om-campaigns")):
        name = " ".join(context.command_path.split())
        heading = "##" if name.count(" ") < 2 else "###"
        usage = "\n".join(line.rstrip() for line in command.get_help(context).rstrip().split("\n"))
        parts.append(f"{heading} `{name}`\n\n```text\n{usage}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
