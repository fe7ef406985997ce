"""Header fields, written by our own rules (RFC 5322, RFC 2047, RFC 2369, RFC 2919, RFC 8058).

The standard library turns long addresses of List-Unsubscribe into encoded-words, writes encoded-words of 76 characters and
lets U-labels through (MSG-05, 06, 08). Here every kind of field has its own way of being folded, and whatever could break out
of a field is refused by name (SEC-01). Functions return octets without the last CRLF.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from functools import lru_cache

from om_campaigns.audience.addresses import find_unsafe
from om_campaigns.errors import InputError

MAX_LINE = 998
"""Octets of a line without its CRLF that no mail may exceed (RFC 5322, section 2.1.1)."""

FOLD_AT = 78
FOLD_ENCODED_AT = 76
"""Lines that hold an encoded-word are shorter (RFC 2047, section 2)."""

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_ATEXT_8BIT = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\x00-\x7f])"
_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_MAILBOX = re.compile(rf"{_ATEXT_8BIT}+(?:\.{_ATEXT_8BIT}+)*@{_DOMAIN}")
_PHRASE = re.compile(rf"{_ATEXT}+(?: {_ATEXT}+)*")
_MESSAGE_ID = re.compile(rf"<{_ATEXT}+(?:\.{_ATEXT}+)*@{_DOMAIN}>")
_LIST_LABEL = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)+")
_URI = re.compile(r"(?:https?://|mailto:)[!#-;=?-~]+")
_FEEDBACK = re.compile(r"(?:[A-Za-z0-9._-]*:){0,3}[A-Za-z0-9._-]{5,15}")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_BLANKS = re.compile(r"[ \t\u00a0]+")


class MessageError(InputError):
    """A value that may not go into a mail; ``field`` names where it was to stand, ``rule_id`` which requirement it breaks."""

    def __init__(self, field: str, reason: str, rule_id: str) -> None:
        self.field, self.rule_id = field, rule_id
        super().__init__(f"{field}: {reason} [{rule_id}]", hint="correct the value where it comes from; it is never changed silently")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address with the name shown for it. ``address`` is a normal form: domain as A-label, local part without quotes."""

    address: str
    name: str = ""


def refuse_unsafe(field: str, text: str) -> None:
    """Raises MessageError when ``text`` holds a line end, a control or a bidi character, raw or percent-encoded (SEC-01)."""
    if (unsafe := find_unsafe(text)) is not None:
        raise MessageError(field, f"holds {unsafe}", "SEC-01")


def clean_line(field: str, text: str) -> str:
    """``text`` in NFC (MSG-14), trimmed, with single ordinary blanks; refuses what ``refuse_unsafe`` refuses."""
    refuse_unsafe(field, text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _BLANKS.sub(" ", text).strip(" ")


def make_unstructured(field: str, text: str) -> bytes:
    """A free-text field such as Subject: plain where it can be, else encoded-words of whole characters (MSG-01, MSG-06)."""
    text = clean_line(field, text)
    if not text:
        raise MessageError(field, "is empty", "MSG-02")
    if text.isascii() and "=?" not in text:
        room = FOLD_AT - len(field) - 2
        lines = list(_fold(text, room))
        if len(lines[0]) <= room and all(len(line) < FOLD_AT for line in lines):
            return f"{field}: ".encode() + "\r\n ".join(lines).encode()
    words = _encoded_words(text, FOLD_ENCODED_AT - len(field) - 2)
    return f"{field}: ".encode() + b"\r\n ".join(words)


def _fold(text: str, room: int) -> Iterator[str]:
    """Lines of words; the first has ``room`` columns, the others one less than a line. A longer word has a line to itself."""
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > room:
            yield line
            line, room = word, FOLD_AT - 1
        else:
            line = f"{line} {word}" if line else word
    yield line


def _encoded_words(text: str, room: int) -> list[bytes]:
    """RFC 2047 words of at most 75 characters, the first of at most ``room``, in Q unless B is much shorter."""
    quoted = [_q(character) for character in text]
    length_b = (len(text.encode()) + 2) // 3 * 4
    length_q = sum(map(len, quoted))
    if length_q <= length_b * 1.5:
        if length_q <= min(room - 12, 63):
            return [b"=?utf-8?q?" + b"".join(quoted) + b"?="]
        return [b"=?utf-8?q?" + b"".join(group) + b"?=" for group in _group(quoted, room - 12, 63)]
    characters = [character.encode() for character in text]
    groups = _group(characters, (room - 12) // 4 * 3, 45)
    return [b"=?utf-8?b?" + binascii.b2a_base64(b"".join(group), newline=False) + b"?=" for group in groups]


@lru_cache(maxsize=4096)
def _q(character: str) -> bytes:
    """A character in the Q encoding, with only what is safe inside a phrase left as it is (RFC 2047, section 5 (3))."""
    if character == " ":
        return b"_"
    return b"".join(bytes((octet,)) if octet in _Q_SAFE else b"=%02X" % octet for octet in character.encode())


def _group(pieces: list[bytes], first: int, others: int) -> Iterator[list[bytes]]:
    """Pieces in groups of at most ``first``, then ``others`` octets; a piece is never cut."""
    group: list[bytes] = []
    used, room = 0, first
    for piece in pieces:
        if group and used + len(piece) > room:
            yield group
            group, used, room = [], 0, others
        group.append(piece)
        used += len(piece)
    yield group


def make_phrase(field: str, name: str, room: int) -> bytes:
    """A name as words, quoted or encoded, so that one mailbox in is one mailbox out (MSG-07, RFC 5322 section 3.2.5)."""
    if name.isascii() and "=?" not in name and len(name) <= min(room, 60):
        if _PHRASE.fullmatch(name):
            return name.encode()
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        if len(quoted) + 2 <= room:
            return f'"{quoted}"'.encode()
    return b"\r\n ".join(_encoded_words(name, min(room, FOLD_ENCODED_AT - len(field) - 2)))


def make_mailbox(field: str, mailbox: Mailbox) -> bytes:
    """A field with exactly one mailbox. A local part beyond ASCII stays as it is: only SMTPUTF8 may carry it (MSG-09)."""
    address = mailbox.address
    refuse_unsafe(field, address)
    if not _is_normal(address):
        rule = "MSG-07" if address.rpartition("@")[2].isascii() else "MSG-08"
        raise MessageError(field, f"'{address}' is not the normal form of one address", rule)
    name = clean_line(field, mailbox.name)
    start = f"{field}: ".encode()
    if not name:
        return start + address.encode()
    return _with_angle(start + make_phrase(field, name, FOLD_ENCODED_AT - len(start)), address)


def _is_normal(address: str) -> bool:
    if len(address) > 254 or not _MAILBOX.fullmatch(address):
        return False
    return address.isascii() or (address.isprintable() and unicodedata.is_normalized("NFC", address))


def _with_angle(written: bytes, inner: str) -> bytes:
    """``<inner>`` behind a phrase, on a line of its own where it does not fit."""
    angle = b"<" + inner.encode() + b">"
    last_line = written.rpartition(b"\n")[2]
    return written + (b" " if len(last_line) + 1 + len(angle) <= FOLD_ENCODED_AT else b"\r\n ") + angle


@lru_cache(maxsize=1024)
def make_fixed_mailbox(field: str, mailbox: Mailbox) -> bytes:
    """``make_mailbox`` for those that stay the same from letter to letter: who speaks and who gets the answers."""
    return make_mailbox(field, mailbox)


def make_date(date: datetime) -> bytes:
    """Date with weekday and numeric zone (MSG-03); a naive time is refused, an odd zone is written as UTC."""
    offset = date.utcoffset()
    if offset is None:
        raise MessageError("Date", "has no zone", "MSG-03")
    if offset.total_seconds() % 60:
        date, offset = date.astimezone(UTC), timedelta(0)
    return _date_of(date.replace(microsecond=0, tzinfo=None), offset)


@lru_cache(maxsize=64)
def _date_of(local: datetime, offset: timedelta) -> bytes:
    """Thousands of letters share a second. Local time and offset apart, because equal instants of two zones are equal keys."""
    return b"Date: " + format_datetime(local.replace(tzinfo=timezone(offset))).encode()


def make_message_id(message_id: str) -> bytes:
    """Message-ID, checked, never folded (MSG-04)."""
    refuse_unsafe("Message-ID", message_id)
    if len(message_id) > 250 or not _MESSAGE_ID.fullmatch(message_id):
        raise MessageError("Message-ID", f"'{message_id[:80]}' is not <opaque@domain>", "MSG-04")
    return b"Message-ID: " + message_id.encode()


def make_uris(field: str, uris: tuple[str, ...]) -> bytes:
    """A list field of RFC 2369: each address plain between angle brackets, folded at the blank between two only (MSG-05)."""
    for uri in uris:
        if len(uri) > MAX_LINE - 40 or not _URI.fullmatch(uri) or "," in uri or find_unsafe(uri):
            raise MessageError(field, f"'{uri[:80]}' cannot stand in a header", "UNS-01")
    return f"{field}: ".encode() + b",\r\n ".join(b"<" + uri.encode() + b">" for uri in uris)


def make_unsubscribe(one_click_url: str, mailto: str) -> list[bytes]:
    """List-Unsubscribe and, where there is a one-click address, List-Unsubscribe-Post (UNS-01, RFC 8058 section 3.1).

    Without a one-click address only the mailto variant stands, as behind a distribution list (UNS-12).
    """
    if one_click_url and not one_click_url.startswith("https://"):
        raise MessageError("List-Unsubscribe", "one-click needs https", "UNS-01")
    if mailto and not mailto.startswith("mailto:"):
        raise MessageError("List-Unsubscribe", f"'{mailto[:80]}' does not begin with mailto:", "UNS-01")
    uris = tuple(uri for uri in (one_click_url, mailto) if uri)
    if not uris:
        return []
    post = [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if one_click_url else []
    return [make_uris("List-Unsubscribe", uris), *post]


@lru_cache(maxsize=256)
def make_list_id(text: str, list_id: str) -> bytes:
    """``List-Id: Text <list.domain>`` (MSG-20, RFC 2919): the same for all letters of a mailing list."""
    refuse_unsafe("List-Id", list_id)
    if len(list_id) > 255 or not _LIST_LABEL.fullmatch(list_id):
        raise MessageError("List-Id", f"'{list_id[:80]}' is not of the form list.domain", "MSG-20")
    text = clean_line("List-Id", text)
    start = b"List-Id: "
    return _with_angle(start + make_phrase("List-Id", text, FOLD_ENCODED_AT - len(start)) if text else start.rstrip(), list_id)


@lru_cache(maxsize=1024)
def make_feedback_id(feedback_id: str) -> bytes:
    """Feedback-ID of at most four fields, no value used twice, the sender id last and 5 to 15 characters long (MSG-22)."""
    fields = [field for field in feedback_id.split(":") if field]
    if not _FEEDBACK.fullmatch(feedback_id) or len(set(fields)) < len(fields) or len(feedback_id) > 250:
        raise MessageError(
            "Feedback-ID", f"'{feedback_id[:80]}' is not campaign:organisation:type:sender with four different values", "MSG-22"
        )
    return b"Feedback-ID: " + feedback_id.encode()
