"""A manual page read as a script: files to save, and commands with what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
    """Runs commands as a reader types them, one after the other; ``cd`` lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "PYTHONUTF8": "1",
        }

    def run(self, command: str) -> list[str]:
        """What a command printed, errors too, as lines without blanks at their end."""
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ").strip()
            return []
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        return [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")] if done.stdout else []


def fits(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the shown lines are what was printed; a line ``…`` stands for any number of lines, and ``…`` inside one for any text."""
    lines = [r"(?:.*\n)*?" if line == ELISION else ".*?".join(map(re.escape, line.rstrip().split(ELISION))) + r"\n" for line in shown]
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed)) is not None
