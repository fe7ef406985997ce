"""E-mail addresses: one normal form, one key to find them by, one keyed hash that outlives them, one mask to show them."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import email_validator

from om_campaigns.keyring import Keyring

MAX_TEXT = 320
"""Characters looked at before anything is parsed: 64 + @ + 255; no address is longer (SEC-16)."""

UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f"  # C0 without tab, DEL, C1: CR, LF, NUL, VT, FF, NEL among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls
    "\u2028\u2029\ufeff\ud800-\udfff]"  # line and paragraph separator, byte order mark, lone surrogates
    "|%0[aAdD]"  # an encoded line end that waits for somebody to decode it
    r"|\{[{%#]|[}%#]\}"  # a sign of templates: in a name it looks like a gap in every letter that holds it
)
"""What no name, subject, address or other one-line value may hold (SEC-01, SEC-03, MSG-14)."""

_ATOM = r"[A-Za-z0-9!#$&'*+/=?^_`|~-]++"  # '%' and braces are rare and need a closer look
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}+(?<!-))?+"
_PLAIN_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+")
_PLAIN_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[A-Za-z]{{2,63}}")
_SPECIAL = frozenset(name.rpartition(".")[2] for name in email_validator.SPECIAL_USE_DOMAIN_NAMES)


class NormalAddress(NamedTuple):
    """``address`` as it is written to, ``normal_key`` as it is compared, ``domain`` as lower-case A-label (MSG-08).

    Where ``address`` is not ASCII its local part is not: it needs a server with SMTPUTF8 (MSG-09).
    """

    address: str
    normal_key: str
    domain: str


def find_unsafe(text: str) -> str | None:
    """Names the first character that may not stand in a one-line value, such as ``U+2028 LINE SEPARATOR``; None if all may."""
    found = UNSAFE.search(text)
    if found is None:
        return None
    character = found[0]
    if len(character) > 1:
        return f"'{character}', {'an encoded line end' if character[0] == '%' and character[1] == '0' else 'a sign of templates'}"
    name = unicodedata.name(character, "") or _CONTROL_NAMES.get(character, "control character")
    return f"U+{ord(character):04X} {name}"


_CONTROL_NAMES = {"\r": "CARRIAGE RETURN", "\n": "LINE FEED", "\0": "NULL", "\v": "LINE TABULATION", "\f": "FORM FEED", "\x85": "NEXT LINE"}


def normalise(text: str) -> NormalAddress:
    """The normal form of one address without a display name: trimmed, NFC, domain as lower-case A-label.

    The local part is casefolded for the key only: two spellings are one mailbox nearly everywhere, yet a server may mind.
    Raises ValueError with the reason in plain words; nothing is looked up in the network.
    """
    text = text.strip(" \t\u00a0")
    local, _, domain = text.rpartition("@")
    if 0 < len(local) <= 64 and len(text) <= 254 and _PLAIN_LOCAL.fullmatch(local):
        lower = _lower_plain_domain(domain)
        if lower is not None:
            return NormalAddress(f"{local}@{lower}", f"{local.lower()}@{lower}", lower)
    return _normalise_slowly(text)


def is_address(text: str) -> bool:
    """Whether ``normalise`` reads it."""
    try:
        normalise(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def _lower_plain_domain(domain: str) -> str | None:
    """A domain without anything to think about, in lower case; None sends the address the slow way."""
    plain = _PLAIN_DOMAIN.fullmatch(domain) and "--" not in domain and domain.rpartition(".")[2].lower() not in _SPECIAL
    return domain.lower() if plain else None


def _normalise_slowly(text: str) -> NormalAddress:
    """Everything that is not plain ASCII, and everything that is wrong and needs a reason."""
    if not text:
        raise ValueError("the address is empty")
    if (unsafe := find_unsafe(text)) is not None:
        raise ValueError(f"the address holds {unsafe}")
    if len(text) > MAX_TEXT:
        raise ValueError(f"the address has {len(text)} characters; 254 are possible")
    try:
        found = email_validator.validate_email(text, check_deliverability=False, allow_smtputf8=True, allow_quoted_local=False, strict=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"'{text}' is no e-mail address: {error}") from None
    domain = found.ascii_domain.lower()
    local = found.local_part  # NFC already
    return NormalAddress(f"{local}@{domain}", f"{_fold(local)}@{domain}", domain)


def _fold(text: str) -> str:
    """Casefolded and NFC again, because folding may take characters apart."""
    return unicodedata.normalize("NFC", text.casefold())


TAGGED = frozenset(
    (
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.de", "hotmail.com"),
        *("hotmail.de", "live.com", "live.de", "icloud.com", "me.com"),
        *("mac.com", "proton.me", "protonmail.com", "pm.me", "fastmail.com"),
        *("fastmail.fm", "posteo.de", "mailbox.org", "hey.com", "zoho.com"),
    )
)
"""Domains whose providers document that ``name+anything`` is the mailbox of ``name``."""


_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]+")
"""Letters that stand in an address and are shown as nothing (Unicode, Default_Ignorable_Code_Point)."""


def fold_key(normal_key: str) -> str:
    """The key under which all spellings of one mailbox are one: compatibility forms such as full-width letters, nothing that is not
    seen (NFKC_Casefold), and no ``+tag`` where the provider documents it. Only suppressions ask for it; rows are never merged by it.
    """
    if normal_key.isascii() and "+" not in normal_key:
        return normal_key
    local, _, domain = normal_key.rpartition("@")
    local = _fold(unicodedata.normalize("NFKC", _IGNORED.sub("", local) or local))
    if domain in TAGGED:
        local = local.partition("+")[0] or local
    return f"{local}@{domain}"


def hash_address(keyring: Keyring, normal_key: str, key_id: str | None = None) -> str:
    """HMAC-SHA-256 of ``normal_key`` as 64 hex digits, under the current or a named key (LAW-09).

    Raises InstallationError for a key id that is not in the keyring.
    """
    return make_hasher(keyring.secret(key_id or keyring.current))(normal_key)


def hash_folded(keyring: Keyring, normal_key: str, key_id: str | None = None) -> str | None:
    """``hash_address`` of the folded key; None where folding changes nothing, as with nearly every address."""
    folded = fold_key(normal_key)
    return None if folded == normal_key else hash_address(keyring, folded, key_id)


@lru_cache(maxsize=16)
def make_hasher(secret: bytes) -> Callable[[str], str]:
    """``hash_address`` under one secret, which is taken in once: half of the work of hashing something short."""
    started = hmac.new(secret, digestmod=hashlib.sha256)

    def hash_key(normal_key: str) -> str:
        mine = started.copy()
        mine.update(normal_key.encode())
        return mine.hexdigest()

    return hash_key


def mask(address: str) -> str:
    """What may be shown of an address to whoever holds a forwarded letter: ``m…@hwk.example`` (FWD-04, UNS-05)."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
