"""An edition: one letter for one house in one language, compiled once, immutable, known by the hash of its inputs."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from om_campaigns.columns import dump_json
from om_campaigns.compose.counted import Counting
from om_campaigns.compose.overlay import OwnBlock
from om_campaigns.compose.slots import (
    SAFE_URL,
    UNSAFE_CHARACTER,
    Gapped,
    Hole,
    Landing,
    SlotUse,
    apply_filters,
    escape_for,
)
from om_campaigns.errors import InputError

MAX_HTML = 100_000
"""Bytes of the HTML part, decoded (REN-01): Gmail cuts off what is longer, and the foot with it."""

TOO_LONG = "the letter has {:,} bytes, at most {:,} are shown by all clients"


class Purpose(StrEnum):
    """What an edition is for: a letter to its reader, the cover of a pack, or what is passed on (no personal value at all)."""

    letter = "letter"
    cover = "cover"
    pack = "pack"


class MissingValueError(InputError):
    """A recipient lacks values the edition prints without a default (domain rule 9); ``paths`` names them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        super().__init__(f"missing: {', '.join(self.paths)}", hint="add the value, or give the text a default: {{ … | default('…') }}")


@dataclass(frozen=True, slots=True)
class EditionInput:
    """All an edition is made from. ``files`` maps paths below ``templates/`` to their text, ``context`` is plain data."""

    files: Mapping[str, str]
    step_path: str
    language: str
    brand: str
    context: Mapping[str, Any]
    purpose: Purpose = Purpose.letter
    note: str = ""
    """Path of a text that follows the letter in a box: how to pass on."""
    overlay: tuple[OwnBlock, ...] = ()
    """For packs: the house's own words."""
    pages: str = ""
    """The address of our pages, from where pictures are loaded."""
    counting: Counting | None = None
    """For whom the links of the text are counted together; None: they lead straight to their targets."""


@dataclass(frozen=True, slots=True)
class Edition:
    """A letter with gaps. ``slots`` are the values it prints; every hole of the four texts points to one of them."""

    id: str
    language: str
    slots: tuple[SlotUse, ...]
    subject: Gapped
    preheader: Gapped
    html: Gapped
    text: Gapped
    markdown: str = ""
    """For packs: the text as Markdown with names filled in; blocks stand between ``::: name`` and ``:::``, the action is the last."""
    targets: tuple[str, ...] = ()
    """Where its counted links lead; they work once they are stored."""

    @property
    def html_bytes(self) -> int:
        """Length of the HTML part without what belongs to one reader."""
        return sum(len(chunk.encode()) for chunk in self.html.chunks)

    @property
    def needed(self) -> frozenset[str]:
        """Slot paths each recipient must have a value for."""
        return frozenset(use.path for use in self.slots if not use.has_default)

    def to_bytes(self) -> bytes:
        """Compressed canonical JSON; equal editions are equal bytes."""
        parts = {name: _dump_gapped(getattr(self, name)) for name in ("subject", "preheader", "html", "text")}
        slots = [[use.path, [[name, list(arguments)] for name, arguments in use.filters]] for use in self.slots]
        whole = {"id": self.id, "language": self.language, "slots": slots, "markdown": self.markdown, **parts}
        if self.targets:
            whole["targets"] = list(self.targets)
        return zlib.compress(dump_json(whole).encode(), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Edition:
        """The edition ``to_bytes`` wrote; damaged bytes raise ValueError."""
        try:
            raw = json.loads(zlib.decompress(data))
            slots = tuple(SlotUse(path, tuple((name, tuple(values)) for name, values in filters)) for path, filters in raw["slots"])
            parts = {name: _read_gapped(raw[name]) for name in ("subject", "preheader", "html", "text")}
            targets = tuple(raw.get("targets", ()))
            return cls(id=raw["id"], language=raw["language"], slots=slots, markdown=raw["markdown"], targets=targets, **parts)
        except (zlib.error, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError("these bytes are no edition") from error


def _dump_gapped(gapped: Gapped) -> list[Any]:
    return [list(gapped.chunks), [[hole.slot, hole.landing.value] for hole in gapped.holes]]


def _read_gapped(raw: list[Any]) -> Gapped:
    return Gapped(tuple(raw[0]), tuple(Hole(slot, Landing(landing)) for slot, landing in raw[1]))


def fill(edition: Edition, values: Mapping[str, str]) -> tuple[str, ...]:
    """One raw text per slot of the edition, filters applied. Raises MissingValueError (all paths at once), InputError for bad values."""
    missing = sorted({use.path for use in edition.slots if not values.get(use.path) and not use.has_default})
    if missing:
        raise MissingValueError(missing)
    unsafe = sorted({use.path for use in edition.slots if UNSAFE_CHARACTER.search(values.get(use.path) or "")})
    if unsafe:
        raise InputError(f"control characters in {', '.join(unsafe)} (SEC-01)", hint="correct the value at its source")
    foreign = sorted(
        {use.path for use in edition.slots if use.path.startswith("links.") and not SAFE_URL.match(values.get(use.path) or "https://-")}
    )
    if foreign:
        raise InputError(f"no web address in {', '.join(foreign)} (SEC-07)")
    return tuple(apply_filters(use, values.get(use.path) or "") for use in edition.slots)


def show_html(edition: Edition, values: Mapping[str, str]) -> str:
    """The HTML part as one recipient gets it."""
    return edition.html.joined(fill(edition, values), escape_for)


def show_text(edition: Edition, values: Mapping[str, str]) -> str:
    """The text part as one recipient gets it."""
    return edition.text.joined(fill(edition, values), escape_for)


def show_subject(edition: Edition, values: Mapping[str, str]) -> str:
    """The subject as one recipient gets it."""
    return edition.subject.joined(fill(edition, values), escape_for)
