"""What a form showed when its page was opened comes back with what was chosen: so a page that lay open undoes nothing that was said since.

A field is a decision only where it differs from what was shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def merge_fields(
    shown: Mapping[str, str], typed: Mapping[str, str], now: Mapping[str, str], *, together: Collection[str] = ()
) -> dict[str, str]:
    """What the fields hold after saving: what holds ``now`` in those that were left as shown, whatever a browser makes of line ends.

    Those that say one thing ``together`` are a decision when one of them is.
    """
    left = {name for name, text in typed.items() if name in shown and shown[name].split() == text.split()}
    if not left.issuperset(together):
        left -= set(together)
    return {name: now[name] if name in left else text for name, text in typed.items()}


def merge_ticks(shown: Iterable[str], ticked: Iterable[str], now: Iterable[str]) -> set[str]:
    """What is ticked after saving: what holds ``now``, with what was ticked and without what was unticked on the page."""
    before, after = set(shown), set(ticked)
    return (set(now) | (after - before)) - (before - after)
