"""What a stranger may do to the server itself: name another host, send or read slowly, open connections and wait (SEC-20, SEC-23)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from om_campaigns.web.server import serving
from om_campaigns.wiring import open_app
from tests.journeys.workspace import Workspace
from tests.web.test_serving import ask, free_port

pytestmark = pytest.mark.slow

EVIL = {"Host": "evil.example"}
ODD_HOSTS = ("evil.example", "[", "a b", "evil.example:99999", "")


@pytest.mark.parametrize(
    "path", ["/portal/", "/archiv/", "/anmelden/", "/impressum///", "//evil.example//portal/", "/\\evil.example/portal/"]
)
@pytest.mark.parametrize("host", ODD_HOSTS)
def test_a_slash_too_much_never_leads_to_another_host(client: httpx.Client, path: str, host: str) -> None:
    answer = client.get(path, headers={"Host": host, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})
    if "location" in answer.headers:
        assert answer.status_code == 307
        assert answer.headers["location"] in ("/portal", "/archiv", "/anmelden", "/impressum")
    else:
        assert answer.status_code in (400, 404)
    assert "evil.example" not in answer.text


def test_a_slash_too_much_is_forgiven_and_the_question_stays(client: httpx.Client) -> None:
    answer = client.get("/archiv/?lang=en", headers=EVIL)
    assert (answer.status_code, answer.headers["location"]) == (307, "/archiv?lang=en")
    assert client.get("/gibt-es-nicht/", headers=EVIL).status_code == 404
    assert client.post("/anmelden/", headers=EVIL, data={}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/portal", "/portal/haus", "/archiv", "/anmelden", "/wer-hilft", "/feed.atom", "/impressum", "/datenschutz"]
)
def test_no_page_says_a_word_of_the_host_it_was_asked_for(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=EVIL)
    assert "evil.example" not in answer.text
    assert not urlsplit(answer.headers.get("location", "/")).netloc


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_a_form_is_taken_whatever_the_host_is_called(workspace: Workspace, client: httpx.Client, host: str) -> None:
    answer = client.get("/anmelden", headers={"Host": host})
    assert answer.status_code in (200, 400)  # h11 refuses some; none breaks a page
    assert client.post("/anmelden", headers={"Host": host}, data={"name": "x"}).status_code in (200, 400)  # 200: nothing is offered here


def test_pages_below_a_path_of_another_site_lead_back_there(workspace: Workspace) -> None:
    workspace.write(
        "config.toml", 'format = 1\n[web]\nbase_url = "https://om.example/briefe"\n[database]\nurl = "sqlite:///om-campaigns.db"\n'
    )
    with serving(open_app(workspace.folder), "127.0.0.1", 0) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/archiv/", headers=EVIL)
    assert (answer.status_code, answer.headers["location"]) == (307, "/briefe/archiv")


SHORT = """
import sys
from om_campaigns.web import middleware
middleware.HEAD_SECONDS, middleware.BODY_SECONDS, middleware.READING_SECONDS, middleware.MOST_OPEN = 1, 2, 2, 20
from om_campaigns.cli import main
main()
"""


@pytest.fixture
def port(workspace: Workspace) -> Iterator[int]:
    """The pages in a process of their own, with a short patience."""
    found = free_port()
    command = [sys.executable, "-c", SHORT, "-w", str(workspace.folder), "web", "--port", str(found)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        assert ask(found) == 200
        yield found
    finally:
        process.kill()
        process.wait(timeout=60)


def seconds_until_closed(connection: socket.socket, drip: bytes = b"", every: float = 0.2, most: float = 12) -> float:
    """How long the other side keeps a connection open, while ``drip`` is sent again and again."""
    started = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - started < most:
        try:
            if drip:
                connection.sendall(drip)
            if not connection.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - started


HEAD = b"POST /anmelden HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nX-A: ", b"a"),
        (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n"),
        (HEAD, b""),
        (HEAD, b"a=1&"),
        (b"GET /impressum HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"GET /impressum HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-A: ", b"a"),
    ],
    ids=["nothing", "dripping head", "endless fields", "half open body", "dripping body", "kept alive", "second request"],
)
def test_who_sends_slowly_or_not_at_all_is_let_go(port: int, begun: bytes, drip: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(begun)
        assert seconds_until_closed(connection, drip) < 8
    assert ask(port, seconds=5) == 200


@pytest.mark.slow
def test_who_does_not_read_the_answer_is_let_go(port: int) -> None:
    """Two hundred pages are asked for on one connection, and none is read."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    held.connect(("127.0.0.1", port))
    held.settimeout(1)
    with held:
        with suppress(OSError):
            held.sendall(b"GET /datenschutz HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        time.sleep(5)
        assert seconds_until_closed(held) < 8


@pytest.mark.slow
def test_connections_that_wait_make_room_for_those_that_ask(port: int) -> None:
    """Three times as many as the server holds; a reader who comes then is served at once."""
    with ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        started = time.monotonic()
        assert ask(port, seconds=1) == 200
        assert time.monotonic() - started < 1
