"""``web`` and ``run`` as processes: both serve the pages, and sending does not depend on them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.journeys.workspace import Workspace

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(folder), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def ask(port: int, path: str = "/impressum", seconds: float = 60) -> int:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return int(answer.status)
        except OSError:
            assert time.monotonic() < end, "nobody answers"
            time.sleep(0.1)


def stop(process: subprocess.Popen[str]) -> list[str]:
    """End it as an operator does; the events it told."""
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]


def test_web_serves_until_told_to_stop(workspace: Workspace) -> None:
    port = free_port()
    with running(workspace.folder, "web", "--port", str(port)) as process:
        assert ask(port) == 200
        told = stop(process)
    assert (told[0], told[-1]) == ("pages.started", "pages.stopped")


def configure(workspace: Workspace, port: int) -> None:
    settings = f'format = 1\n[web]\nbase_url = "http://127.0.0.1:{port}"\nport = {port}\n'
    workspace.write("config.toml", f'{settings}[database]\nurl = "sqlite:///om-campaigns.db"\n')


def test_run_serves_the_pages_where_they_are_configured(workspace: Workspace) -> None:
    port = free_port()
    configure(workspace, port)
    with running(workspace.folder, "run") as process:
        assert ask(port) == 200
        told = stop(process)
    assert {"pages.started", "scheduler.started", "scheduler.stopped", "pages.stopped"} <= set(told)


def test_run_sends_on_when_somebody_else_serves_the_pages(workspace: Workspace) -> None:
    port = free_port()
    configure(workspace, port)
    with ExitStack() as stack:
        pages = stack.enter_context(running(workspace.folder, "web"))
        assert ask(port) == 200
        process = stack.enter_context(running(workspace.folder, "run"))
        assert process.stderr is not None
        first, second = (json.loads(process.stderr.readline())["event"] for _ in range(2))
        assert (first, second) == ("pages.missing", "scheduler.started")
        stop(process)
        assert ask(port) == 200
        stop(pages)
