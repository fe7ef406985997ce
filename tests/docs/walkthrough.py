"""A manual page read as a script: files to save, and commands with what they print."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from om_campaigns.cli import main

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"`(?P<path>(?:audiences|templates)/[^`]+)`[^`\n]*:\n\n\Z")
ELISION = "…"


@dataclass(frozen=True, slots=True)
class Save:
    """A block below a line that names a file of the workspace and ends in a colon."""

    path: str
    body: str


@dataclass(frozen=True, slots=True)
class Run:
    """A ``$`` line of a console block and the lines below it."""

    command: str
    shown: tuple[str, ...]


def read_steps(page: str) -> list[Save | Run]:
    """The steps of a page in their order: every console block, and every block whose file is named right above."""
    steps: list[Save | Run] = []
    for fence in _FENCE.finditer(page):
        if fence["language"] == "console":
            steps += _read_console(fence["body"])
        elif named := _PATH.search(page[: fence.start()]):
            steps.append(Save(named["path"], fence["body"]))
    return steps


def _read_console(body: str) -> list[Run]:
    runs = []
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        runs.append(Run(command, tuple(shown)))
    return runs


class Shell:
    """Runs commands as a reader types them, one after the other; ``cd`` lasts. All in this process, which is quick."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str) -> list[str]:
        """What a command printed, errors too, as lines without blanks at their end."""
        program, *arguments = shlex.split(command)
        if program == "cd":
            self.folder = self.folder / arguments[0]
            return []
        assert program == "om-campaigns", f"only cd and om-campaigns are run here: {command}"
        said = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            contextlib.suppress(SystemExit),
        ):
            main(arguments)
        return [line.rstrip() for line in said.getvalue().rstrip("\n").split("\n")] if said.getvalue() else []


def fits(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the shown lines are what was printed; a line ``…`` stands for any number of lines, and ``…`` inside one for any text."""
    lines = [r"(?:.*\n)*?" if line == ELISION else ".*?".join(map(re.escape, line.rstrip().split(ELISION))) + r"\n" for line in shown]
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed)) is not None
