"""Sending service mails: the same ledger and the same promises as for letters, one at a time, because they are few."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, or_, select, update
from sqlmodel import Session, col

from om_campaigns import events
from om_campaigns.audience.addresses import normalise
from om_campaigns.clock import Clock
from om_campaigns.columns import new_claim, new_ref
from om_campaigns.delivery.handover import ClaimedLetter, Done, Prepared
from om_campaigns.delivery.models import Message, MessageKind, MessageState, Notice, Worker
from om_campaigns.delivery.outcomes import Recorder, make_verdict
from om_campaigns.delivery.send_queue import is_halted
from om_campaigns.delivery.states import check_message
from om_campaigns.delivery.workers import working
from om_campaigns.store import Instance, read, write
from om_campaigns.transport import Connection, NoConnectionError, Transport

AT_ONCE = 200
"""Notices in one run; what is more waits for the next."""


@dataclass(frozen=True, slots=True)
class Written:
    """A notice as a letter, with what the room that asked for it wants to keep of it."""

    prepared: Prepared
    body_hash: str


WriteNotice = Callable[[Session, Notice, str, str], Written | None]
"""(session, notice, ref, Message-ID) → its letter; None where it is not wanted any more."""

NoteSent = Callable[[Session, Notice, Message, str], None]
"""Told in the transaction that records the hand-over: (session, notice, message, body hash)."""


def send_notices(
    engine: Engine,
    *,
    clock: Clock,
    make_transport: Callable[[], Transport],
    write_notice: WriteNotice,
    sent: NoteSent,
    domain: str,
    lock_folder: Path,
    note_claim: Callable[[int], None] = lambda _: None,
) -> int:
    """Send the notices that are due; returns how many left. A server that cannot be reached leaves them due.

    ``note_claim`` is called with the number of each claim before its mail leaves, as with letters.
    """
    with read(engine) as session:
        query = select(col(Notice.id)).where(col(Notice.due_at) <= clock()).order_by(col(Notice.due_at), col(Notice.id)).limit(AT_ONCE)
        due = [] if is_halted(session) else list(session.execute(query).scalars())
    if not due:
        return 0
    transport, left = make_transport(), 0
    with working(engine, lock_folder, clock) as worker_id:
        sending = _Sending(engine, clock, worker_id, write_notice, sent, domain, note_claim)
        try:
            with closing(transport.connect()) as connection:
                for number in due:
                    if not connection.alive:
                        break
                    left += sending.send(number, connection)
        except NoConnectionError as error:
            events.connection_failed(transport.name, error.trouble.value)
    return left


@dataclass
class _Sending:
    engine: Engine
    clock: Clock
    worker_id: int
    write_notice: WriteNotice
    sent: NoteSent
    domain: str
    note_claim: Callable[[int], None]

    def send(self, number: int, connection: Connection) -> bool:
        """One notice, from claim to record; True when it left."""
        claimed = self._claim(number)
        if claimed is None:
            return False
        letter, body_hash, counted = claimed
        if counted is not None:
            self.note_claim(counted)
        connection.offer(letter.make_envelope(self.clock()))
        refused = connection.answer()
        if refused is not None:
            self._record(number, Done(letter, refused, self.clock(), MessageState.claimed), body_hash)
            return False
        with write(self.engine) as session:
            if not Recorder.of(session).mark_sending(letter.attempt):
                events.claim_lost(letter.id, "claimed")
                connection.call_off()
                return False
        outcome = connection.hand_over(letter.write(self.clock()), None)
        return self._record(number, Done(letter, outcome, self.clock(), MessageState.sending), body_hash)

    def _claim(self, number: int) -> tuple[ClaimedLetter, str, int | None] | None:
        """The letter, its body hash, and the number of this claim; None where there is nothing to send."""
        now = self.clock()
        with write(self.engine) as session:
            worker = session.get(Worker, self.worker_id, with_for_update={"read": True})
            if worker is None or worker.ended_at is not None:  # declared dead: nobody would settle this claim
                return None
            notice = session.get(Notice, number, with_for_update=self.engine.dialect.name == "postgresql")
            if notice is None or notice.due_at is None or notice.due_at > now:
                return None
            earlier = session.get(Message, notice.message_id) if notice.message_id else None
            if earlier is not None and earlier.state in (MessageState.claimed, MessageState.sending):
                return None
            if earlier is not None and earlier.state is MessageState.dropped:
                earlier = None
            if earlier is not None and earlier.state is not MessageState.retry:  # sent, failed or uncertain: never a second time
                _close(session, notice)
                return None
            ref = earlier.ref if earlier else new_ref()
            message_id = earlier.message_id if earlier else f"<{ref}@{self.domain}>"
            written = self.write_notice(session, notice, ref, message_id) if notice.address else None
            if written is None:
                _close(session, notice)
                return None
            if earlier is None:
                columns = written.prepared.columns | {"address_id": written.prepared.address_id or None, "campaign_id": None}
                message = Message(**columns, kind=MessageKind.service, claimed_at=now)
            else:
                message = earlier
                _move(message, MessageState.claimed)
            message.worker_id, message.claim_id = self.worker_id, new_claim()
            session.add(message)
            session.flush()
            notice.message_id = message.id
            letter = ClaimedLetter(message.id, message.claim_id, written.prepared, message.attempts, message.claimed_at)
            return letter, written.body_hash, _count_claim(session)

    def _record(self, number: int, done: Done, body_hash: str) -> bool:
        verdict = make_verdict(done)
        is_sent = verdict.message is MessageState.sent
        with write(self.engine) as session:
            if Recorder.of(session).record(done, verdict) is None:
                return False
            message, notice = session.get_one(Message, done.letter.id), session.get_one(Notice, number)
            notice.due_at = verdict.retry_at
            if notice.due_at is None or not notice.address:  # done, or forgotten while it was on its way
                _close(session, notice, done.letter.prepared.envelope_to)
            if is_sent:
                notice.body_hash = body_hash
                self.sent(session, notice, message, body_hash)
        if not is_sent:
            events.message_failed(done.letter.id, done.outcome.code, done.outcome.at_stage.value, verdict.reason.value)
        return is_sent


def _close(session: Session, notice: Notice, address: str = "") -> None:
    """Nothing more is to be done: where it was to go is forgotten, here and in its mail, which nobody settles by hand."""
    address, notice.due_at, notice.address = notice.address or address, None, ""
    message = session.get(Message, notice.message_id) if notice.message_id else None
    if message is None or message.state in (MessageState.claimed, MessageState.sending):
        return  # in somebody's hands, who records it in a moment
    if message.state is MessageState.retry:
        _move(message, MessageState.failed)
    message.reply = re.sub(re.escape(address), "…", message.reply, flags=re.IGNORECASE) if address else message.reply
    message.envelope_to = ""


def forget_notices(session: Session, address_ids: Collection[int], keys: Collection[str]) -> list[str]:
    """Close what was asked for from these addresses, known by id or only as they were typed; returns the refs of its mails (LAW-21)."""
    asked = session.execute(select(Notice).where(or_(col(Notice.address_id).in_(address_ids), col(Notice.address) != ""))).scalars()
    notices = [each for each in asked if each.address_id in address_ids or normalise(each.address).normal_key in keys]
    for notice in notices:
        _close(session, notice)
    session.flush()
    mails = select(col(Message.ref)).where(col(Message.id).in_([each.message_id for each in notices if each.message_id]))
    return list(session.execute(mails).scalars())


def close_old_notices(session: Session, before: datetime) -> int:
    """Close what could not leave since then, for example because sending was halted: nobody waits for it any more (LAW-07)."""
    old = session.execute(select(Notice).where(col(Notice.due_at).is_not(None), col(Notice.made_at) < before)).scalars().all()
    for notice in old:
        _close(session, notice)
    return len(old)


def _count_claim(session: Session) -> int | None:
    """Raise the counter by which a copy that was set back is told from the database that sends."""
    counter = col(Instance.send_counter)
    return session.execute(update(Instance).values(send_counter=counter + 1).returning(counter)).scalar_one_or_none()


def _move(message: Message, new: MessageState) -> None:
    check_message(message.state, new)
    message.state = new
