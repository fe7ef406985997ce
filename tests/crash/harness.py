"""Send, kill -9, recover, again; then compare the ledger with what the server has on record."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import select

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch, DispatchStatus
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.models import Message, MessageState
from om_campaigns.delivery.sender import recover, send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.store import open_engine, read
from tests.delivery.stage import NOW, Pace, compose

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.crash.harness"])


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


def send_all(url: str, port: int, lock_folder: Path, connections: int, begun: object) -> None:
    """The process that will be killed."""
    engine = open_engine(url)
    settings = SmtpSettings(host="127.0.0.1", port=port, tls=Tls.none, helo="crash.example", timeout_seconds=20)
    begun.set()  # type: ignore[attr-defined]
    pace = Pace(connections=connections)
    send_due(engine, clock=fixed_clock(NOW), compose=compose, transport=SmtpTransport(settings), smtp=pace, lock_folder=lock_folder)


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


def run_until_done(engine: Engine, url: str, folder: Path, *, most_kills: int, connections: int, patience: float, seed: int) -> Found:
    """Kill the sender at random points until everything is sent (or ``most_kills`` is reached, then let it finish)."""
    dice = random.Random(seed)
    record = folder / "sink.txt"
    kills = most_uncertain = 0
    with sink(record, 0.003) as port:
        while True:
            begun = CONTEXT.Event()
            process = CONTEXT.Process(target=send_all, args=(url, port, folder, connections, begun))
            process.start()
            begun.wait(30)
            process.join(dice.uniform(0, patience) if kills < most_kills else None)
            if process.is_alive():
                process.kill()
                process.join()
                kills += 1
            recovered = recover(engine, lock_folder=folder, now=NOW)
            most_uncertain = max(most_uncertain, recovered.uncertain)
            if process.exitcode == 0:
                break
            assert process.exitcode == -9, process.exitcode
    return compare(engine, record, kills, most_uncertain)


def compare(engine: Engine, record: Path, kills: int, most_uncertain: int) -> Found:
    """Every letter must be on record exactly once, or be uncertain."""
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
