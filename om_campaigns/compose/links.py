"""Links that belong to one recipient: signed tokens, the addresses of the doors outside, and the return path.

A token names an address, an organisation and a mailing list by their public ids, never a row of the ledger, so it works as
long as the address is stored (UNS-10). It is signed by itsdangerous under a key id and an *audience*: what was made for one
door opens no other (UNS-06, SEC-08). The signature is HMAC-SHA-256 cut to 144 bits, which keeps a link on one line.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from itsdangerous import Signer
from itsdangerous.signer import SigningAlgorithm

from om_campaigns.keyring import Keyring

SIGNATURE_BYTES = 18
"""144 bits, 24 characters without padding or spare bits, so a token has exactly one spelling."""

_PART = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{24})((?:\.[A-Za-z0-9_-]{1,80}){1,8})")
_RETURN_PATH = re.compile(r"bounce-([a-z0-9]{1,40})-([a-z2-7]{12})@[a-z0-9.-]{1,253}")
_LEAVE = re.compile(r"(?<![a-z0-9])off-([a-z2-7]{16})-([a-z2-7]{16})-([a-z2-7]{26})(?![a-z0-9])")
_INERT = "inert"
_RETURN = b"om-campaigns:1:return-path\0"
_OFF = b"om-campaigns:1:leave-by-mail\0"


class Door(StrEnum):
    """The audiences of the tokens in a letter, and the first part of the path behind which each is read."""

    one_click = "one-click"
    unsubscribe = "abmelden"
    preferences = "einstellungen"
    answer = "antwort"
    pack = "paket"


LETTER_DOORS = (Door.one_click, Door.unsubscribe, Door.preferences)
"""The doors that every letter has; that of a pack is only in the cover of a house that fetches its packs."""

SHORTENERS = frozenset({
    "bit.ly", "buff.ly", "cutt.ly", "dlvr.it", "fb.me", "goo.gl", "is.gd", "kurzelinks.de", "kurzlink.de", "lnkd.in", "ogy.de", "ow.ly",
    "rb.gy", "rebrand.ly", "shorturl.at", "t.co", "t.ly", "t1p.de", "tiny.cc", "tinyurl.com", "v.gd", "wp.me", "x.co",
})  # fmt: skip
"""Hosts behind which nobody sees where a link leads (REN-16)."""


@dataclass(frozen=True, slots=True)
class Links:
    """``slots`` holds the values of ``links.*``; ``one_click`` is the address for List-Unsubscribe, empty if it cannot be https."""

    slots: dict[str, str]
    one_click: str


class _ShortHmac(SigningAlgorithm):
    """HMAC-SHA-256, cut: itsdangerous' own is SHA-1 unless told otherwise, or 43 characters long."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")[:SIGNATURE_BYTES]


@lru_cache(maxsize=256)
def _signer(secret: bytes, audience: str) -> Signer:
    salt = f"om-campaigns:1:{audience}".encode()
    # derived here, once: itsdangerous derives the key of an audience anew with every token
    return Signer(hmac.digest(secret, salt, "sha256"), salt=salt, key_derivation="none", algorithm=_ShortHmac())


def make_token(keyring: Keyring, audience: str, *parts: str) -> str:
    """A signed token for one audience: ``key.signature.part.part…``, URL-safe, about 75 characters.

    ``parts`` are public ids and slugs (letters, digits, ``-``, ``_``; 1 to 8 of them); anything else raises ValueError.
    The last part stands last so that no link ends in a character that mail clients leave out of it.
    """
    if not 1 <= len(parts) <= 8 or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"not fit for a token: {parts!r}")
    payload = ".".join(parts)
    signer = _signer(keyring.secret(keyring.current), audience)
    signature = signer.get_signature(f"{keyring.current}.{payload}").decode("ascii")
    return f"{keyring.current}.{signature}.{payload}"


def read_token(keyring: Keyring, audience: str, token: str) -> tuple[str, ...] | None:
    """The parts of a token, or None for whatever is forged, cut, of another audience or of an unknown key (SEC-08).

    Every key of the ring verifies. An unknown key costs the same comparison, so the answer takes equal time (UNS-13).
    """
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    key_id, signature, payload = found.groups()
    secret = keyring.secrets.get(key_id)
    signer = _signer(keyring.secret(keyring.current) if secret is None else secret, audience)
    genuine = signer.verify_signature(f"{key_id}{payload}", signature)
    return tuple(payload[1:].split(".")) if genuine and secret is not None else None


def holds_token(address: str) -> bool:
    """Whether a web address has something of the shape of a token in it, whoever signed it."""
    return any(_TOKEN.fullmatch(part) for part in re.split(r"[/?=&#]", address))


def make_links(
    base_url: str, keyring: Keyring, address_ref: str, organisation_ref: str, mailing_list: str, *, letter: str = "", inert: bool = False
) -> Links:
    """The links of one letter. ``base_url`` is the configured one, never a request's host (SEC-20).

    ``letter``: campaign/step of one that stands in the archive; to read any other in the browser leads to the archive of its list.

    The token of the one-click header differs from those in the body: a forwarded letter cannot be replayed (UNS-06, FWD-03).
    The web version carries no token at all (FWD-04). ``inert`` tokens, for tests and previews, open no door (MSG-26).
    Raises ValueError for a base URL that is not http(s) or an id that does not fit into a link.
    """
    base_url = base_url.rstrip("/")
    if not base_url.startswith(("https://", "http://")):
        raise ValueError(f"'{base_url}' is no base for links; it begins with https://")
    urls = {door: _make_url(base_url, keyring, door, address_ref, organisation_ref, mailing_list, inert=inert) for door in LETTER_DOORS}
    slots = {
        "links.unsubscribe": urls[Door.unsubscribe],
        "links.preferences": urls[Door.preferences],
        "links.web": "/".join((base_url, "archiv", mailing_list, letter)).rstrip("/"),
    }
    return Links(slots, urls[Door.one_click] if base_url.startswith("https://") else "")


def make_pack_link(base_url: str, keyring: Keyring, address_ref: str, organisation_ref: str, pack_ref: str, *, inert: bool = False) -> str:
    """Where a contact fetches a pack: ``BASE/paket/TOKEN``. The token names address, receiving house and pack by their public ids."""
    return _make_url(base_url.rstrip("/"), keyring, Door.pack, address_ref, organisation_ref, pack_ref, inert=inert)


def make_answer_link(
    base_url: str, keyring: Keyring, address_ref: str, organisation_ref: str, campaign: str, step: str, *, inert: bool = False
) -> str:
    """Where a letter's question is answered: ``BASE/antwort/TOKEN``. The token names campaign and step instead of the list."""
    return _make_url(base_url.rstrip("/"), keyring, Door.answer, address_ref, organisation_ref, campaign, step, inert=inert)


def _make_url(base_url: str, keyring: Keyring, door: Door, *parts: str, inert: bool) -> str:
    return f"{base_url}/{door}/{make_token(keyring, f'{_INERT}-{door}' if inert else door, *parts)}"


def make_return_path(keyring: Keyring, ref: str, domain: str) -> str:
    """The envelope sender of one message (VERP): a bounce names the message, and nobody can invent one for another.

    ``bounce-<message ref>-<60 bits of HMAC>@domain``; without a key id, because a local part has 64 characters.
    """
    return f"bounce-{ref}-{_tag(keyring.secret(keyring.current), _RETURN + ref.encode(), 12)}@{domain}"


def read_return_path(keyring: Keyring, address: str) -> str | None:
    """The message ref inside a return path, in whatever case it came back; None if we did not make it."""
    found = _RETURN_PATH.fullmatch(address.lower())
    if found is None:
        return None
    ref, tag = found.groups()
    genuine = [hmac.compare_digest(tag, _tag(secret, _RETURN + ref.encode(), 12)) for secret in keyring.secrets.values()]
    return ref if any(genuine) else None


def make_leave_address(
    keyring: Keyring, address_ref: str, organisation_ref: str, mailing_list: str, domain: str, *, inert: bool = False
) -> str:
    """Where a mail leaves a mailing list: ``off-<address>-<house>-<130 bits of HMAC>@domain`` (UNS-11).

    A local part has 64 characters, so the list is signed and not named: whoever reads tries those there are.
    """
    signed = _signed_leave(address_ref, organisation_ref, f"{_INERT} {mailing_list}" if inert else mailing_list)
    return f"off-{address_ref}-{organisation_ref}-{_tag(keyring.secret(keyring.current), signed, 26)}@{domain}"


def read_leave_addresses(keyring: Keyring, words: str, mailing_lists: Iterable[str]) -> list[tuple[str, str, str]]:
    """Address, house and list of every genuine address for leaving in ``words``, in whatever case it came; of nothing else."""
    slugs = list(mailing_lists)
    return [
        (ref, house, slug)
        for ref, house, tag in dict.fromkeys(_LEAVE.findall(words.lower()))
        for slug in slugs
        if any(hmac.compare_digest(tag, _tag(secret, _signed_leave(ref, house, slug), 26)) for secret in keyring.secrets.values())
    ]


def _signed_leave(address_ref: str, organisation_ref: str, mailing_list: str) -> bytes:
    return _OFF + f"{address_ref}.{organisation_ref}.{mailing_list}".encode()


def _tag(secret: bytes, signed: bytes, length: int) -> str:
    """HMAC-SHA-256, cut, in an alphabet that survives any case."""
    return base64.b32encode(hmac.digest(secret, signed, "sha256"))[:length].decode("ascii").lower()
