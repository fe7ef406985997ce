"""The command line: one file per noun; commands parse, call a use case, print.

Commands are loaded when they are called, so ``--help`` costs little more than importing click.
"""

from __future__ import annotations

import atexit
import codecs
import gc
import os
import re
import sys
from collections.abc import Sequence
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from om_campaigns.cli.output import TIME
from om_campaigns.errors import InputError, OmError

if TYPE_CHECKING:
    from om_campaigns.app import App

COMMANDS: dict[str, tuple[str, str]] = {
    "action": ("action:action", "What houses report to have done."),
    "answer": ("answer:answer", "What houses answered on the pages behind letters."),
    "audience": ("audience:audience", "Import and count the people and houses."),
    "backup": ("backup:backup", "Write database, keys and texts into one file."),
    "campaign": ("campaign:campaign", "List, publish, change, pause, resume and stop campaigns."),
    "check": ("check:check", "Check every file of the workspace; changes nothing."),
    "db": ("operator:db", "Bring the database to the newest shape."),
    "demo": ("demo:demo", "Walk the sample campaigns through 120 days in a folder of their own."),
    "doctor": ("operator:doctor", "Check the installation: database, disk, clock, mail server, pages."),
    "go-live": ("operator:go_live", "Leave the rehearsal for real mail, once."),
    "halt": ("operator:halt", "Stop all sending at once."),
    "inbox": ("inbox:inbox", "Take in mail: what readers write to leave."),
    "init": ("operator:init", "Make a workspace in a folder."),
    "leaving": ("leaving:leaving", "Who leaves, hour by hour; take a burst back."),
    "ledger": ("ledger:ledger", "Who was sent what, and who was not; settle uncertain letters."),
    "link": ("link:link", "How often links were followed, per house."),
    "org": ("organisation:organisation", "Look at organisations."),
    "overlay": ("overlay:overlay", "The own words of houses in what they pass on."),
    "pack": ("pack:pack", "What partners pass on: list, show, write, acknowledge."),
    "person": ("person:person", "Look at people; erase one."),
    "plan": ("send:plan", "What would be sent, to whom, and why not; changes nothing."),
    "preview": ("preview:preview", "Show a letter as its reader would get it."),
    "restore": ("backup:restore", "Bring a backup back; let a restored database send."),
    "run": ("operator:run", "Send whatever becomes due, until stopped."),
    "segment": ("segment:segment", "List segments and see whom they match."),
    "send": ("send:send", "Send what is due now."),
    "test": ("preview:test", "Send a test mail to yourself."),
    "todo": ("todo:todo", "What people have to look at: list it, close it."),
    "unhalt": ("operator:unhalt", "Let sending go on after a halt."),
    "web": ("web:web", "Serve the pages behind the links of mails."),
    "why": ("why:why", "Why somebody gets, or does not get, a campaign."),
}
"""Command → (module and function below ``cli``, its line in the overview)."""


GLOBAL_OPTIONS = ("-w", "--workspace", "--now", "--debug")


class Group(click.Group):
    """A group that lists its commands with whole sentences, wrapped where a line is full."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=1_000)) for name in self.list_commands(ctx)])


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module, name = found[0].split(":")
        command: click.Command = getattr(import_module(f"om_campaigns.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(COMMANDS.items())])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error meant for people becomes its words and its exit code."""
        try:
            return super().invoke(ctx)
        except OmError as error:
            _say(error)
            if ctx.params.get("debug"):
                raise
            ctx.exit(error.exit_code)


class State:
    """What the global options said; the workspace is opened when a command asks for it."""

    def __init__(self, workspace: Path, now: date | datetime | None, debug: bool) -> None:
        self.workspace, self.now, self.debug = workspace, now, debug
        self._opened: list[App] = []

    def app(self, *, check_schema: bool = True) -> App:
        """The opened workspace. Raises OmError where that fails."""
        from om_campaigns.clock import to_instant
        from om_campaigns.events import set_up_logs
        from om_campaigns.settings import load_settings
        from om_campaigns.wiring import open_app

        set_up_logs(debug=self.debug)
        now: datetime | None = None
        if self.now:
            now = to_instant(self.now, load_settings(self.workspace).zone_info)
        self._opened.append(open_app(self.workspace, now=now, check_schema=check_schema))
        return self._opened[-1]

    def close(self) -> None:
        """Close the database, so that all of it stands in its own file."""
        for app in self._opened:
            app.engine.dispose()


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-w", "--workspace", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="The workspace folder (default: here)."
)
@click.option("--now", type=TIME, metavar="TIME", help="Act as if it were this moment (rehearsal only), e.g. 2027-01-05T09:00.")
@click.option("--debug", is_flag=True, help="Show every step and the full trace of an error.")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), help="Without a command: a page to read, or data for programs.")
@click.version_option(package_name="om-campaigns", prog_name="om-campaigns")
@click.pass_context
def root(ctx: click.Context, workspace: Path, now: date | datetime | None, debug: bool, format_: str | None) -> None:
    """Bring ideas to advisers through their home organisations.

    Without a command: how this workspace stands.
    """
    ctx.obj = State(workspace, now, debug)
    ctx.call_on_close(ctx.obj.close)
    if ctx.invoked_subcommand is None:
        import_module("om_campaigns.cli.status").show(ctx.obj, format_ or "table")
    elif format_:
        raise click.UsageError(f"--format stands behind the command: 'om-campaigns {ctx.invoked_subcommand} … --format {format_}'")


def main(arguments: list[str] | None = None) -> None:
    """The program: runs a command and turns errors into words and exit codes."""
    _look_for_garbage_rarely()
    os.umask(os.umask(0o077) | 0o002)  # what anybody may change is sent by us: no file of ours is that, whatever the umask
    for stream in (sys.stdout, sys.stderr):
        _set_encoding(stream)
    _refuse_undecodable(sys.argv[1:] if arguments is None else arguments)
    try:
        # click hands back the code of ctx.exit() instead of raising
        code = root(args=arguments, prog_name="om-campaigns", standalone_mode=False)
    except click.Abort:
        click.echo("broken off", err=True)
        sys.exit(130)
    except click.ClickException as error:
        _say(_explain(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)


def _set_encoding(stream: Any) -> None:
    """UTF-8, unless somebody asked for ASCII: then signs fall back, and other letters show their number."""
    if hasattr(stream, "reconfigure"):
        is_ascii = codecs.lookup(stream.encoding or "utf-8").name == "ascii"
        stream.reconfigure(encoding="ascii" if is_ascii else "utf-8", errors="backslashreplace" if is_ascii else "replace")


def _explain(error: click.ClickException) -> OmError:
    """What was typed wrong, in our own form: what is wrong, what helps, a command that works."""
    from om_campaigns.nearest import make_hint

    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "om-campaigns"
    path = path.removeprefix("om-campaigns").strip()
    if isinstance(error, click.NoSuchCommand):
        group = error.ctx.command if error.ctx else root
        known = group.list_commands(error.ctx) if isinstance(group, click.Group) and error.ctx else []
        otherwise = "the status page is the bare command" if error.command_name == "status" else ""
        return InputError(
            f"there is no command '{f'{path} ' if path else ''}{error.command_name}'",
            hint=otherwise or make_hint(error.command_name, known),
            command="" if otherwise else f"{path} --help".strip(),
        )
    if isinstance(error, click.NoSuchOption) and error.option_name in GLOBAL_OPTIONS:
        return InputError(
            f"{error.option_name} stands before the command", hint=f"om-campaigns {error.option_name} … {path}", command="--help"
        )
    return InputError(error.format_message().rstrip("."), command=f"{path} --help".strip())


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Bytes that are no UTF-8 arrive as half characters, which no database, file or screen takes."""
    for number, argument in enumerate(arguments, start=1):
        if re.search("[\ud800-\udfff]", argument):
            shown = re.sub("[\ud800-\udfff]", "?", argument)
            click.echo(f"error: argument {number} ('{shown}') cannot be read: it is not UTF-8", err=True)
            click.echo("hint: set the terminal, or the file it was read from, to UTF-8", err=True)
            sys.exit(2)


def _look_for_garbage_rarely() -> None:
    """Let Python look for cycles after 100,000 new things instead of 700, and not once more when it ends.

    Loading the libraries makes many things and no garbage; looking through them again and again is a third of what a command
    takes. A service that lives for years still has its cycles found.
    """
    gc.set_threshold(100_000, 10, 10)
    atexit.register(gc.freeze)


def _say(error: OmError) -> None:
    """Print what is wrong, what helps, and a command that works."""
    from om_campaigns.cli.screen import paint, print_next

    click.echo(f"{paint(error.prefix, sys.stderr, fg='red', bold=True)}{error}", err=True, color=True)
    if error.hint:
        click.echo(f"{paint('hint:', sys.stderr, dim=True)} {error.hint}", err=True, color=True)
    if error.command:
        print_next(error.command, err=True, is_apart=False)


def pass_state(function: Any) -> Any:
    """Hand the command the ``State`` of the global options."""
    return click.make_pass_decorator(State)(function)
