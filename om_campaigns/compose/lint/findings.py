"""What the lint says: a finding, an error or a warning, and the letter it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a finished letter. ``near`` are words of the letter it is about, empty for the letter as a whole."""

    rule_id: str
    text: str
    is_warning: bool = False
    near: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter as one reader gets it, and what must stand in it.

    ``unsubscribe`` is empty for what a house passes on; ``imprint`` are its text and its address, as far as they are set.
    """

    subject: str
    preheader: str
    html: str
    text: str
    om_name: str
    imprint: tuple[str, ...] = ()
    unsubscribe: str = ""
    reader: str = ""
    """The reader's full name, empty for a pack."""


def shorten_quote(text: str, length: int = 40) -> str:
    """Words of a letter, short enough to be quoted in a message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1].rstrip()}…"
