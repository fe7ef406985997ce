"""Ids of requirements are links: each that code, tests or manual name stands on the page of requirements, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "requirements.md"
FAMILIES = ("BNC", "BULK", "FWD", "LAW", "MSG", "REN", "SCH", "SEC", "UNS")
NAMED = re.compile(rf"\b({'|'.join(FAMILIES)})[-_](\d\d)\b|_({'|'.join(map(str.lower, FAMILIES))})_?(\d\d)_")
READ = (".html", ".md", ".mjml", ".py", ".toml", ".txt")


def named_in(text: str) -> set[str]:
    """Ids in their two spellings: ``MSG-04``, and ``test_msg_04_…`` in the name of a test."""
    return {f"{(found[1] or found[3]).upper()}-{found[2] or found[4]}" for found in NAMED.finditer(text)}


def named_below(*folders: str) -> dict[str, str]:
    """Each id and a file that names it."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in READ and path != PAGE]
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in files if "node_modules" not in path.parts}
    return {each: path.as_posix() for path, text in texts.items() for each in named_in(text)}


def test_each_id_that_is_named_is_told_and_the_other_way_round() -> None:
    told = re.findall(r"^\| ([A-Z]+-\d\d) \| \S", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = named_below("om_campaigns", "tests", "docs", "benchmarks", "templates")
    assert told == sorted(set(told))
    assert {each: file for each, file in named.items() if each not in told} == {}
    assert set(told) - named.keys() == set()
