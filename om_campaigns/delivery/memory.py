"""A transport that keeps letters in memory, for simulation and tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from om_campaigns.delivery.keeping import KeepingConnection
from om_campaigns.delivery.transport import Envelope, Kind, Outcome, Stage


@dataclass
class MemoryTransport:
    """``letters`` holds (envelope, content) in the order of hand-over; handing the same ref over again changes nothing."""

    letters: list[tuple[Envelope, bytes]] = field(default_factory=list)
    name: str = "memory"

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def connect(self) -> KeepingConnection:
        return KeepingConnection(self.keep)

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        """Add a letter, once per ref."""
        with self._lock:
            if envelope.ref not in self._known:
                self._known.add(envelope.ref)
                self.letters.append((envelope, content))
        return Outcome(Kind.accepted, 250, "kept in memory", Stage.dot)
