"""How fast, and when again: destinations, limits that survive restarts, and the retry schedule.

A limit is a sliding window over buckets of a sixtieth of its period in ``pace``. A bucket counts until every letter in it is
older than the period, so no window ever holds more than the limit, whichever process looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

OPERATORS: tuple[tuple[str, ...], ...] = (
    ("gmail.com", "googlemail.com"),
    ("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de", "mail.com"),
    ("t-online.de", "magenta.de"),
    ("outlook.com", "outlook.de", "hotmail.com", "hotmail.de", "live.com", "live.de", "msn.com"),
    ("icloud.com", "me.com", "mac.com"),
    ("yahoo.com", "yahoo.de", "aol.com", "aol.de", "ymail.com"),
    ("freenet.de", "freenetmail.de"),
)
"""Mailbox providers with several domains, the name of the destination first. A domain that is not here is its own destination."""

_DESTINATION = {domain: domains[0] for domains in OPERATORS for domain in domains}
_DOMAINS = {domains[0]: domains for domains in OPERATORS}


def destination_of(domain: str) -> str:
    """The destination that a domain belongs to."""
    return _DESTINATION.get(domain, domain)


def destination_of_address(address: str) -> str:
    """The destination of an address in normal form."""
    return destination_of(address.rpartition("@")[2])


def domains_of(destinations: Iterable[str]) -> list[str]:
    """Every domain of these destinations."""
    return sorted({domain for each in destinations for domain in _DOMAINS.get(each, (each,))})


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

FIRST_GREYLIST = timedelta(minutes=10)
GREYLIST_ATTEMPTS = 3
STEPS = tuple(timedelta(minutes=minutes) for minutes in (30, 60, 120, 240, 480, 720))
"""Waits after the first, second … refusal for now (BNC-10, RFC 5321 §4.5.4.1); the last one repeats."""

GIVE_UP_AFTER = timedelta(days=5)
SPREAD = 0.2
"""Waits are lengthened by up to this part, so that what was refused together does not come back together."""


FIRST_SLOWED = timedelta(minutes=5)
LONGEST_SLOWED = timedelta(hours=4)


def make_retry_at(attempts: int, first_at: datetime, now: datetime, *, greylisted: bool, ref: str) -> datetime | None:
    """When a letter that was refused for now is offered again; None: it is given up (BNC-10, RFC 6647).

    ``attempts`` counts the attempts made, this one included; ``first_at`` is when the letter was first claimed.
    """
    if now - first_at >= GIVE_UP_AFTER:
        return None
    wait = FIRST_GREYLIST if greylisted and attempts <= GREYLIST_ATTEMPTS else STEPS[min(attempts, len(STEPS)) - 1]
    fraction = hashlib.sha256(f"{ref}:{attempts}".encode()).digest()[0] / 255
    return now + wait * (1 + SPREAD * fraction)


def make_slow_until(times: int, now: datetime) -> datetime:
    """How long a destination is left alone that asked us to slow down for the n-th time in a row."""
    return now + min(FIRST_SLOWED * (1 << (times - 1)), LONGEST_SLOWED)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` letters in any ``period`` (a minute or an hour) for one subject of ``pace``."""

    subject: str
    most: int
    period: timedelta = MINUTE

    @property
    def bucket(self) -> timedelta:
        return self.period / 60

    @property
    def window(self) -> timedelta:
        """A bucket's own length plus the period after it."""
        return self.period + self.bucket

    def make_bucket(self, now: datetime) -> datetime:
        """The bucket a letter begun at ``now`` is counted in."""
        return now.replace(microsecond=0) if self.period == MINUTE else now.replace(second=0, microsecond=0)

    def make_wait(self, buckets: Sequence[tuple[datetime, int]], now: datetime, count: int = 1) -> timedelta:
        """How long until ``count`` more letters, at most the limit, may begin; zero: now.

        ``buckets`` are (start, letters begun in it), ascending.
        """
        most = self.most - count
        live = [(start, used) for start, used in buckets if start + self.window > now]
        total = sum(used for _, used in live)
        for start, used in live:
            if total <= most:
                break
            total -= used
            if total <= most:
                return start + self.window - now
        return timedelta(0)

    def make_needed(self, mails: int) -> int:
        """Places that mails which go together need at once; a smaller limit lets as many go as it allows, and the others later."""
        return max(1, min(mails, self.most))


@dataclass(slots=True)
class Places:
    """The places of mails that go together, a cover and its ready mail: all are taken when the first of them begins.

    ``left`` have not begun. A place that is kept counts from then on, and moves to the instant at which its mail begins. It is
    kept for one period: so it is counted without a gap, and no window holds one more.
    """

    left: int = 1
    _kept: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def has_kept(self, limit: Limit, now: datetime) -> bool:
        """The next mail has its place under this limit already."""
        since, count = self._kept.get(limit.subject, (now, 0))
        return count > 0 and timedelta(0) <= now - since <= limit.period

    def begin(self, limit: Limit, now: datetime) -> tuple[datetime | None, int]:
        """The next mail begins: the bucket it leaves, if a place was kept for it, and how many places are taken in that of ``now``."""
        if self.has_kept(limit, now):
            since, count = self._kept[limit.subject]
            self._kept[limit.subject] = since, count - 1
            return limit.make_bucket(since), 1
        needed = limit.make_needed(self.left)
        self._kept[limit.subject] = now, needed - 1
        return None, needed


class Rates(Protocol):
    """How fast one installation may send; 0 means without limit."""

    @property
    def connections(self) -> int: ...

    @property
    def rate_per_minute(self) -> int: ...

    @property
    def domain_per_minute(self) -> int: ...

    @property
    def domains(self) -> Mapping[str, int]: ...


class Rules:
    """Which limits hold for a letter: the sender's own, its destination's, its campaign's."""

    def __init__(self, sender: str, rates: Rates, campaigns: Mapping[int, int]) -> None:
        self._sender = [Limit(sender, rates.rate_per_minute)] if rates.rate_per_minute else []
        self._any_domain = rates.domain_per_minute
        self._domains = {destination_of(domain): most for domain, most in rates.domains.items()}
        self._campaigns = campaigns

    @property
    def any(self) -> bool:
        """Some limit may hold."""
        return bool(self._sender or self.aside)

    @property
    def paces_sender(self) -> bool:
        """The last limit of every letter is the sender's own."""
        return bool(self._sender)

    @property
    def aside(self) -> bool:
        """Some limit may hold for a part of the letters only."""
        return bool(self._any_domain or any(self._domains.values()) or any(self._campaigns.values()))

    def of(self, campaign_id: int, destination: str) -> list[Limit]:
        """The limits of one letter, those for which it is put aside first, that of the sender, which is waited for, last."""
        return [*self.aside_of(campaign_id, destination), *self._sender]

    def aside_of(self, campaign_id: int, destination: str) -> list[Limit]:
        """The limits of its destination and its campaign."""
        limits = []
        if most := self._domains.get(destination, self._any_domain):
            limits.append(Limit(f"domain:{destination}", most))
        if most := self._campaigns.get(campaign_id, 0):
            limits.append(Limit(f"campaign:{campaign_id}", most, HOUR))
        return limits
