"""The fault matrix: a whole run against a real server for each fault; nothing lost, nothing twice, no empty letter.

Whatever the fault was, a server that behaves gets the rest afterwards: recovery needs no hands.
"""

from __future__ import annotations

import ssl
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from sqlalchemy import Engine
from sqlmodel import select

from om_campaigns.audience.models import Suppression, Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.circuit_breakers import load_closed
from om_campaigns.delivery.handover import Ended, Sent
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.store import read
from tests.delivery import stage
from tests.delivery.faults import FAULTS, PIPELINED, Fault, make_table
from tests.delivery.misbehaving import Manners, Server
from tests.delivery.stage import NOW, make_stage, prepare

MANUAL = Path(__file__).parents[2] / "docs" / "explanation" / "queue.md"
CASES = [pytest.param(fault, piped, id=f"{fault.name}{'' if piped else ', step by step'}") for fault in FAULTS for piped in fault.steps]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def start(fault: Fault, authority: trustme.CA, *, is_pipelined: bool) -> Server:
    offers = PIPELINED if is_pipelined else ("SIZE 100000",)
    manners = {"offers": offers, **fault.manners}
    if fault.tls:
        manners["tls"] = make_tls(fault.tls, authority)
    server = Server(Manners(**manners))
    if manners.get("greeting") == "closed":
        server.close()
    return server


def make_tls(what: str, authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    over = datetime(2020, 1, 1) if what == "expired" else None  # noqa: DTZ001  trustme takes it as UTC
    signer = trustme.CA() if what == "unknown" else authority
    signer.issue_cert("other.example" if what == "other_name" else "127.0.0.1", not_after=over).configure_cert(context)
    return context


def compose_for(fault: Fault) -> Any:
    def compose(_session: Any, dues: Any, _now: datetime) -> list[Any]:
        address = {1: "jörg@y.example"} if fault.letter == "umlaut" else {}
        text = "Guten Tag\r\n" * (800_000 if fault.letter == "big" else 1)
        return [prepare(due, to=address.get(due.address_id, ""), text=text) for due in dues]

    return compose


def run(engine: Engine, folder: Path, server: Server, fault: Fault, at: datetime, settings: dict[str, Any]) -> Sent:
    given = {"host": "127.0.0.1", "port": server.port, "tls": Tls.none, "helo": "x.example", "timeout_seconds": 1, **settings}
    return send_due(
        engine,
        clock=fixed_clock(at),
        compose=compose_for(fault),
        transport=SmtpTransport(SmtpSettings(**given), dot_timeout=0.5),
        smtp=stage.Pace(connections=1),
        lock_folder=folder,
    )


def statuses(engine: Engine) -> list[tuple[DispatchStatus, Reason]]:
    with read(engine) as session:
        return [(each.status, each.reason) for each in session.exec(select(Dispatch).order_by(Dispatch.id))]  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "piped"), CASES)
def test_each_fault_has_its_outcome(
    fault: Fault, piped: bool, sqlite_engine: Engine, tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    try_fault(fault, piped, sqlite_engine, tmp_path, authority)


def try_fault(fault: Fault, piped: bool, engine: Engine, folder: Path, authority: trustme.CA) -> None:
    """Two letters against the fault, then against a server that behaves. ``SSL_CERT_FILE`` names the authority's certificate."""
    make_stage(engine, 2)
    server = start(fault, authority, is_pipelined=piped)
    account = run(engine, folder, server, fault, NOW, dict(fault.settings))
    (first, reason), (second, _) = statuses(engine)
    assert (first, reason, second) == (fault.first, fault.reason, fault.second)
    assert account.ended is (Ended.paced if fault.slowed else fault.ended)
    with read(engine) as session:
        assert bool(session.exec(select(Suppression)).all()) is fault.suppressed
        assert (load_closed(session, NOW) == {"y.example"}) is fault.slowed
        certain = {touch.recipient_id: touch.certain for touch in session.exec(select(Touch))}
    expected = {
        n: status is DispatchStatus.sent
        for n, status in ((1, first), (2, second))
        if status in (DispatchStatus.sent, DispatchStatus.uncertain)
    }
    assert certain == expected
    assert_whole(server, {1: fault.taken})
    server.close()
    settle(engine, folder, server, fault)


def settle(engine: Engine, folder: Path, earlier: Server, fault: Fault) -> None:
    """A server that behaves gets what is owed, however the first one ended; what may have arrived does not go again."""
    good = Server(Manners(offers=("PIPELINING", "SMTPUTF8")))
    before = statuses(engine)
    for hours in (0, 6, 12):
        run(engine, folder, good, fault, NOW + timedelta(hours=hours), {})
    good.close()
    again = {DispatchStatus.planned, DispatchStatus.retry}
    assert [new for new, _ in statuses(engine)] == [DispatchStatus.sent if old in again else old for old, _ in before]
    assert_whole(good, {})
    both = Counter(recipient for recipient, _ in (*earlier.letters, *good.letters))
    assert max(both.values(), default=0) <= 1, "a letter went twice"


def assert_whole(server: Server, taken: dict[int, bool]) -> None:
    """No empty letter ever leaves, nor half a one."""
    for _, content in server.letters:
        assert content.startswith(b"Date: ")
        assert b"\r\nMessage-ID: <" in content
        assert content.endswith(b"\r\nGuten Tag\r\n")
    recipients = [recipient for recipient, _ in server.letters]
    for number, is_taken in taken.items():
        assert (f"p{number}@y.example" in recipients) is is_taken


def test_every_fault_has_its_own_name() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))


def test_the_manual_shows_this_table() -> None:
    assert make_table() in MANUAL.read_text(encoding="utf-8"), "run: python -m tests.delivery.faults"
