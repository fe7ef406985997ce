"""The manual's page on the lint: every rule the code knows, every program and every allowance, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from om_campaigns.compose.lint.clients import load_allowed, load_tests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "lint.md").read_text(encoding="utf-8")
COMPOSE = ROOT / "om_campaigns" / "compose"
RULE = re.compile(r"[A-Za-z][\w.-]*")


def column(heading: str, number: int = 0) -> list[str]:
    """A column of the first table after a heading or sentence."""
    table = re.search(r"(?:^\|.*\n)+", PAGE[PAGE.index(heading) :], re.MULTILINE)
    assert table is not None
    return [line.split(" | ")[number].strip("| ") for line in table[0].splitlines()[2:]]


def rules(files: Iterator[Path], name: str, position: int) -> set[str]:
    """The rule each call of ``name`` gives, wherever it is written out."""
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name and len(node.args) > position:
                given = node.args[position]
                found |= {given.value} if isinstance(given, ast.Constant) and isinstance(given.value, str) else set()
    return found


def test_every_rule_of_the_lint_stands_there_with_its_meaning_and_its_cure() -> None:
    known = rules((COMPOSE / "lint").glob("*.py"), "Finding", 0)
    assert {each.strip("`") for each in column("## Rules")} == known
    assert all(column("## Rules", 2))
    assert all(column("## Rules", 3))


def test_every_rule_of_reading_and_composing_stands_there() -> None:
    known = rules(COMPOSE.glob("*.py"), "Problem", 3)
    shown = set(re.findall(r"`([^`]+)`", " ".join(column("before the lint"))))
    assert known - shown - {each.strip("`") for each in column("## Rules")} == set()


def test_every_program_stands_there() -> None:
    assert column("## Mail programs") == list(load_tests().clients.values())


def test_every_allowance_stands_there_with_its_reason() -> None:
    shown = zip((each.strip("`") for each in column("## Features that")), column("## Features that", 1), strict=True)
    assert {name: reason.replace("&lt;", "<") for name, reason in shown} == dict(load_allowed())
