"""What every answer of the pages passes: headers, limits of connections, and words for faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from om_campaigns import events
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.look import LOGO_BYTES


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to put right: the name of its field, and what to do, in the page's words."""

    field: str
    text: str


def spell(wrong: Iterable[FormFault], texts: Mapping[str, str]) -> list[Fault]:
    """The faults of a form in words. ``texts`` are found by ``field:kind``, by ``field`` where nothing else can be wrong with it, or by
    ``kind`` where it can be in many fields; ``{line}`` in them is filled in.
    """
    found = []
    for each in wrong:
        text = texts.get(f"{each.field}:{each.kind}") or texts.get(each.field) or texts[each.kind]
        found.append(Fault(each.field, text.replace("{line}", str(each.line))))
    return found


POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store",
}
"""A route may say something else itself, for example a page that search engines may list."""

BODY_LIMIT = 64 * 1024
BODY_LIMITS: Mapping[str, int] = {"/portal/haus/": LOGO_BYTES + BODY_LIMIT}
"""Paths whose bodies may be larger, by their beginning."""


class Guard:
    """Headers on every answer, a limit on every body, GET behind every HEAD, one log line without token or IP.

    What breaks ends here, with ``fault_page`` for the visitor and a line without values for the log: the server would print all.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool, fault_page: Callable[[Scope, int], ASGIApp]) -> None:
        self.app, self.fault_page = app, fault_page
        self.headers = ALWAYS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method, started = scope["method"], time.perf_counter()
        answer = _Answer(send, self.headers, is_head=method == "HEAD")
        if method == "HEAD":
            scope["method"], scope["is_head"] = "GET", True
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        body = _Body(receive, next((limit for start, limit in BODY_LIMITS.items() if path.startswith(start)), BODY_LIMIT))
        try:
            if body.is_announced_too_large(scope):
                await self.fault_page(scope, 413)(scope, receive, answer.send)
            else:
                await self.app(scope, body.receive, answer.send)
        except ClientDisconnect:
            pass  # gone, or too slow, before all of it was here: nobody is there to be told
        except _TooLargeError:
            if not answer.status:
                await self.fault_page(scope, 413)(scope, receive, answer.send)
        except Exception as fault:
            events.page_failed(method, getattr(scope.get("route"), "path", ""), fault)
            if not answer.status:
                await self.fault_page(scope, 500)(scope, receive, answer.send)
        finally:
            route = getattr(scope.get("route"), "path", "")
            events.page_served(method, route, answer.status, round((time.perf_counter() - started) * 1000))


class _TooLargeError(Exception):
    """A body went on beyond its limit."""


class _Body:
    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._read = receive, limit, 0

    def is_announced_too_large(self, scope: Scope) -> bool:
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        return not announced.isdigit() or len(announced) > 12 or int(announced) > self._limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._limit:
            raise _TooLargeError
        return message


class _Answer:
    def __init__(self, send: Send, headers: Mapping[str, str], *, is_head: bool) -> None:
        self._send, self._headers, self._is_head = send, headers, is_head
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                given.setdefault(name, value)
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


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
