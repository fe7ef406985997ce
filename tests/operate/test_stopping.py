"""SIGTERM while a mail server is silent: the process ends in time, and the ledger says what is not known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.audience.addresses import normalise
from om_campaigns.reader import opting_in
from om_campaigns.wiring import open_app
from tests.delivery.misbehaving import SILENCE, Manners, Server
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

STOP_SECONDS = 2
ALLOWED = STOP_SECONDS + 12
"""Seconds until the process must be gone; starting and ending Python on a busy machine is among them."""

CONFIG = """format = 1
rehearsal_to = ["otto@om-probe.de"]
[database]
url = "sqlite:///om-campaigns.db"
[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
timeout_seconds = 600
[run]
stop_seconds = {stop}
[sender]
imprint = "OM, Hauptstraße 1, 10115 Berlin"
"""
ALWAYS = 'window = { days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "00:00", to = "23:59" }'


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(**manners: object) -> Server:
        started.append(Server(Manners(**manners)))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two letters are due at any moment."""
    made = Workspace(tmp_path / "ws")
    made.houses(house("ihk-tal", "05"))
    made.people(person("Otto Lind", "ihk-tal"), person("Rosa Lind", "ihk-tal"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0", head=ALWAYS)
    made.now = local("2026-01-01")
    made.publish()
    return made


def start(workspace: Workspace, server: Server, *arguments: str) -> subprocess.Popen[str]:
    workspace.write("config.toml", CONFIG.format(port=server.port, stop=STOP_SECONDS))
    workspace.app.engine.dispose()
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(workspace.folder), *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[float, str]:
    """How long it took to stop, and what was said."""
    started = time.monotonic()
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode is not None
    return time.monotonic() - started, out + err


def wait_for(condition: Callable[[], object], seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


COMMANDS = {"send": ("send", "--all-due", "--yes"), "run": ("run",)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_letter_without_an_answer_is_uncertain_and_the_process_ends(
    workspace: Workspace, serve: Callable[..., Server], command: str
) -> None:
    server = serve(silent_after_dot=True)
    process = start(workspace, server, *COMMANDS[command])
    wait_for(lambda: server.letters)
    took, said = end(process)
    assert took < ALLOWED, said
    assert process.returncode == (0 if command == "run" else process.returncode), said
    states = [row[0] for row in workspace.ask("SELECT state FROM message ORDER BY id")]
    assert states.count("uncertain") == len(server.letters)
    assert set(states) <= {"uncertain", "dropped"}
    assert {mail.status for mail in workspace.ledger()} <= {"uncertain", "planned"}
    assert workspace.ask("SELECT count(*) FROM worker WHERE ended_at IS NULL") == [(0,)], "nothing is left to recovery"


@pytest.mark.parametrize("where", ["greeting", "ehlo", "mail", "rcpt", "data"])
def test_silence_before_the_content_leaves_the_letter_owed(workspace: Workspace, serve: Callable[..., Server], where: str) -> None:
    server = serve(**{where: SILENCE})
    process = start(workspace, server, *COMMANDS["send"])
    wait_for(lambda: server.connections and (where == "greeting" or server.commands))
    took, said = end(process)
    assert took < ALLOWED, said
    assert {mail.status for mail in workspace.ledger()} <= {"planned", "retry"}
    assert server.letters == []


def test_ctrl_c_is_no_different(workspace: Workspace, serve: Callable[..., Server]) -> None:
    server = serve(silent_after_dot=True)
    process = start(workspace, server, *COMMANDS["send"])
    wait_for(lambda: server.letters)
    took, said = end(process, signal.SIGINT)
    assert took < ALLOWED, said
    assert "uncertain" in {mail.status for mail in workspace.ledger()}


def test_a_service_mail_holds_nobody_either(workspace: Workspace, serve: Callable[..., Server]) -> None:
    """Somebody subscribed; its mail gets no answer. It is never sent a second time."""
    server = serve(silent_after_dot=True)
    app = open_app(workspace.folder)
    asked = opting_in.Request(normalise("neu@om-probe.de"), "Neu", "de", None, ("hilfen",), "Ja.", "https://om.de/anmelden", "")
    with store.write(app.engine) as session:
        assert opting_in.ask(session, app.keyring, asked, app.now())
    workspace.do("UPDATE campaign SET status = 'stopped'")
    process = start(workspace, server, "run")
    wait_for(lambda: server.letters)
    took, said = end(process)
    assert took < ALLOWED, said
    assert workspace.ask("SELECT kind, state FROM message") == [("service", "uncertain")]
    assert workspace.ask("SELECT count(*) FROM notice WHERE due_at IS NOT NULL") == [(0,)]


def test_a_server_that_answers_in_time_loses_nothing(workspace: Workspace, serve: Callable[..., Server]) -> None:
    server = serve()
    process = start(workspace, server, *COMMANDS["send"])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert {mail.status for mail in workspace.ledger()} == {"sent"}
