"""workers: only the dead are recovered; what may have left is uncertain, the rest is owed again (SCH-16)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update
from sqlmodel import select

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.handover import ClaimedLetter, Done
from om_campaigns.delivery.models import Message, MessageState, Notice, Worker
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.delivery.send_queue import load_due
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.service_mails import send_notices
from om_campaigns.delivery.workers import Recovered, Registered, end_worker, recover, start_worker
from om_campaigns.errors import InstallationError
from om_campaigns.locks import is_locked, take_lock
from om_campaigns.store import read, write
from om_campaigns.transport import Kind, Outcome, Stage
from tests.delivery.stage import NOW, Pace, compose, make_stage

pytestmark = pytest.mark.slow

ACCEPTED = Outcome(Kind.accepted, 250, "ok", Stage.dot)


def claim_some(engine: Engine, folder: Path, count: int) -> tuple[Registered, Claims, list[ClaimedLetter]]:
    worker = start_worker(engine, folder, NOW)
    ledger = Claims(engine, worker.id)
    with read(engine) as session:
        dues = load_due(session, NOW, count)
        letters, _ = ledger.claim(dues, compose(session, dues, NOW), NOW)
    return worker, ledger, letters


def statuses(engine: Engine) -> list[DispatchStatus]:
    with read(engine) as session:
        return [row.status for row in session.exec(select(Dispatch).order_by(Dispatch.id))]  # type: ignore[arg-type]


def test_a_living_worker_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)
    worker, ledger, _ = claim_some(engine, tmp_path, 2)
    assert recover(engine, lock_folder=tmp_path, now=NOW) == Recovered()
    assert statuses(engine) == [DispatchStatus.claimed] * 2
    ledger.close()
    worker.release()


def test_a_dead_worker_leaves_one_uncertain_and_the_rest_owed(engine: Engine, tmp_path: Path) -> None:
    """One sent, one on the wire, two claimed: the record of the first is complete, with its touch."""
    make_stage(engine, 4)
    worker, ledger, letters = claim_some(engine, tmp_path, 4)
    ledger.step(None, letters[0], NOW)
    ledger.step(Done(letters[0], ACCEPTED, NOW, MessageState.sending), letters[1], NOW)
    ledger.close()
    worker.release()
    assert recover(engine, lock_folder=tmp_path, now=NOW) == Recovered(uncertain=1, dropped=2)
    assert statuses(engine) == [DispatchStatus.sent, DispatchStatus.uncertain, DispatchStatus.planned, DispatchStatus.planned]
    with read(engine) as session:
        touches = {touch.recipient_id: touch for touch in session.exec(select(Touch))}
        assert {number: touch.certain for number, touch in touches.items()} == {1: True, 2: False}
        said = {(touch.day, touch.at, touch.ideas, touch.items) for touch in touches.values()}
        assert said == {(20823, NOW, "we_opportunities", "a1")}
        first = session.get_one(Dispatch, 1)
        assert (first.sent_at, first.attempts) == (NOW, 1)
        assert session.get_one(Worker, worker.id).ended_at == NOW
    assert recover(engine, lock_folder=tmp_path, now=NOW) == Recovered()
    transport = MemoryTransport()
    pace = Pace(connections=1)
    account = send_due(engine, clock=fixed_clock(NOW), compose=compose, transport=transport, smtp=pace, lock_folder=tmp_path)
    assert (account.sent, [envelope.recipient for envelope, _ in transport.letters]) == (2, ["p3@y.example", "p4@y.example"])


def test_after_a_loss_of_power_claimed_letters_are_uncertain_too(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 3)
    worker, ledger, _ = claim_some(engine, tmp_path, 2)
    ledger.close()
    worker.release()
    with write(engine) as session:
        session.get_one(Worker, worker.id).boot = "before"
    assert recover(engine, lock_folder=tmp_path, now=NOW) == Recovered(uncertain=2)
    assert statuses(engine) == [DispatchStatus.uncertain, DispatchStatus.uncertain, DispatchStatus.planned]


def test_a_worker_that_was_declared_dead_can_send_nothing_more(engine: Engine, tmp_path: Path) -> None:
    """The fence: its lock was lost, another one recovered and sent; what it still holds does not go out."""
    make_stage(engine, 2)
    worker, ledger, letters = claim_some(engine, tmp_path, 2)
    ledger.step(None, letters[0], NOW)
    worker.release()
    recover(engine, lock_folder=tmp_path, now=NOW)
    refusal = ledger.step(Done(letters[0], ACCEPTED, NOW, MessageState.sending), letters[1], NOW)
    assert refusal is not None
    assert refusal.lost
    assert statuses(engine) == [DispatchStatus.uncertain, DispatchStatus.planned]
    ledger.release(letters)
    assert statuses(engine) == [DispatchStatus.uncertain, DispatchStatus.planned]
    ledger.close()


def test_a_worker_that_was_declared_dead_claims_nothing_more(engine: Engine, tmp_path: Path) -> None:
    """Nobody looks after an ended worker again: what it claimed then would stay claimed for good."""
    make_stage(engine, 2)
    worker, ledger, _ = claim_some(engine, tmp_path, 1)
    worker.release()
    assert recover(engine, lock_folder=tmp_path, now=NOW) == Recovered(dropped=1)
    with read(engine) as session:
        dues = load_due(session, NOW, 2)
        answers = compose(session, dues, NOW)
    with pytest.raises(InstallationError, match="took this one for dead"):
        ledger.claim(dues, answers, NOW)
    assert statuses(engine) == [DispatchStatus.planned] * 2
    ledger.close()


def test_a_worker_that_was_declared_dead_writes_no_service_mail(engine: Engine, tmp_path: Path) -> None:
    """As with letters: the mail stays due, for a process that lives."""
    make_stage(engine, 1)
    with write(engine) as session:
        session.add(Notice(purpose="entrance", address="anna@y.example", made_at=NOW, due_at=NOW))

    class Declared(MemoryTransport):
        def connect(self) -> Any:
            with write(engine) as session:
                session.execute(update(Worker).values(ended_at=NOW))
            return super().connect()

    def write_notice(*_: object) -> None:
        raise AssertionError("it was claimed")

    left = send_notices(
        engine,
        clock=fixed_clock(NOW),
        make_transport=Declared,
        write_notice=write_notice,
        sent=lambda *_: None,
        domain="x.example",
        lock_folder=tmp_path,
    )
    with read(engine) as session:
        assert (left, session.exec(select(Notice)).one().due_at, session.exec(select(Message)).all()) == (0, NOW, [])


class Held:
    """Runs a method of a ledger in a thread and stops it before its COMMIT, as a server that is late with what it was asked."""

    def __init__(self, ledger: Claims, act: Callable[[], object]) -> None:
        self._reached, self._go_on, run = threading.Event(), threading.Event(), ledger._run

        def late(sql: Any, *more: Any) -> Any:
            if sql == "COMMIT":
                self._reached.set()
                self._go_on.wait(30)
            return run(sql, *more)

        ledger._run = late
        self._thread = threading.Thread(target=act)
        self._thread.start()
        assert self._reached.wait(30)

    def finish(self) -> None:
        self._go_on.set()
        self._thread.join(30)


def recover_meanwhile(engine: Engine, folder: Path, worker: Registered, held: Held) -> Recovered:
    """The process dies, recovery begins, and only then the server commits what the dead one had asked."""
    worker.release()
    with ThreadPoolExecutor(1) as pool:
        recovering = pool.submit(recover, engine, lock_folder=folder, now=NOW)
        time.sleep(0.3)
        assert not recovering.done(), "what is under way is waited for"
        held.finish()
        return recovering.result(30)


def test_a_claim_that_is_committed_after_its_process_died_is_given_back(postgres_engine: Engine, tmp_path: Path) -> None:
    make_stage(postgres_engine, 3)
    worker = start_worker(postgres_engine, tmp_path, NOW)
    ledger = Claims(postgres_engine, worker.id)
    with read(postgres_engine) as session:
        dues = load_due(session, NOW, 3)
        answers = compose(session, dues, NOW)
    held = Held(ledger, lambda: ledger.claim(dues, answers, NOW))
    assert recover_meanwhile(postgres_engine, tmp_path, worker, held) == Recovered(dropped=3)
    assert statuses(postgres_engine) == [DispatchStatus.planned] * 3
    ledger.close()


def test_a_record_that_is_committed_after_its_process_died_counts(postgres_engine: Engine, tmp_path: Path) -> None:
    """The first letter was taken over and its record was under way; the second was marked with it, so nobody knows of that one."""
    make_stage(postgres_engine, 3)
    worker, ledger, letters = claim_some(postgres_engine, tmp_path, 3)
    ledger.step(None, letters[0], NOW)
    done = Done(letters[0], ACCEPTED, NOW, MessageState.sending)
    held = Held(ledger, lambda: ledger.step(done, letters[1], NOW))
    assert recover_meanwhile(postgres_engine, tmp_path, worker, held) == Recovered(uncertain=1, dropped=1)
    assert statuses(postgres_engine) == [DispatchStatus.sent, DispatchStatus.uncertain, DispatchStatus.planned]
    with read(postgres_engine) as session:
        assert {touch.recipient_id: touch.certain for touch in session.exec(select(Touch))} == {1: True, 2: False}
    ledger.close()


def test_two_claims_never_get_the_same_row(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 3)
    worker, ledger, _ = claim_some(engine, tmp_path, 1)
    with read(engine) as session:
        dues = load_due(session, NOW, 9)
        answers = compose(session, dues, NOW)
    other_worker, other, letters = claim_some(engine, tmp_path, 1)
    late, _ = ledger.claim(dues, answers, NOW)
    assert [letter.prepared.dispatch_ids for letter in letters] == [(2,)]
    assert [letter.prepared.dispatch_ids for letter in late] == [(3,)]
    with read(engine) as session:
        assert len(session.exec(select(Message)).all()) == 3
    for each in (ledger, other):
        each.close()
    for one in (worker, other_worker):
        end_worker(engine, one, NOW)


@pytest.mark.parametrize("number", range(2))
def test_locks_leave_no_files_behind(sqlite_engine: Engine, tmp_path: Path, number: int) -> None:
    worker = start_worker(sqlite_engine, tmp_path / str(number), NOW)
    assert len(list((tmp_path / str(number)).glob("*.lock"))) == 1
    end_worker(sqlite_engine, worker, NOW)
    assert list((tmp_path / str(number)).iterdir()) == []


def test_looking_at_a_lock_tells_the_living_from_the_dead_and_takes_nothing(engine: Engine, tmp_path: Path) -> None:
    """A scheduler that was killed is not listed as running, and one that starts is not kept out by whoever looks."""
    assert not is_locked(engine, tmp_path, "leader")
    release = take_lock(engine, tmp_path, "leader")
    assert release is not None
    assert is_locked(engine, tmp_path, "leader")
    assert not is_locked(engine, tmp_path, "another")
    release()
    assert not is_locked(engine, tmp_path, "leader")
    again = take_lock(engine, tmp_path, "leader")
    assert again is not None
    again()


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_no_lock(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the file just before its holder removed it would hold what nobody else can see: two would lead."""
    from om_campaigns import locks

    real = locks._lock
    removed = []

    def lock(handle: Any) -> None:
        if not removed:
            (tmp_path / "leader.lock").unlink()
            removed.append(True)
        real(handle)

    monkeypatch.setattr(locks, "_lock", lock)
    release = take_lock(sqlite_engine, tmp_path, "leader")
    assert release is not None
    assert take_lock(sqlite_engine, tmp_path, "leader") is None
    release()
