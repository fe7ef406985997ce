"""What a form showed when its page was opened comes back with what was chosen: so a page that lay open undoes nothing that was said since.

A field is a decision only where it differs from what was shown.
"""

from __future__ import annotations

from collections.abc import Iterable


def merge_text(shown: str | None, typed: str, now: str) -> str:
    """What a field holds after saving: what holds ``now`` where it was left as it was shown, whatever a browser makes of line ends."""
    return now if shown is not None and shown.split() == typed.split() else typed


def merge_ticks(shown: Iterable[str], ticked: Iterable[str], now: Iterable[str]) -> set[str]:
    """What is ticked after saving: what holds ``now``, with what was ticked and without what was unticked on the page."""
    before, after = set(shown), set(ticked)
    return (set(now) | (after - before)) - (before - after)
