"""Faults of the machine: a full or read-only disk, a database that goes away, a clock that goes backwards.

Each has a name, nothing is lost, and once it is over everything goes on without hands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlmodel import select

from om_campaigns import store
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.delivery import sender
from om_campaigns.delivery.models import Message
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.engines import open_engine
from om_campaigns.errors import InstallationError, RefusedError
from om_campaigns.gate import pass_gate
from om_campaigns.store import read, write
from tests.delivery.stage import Pace, make_stage
from tests.delivery.test_sender import AnsweringTransport, send
from tests.journeys.workspace import Workspace, local

pytestmark = pytest.mark.slow
MEGABYTE = 1_000_000


class Disk:
    """A small disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes."""
        with suppress(OSError), (self.folder / "ballast").open("wb") as file:
            wanted = shutil.disk_usage(self.folder).free - leave
            while wanted > 0:
                file.write(b"x" * min(wanted, 1 << 16))
                wanted -= 1 << 16

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """64 MB of memory, mounted; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.name != "posix" or shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk of its own")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small(disk: Disk) -> Iterator[Engine]:
    """A database with 200 letters on the small disk."""
    engine = open_engine("sqlite:///om.db", root=disk.folder)
    store.metadata.create_all(engine)
    make_stage(engine, 200)
    yield engine
    engine.dispose()


def statuses(engine: Engine) -> Counter[DispatchStatus]:
    with read(engine) as session:
        return Counter(session.exec(select(Dispatch.status)))


def assert_everybody_got_one(engine: Engine, transport: MemoryTransport, *, uncertain: int = 0) -> None:
    found = statuses(engine)
    assert set(found) <= {DispatchStatus.sent, DispatchStatus.uncertain}
    assert found[DispatchStatus.uncertain] <= uncertain
    arrived = Counter(envelope.recipient for envelope, _ in transport.letters)
    assert max(arrived.values()) == 1
    assert len(arrived) >= found[DispatchStatus.sent]


def test_a_nearly_full_disk_is_named_before_anything_is_claimed(disk: Disk, small: Engine, tmp_path: Path) -> None:
    disk.fill(leave=5 * MEGABYTE)
    transport = MemoryTransport()
    with pytest.raises(InstallationError, match=r"nearly full: \d+ MB are left"):
        send(small, tmp_path, transport)
    assert (statuses(small), transport.letters) == ({DispatchStatus.planned: 200}, [])
    with read(small) as session:
        assert session.exec(select(Message)).all() == []
    disk.empty()
    assert send(small, tmp_path, transport).sent == 200


def test_a_disk_that_fills_up_on_the_way_loses_nothing(disk: Disk, small: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check before a claim is taken away, so that the disk is really full in the middle of it."""
    monkeypatch.setattr(sender, "require_room", lambda _engine: None)
    begun = []

    def fill(recipient: str) -> None:
        begun.append(recipient)
        if len(begun) == 3:
            disk.fill()
            threading.Timer(3, disk.empty).start()

    transport = AnsweringTransport(on_offer=fill)
    with suppress(InstallationError):  # raised where the disk was full for a claim; an outcome is recorded again until there is room
        send(small, tmp_path, transport, smtp=Pace(connections=1))
    transport.on_offer = None
    send(small, tmp_path, transport, smtp=Pace(connections=1))
    assert_everybody_got_one(small, transport, uncertain=1)


def test_a_read_only_disk_is_named_and_changes_nothing(disk: Disk, small: Engine, tmp_path: Path) -> None:
    small.dispose()
    disk.remount("ro")
    transport = MemoryTransport()
    with pytest.raises(InstallationError, match=r"cannot be (written to|opened)"):
        send(small, tmp_path, transport)
    disk.remount("rw")
    small.dispose()
    assert send(small, tmp_path, transport).sent == 200
    assert_everybody_got_one(small, transport)


def test_a_lost_connection_to_the_database_is_named_and_recovered(postgres_engine: Engine, tmp_path: Path) -> None:
    """Every session of ours is ended by the server while letters go out."""
    make_stage(postgres_engine, 200)
    begun = []

    def cut(recipient: str) -> None:
        begun.append(recipient)
        if len(begun) == 20:
            other = open_engine(postgres_engine.url.render_as_string(hide_password=False))
            with other.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                )
            other.dispose()

    transport = AnsweringTransport(on_offer=cut)
    with pytest.raises(InstallationError, match="no connection to the database"):
        send(postgres_engine, tmp_path, transport, smtp=Pace(connections=2))
    transport.on_offer = None
    send(postgres_engine, tmp_path, transport, smtp=Pace(connections=2))
    assert_everybody_got_one(postgres_engine, transport, uncertain=2)


def test_a_database_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(InstallationError, match="no connection to the database"),
        read(open_engine("postgresql://om@127.0.0.1:1/none")) as session,
    ):
        session.execute(text("SELECT 1"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "om.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(InstallationError, match="is none"), read(open_engine("sqlite:///om.db", root=tmp_path)) as session:
        session.execute(text("SELECT 1"))


def test_a_clock_that_goes_backwards_is_an_error_in_live_mode_and_nothing_in_rehearsal(tmp_path: Path) -> None:
    ws = Workspace(tmp_path / "ws")
    now = local("2027-01-05")
    assert pass_gate(ws.app, now)
    assert not pass_gate(ws.app, now - timedelta(hours=1))
    with write(ws.app.engine) as session:
        row = store.instance(session)
        row.mode, row.live_now = store.Mode.live, now
    ws.write("config.toml", 'format = 1\nmode = "live"\n')
    from om_campaigns.gate import note_instant
    from om_campaigns.wiring import open_app

    app = open_app(ws.folder, clock=lambda: now)
    before = ws.dump()
    with pytest.raises(RefusedError, match="the clock says 2027-01-05T07:00:00"), write(app.engine) as session:
        note_instant(session, app, now - timedelta(hours=1))
    assert ws.dump() == before
    with write(app.engine) as session:
        assert note_instant(session, app, now + timedelta(seconds=1))


def test_the_scheduler_outlives_such_faults(small: Engine, disk: Disk) -> None:
    """A wake-up that meets one says so in one line; the next one works."""
    from structlog.testing import capture_logs

    from om_campaigns.operate.scheduler import Waker

    calls: list[Callable[[], object]] = []

    class App:
        def now(self) -> object:
            return calls.pop()()

    def fail() -> object:
        raise InstallationError("the disk of the database is full")

    calls.append(fail)
    with capture_logs() as said:
        Waker(App(), threading.Event()).wake()  # type: ignore[arg-type]
    assert [(line["event"], line["reason"]) for line in said] == [("tick.refused", "the disk of the database is full")]
