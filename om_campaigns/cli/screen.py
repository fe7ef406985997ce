"""How every screen speaks: one sentence that is the answer, facts, tables, and one command to go on with.

Colour and sign never carry anything alone: a word beside them says the same. Where a stream is no terminal there is neither
colour nor wrapping. Questions are asked on a terminal only; elsewhere they are refused with the option that answers them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import IO

import click

from om_campaigns.cli.layout import Column, lay_out, lay_out_facts, wrap
from om_campaigns.errors import RefusedError

__all__ = ["Column", "confirm", "confirm_figure", "print_block", "print_facts", "print_headline", "print_next", "print_table", "sign"]

SIGNS = {"✓": "+", "!": "!", "✗": "x", "?": "?", ">": ">", "…": "...", "·": "-", "„": '"', "“": '"', "”": '"', "█": "#", "░": "."}
"""A sign and what stands for it where a stream cannot show them all; the set changes as a whole."""

SIGN_COLOURS = {"✓": "green", "!": "yellow", "✗": "red", "?": "yellow"}
YES = frozenset({"y", "yes", "j", "ja"})
MOST_COLUMNS, FEWEST_COLUMNS = 100, 40


def columns_of(stream: IO[str] | None = None) -> int:
    """How wide lines may become: the terminal's columns, 40 to 100; without limit where it is no terminal."""
    if not is_terminal(stream or sys.stdout):
        return 10_000
    return max(FEWEST_COLUMNS, min(MOST_COLUMNS, shutil.get_terminal_size().columns))


def is_terminal(stream: IO[str]) -> bool:
    return hasattr(stream, "isatty") and stream.isatty()


def has_colour(stream: IO[str]) -> bool:
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, stream: IO[str], **style: object) -> str:
    """The text in colour where ``stream`` shows colours; ``style`` as ``click.style`` takes it."""
    return click.style(text, **style) if has_colour(stream) else text  # type: ignore[arg-type]


def sign(name: str, *, err: bool = False) -> str:
    """A sign, or what stands for it where the stream's encoding lacks one of the set."""
    stream = sys.stderr if err else sys.stdout
    return SIGNS[name] if _is_ascii(stream) else name


def _is_ascii(stream: IO[str]) -> bool:
    if os.environ.get("OM_CAMPAIGNS_ASCII") == "1":
        return True
    try:
        "".join(SIGNS).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_headline(text: str, *, mark: str = "", err: bool = False) -> None:
    """The one sentence that is the answer; ``mark`` (✓ ! ✗ ?) stands before it. Its first clause is bold."""
    stream = sys.stderr if err else sys.stdout
    before = paint(sign(mark, err=err), stream, fg=SIGN_COLOURS.get(mark), bold=True) + " " if mark else ""
    for number, line in enumerate(wrap(text, columns_of(stream) - (2 if mark else 0))):
        shown = paint(line, stream, bold=True)
        click.echo((before if number == 0 else "  " if mark else "") + shown, err=err, color=True)


def print_block(*lines: str, err: bool = False) -> None:
    """A paragraph after a blank line, wrapped; nothing where there are no lines."""
    if not lines:
        return
    click.echo(err=err)
    for line in lines:
        for part in wrap(line, columns_of(sys.stderr if err else sys.stdout)):
            click.echo(part, err=err)


def print_facts(facts: Mapping[str, str], *, err: bool = False) -> None:
    """Lines of name and value after a blank line; what is empty is left out."""
    told = [(name, value) for name, value in facts.items() if value]
    if told:
        click.echo(err=err)
        for line in lay_out_facts(told, columns_of(sys.stderr if err else sys.stdout)):
            click.echo(line, err=err)


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, err: bool = False) -> None:
    """A table after a blank line, its heads dim; nothing where there are no rows."""
    if not rows:
        return
    stream = sys.stderr if err else sys.stdout
    head, *lines = lay_out(columns, rows, columns_of(stream))
    click.echo(err=err)
    click.echo(paint(head, stream, dim=True), err=err, color=True)
    for line in lines:
        click.echo(line, err=err)


def print_next(*commands: str, err: bool = False, word: str = "next", is_apart: bool = True) -> None:
    """Where to go on: whole commands (without the program's name), each alone on its line, with the global options given.

    The second one is announced by ``then:``. Nothing else on a line, so that it can be copied.
    """
    stream = sys.stderr if err else sys.stdout
    if is_apart:
        click.echo(err=err)
    for name, command in zip((word, "then", "also"), commands, strict=False):
        click.echo(f"{paint(f'{name}:', stream, dim=True)} {paint(whole_command(command), stream, fg='cyan')}", err=err, color=True)


def whole_command(command: str) -> str:
    """``plan`` as it would have to be typed here: program, global options as given, command."""
    context = click.get_current_context(silent=True)
    given = context.find_root().params if context else {}
    words = ["om-campaigns"]
    if given.get("workspace") and str(given["workspace"]) != ".":
        words += ["-w", quoted(str(given["workspace"]))]
    if given.get("now"):
        words += ["--now", given["now"].isoformat(timespec="auto" if given["now"].second else "minutes")]
    return " ".join([*words, *([command] if command else [])])


def quoted(word: str) -> str:
    """A word of a command in double quotes where it needs them: understood by sh, cmd and PowerShell."""
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789äöüÄÖÜß@%+=:,./_-\\")
    return word if word and plain.issuperset(word) else f'"{word}"'


def can_ask() -> bool:
    """Somebody sits before it: input and error stream are terminals, and nothing says it runs unattended."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr) and not os.environ.get("CI")


def confirm(question: str, *, answer: str, what: str) -> None:
    """Ask yes or no, no being the default.

    ``what`` is what would happen, as a clause ("88 letters would leave"); ``answer`` the command that answers beforehand.
    Raises RefusedError (exit code 3) where nobody can be asked, and where the answer is not yes.
    """
    said = _ask(f"{question} [y/N]", answer=answer, what=what)
    if said.strip().casefold() not in YES:
        raise RefusedError("the answer was no; nothing was changed")


def confirm_figure(question: str, figure: int, *, answer: str, what: str) -> None:
    """Ask for a figure that must be typed: for what is large or rare. Raises RefusedError as ``confirm`` does."""
    said = _ask(f"{question}, or Enter to leave it:", answer=answer, what=what)
    if said.strip().replace(",", "").replace(".", "") != str(figure):
        raise RefusedError("that was not the figure; nothing was changed" if said.strip() else "nothing was changed")


def ask_figure(question: str, figure: int) -> bool:
    """Whether the figure was typed, of somebody who can be asked; Enter is no. Raises RefusedError for another figure."""
    said = _ask(f"{question}:", answer="", what=question).strip().replace(",", "").replace(".", "")
    if said not in ("", str(figure)):
        raise RefusedError("that was not the figure; nothing was changed")
    return bool(said)


def _ask(question: str, *, answer: str, what: str) -> str:
    if not can_ask():
        raise RefusedError(f"{what}, and there is nobody to ask", hint="look at it first, then answer beforehand", command=answer)
    click.echo(f"\n{question} ", nl=False, err=True)
    return sys.stdin.readline()
