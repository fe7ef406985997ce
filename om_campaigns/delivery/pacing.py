"""How fast, and when again: the sending rate that survives restarts, and the retry schedule.

The rate is a sliding minute over buckets of one second in ``pace``. A bucket counts until every letter in it is older than
sixty seconds, so no window of a minute ever holds more than the limit, whichever process looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=61)
"""A bucket's second plus the minute after it."""

FIRST_GREYLIST = timedelta(minutes=10)
GREYLIST_ATTEMPTS = 3
STEPS = tuple(timedelta(minutes=minutes) for minutes in (30, 60, 120, 240, 480, 720))
"""Waits after the first, second … refusal for now (BNC-10, RFC 5321 §4.5.4.1); the last one repeats."""

GIVE_UP_AFTER = timedelta(days=5)
SPREAD = 0.2
"""Waits are lengthened by up to this part, so that what was refused together does not come back together."""


def make_retry_at(attempts: int, first_at: datetime, now: datetime, *, greylisted: bool, ref: str) -> datetime | None:
    """When a letter that was refused for now is offered again; None: it is given up (BNC-10, RFC 6647).

    ``attempts`` counts the attempts made, this one included; ``first_at`` is when the letter was first claimed.
    """
    if now - first_at >= GIVE_UP_AFTER:
        return None
    wait = FIRST_GREYLIST if greylisted and attempts <= GREYLIST_ATTEMPTS else STEPS[min(attempts, len(STEPS)) - 1]
    fraction = hashlib.sha256(f"{ref}:{attempts}".encode()).digest()[0] / 255
    return now + wait * (1 + SPREAD * fraction)


def make_bucket(now: datetime) -> datetime:
    """The second a letter begun at ``now`` is counted in."""
    return now.replace(microsecond=0)


def make_wait(buckets: Sequence[tuple[datetime, int]], now: datetime, limit: int) -> timedelta:
    """How long until one more letter may begin; zero: now.

    ``buckets`` are (second, letters begun in it) in ascending order; ``limit`` is letters per minute, at least 1.
    """
    live = [(start, used) for start, used in buckets if start + WINDOW > now]
    total = sum(used for _, used in live)
    for start, used in live:
        if total < limit:
            break
        total -= used
        if total < limit:
            return start + WINDOW - now
    return timedelta(0)
