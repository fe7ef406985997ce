"""What a mail that came in says of itself, by its head alone: whom it was for, and whether a person wrote it.

No body is read, so no bomb in one can stop us (SEC-18). Nothing here reads a clock, a file or a database.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from enum import StrEnum

HEAD_LIMIT = 256 * 1024
"""Octets in which the head of a mail must end."""

NAMES_RECIPIENT = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc", "Subject")
"""Where an address of ours may stand. Some gateways keep it in the subject only; a signature decides, not the place."""


class MailKind(StrEnum):
    """What a mail that came in was."""

    unsubscribe = "unsubscribe"
    automatic = "automatic"
    unclear = "unclear"


@dataclass(frozen=True, slots=True)
class Mail:
    """The head of a mail. ``automatic`` says by what it shows that no person wrote it; '' where one did."""

    digest: str
    words: str
    automatic: str


def read_mail(content: bytes) -> Mail:
    """Read the head. ``content`` may be cut after ``HEAD_LIMIT``; whatever is broken is read as far as it goes."""
    head = re.split(rb"\r?\n\r?\n", content[:HEAD_LIMIT], maxsplit=1)[0]
    fields = BytesHeaderParser(policy=compat32).parsebytes(head + b"\n\n")
    words = " ".join(_decoded(value) for name in NAMES_RECIPIENT for value in fields.get_all(name, ()))
    return Mail(hashlib.sha256(head).hexdigest(), words.lower(), find_automatic(fields))


def _decoded(value: object) -> str:
    """A field with its encoded words in clear; as it stands where they are broken."""
    try:
        return str(make_header(decode_header(value)))  # type: ignore[arg-type]  # a Header, where it holds raw octets
    except (LookupError, ValueError, HeaderParseError):
        return str(value)


def find_automatic(fields: Message) -> str:
    """The field by which a mail says that it answers by itself, or came back (RFC 3834, section 5; UNS-11, BNC-06); '' for others.

    What a mail program makes when its reader presses "unsubscribe" may call itself auto-generated: that is what the reader wants.
    """

    def first(name: str) -> str:
        return str(fields.get(name, "")).strip().lower()

    if first("Auto-Submitted").partition(";")[0].strip() not in ("", "no", "auto-generated"):
        return "Auto-Submitted"
    if re.match(r"(bulk|junk|list|auto_reply)\b", first("Precedence")):
        return "Precedence"
    for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "List-Id", "List-Unsubscribe", "Feedback-ID"):
        if name in fields:
            return name
    if first("Return-Path") == "<>":
        return "Return-Path"
    if first("Content-Type").startswith("multipart/report"):
        return "Content-Type"
    return "From" if re.search(r"\b(mailer-daemon|postmaster)@", first("From")) else ""
