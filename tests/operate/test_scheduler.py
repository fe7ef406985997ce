"""``run``: real processes, real signals. One leads, a fault in one tick is told and survived, SIGTERM ends it cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from om_campaigns.events import set_up_logs
from om_campaigns.locks import take_lock
from om_campaigns.operate import scheduler
from om_campaigns.operate.installation import LEADER
from om_campaigns.operate.scheduler import Waker
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A campaign with one recipient, published."""
    made = Workspace(tmp_path / "ws", settings="[run]\nevery_seconds = 5\n")
    made.houses(house("ihk-tal", "05"))
    made.people(person("Jörg Müller", "ihk-tal"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0")
    made.now = local("2026-01-01")
    made.publish()
    return made


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(folder), "run"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})


def leader(workspace: Workspace) -> str:
    """Who leads, as the database says."""
    return "".join(row[0] for row in workspace.ask("SELECT leader FROM instance"))


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


@pytest.mark.slow
def test_run_leads_refuses_a_second_and_stops_cleanly_on_sigterm(workspace: Workspace) -> None:
    first = start(workspace.folder)
    try:
        wait_for(lambda: leader(workspace) != "")
        second = start(workspace.folder)
        _, told = second.communicate(timeout=60)
        assert second.returncode == 3
        assert f"process {first.pid}" in told
        assert "stop that one first" in told
        assert f"process {first.pid}" in om(workspace.folder, now="").out
    finally:
        first.send_signal(signal.SIGTERM)
        _, log = first.communicate(timeout=60)
    assert first.returncode == 0
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert (events[0], events[-1]) == ("scheduler.started", "scheduler.stopped")
    assert leader(workspace) == ""
    release = take_lock(workspace.app.engine, workspace.folder / "locks", LEADER)
    assert release is not None
    release()


@pytest.mark.slow
def test_a_killed_leader_leaves_no_lock_behind(workspace: Workspace) -> None:
    first = start(workspace.folder)
    try:
        wait_for(lambda: leader(workspace) != "")
    finally:
        first.kill()
        first.communicate(timeout=60)
    again = start(workspace.folder)
    try:
        wait_for(lambda: f"process {again.pid}," in leader(workspace))
    finally:
        again.terminate()
        again.communicate(timeout=60)
    assert again.returncode == 0


@pytest.mark.slow
def test_it_sends_what_is_due_and_forgets_once_a_day(workspace: Workspace) -> None:
    app = open_app(workspace.folder, clock=lambda: local("2027-06-01"), rehearsal_transport=lambda: workspace.transport)
    Waker(app, threading.Event()).wake()
    assert len(workspace.transport.letters) == 1
    workspace.do("UPDATE message SET sent_at = '2026-10-01 00:00:00.000000'")
    waker = Waker(app, threading.Event())
    waker.wake()
    assert workspace.count("message_slots") == 0
    workspace.do("INSERT INTO message_slots (message_id, slot_values) SELECT id, '{}' FROM message")
    waker.wake()
    assert workspace.count("message_slots") == 1


def test_a_fault_is_told_with_its_trace_and_the_next_tick_comes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(debug=False, verbose=True)
    calls = []

    def broken(*_: object, **__: object) -> None:
        calls.append(1)
        raise ZeroDivisionError("in the tick")

    monkeypatch.setattr(scheduler, "tick", broken)
    waker = Waker(workspace.app, threading.Event())
    waker.wake()
    waker.wake()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["tick.failed", "tick.failed"]
    assert "ZeroDivisionError: in the tick" in lines[0]["exception"]
    assert len(calls) == 2


def test_a_halt_is_told_and_nothing_is_sent(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    om(workspace.folder, "halt", "--reason", "Text prüfen")
    set_up_logs(debug=False, verbose=True)
    Waker(workspace.app, threading.Event()).wake()
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["event"], "Text prüfen" in line["reason"]) == ("tick.refused", True)
    assert not workspace.transport.letters


def test_nothing_begins_after_a_stop(workspace: Workspace) -> None:
    stop = threading.Event()
    stop.set()
    Waker(workspace.app, stop).wake()
    assert workspace.count("enrolment") == 0


def test_run_does_not_take_a_made_up_clock(workspace: Workspace) -> None:
    said = om(workspace.folder, "run")
    assert (said.code, "'run' follows the real clock" in said.err) == (2, True)
