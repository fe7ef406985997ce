"""Is anybody there behind the links of our mails? Live mail without a reachable page would be mail one cannot leave (UNS-01)."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from om_campaigns.columns import new_claim
from om_campaigns.compose.links import read_token
from om_campaigns.keyring import Keyring

PAGE_SECONDS = 10
RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Domains that never reach anybody (RFC 2606, RFC 6761)."""

NO_POSTAL_CODE = "00000"
"""Stands for one in the starter's imprint."""

_NAMED = re.compile(rf"^[\w-]+$|[\w-]+(?:\.[\w-]+)+|\b{NO_POSTAL_CODE}(?= [^\W\d])")

PROOF = "proof"
"""Audience of the token by which pages show that they hold the keys."""

START = "start 'om-campaigns web' or 'run' with this workspace behind that address"


@dataclass(frozen=True, slots=True)
class PagesFault:
    """Why links would lead nowhere, and what to do about it."""

    text: str
    hint: str


def is_reserved(domain: str) -> bool:
    """Whether a domain can only be an example."""
    domain = domain.rstrip(".").lower()
    return any(domain == each or domain.endswith(f".{each}") for each in RESERVED)


def find_example(value: str) -> str:
    """What of a setting can only be an example: a domain nobody reaches, or the postal code of no place; '' where nothing is."""
    return next((each for each in _NAMED.findall(value) if is_reserved(each) or each == NO_POSTAL_CODE), "")


def find_fault(base_url: str, keyring: Keyring) -> PagesFault | None:
    """Ask for our own pages at the base URL; None when they answer with this workspace's keys, so that its links work there."""
    if not base_url:
        return PagesFault("no base_url: unsubscribe links lead nowhere", "set [web] base_url before 'go-live' (UNS-01)")
    if is_reserved(urlsplit(base_url).hostname or ""):
        return PagesFault(f"{base_url} is an example, nobody reaches it", "set [web] base_url to your own https:// address")
    nonce = new_claim()
    try:
        with urllib.request.urlopen(f"{base_url}/health/{nonce}", timeout=PAGE_SECONDS) as answer:  # noqa: S310  settings allow https:// only
            proof = answer.read(200).decode("ascii", "replace")
    except urllib.error.HTTPError as error:
        return PagesFault(f"{base_url} answers {error.code}, and not as our pages do", START)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return PagesFault(f"{base_url} cannot be reached: {reason}", f"{START}; then look at DNS and the certificate")
    if read_token(keyring, PROOF, proof.strip()) != (nonce,):
        return PagesFault(f"other pages than this workspace's answer at {base_url}: its links would not work there", START)
    return None
