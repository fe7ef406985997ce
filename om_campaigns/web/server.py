"""The built-in web server: uvicorn in a thread, for ``web``, ``run`` and tests. Signals are for whoever starts it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from om_campaigns import events
from om_campaigns.app import App
from om_campaigns.errors import InstallationError
from om_campaigns.web.application import make_application
from om_campaigns.web.middleware import TimedConnection

START_SECONDS = 20
STOP_SECONDS = 10


@contextmanager
def serving(app: App, host: str, port: int) -> Iterator[int]:
    """Pages in a thread of this process while the block runs; gives the port (0 takes a free one). Raises InstallationError."""
    with _listen(host, port) as listening:
        server = _make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="pages", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            events.pages_started(*listening.getsockname()[:2])
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS)
            server.config.app.state.site.errands.finish(STOP_SECONDS)  # type: ignore[union-attr]
            events.pages_stopped()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
        # connections inherit it; asyncio sets it only on sockets it opened itself, and without it every page waits 40 ms for an ACK
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, OverflowError) as error:
        raise InstallationError(
            f"pages cannot be served at {host}:{port}: {error}", hint="set [web] host and port, or stop whatever listens there"
        ) from error


def _make_server(app: App) -> uvicorn.Server:
    # no access log: its lines would hold tokens and addresses of machines (LAW-26); Guard writes its own
    web = make_application(app)
    config = uvicorn.Config(
        web,
        http=TimedConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        root_path=web.state.site.root,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise InstallationError("the pages did not start", hint="look at the log above")
        time.sleep(0.01)
