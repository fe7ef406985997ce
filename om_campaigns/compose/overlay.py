"""A house's own words (overlay, Hausfassung): whole blocks of what it passes on, replaced, left out or added.

An overlay changes the text before anything is made of it, so every form of a pack says the same. Blocks are never merged:
where OM changed a block that a house had replaced, the house's words stay until somebody decides (``find_conflict``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from om_campaigns.compose.characters import as_literal
from om_campaigns.compose.dialect import unify_line_ends
from om_campaigns.compose.markdown import Block
from om_campaigns.nearest import suggest

TOP = "top"
"""Where an added block stands before everything else; '' is the end, any other word the block it follows."""

_CLOSING = re.compile(r"\s{0,3}:{3,}\s*")


class OverlayKind(StrEnum):
    """What a house did with a block; ``reset`` takes everything else back."""

    replaced = "replaced"
    hidden = "hidden"
    added = "added"
    reset = "reset"


class Conflict(StrEnum):
    """Why a decision is wanted. ``changed``: OM has new words; ``locked``: not allowed any more; ``gone``: no such block any more.

    With ``changed`` the house's words stand until somebody decides, with the others OM's text does.
    """

    none = ""
    changed = "changed"
    locked = "locked"
    gone = "gone"


ALLOWED: dict[str, frozenset[OverlayKind]] = {
    "locked": frozenset(),
    "editable": frozenset({OverlayKind.replaced}),
    "optional": frozenset({OverlayKind.replaced, OverlayKind.hidden}),
}
"""Policy of a block → what a house may do with it."""


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """One block of a house. ``block`` is OM's name of it, or the house's own where it was added; ``base_hash`` what it answers to."""

    block: str
    kind: OverlayKind
    text: str = ""
    base_hash: str = ""
    after: str = ""


def find_conflict(own: OwnBlock, blocks: Mapping[str, Block]) -> Conflict:
    """Whether what a house did still fits OM's text (blocks by their id)."""
    if own.kind in (OverlayKind.added, OverlayKind.reset):
        return Conflict.none
    base = blocks.get(own.block)
    if base is None:
        return Conflict.gone
    if own.kind not in ALLOWED[base.policy]:
        return Conflict.locked
    return Conflict.none if base.hash == own.base_hash else Conflict.changed


def apply_overlay(source: str, first_line: int, blocks: Sequence[Block], overlay: Iterable[OwnBlock]) -> str:
    """OM's Markdown with a house's blocks in it; ``first_line`` is the line of the file that ``source`` begins at.

    What does not fit any more (locked, gone) changes nothing; added blocks whose neighbour is gone stand at the end.
    """
    known = {block.id: block for block in blocks}
    changed: dict[str, OwnBlock] = {}
    added: dict[str, list[str]] = {}
    for own in overlay:
        if own.kind is OverlayKind.added:
            place = own.after if own.after in known or own.after == TOP else ""
            added.setdefault(place, []).extend(["", *_words(own), ""])
        elif find_conflict(own, known) in (Conflict.none, Conflict.changed):
            changed[own.block] = own
    lines = source.split("\n")
    made = added.get(TOP, [])
    position = 0
    for block in sorted(blocks, key=lambda each: each.line):
        start = block.line - first_line
        end = next(number for number in range(start + 1, len(lines)) if _CLOSING.fullmatch(lines[number]))
        made = [*made, *lines[position:start], *_said(lines[start : end + 1], changed.get(block.id)), *added.get(block.id, [])]
        position = end + 1
    return "\n".join([*made, *lines[position:], *added.get("", [])])


def _said(lines: Sequence[str], own: OwnBlock | None) -> list[str]:
    if own is None:
        return list(lines)
    return [] if own.kind is OverlayKind.hidden else [lines[0], *_words(own), lines[-1]]


def _words(own: OwnBlock) -> list[str]:
    """Whatever a house writes is text: no brace of it ever begins an expression (SEC-03)."""
    return as_literal(unify_line_ends(own.text)).split("\n")


OWN_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def find_block_fault(own: OwnBlock, blocks: Mapping[str, Block]) -> str:
    """Why this cannot be done with OM's blocks; '' where it can."""
    if own.kind is OverlayKind.added:
        if own.block in blocks or not OWN_NAME.fullmatch(own.block) or own.block == TOP:
            return f"'{own.block}' cannot be the name of an own block; take small letters, digits and hyphens, and no name of OM's"
        return "" if own.after in ("", TOP) or own.after in blocks else no_such_block(own.after, blocks)
    base = blocks.get(own.block)
    if base is None:
        return no_such_block(own.block, blocks)
    if own.kind in ALLOWED[base.policy]:
        return ""
    if base.policy == "locked":
        return f"'{own.block}' is locked: these words are the same in every house; add an own block beside it instead"
    return f"'{own.block}' may be said in own words, but not left out: it is not optional"


def no_such_block(block: str, blocks: Mapping[str, Block]) -> str:
    near = suggest(block, blocks) or f"; it has {', '.join(blocks) or 'none'}"
    return f"there is no block '{block}' in this text{near}"
