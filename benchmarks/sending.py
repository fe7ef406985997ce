"""Sending against ``smtp-source -d`` of Postfix: same sink, same size, same number of sessions, in turns.

Ours does its whole work: claims, permission checks, one transaction per letter, touches, slot values. Needs Postfix's
``smtp-source`` and ``smtp-sink``. ``python -m benchmarks.sending`` prints letters per second and the ratio of the medians.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path

from sqlmodel import Session

from om_campaigns import engines, store
from om_campaigns.clock import fixed_clock
from om_campaigns.columns import new_ref
from om_campaigns.compose import models as _compose_tables  # noqa: F401  the tables must be known before they are made
from om_campaigns.delivery.handover import Held, Prepared
from om_campaigns.delivery.models import Part
from om_campaigns.delivery.send_queue import Due
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from tests.delivery.stage import NOW, Pace, make_stage

LETTERS = 12_000
SIZE = 30_000
SESSIONS = 2
ROUNDS = 5
BODY = (b"Lorem ipsum dolor sit =C3=A4met, consectetuer adipiscing elit, sed =\r\n" * (SIZE // 70))[: SIZE - 800] + b"\r\n"


def compose(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
    """Letters of 30 KB whose static part is encoded already, as an edition's is."""
    return [prepare(due) for due in dues]


def prepare(due: Due) -> Prepared:
    ref = new_ref()
    to = f"p{due.address_id}@y.example"
    cut = len(BODY) // 2
    greeting = f"Guten Tag, J=C3=B6rg M=C3=BCller {due.recipient_id}\r\n"

    def write(at: datetime) -> bytes:
        head = f"Date: {make_date(at)}\r\nFrom: om@x.example\r\nTo: {to}\r\nMessage-ID: <{ref}@x.example>\r\nSubject: Hallo\r\n\r\n"
        return b"".join((head.encode(), BODY[:cut], greeting.encode(), BODY[cut:]))

    return Prepared(
        dispatch_ids=(due.id,),
        part=Part.mail,
        campaign_id=due.campaign_id,
        address_id=due.address_id,
        ref=ref,
        message_id=f"<{ref}@x.example>",
        envelope_from=f"b+{ref}@x.example",
        envelope_to=to,
        edition_id="e1",
        slot_values={"contact.full_name": f"Jörg Müller {due.recipient_id}", "contact.greeting": "Guten Tag"},
        needs_smtputf8=False,
        zone="Europe/Berlin",
        ideas="we_opportunities",
        items="a1",
        write=write,
    )


@lru_cache(maxsize=8)
def make_date(at: datetime) -> str:
    return format_datetime(at)


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's sink on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([_tool("smtp-sink"), "-u", "nobody", f"127.0.0.1:{port}", "100"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _tool(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed (package postfix)")
    return found


def time_ours(port: int, letters: int, sessions: int) -> float:
    """Letters per second of the whole run of the sender."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = engines.open_engine("sqlite:///sending.db", root=folder)
        store.metadata.create_all(engine)
        make_stage(engine, letters)
        transport = SmtpTransport(SmtpSettings(host="127.0.0.1", port=port, tls=Tls.none, helo="bench.example"))
        began = time.perf_counter()
        account = send_due(
            engine, clock=fixed_clock(NOW), compose=compose, transport=transport, smtp=Pace(connections=sessions), lock_folder=folder
        )
        took = time.perf_counter() - began
        engine.dispose()
        assert account.sent == letters, account
    return letters / took


def time_source(port: int, letters: int, sessions: int) -> float:
    """Letters per second of smtp-source with kept connections."""
    command = [_tool("smtp-source"), "-d", "-s", str(sessions), "-l", str(SIZE), "-m", str(letters), "-N"]
    began = time.perf_counter()
    subprocess.run([*command, "-f", "om@x.example", "-t", "p@y.example", f"127.0.0.1:{port}"], check=True)
    return letters / (time.perf_counter() - began)


def run() -> list[tuple[str, float, str]]:
    """(name, figure, unit): both rates and their ratio."""
    ours, theirs = [], []
    with smtp_sink() as port:
        for _ in range(ROUNDS):
            ours.append(time_ours(port, LETTERS, SESSIONS))
            theirs.append(time_source(port, LETTERS, SESSIONS))
    mine, reference = statistics.median(ours), statistics.median(theirs)
    return [
        ("sending 30 KB, full ledger", mine, "letters/s"),
        ("smtp-source -d", reference, "letters/s"),
        ("sending against smtp-source", mine / reference, "ratio, at least 0.8"),
    ]


if __name__ == "__main__":
    for name, figure, unit in run():
        print(f"{name:32} {figure:10.2f} {unit}")
