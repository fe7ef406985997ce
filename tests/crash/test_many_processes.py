"""Several processes on one SQLite file: nobody sees "database is locked"; writers wait with a bound, readers never do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from om_campaigns import engines, store
from om_campaigns.errors import InstallationError
from tests.journeys.workspace import PEOPLE_COLUMNS, Workspace, house, local, person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PEOPLE = 400


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """A campaign to four hundred people, all due by the clock on the wall."""
    workspace = Workspace(tmp_path / "ws", settings="[run]\nevery_seconds = 5\n")
    workspace.houses(house("ihk-tal", "05"))
    workspace.segment("alle", "'adviser' in roles")
    workspace.campaign(
        "reihe", "a1 day = 0", head='window = { days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "00:01", to = "00:00" }'
    )
    workspace.write("audiences/people.csv", table(0))
    workspace.now = local("2026-01-05")
    workspace.publish()
    workspace.app.engine.dispose()
    return workspace


def table(round_: int) -> str:
    """Everybody, with other names in each round."""
    rows = [
        person(f"Anna Nummer{n} {round_}", "ihk-tal", person=f"p{n}", email=f"p{n}@ihk-tal.example", roles="adviser") for n in range(PEOPLE)
    ]
    return PEOPLE_COLUMNS + "".join(rows)


def command(ws: Workspace, *arguments: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(ws.folder), *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_scheduler_an_import_and_commands_work_side_by_side(ws: Workspace) -> None:
    done = command(ws, "audience", "import", "--expect", str(PEOPLE))
    done.communicate(timeout=120)
    assert done.returncode == 0
    scheduler = command(ws, "run")
    said: list[tuple[str, int, str]] = []

    def repeat(*arguments: str, times: int) -> None:
        for _ in range(times):
            running = command(ws, *arguments)
            _, err = running.communicate(timeout=120)
            said.append((" ".join(arguments), running.returncode, err))

    others = [
        threading.Thread(target=repeat, args=("audience", "import"), kwargs={"times": 2}),
        threading.Thread(target=repeat, args=("plan",), kwargs={"times": 2}),
        threading.Thread(target=repeat, args=("ledger",), kwargs={"times": 2}),
        threading.Thread(target=repeat, args=("campaign", "publish"), kwargs={"times": 2}),
    ]
    for each in others:
        each.start()
    for number in range(1, 3):
        ws.write("audiences/people.csv", table(number))
        time.sleep(1)
    for each in others:
        each.join()
    for _ in range(60):
        if ws.ask("SELECT count(*) FROM dispatch WHERE status = 'sent'") == [(PEOPLE,)]:
            break
        time.sleep(0.5)
    scheduler.terminate()
    _, log = scheduler.communicate(timeout=60)
    assert [row for row in said if row[1] != 0] == []
    assert scheduler.returncode == 0
    assert "locked" not in log
    assert "tick.failed" not in log
    assert ws.ask("SELECT status, count(*) FROM dispatch GROUP BY status") == [("sent", PEOPLE)]
    assert len(list((ws.folder / "outbox").glob("*.eml"))) == PEOPLE
    assert ws.ask("PRAGMA integrity_check") == [("ok",)]


def test_a_writer_waits_with_a_bound_and_then_says_so(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    engine = engines.open_engine(f"sqlite:///{ws.folder}/om-campaigns.db")
    with closing(sqlite3.connect(ws.folder / "om-campaigns.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(InstallationError, match="the database was busy"), store.write(engine) as session:
            store.instance(session)
        assert 0.9 <= time.monotonic() - began < 10
        other.execute("ROLLBACK")
    with store.write(engine) as session:
        store.instance(session)
    engine.dispose()


def test_a_reader_never_waits_for_a_writer(ws: Workspace) -> None:
    with closing(sqlite3.connect(ws.folder / "om-campaigns.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE campaign SET name = 'half'")
        began = time.monotonic()
        with store.read(ws.app.engine) as session:
            assert session.execute(text("SELECT name FROM campaign")).scalar() == "reihe"
        assert time.monotonic() - began < 1
        other.execute("ROLLBACK")
