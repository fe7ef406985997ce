"""The connection of a transport that keeps letters itself: nobody is asked, so nothing is refused before the content."""

from __future__ import annotations

from collections.abc import Callable

from om_campaigns.delivery.transport import Envelope, Outcome


class KeepingConnection:
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
