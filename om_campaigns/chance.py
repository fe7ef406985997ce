"""Where refs, codes and keys come from: random numbers of the system, or in a run that must repeat itself a seed.

What lasts and can be seen is drawn here. What only tells processes apart (claims, names of workers, nonces) is not, because
threads draw it in any order.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_source: Callable[[int], bytes] = secrets.token_bytes


def draw(count: int) -> bytes:
    """As many random bytes."""
    return _source(count)


def draw_symbol(alphabet: Sequence[str]) -> str:
    """One of 32 symbols, each as likely as the others."""
    if len(alphabet) != 32:
        raise ValueError(f"an alphabet of 32 symbols, not of {len(alphabet)}")
    return alphabet[draw(1)[0] & 31]


@contextmanager
def repeatable(seed: bytes) -> Iterator[None]:
    """Draw the same bytes in each run that begins with this seed: for tests that compare whole runs, never where mail leaves."""
    global _source
    before, _source = _source, _Stream(seed)
    try:
        yield
    finally:
        _source = before


class _Stream:
    """The bytes that follow from a seed: SHAKE-256 of it and a counter."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._drawn, self._lock = seed, 0, threading.Lock()

    def __call__(self, count: int) -> bytes:
        with self._lock:
            self._drawn += 1
            number = self._drawn
        return hashlib.shake_256(self._seed + number.to_bytes(8, "big")).digest(count)
