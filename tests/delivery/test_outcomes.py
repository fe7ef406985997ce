"""One recorder: whoever learns what became of a message writes the same, and only with its claim in hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlmodel import Session, select

from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Dispatch
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.handover import ClaimedLetter, Done, Prepared
from om_campaigns.delivery.models import Message, MessageState, Notice, Part
from om_campaigns.delivery.rehearsal_transports import LocalConnection, MemoryTransport
from om_campaigns.delivery.send_queue import load_due
from om_campaigns.delivery.service_mails import Written, send_notices
from om_campaigns.delivery.workers import Recovered, recover, start_worker
from om_campaigns.store import read, write
from om_campaigns.transport import Kind, Outcome, Stage
from tests.delivery.stage import NOW, compose, make_stage

pytestmark = pytest.mark.slow

SILENCE = Outcome(Kind.uncertain, None, "", Stage.dot)


def leave_in_doubt(engine: Engine, folder: Path, *, dies: bool) -> None:
    """One letter goes out and nobody answers: the sender says so, or it dies and its recovery does."""
    make_stage(engine, 1)
    worker = start_worker(engine, folder, NOW)
    claims = Claims(engine, worker.id)
    with read(engine) as session:
        dues = load_due(session, NOW, 1)
        answers = compose(session, dues, NOW)
    letter: ClaimedLetter = claims.claim(dues, answers, NOW)[0][0]
    claims.step(None, letter, NOW)
    if not dies:
        claims.step(Done(letter, SILENCE, NOW, MessageState.sending), None, NOW)
    claims.close()
    worker.release()
    assert recover(engine, lock_folder=folder, now=NOW) == Recovered(uncertain=int(dies))


def load_outcome(session: Session) -> tuple[object, ...]:
    message, dispatch, touch = (session.exec(select(each)).one() for each in (Message, Dispatch, Touch))
    return (
        *(message.state, message.attempts, message.sent_at, message.code),
        *(dispatch.status, dispatch.reason, dispatch.attempts, dispatch.sent_at),
        *(touch.recipient_id, touch.at, touch.day, touch.ideas, touch.items, touch.certain),
    )


def test_recovery_writes_what_the_sender_writes(sqlite_engine: Engine, postgres_engine: Engine, tmp_path: Path) -> None:
    """Both databases and both ways end alike, the count of attempts included: ``Dispatch.attempts`` says what was offered before."""
    for engine, dies in ((sqlite_engine, True), (postgres_engine, False)):
        leave_in_doubt(engine, tmp_path / str(dies), dies=dies)
    with read(sqlite_engine) as died, read(postgres_engine) as said:
        assert load_outcome(died) == load_outcome(said)


def write_notice(session: Session, notice: Notice, ref: str, message_id: str) -> Written:
    def write_bytes(at: datetime) -> bytes:
        return b"Subject: x\r\n\r\nx\r\n"

    prepared = Prepared(
        (), Part.mail, 0, 0, ref, message_id, "b@x.example", notice.address, "e", {}, False, "UTC", "", "", write_bytes
    )  # fmt: skip
    return Written(prepared, "")


def test_a_service_mail_whose_claim_was_taken_over_does_not_leave(engine: Engine, tmp_path: Path) -> None:
    """The server said yes, and meanwhile another process had taken this one for dead and claimed its mail again."""
    make_stage(engine, 1)
    with write(engine) as session:
        session.add(Notice(purpose="entrance", address="anna@y.example", made_at=NOW, due_at=NOW))

    class Overtaken(LocalConnection):
        def answer(self) -> Outcome | None:
            with write(engine) as session:
                session.execute(update(Message).values(claim_id="another's"))
            return super().answer()

    class Slow(MemoryTransport):
        def connect(self) -> LocalConnection:
            return Overtaken(self.keep)

    transport = Slow()
    left = send_notices(
        engine,
        clock=fixed_clock(NOW),
        make_transport=lambda: transport,
        write_notice=write_notice,
        sent=lambda *_: None,
        domain="x.example",
        lock_folder=tmp_path,
    )
    assert (left, transport.letters) == (0, [])
    with read(engine) as session:
        assert session.exec(select(Message.state)).all() == [MessageState.claimed]
