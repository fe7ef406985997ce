"""Locked blocks are the same in every house: what a house passes on is composed with them unchanged, or not at all.

A locked block is marked where it begins and ends while its letter is composed, so that what is printed between can be held
against the same text without any own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from om_campaigns.errors import Problem

_MARKED = re.compile(r"Zq7b([a-z][a-z0-9_\-]*)q7Z(.*?)Zq7e\1q7Z", re.DOTALL)
_MARK = re.compile(r"Zq7[be][a-z][a-z0-9_\-]*q7Z\n?")
_SOURCE = re.compile(
    r"^(?P<head> {0,3}:{3,}[^\n]*\{#(?P<id>[a-z][a-z0-9_\-]*)[ \t]+(?:locked|gesperrt)[ \t]*\}[^\n]*\n)"
    r"(?P<text>.*?)(?P<end>^\s{0,3}:{3,}\s*$)",
    re.DOTALL | re.MULTILINE,
)


def mark_locked(block: str, parts: Iterable[str]) -> tuple[str, ...]:
    """The parts of a template with marks around them; as they are where ``block`` is ''."""
    return (f"Zq7b{block}q7Z", *parts, f"Zq7e{block}q7Z") if block else tuple(parts)


def mark_source(markdown: str) -> str:
    """Markdown with marks inside each locked block."""
    return _SOURCE.sub(lambda found: f"{found['head']}Zq7b{found['id']}q7Z\n{found['text']}Zq7e{found['id']}q7Z\n{found['end']}", markdown)


def without_marks(text: str) -> str:
    return _MARK.sub("", text)


def find_broken(ours: str, theirs: str, path: str) -> list[Problem]:
    """One problem for each locked block that stands in ``ours`` and not exactly so in ``theirs`` (both with marks)."""
    said, wanted = sorted(_MARKED.findall(theirs)), sorted(_MARKED.findall(ours))
    if said == wanted:
        return []
    broken = dict.fromkeys(block for block, text in wanted if (block, text) not in said) or dict.fromkeys(block for block, _ in wanted)
    text = "the locked block '{}' would not stand unchanged in what is passed on"
    return [Problem(path, 0, 0, "locked", text.format(block)) for block in broken]
