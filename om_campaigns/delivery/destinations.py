"""Where mail goes: domains that one operator runs count as one destination (BULK-18, BNC-13)."""

from __future__ import annotations

from collections.abc import Iterable

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
