"""A transport that keeps letters in memory, for simulation and tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from om_campaigns.delivery.transport import Envelope, Kind, Outcome, Stage


@dataclass
class MemoryTransport:
    """``letters`` holds (envelope, content) in the order of hand-over; handing the same ref over again changes nothing."""

    letters: list[tuple[Envelope, bytes]] = field(default_factory=list)
    name: str = "memory"

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def connect(self) -> MemoryConnection:
        return MemoryConnection(self)

    def keep(self, envelope: Envelope, content: bytes) -> None:
        """Add a letter, once per ref."""
        with self._lock:
            if envelope.ref not in self._known:
                self._known.add(envelope.ref)
                self.letters.append((envelope, content))


class MemoryConnection:
    """One thread's way into a MemoryTransport."""

    prefetches = False

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
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
        self._transport.keep(envelope, content)
        return Outcome(Kind.accepted, 250, "kept in memory", Stage.dot)

    def call_off(self) -> None:
        self._offered = None

    def close(self) -> None:
        self.alive = False
