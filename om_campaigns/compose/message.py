"""The writer of mails: an edition is encoded once, a mail then costs its gaps and its head, not its size.

The mail is ``multipart/alternative`` with the text first and the HTML last (MSG-10), both ``charset=utf-8`` (MSG-16) in
quoted-printable (MSG-12), every line ending in CRLF and at most 998 octets long (MSG-01). Same head and values are the same
bytes (MSG-26). Nothing here reads a clock, draws lots or knows a server.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote as percent

from om_campaigns.compose.edition import Edition
from om_campaigns.compose.headers import (
    Mailbox,
    MessageError,
    make_date,
    make_feedback_id,
    make_fixed_mailbox,
    make_list_id,
    make_mailbox,
    make_message_id,
    make_unstructured,
    make_unsubscribe,
    make_uris,
    refuse_unsafe,
)
from om_campaigns.compose.quoted import quote, quote_around_gaps
from om_campaigns.compose.slots import Gapped, Landing, SlotUse, escape_for

__all__ = ["Attachment", "Head", "Letter", "Mailbox", "MessageError", "make_boundary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Everything in the head of a mail but its subject. Empty texts mean: no such field.

    ``date`` is the instant of the hand-over, aware (MSG-03). ``message_id`` stands between angle brackets. ``list_id`` is
    (text, id) as in MSG-20. ``one_click_url`` is https, ``unsubscribe_mailto`` begins with ``mailto:``; ``list_*`` are http(s)
    or mailto addresses. ``bulk`` asks responders to be silent, ``auto_generated`` marks notices, which have no list (MSG-18).
    ``seed`` decides the boundary and nothing else.
    """

    date: datetime
    message_id: str
    sender: Mailbox
    to: Mailbox
    seed: str
    reply_to: Mailbox | None = None
    list_id: tuple[str, str] | None = None
    one_click_url: str = ""
    unsubscribe_mailto: str = ""
    list_help: str = ""
    list_owner: str = ""
    list_archive: str = ""
    feedback_id: str = ""
    bulk: bool = False
    auto_generated: bool = False


def make_boundary(seed: str) -> str:
    """36 characters that stand in no part: both parts are quoted-printable, where ``_`` never follows ``=`` (MSG-10).

    The seed is hashed, so that not even a public name of the message shows (MSG-25).
    """
    return "=_" + hashlib.sha256(seed.encode()).hexdigest()[:34]


class Letter:
    """An edition compiled for the wire; make it once, write it for every recipient.

    Raises MessageError if the fixed text of the subject may not stand in a head (SEC-01).
    """

    def __init__(self, edition: Edition) -> None:
        self._slots = edition.slots
        self._subject = _Line(edition.subject)
        self._text = _Body(edition.text)
        self._html = _Body(edition.html)

    def write(self, head: Head, filled: Sequence[str], attachments: Sequence[Attachment] = ()) -> bytes:
        """The mail for one recipient. ``filled`` holds one raw value per slot of the edition, as ``edition.fill`` gives them.

        A value is one line of text: a line end or another control character in it is refused, never changed (SEC-01).
        Raises MessageError with the field or slot; ValueError when the number of values is not that of the slots.
        """
        if len(filled) != len(self._slots):
            raise ValueError(f"{len(filled)} values for {len(self._slots)} slots")
        values = [_checked(use, value) for use, value in zip(self._slots, filled, strict=True)]
        boundary = make_boundary(head.seed).encode()
        quoted: dict[tuple[int, Landing], bytes] = {}
        parts = [b"--", boundary, _TEXT_HEAD, *self._text.pieces(self._slots, values, quoted)]
        parts += (b"\r\n--", boundary, _HTML_HEAD, *self._html.pieces(self._slots, values, quoted), b"\r\n--", boundary, b"--\r\n")
        fields = _head_fields(head, self._subject.field(values))
        fields.append(b"MIME-Version: 1.0")
        alternative = _ALTERNATIVE % boundary
        if attachments:
            return b"\r\n".join(fields) + _mixed(head.seed, alternative + b"".join(parts), attachments)
        return b"\r\n".join(fields) + b"\r\n" + alternative + b"".join(parts)

    def body(self, seed: str) -> bytes:
        """The MIME body alone, for letters without gaps; the same bytes as in ``write`` with this seed."""
        boundary = make_boundary(seed).encode()
        quoted: dict[tuple[int, Landing], bytes] = {}
        parts = [_ALTERNATIVE % boundary, b"--", boundary, _TEXT_HEAD, *self._text.pieces(self._slots, (), quoted)]
        parts += (b"\r\n--", boundary, _HTML_HEAD, *self._html.pieces(self._slots, (), quoted), b"\r\n--", boundary, b"--\r\n")
        return b"".join(parts)

    @property
    def subject(self) -> bytes:
        """The folded Subject field of a letter without gaps."""
        return self._subject.field(())


_ALTERNATIVE = b'Content-Type: multipart/alternative;\r\n boundary="%s"\r\n\r\n'


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that hangs on a mail. ``name`` may hold umlauts; ``content_type`` is ``type/subtype``."""

    name: str
    content_type: str
    content: bytes


def _mixed(seed: str, body: bytes, attachments: Sequence[Attachment]) -> bytes:
    """The letter first, then its files; the outer boundary is another one (MSG-10)."""
    boundary = make_boundary(f"{seed}/mixed").encode()
    parts = [b'\r\nContent-Type: multipart/mixed;\r\n boundary="', boundary, b'"\r\n\r\n--', boundary, b"\r\n", body]
    for each in attachments:
        parts += (b"\r\n--", boundary, b"\r\n", _attachment_head(each), b"\r\n", _base64_lines(each.content))
    return b"".join((*parts, b"\r\n--", boundary, b"--\r\n"))


def _attachment_head(each: Attachment) -> bytes:
    """An ASCII name for everybody, the real one beside it where it differs (MSG-15; RFC 2231 section 4, RFC 6266)."""
    refuse_unsafe("file name", each.name)
    plain = unicodedata.normalize("NFKD", each.name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    if not _FILE_NAME.fullmatch(plain):
        raise MessageError("file name", f"'{each.name}' is no name of a file", "SEC-04")
    real = "" if plain == each.name else f"filename*=utf-8''{percent(each.name, safe='')};\r\n "  # first: some take the first they meet
    names = f'{real}filename="{plain}"'
    head = f"Content-Type: {each.content_type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n {names}\r\n"
    return head.encode("ascii")


def _base64_lines(content: bytes) -> bytes:
    return base64.encodebytes(content).replace(b"\n", b"\r\n").rstrip(b"\r\n")


_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,100}")

_TEXT_HEAD = b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_HTML_HEAD = b"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def _checked(use: SlotUse, value: str) -> str:
    refuse_unsafe(use.path, value)
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def _head_fields(head: Head, subject: bytes) -> list[bytes]:
    """The fields in their usual order; each at most once (MSG-02), no Bcc, Sender, Return-Path or Received ever."""
    if head.auto_generated and (head.list_id or head.bulk):
        raise MessageError("Auto-Submitted", "a notice belongs to no list and is no bulk mail", "MSG-18")
    fields = [make_date(head.date), make_fixed_mailbox("From", head.sender), make_mailbox("To", head.to)]
    if head.reply_to is not None:
        fields.append(make_fixed_mailbox("Reply-To", head.reply_to))
    fields += (subject, make_message_id(head.message_id))
    if head.list_id is not None:
        fields.append(make_list_id(*head.list_id))
    fields += make_unsubscribe(head.one_click_url, head.unsubscribe_mailto)
    for name, uri in (("List-Help", head.list_help), ("List-Owner", head.list_owner), ("List-Archive", head.list_archive)):
        if uri:
            fields.append(make_uris(name, (uri,)))
    if head.list_id is not None:
        fields.append(b"List-Post: NO")
    if head.feedback_id:
        fields.append(make_feedback_id(head.feedback_id))
    if head.bulk:
        fields.append(b"Precedence: bulk\r\nX-Auto-Response-Suppress: All")
    if head.auto_generated:
        fields.append(b"Auto-Submitted: auto-generated")
    return fields


class _Line:
    """The subject: written once if it has no gaps, else folded anew for every mail."""

    def __init__(self, gapped: Gapped) -> None:
        for chunk in gapped.chunks:
            refuse_unsafe("Subject", chunk)
        self._gapped = gapped
        self._fixed = b"" if gapped.holes else make_unstructured("Subject", gapped.chunks[0])

    def field(self, values: Sequence[str]) -> bytes:
        return self._fixed or make_unstructured("Subject", self._gapped.joined(values, escape_for))


class _Body:
    """A part: fixed pieces encoded once, gaps between them."""

    def __init__(self, gapped: Gapped) -> None:
        self._pieces = quote_around_gaps([_normal_lines(chunk) for chunk in gapped.chunks])
        self._gaps = tuple((hole.slot, hole.landing) for hole in gapped.holes)

    def pieces(self, slots: Sequence[SlotUse], values: Sequence[str], quoted: dict[tuple[int, Landing], bytes]) -> list[bytes]:
        """The encoded part in pieces; ``quoted`` keeps what was encoded already for the other part or another gap."""
        joined = [self._pieces[0]]
        for gap, piece in zip(self._gaps, self._pieces[1:], strict=True):
            value = quoted.get(gap)
            if value is None:
                slot, landing = gap
                try:
                    value = quoted[gap] = quote(escape_for(landing, values[slot]))
                except ValueError as error:
                    raise MessageError(slots[slot].path, str(error), "SEC-07") from None
            joined += (value, piece)
        return joined


_FIXED_TEXT = {
    **dict.fromkeys([*range(9), *range(14, 32), 127, *range(128, 160), 0xFEFF]),
    11: "\n",
    12: "\n",
    0x85: "\n",
    0x2028: "\n",
    0x2029: "\n",
}
"""What pasting from a word processor leaves behind in authored text (MSG-14): line separators become line ends, the rest goes."""


def _normal_lines(text: str) -> str:
    """Authored text with LF as its only line end and without control characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_FIXED_TEXT)
