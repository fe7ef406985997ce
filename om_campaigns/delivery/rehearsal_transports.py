"""What takes letters over without a mail server of others: the outbox, memory, and a mail server with one address of our own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from om_campaigns.private_files import make_private_folder, write_private
from om_campaigns.transport import Connection, Envelope, Kind, NoConnectionError, Outcome, Stage, Transport, Trouble


class LocalConnection:
    """One thread's way to ``keep``, which takes a letter and says what became of it."""

    prefetches = False

    def __init__(self, keep: Callable[[Envelope, bytes], Outcome]) -> None:
        self._keep = keep
        self._offered: Envelope | None = None
        self.alive = True

    def offer(self, envelope: Envelope) -> None:
        self._offered = envelope

    def answer(self) -> Outcome | None:
        return None

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        envelope, self._offered = self._offered, then
        if envelope is None:
            raise RuntimeError("nothing was offered")
        return self._keep(envelope, content)

    def call_off(self) -> None:
        self._offered = None

    def close(self) -> None:
        self.alive = False


_DATE = re.compile(rb"^Date: ([^\r\n]+)", re.MULTILINE)


class OutboxTransport:
    """Files ``<hand-over time in UTC>-<ref>.eml`` holding the exact bytes; a ref that is there already is not written again."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._known: set[str] | None = None

    def connect(self) -> LocalConnection:
        try:
            with self._lock:
                if self._known is None:
                    make_private_folder(self.folder)
                    self._known = {path.stem.rpartition("-")[2] for path in self.folder.glob("*.eml")}
        except OSError as error:
            raise NoConnectionError(Trouble.unreachable, f"{self.folder}: {error.strerror}") from error
        return LocalConnection(self.keep)

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        """Write one letter, once per ref, so that a reader sees all of it or nothing."""
        with self._lock:
            known = self._known if self._known is not None else set()
            is_new = envelope.ref not in known
            known.add(envelope.ref)
        if is_new:
            draft = self.folder / f".{envelope.ref}.part"
            try:
                write_private(draft, content)
                draft.replace(self.folder / f"{_stamp(content)}-{envelope.ref}.eml")
            except OSError as error:
                known.discard(envelope.ref)
                return Outcome(Kind.temporary, None, f"outbox: {error.strerror}", Stage.content)
        return Outcome(Kind.accepted, 250, "written to the outbox", Stage.dot)


def _stamp(content: bytes) -> str:
    date = _DATE.search(content)
    if date is None:
        return "undated"
    return parsedate_to_datetime(date[1].decode("ascii", "replace")).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


@dataclass
class MemoryTransport:
    """``letters`` holds (envelope, content) in the order of hand-over; handing the same ref over again changes nothing."""

    letters: list[tuple[Envelope, bytes]] = field(default_factory=list)
    name: str = "memory"

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def connect(self) -> LocalConnection:
        return LocalConnection(self.keep)

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        """Add a letter, once per ref."""
        with self._lock:
            if envelope.ref not in self._known:
                self._known.add(envelope.ref)
                self.letters.append((envelope, content))
        return Outcome(Kind.accepted, 250, "kept in memory", Stage.dot)


@dataclass(frozen=True, slots=True)
class RedirectedTransport:
    """Another transport, with every envelope addressed to ``recipient``; headers and bytes stay as they are."""

    inner: Transport
    recipient: str

    @property
    def name(self) -> str:
        return f"{self.inner.name} to {self.recipient}"

    def connect(self) -> RedirectedConnection:
        return RedirectedConnection(self.inner.connect(), self.recipient)


@dataclass(slots=True)
class RedirectedConnection:
    inner: Connection
    recipient: str

    @property
    def prefetches(self) -> bool:
        return self.inner.prefetches

    @property
    def alive(self) -> bool:
        return self.inner.alive

    def offer(self, envelope: Envelope) -> None:
        self.inner.offer(self._redirected(envelope))

    def answer(self) -> Outcome | None:
        return self.inner.answer()

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        return self.inner.hand_over(content, self._redirected(then) if then else None)

    def call_off(self) -> None:
        self.inner.call_off()

    def close(self) -> None:
        self.inner.close()

    def _redirected(self, envelope: Envelope) -> Envelope:
        return replace(envelope, recipient=self.recipient, needs_smtputf8=not self.recipient.isascii())
