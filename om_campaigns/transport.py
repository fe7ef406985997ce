"""The contract of everything that takes a letter over: a mail server, the outbox, memory.

A connection is used by one thread. The order of calls per letter is fixed, because permission is checked and recorded
between ``answer`` and ``hand_over``: ``offer`` (envelope) → ``answer`` → ``hand_over`` (content). Where ``prefetches`` is
true the next envelope travels in the same group as the content before it (RFC 2920).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What became of one letter."""

    accepted = "accepted"
    temporary = "temporary"
    permanent = "permanent"
    uncertain = "uncertain"


class Stage(StrEnum):
    """How far the dialogue had come."""

    connect = "connect"
    mail = "mail"
    rcpt = "rcpt"
    data = "data"
    content = "content"
    dot = "dot"


class Trouble(StrEnum):
    """Why there is no connection at all."""

    unreachable = "unreachable"
    tls_failed = "tls_failed"
    auth_failed = "auth_failed"
    turned_away = "turned_away"


class NoConnectionError(Exception):
    """The transport cannot be reached; nothing was offered. ``trouble`` names why, the text is for people."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble


@dataclass(slots=True)
class Outcome:
    """The answer to one letter; ``code`` is None where no server spoke. ``lost`` means the connection is gone."""

    kind: Kind
    code: int | None
    reply: str
    at_stage: Stage
    lost: bool = False
    needs_smtputf8: bool = False


@dataclass(slots=True)
class Envelope:
    """What a server is told before the content. ``size`` in bytes; ``plain`` is false for content beyond ASCII."""

    ref: str
    sender: str
    recipient: str
    size: int
    plain: bool = True
    needs_smtputf8: bool = False


class Connection(Protocol):
    """One dialogue, used by one thread."""

    @property
    def prefetches(self) -> bool:
        """The next envelope may be given to ``hand_over``."""

    @property
    def alive(self) -> bool:
        """Another letter may be offered."""

    def offer(self, envelope: Envelope) -> None:
        """Begin a letter; ``answer`` tells what the server said. Raises NoConnectionError where it wants a login first."""

    def answer(self) -> Outcome | None:
        """None: the content is awaited. Otherwise what became of the letter; nothing of it was mailed. Raises as ``offer`` does."""

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        """Send the content of the offered letter, and the next envelope with it; returns what became of this letter.

        No line of the content begins with a dot (RFC 5321 §4.5.2): ``compose.message`` sees to it, nobody looks again.
        """

    def call_off(self) -> None:
        """The offered letter must not go. No empty letter leaves: the connection may be closed for it."""

    def close(self) -> None:
        """End the dialogue politely if possible; never raises."""


class Transport(Protocol):
    """Makes connections, one per sending thread."""

    @property
    def name(self) -> str:
        """For logs and the ledger: smtp, outbox, memory."""

    def connect(self) -> Connection:
        """Raises NoConnectionError."""
