"""What every answer carries and what no request may exceed, whichever route it meets (SEC-05, SEC-23, LAW-26)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from om_campaigns import events
from om_campaigns.partner.look import LOGO_BYTES

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
