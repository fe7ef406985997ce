"""The manual's page on JSON: every command that can print it is there, and prints the shape shown."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from om_campaigns.cli import root
from tests.docs.walkthrough import Run, Save, Shell, read_steps

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES: dict[str, Any] = {
    command: json.loads(body)
    for command, body in re.findall(
        r"^## `om-campaigns ([^`]+)`\n.*?^```json\n(.*?)^```$",
        (DOCS / "reference" / "json.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
}
ANY = "…"
BY_ITS_OWN_TEST = (
    "demo",
    "pack show",
    "overlay list",
    "overlay show amt reihe/b1",
    "overlay history amt reihe/b1",
    "todo list",
    "action list",
    "link list",
    "inbox",
    "leaving list",
    "leaving undo",
    "person proof",
)


def find_difference(shown: Any, printed: Any, where: str = "") -> str:
    """Where the shape of what was printed is not the one shown; empty when it fits. Values do not count, nor does a null."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        if ANY not in shown and shown.keys() != printed.keys():
            return f"{where}: {sorted(shown.keys() ^ printed.keys())}"
        pairs = [(shown[ANY] if ANY in shown else shown[key], each, f"{where}.{key}") for key, each in printed.items()]
    elif isinstance(shown, list) and isinstance(printed, list):
        pairs = [(shown[0], each, f"{where}[]") for each in printed if shown]
    else:
        fits = shown is None or printed is None or isinstance(printed, type(shown))
        return "" if fits else f"{where}: {printed!r} is not like {shown!r}"
    return next(filter(None, (find_difference(*pair) for pair in pairs)), "")


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The workspace of the tutorial, at its end."""
    shell = Shell(tmp_path_factory.mktemp("json"))
    for step in read_steps((DOCS / "tutorial" / "first-campaign.md").read_text(encoding="utf-8")):
        if isinstance(step, Save):
            path = shell.folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.body, encoding="utf-8")
        elif isinstance(step, Run):
            shell.run(step.command)
    return shell


@pytest.mark.slow
@pytest.mark.parametrize("command", [name for name in EXAMPLES if name not in BY_ITS_OWN_TEST])
def test_each_command_prints_the_shape_shown(command: str, shell: Shell) -> None:
    printed = json.loads("\n".join(shell.run(f"om-campaigns --now 2027-01-14T12:00 {command} --format json")))
    assert type(printed) is type(EXAMPLES[command])
    assert not (difference := find_difference(EXAMPLES[command], printed)), difference


@pytest.mark.slow
def test_a_refused_row_and_a_problem_print_the_shape_shown(shell: Shell) -> None:
    people = shell.folder / "audiences" / "people.csv"
    before = people.read_text(encoding="utf-8")
    people.write_text(before + "Rosa Lindner;nowhere;hwk-talbrueck;contact;;;\n", encoding="utf-8")
    try:
        for command, rows in (("check", lambda told: told), ("audience import --dry-run", lambda told: told["rejected"])):
            printed = json.loads("\n".join(shell.run(f"om-campaigns --now 2027-01-14T12:00 {command} --format json")))
            assert rows(printed)
            assert not (difference := find_difference(EXAMPLES[command], printed)), difference
    finally:
        people.write_text(before, encoding="utf-8")


def commands_with_json(command: click.Command, path: tuple[str, ...] = ()) -> set[str]:
    context = click.Context(command)
    choices = [option.type.choices for option in command.params if option.name == "format_" and isinstance(option.type, click.Choice)]
    own = {" ".join(path)} if choices and "json" in choices[0] else set()
    if not isinstance(command, click.Group):
        return own
    below = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return own.union(*(commands_with_json(found, (*path, name)) for name, found in below.items() if found))


def test_every_command_that_prints_json_stands_there() -> None:
    known = commands_with_json(root) - {""}  # the bare command is shown first, and held to its page by tests/cli/test_status.py
    shown = {next(name for name in known if shlex.split(command)[: len(name.split())] == name.split()) for command in EXAMPLES}
    assert shown == known


@pytest.mark.parametrize(
    ("shown", "printed", "differs"),
    [
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": None}, False),
        ({"a": 1}, {"b": 1}, True),
        ({"a": 1}, {"a": "1"}, True),
        ([{"a": 1}], [{"a": 1}, {"a": 1, "b": 1}], True),
        ({"…": 1}, {"x": 1, "y": 2}, False),
        ({"…": 1}, {"x": "1"}, True),
        ([], [1], False),
    ],
)
def test_shapes_are_compared(shown: Any, printed: Any, differs: bool) -> None:
    assert bool(find_difference(shown, printed)) is differs
