"""Send, kill -9 (or cut the power), recover, again; then compare the ledger with what the server has on record."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, update
from sqlmodel import select

from om_campaigns.audience import responses as _feedback  # noqa: F401
from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.clock import fixed_clock
from om_campaigns.compose import models as _compose  # noqa: F401  every table must be known
from om_campaigns.delivery.models import Message, MessageState, Worker
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.delivery.workers import recover
from om_campaigns.engines import open_engine
from om_campaigns.events import set_up_logs
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.store import instance, read, write
from tests.delivery.stage import NOW, Pace, compose

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.crash.harness"])

ENDS = ("", "-wal")
"""The files of an SQLite database that a loss of power leaves behind."""


@dataclass
class Found:
    """What the ledger and the sink say after the last run."""

    kills: int
    most_uncertain: int
    uncertain: int
    lost: list[int]
    doubled: list[str]
    unfinished: list[int]
    """Dispatches that are neither sent nor uncertain."""
    touches: int
    open_letters: int

    @property
    def is_clean(self) -> bool:
        """Nothing lost, doubled or left open."""
        return not (self.lost or self.doubled or self.unfinished or self.open_letters)


def send_all(url: str, port: int, lock_folder: Path, connections: int, begun: Any, snapshots: Path | None) -> None:
    """The process that will be killed. With ``snapshots`` the files are kept as they were at each forced commit."""
    set_up_logs(debug=False)
    engine = open_engine(url)
    settings = SmtpSettings(host="127.0.0.1", port=port, tls=Tls.none, helo="crash.example", timeout_seconds=20)
    begun.set()
    note: Callable[[int], None] = (lambda number: snap(Path(engine.url.database or ""), snapshots, number)) if snapshots else lambda _: None
    send_due(
        engine,
        clock=fixed_clock(NOW),
        compose=compose,
        transport=SmtpTransport(settings),
        smtp=Pace(connections=connections),
        lock_folder=lock_folder,
        note_claim=note,
    )


def snap(database: Path, folder: Path, number: int) -> None:
    """Copy the files as of this commit: nobody else writes meanwhile, and a killed copy never counts."""
    slot = folder / str(number)
    slot.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for end in ENDS:
            shutil.copyfile(f"{database}{end}", slot / f"db{end}")
        connection.execute("ROLLBACK")
    (folder / "draft").write_text(str(number), encoding="ascii")
    (folder / "draft").replace(folder / "latest")


def cut_power(engine: Engine, folder: Path) -> bool:
    """Put back what was surely on the disk, as another boot would find it; False where nothing was ever claimed."""
    if not (folder / "latest").exists():
        return False
    database = Path(engine.url.database or "")
    engine.dispose()
    slot = folder / (folder / "latest").read_text(encoding="ascii")
    Path(f"{database}-shm").unlink(missing_ok=True)
    for end in ENDS:
        shutil.copyfile(slot / f"db{end}", f"{database}{end}")
    shutil.rmtree(folder)
    folder.mkdir()
    with write(engine) as session:
        session.execute(update(Worker).values(boot="the boot before"))
    return True


@contextmanager
def sink(record: Path, delay: float) -> Iterator[int]:
    """A running sink process; yields its port."""
    script = Path(__file__).with_name("sink.py")
    process = subprocess.Popen([sys.executable, str(script), str(record), str(delay)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def run_until_done(
    engine: Engine,
    folder: Path,
    *,
    most_kills: int,
    connections: int,
    patience: float,
    seed: int,
    snapshots: Path | None = None,
    cut: Callable[[], bool] = lambda: True,
) -> Found:
    """Kill the sender at random points until everything is sent (or ``most_kills`` is reached, then let it finish).

    The first time it has handed over a letter by then, however slow the machine is: otherwise nothing could be uncertain.
    ``cut`` is done after each kill, to lose the power; False when that could not be.
    """
    dice = random.Random(seed)
    record = folder / "sink.txt"
    url = engine.url.render_as_string(hide_password=False)
    kills = most_uncertain = 0
    with write(engine) as session:
        instance(session)
    with sink(record, 0.003) as port:
        while True:
            begun = CONTEXT.Event()
            process = CONTEXT.Process(target=send_all, args=(url, port, folder, connections, begun, snapshots))
            process.start()
            begun.wait(30)
            while not kills and process.is_alive() and not (record.exists() and record.stat().st_size):
                time.sleep(0.01)
            process.join(dice.uniform(0, patience) if kills < most_kills else None)
            if process.is_alive():
                process.kill()
                process.join()
                kills += cut()
            recovered = recover(engine, lock_folder=folder, now=NOW)
            most_uncertain = max(most_uncertain, recovered.uncertain)
            if process.exitcode == 0:
                break
            assert process.exitcode == -9, process.exitcode
    return compare(engine, record, kills, most_uncertain)


def compare(engine: Engine, record: Path, kills: int, most_uncertain: int) -> Found:
    """Every letter must be on record exactly once, or be uncertain: by envelope recipient and by Message-ID."""
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    arrived = Counter(line.split()[0] for line in lines)
    names = Counter(line.split()[1] for line in lines)
    with read(engine) as session:
        status = {row.id: row.status for row in session.exec(select(Dispatch))}
        touches = len(session.exec(select(Touch.id)).all())
        states = Counter(session.exec(select(Message.state)).all())
    uncertain = {number for number, each in status.items() if each is DispatchStatus.uncertain}
    return Found(
        kills=kills,
        most_uncertain=most_uncertain,
        uncertain=len(uncertain),
        lost=[n for n in status if n not in uncertain and not arrived[f"p{n}@y.example"]],
        doubled=[name for name, count in (arrived + names).items() if count > 1],
        unfinished=[n for n, each in status.items() if each not in (DispatchStatus.sent, DispatchStatus.uncertain)],
        touches=touches,
        open_letters=states[MessageState.claimed] + states[MessageState.sending],
    )
