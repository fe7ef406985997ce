"""Rehearsal with a real mail server: every letter leaves, but to one address of our own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from om_campaigns.delivery.transport import Connection, Envelope, Outcome, Transport


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
