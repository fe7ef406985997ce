"""Connections of the web server end by themselves: whoever sends slowly, reads slowly or is gone holds none for long (SEC-23).

uvicorn alone waits for ever for the rest of a request that has begun, and for whoever does not read its answer.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10
"""From the beginning of a connection, or of a further request on it, until its head is there."""

BODY_SECONDS = 60
"""From the head of a request until the end of its body; the largest one is a logo over a slow line."""

READING_SECONDS = 60
"""How long an answer may lie unread, in part or whole."""

MOST_OPEN = 500
"""Connections at once; below the 1,024 files a process may usually have open. One more ends the one that asks for nothing longest."""


class TimedConnection(H11Protocol):
    """One connection with one clock: what it waits for at the moment must come before it runs out."""

    _clock: asyncio.TimerHandle | None = None
    _waits_for = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_OPEN:
            self._make_room()
        self._wait("head", HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle():
            if self._waits_for != "head":
                self._wait("head", HEAD_SECONDS)
        elif self.cycle.more_body:
            if self._waits_for != "body":
                self._wait("body", BODY_SECONDS)
        elif self._waits_for in ("head", "body"):
            self._stop_clock()  # everything is there: now it is our turn

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_idle():
            self._wait("reader", READING_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait("reader", READING_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._waits_for == "reader" and not self._is_idle():
            self._stop_clock()

    def _is_idle(self) -> bool:
        """No request is being answered or read."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self, what: str, seconds: float) -> None:
        self._stop_clock()
        self._waits_for = what
        self._clock = self.loop.call_later(seconds, self.transport.abort)  # close() would wait for the reader once more

    def _stop_clock(self) -> None:
        self._waits_for = ""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _make_room(self) -> None:
        waiting = [each for each in self.connections if isinstance(each, TimedConnection) and each is not self and each._is_idle()]
        oldest = min(waiting, key=lambda each: each._clock.when() if each._clock else 0.0, default=self)
        oldest.transport.abort()
