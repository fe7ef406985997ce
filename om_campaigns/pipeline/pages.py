"""Is anybody there behind the links of our mails? Live mail without a reachable page would be mail one cannot leave (UNS-01)."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

PAGE_SECONDS = 10
RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that never reach anybody (RFC 2606, RFC 6761)."""


@dataclass(frozen=True, slots=True)
class PagesFault:
    """Why links would lead nowhere, and what to do about it."""

    text: str
    hint: str


def is_reserved(domain: str) -> bool:
    """Whether a domain can only be an example."""
    return any(domain == each or domain.endswith(f".{each}") for each in RESERVED)


def find_fault(base_url: str) -> PagesFault | None:
    """Ask the base URL for an answer of any kind below 500; None when there is one."""
    if not base_url:
        return PagesFault("no base_url: unsubscribe links lead nowhere", "set [web] base_url before 'go-live' (UNS-01)")
    if is_reserved(urlsplit(base_url).hostname or ""):
        return PagesFault(f"{base_url} is an example, nobody reaches it", "set [web] base_url to your own https:// address")
    try:
        with urllib.request.urlopen(base_url, timeout=PAGE_SECONDS) as answer:  # noqa: S310  the settings allow https:// only
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return PagesFault(f"{base_url} cannot be reached: {reason}", "start the pages, then look at DNS and the certificate")
    if status >= 500:
        return PagesFault(f"{base_url} answers {status}", "look at the log of the web server")
    return None
