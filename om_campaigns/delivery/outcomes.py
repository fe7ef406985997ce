"""What became of messages, told in one place: the verdict of an outcome, how it is written down, and what a person decides later.

The sender, the recovery of dead workers, service mails and settling all write through ``Recorder``: the message first, guarded by its
claim, then its dispatches, then a touch where a dispatch hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Dialect, and_, select, update
from sqlmodel import Session, col

from om_campaigns import events
from om_campaigns.audience.consent import is_suppressed
from om_campaigns.audience.models import Address, Organisation, Touch
from om_campaigns.audience.vocabulary import BounceState
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.slices import fill_slice, in_slice
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import Instant, dump_json, table_of
from om_campaigns.delivery.handover import Attempt, Done
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part
from om_campaigns.delivery.pacing import make_retry_at
from om_campaigns.delivery.send_queue import SERVED
from om_campaigns.delivery.smtp_replies import OURS, Fault, is_hard, make_fault
from om_campaigns.delivery.states import check_dispatch, check_message
from om_campaigns.store import change
from om_campaigns.transport import Kind, Outcome, Stage

TOUCH_COLUMNS = (
    "campaign_id",
    "occasion",
    "step",
    "recipient_kind",
    "recipient_id",
    "address_id",
    "organisation_id",
    "route",
    "service",
)
"""What a touch takes over from its dispatch."""

REPLY_LENGTH = 200

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The states after an attempt. ``suppress``: the address is not there (BNC-07). ``ours``: the refusal is about us (BNC-13)."""

    message: MessageState
    dispatch: DispatchStatus
    reason: Reason = Reason.none
    detail: str = ""
    retry_at: datetime | None = None
    suppress: bool = False
    ours: bool = False


SENT = Verdict(MessageState.sent, DispatchStatus.sent)
UNKNOWN = Verdict(MessageState.uncertain, DispatchStatus.uncertain)


def make_verdict(done: Done) -> Verdict:
    """What one outcome means for message and dispatch."""
    outcome = done.outcome
    if outcome.kind is Kind.accepted:
        return SENT
    said = make_detail(outcome, done.letter.prepared.envelope_to)
    if outcome.kind is Kind.uncertain:
        return Verdict(MessageState.uncertain, DispatchStatus.uncertain, detail=said)
    fault = make_fault(outcome.code, outcome.reply)
    if outcome.kind is Kind.temporary:
        letter = done.letter
        retry_at = make_retry_at(
            letter.attempts + 1, letter.first_claimed_at, done.at, greylisted=fault is Fault.greylist, ref=letter.prepared.ref
        )
        if retry_at is not None:
            return Verdict(MessageState.retry, DispatchStatus.retry, detail=said, retry_at=retry_at)
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.gave_up, said)
    if outcome.needs_smtputf8:
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.needs_smtputf8, said)
    if outcome.at_stage is Stage.rcpt and is_hard(outcome.code, outcome.reply):
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.hard_bounce, said, suppress=True)
    return Verdict(MessageState.failed, DispatchStatus.failed, Reason.refused, said, ours=fault in OURS)


def make_detail(outcome: Outcome, recipient: str) -> str:
    """Stage, code and text for people; the recipient's address, which servers like to repeat, is left out (MSG-25)."""
    said = re.sub(re.escape(recipient), "…", outcome.reply, flags=re.IGNORECASE)
    return " ".join(part for part in (f"{outcome.at_stage.value}:", str(outcome.code or ""), said) if part)


def make_day(at: datetime, zone: str) -> int:
    """The local calendar day of an instant as days since 1970-01-01."""
    return _day_of_quarter(int(at.timestamp()) // 900, zone)


@lru_cache(maxsize=256)
def _day_of_quarter(quarter: int, zone: str) -> int:
    return datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).toordinal() - _EPOCH


PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_TAKEN_OVER = ", ".join(TOUCH_COLUMNS)

RECORD_MESSAGE = (
    "UPDATE message SET state = :new, sent_at = :sent_at, code = :code, reply = :reply, attempts = attempts + 1"
    " WHERE id = :message AND claim_id = :claim AND state = :old"
)
RECORD_SENT = (
    "UPDATE dispatch SET status = 'sent', reason = '', detail = '', sent_at = :at, attempts = attempts + 1"
    " WHERE id = :dispatch AND status = 'claimed'"
)
RECORD_SENT_OF_JSON = (
    "UPDATE dispatch SET status = 'sent', reason = '', detail = '', sent_at = served.at, attempts = attempts + 1"
    " FROM (SELECT json_extract(value, '$.at') AS at, json_extract(value, '$.dispatch') AS number FROM json_each(:rows)) AS served"
    " WHERE dispatch.id = served.number AND dispatch.status = 'claimed'"
)
"""Follows its message by at most ``claims.POST_SECONDS``: the planner counts claimed and sent alike, and recovery completes it."""
TOUCH_OF_JSON = (
    f"INSERT INTO touch ({_TAKEN_OVER}, at, day, ideas, items, certain)"
    f" SELECT {_TAKEN_OVER}, json_extract(value, '$.at'), json_extract(value, '$.day'), json_extract(value, '$.ideas'),"
    " json_extract(value, '$.items'), json_extract(value, '$.certain') FROM json_each(:rows)"
    " JOIN dispatch ON dispatch.id = json_extract(value, '$.dispatch') WHERE true ON CONFLICT DO NOTHING"
)
RECORD_PART_SENT = (
    RECORD_SENT + " AND NOT EXISTS (SELECT 1 FROM message_dispatch AS other JOIN message ON message.id = other.message_id"
    " WHERE other.dispatch_id = :dispatch AND other.message_id <> :message AND message.state IN ('claimed', 'sending', 'retry'))"
)
RECORD_NOT_SENT = (
    "UPDATE dispatch SET status = :new, reason = :reason, detail = :detail, attempts = attempts + 1"
    " WHERE id = :dispatch AND status = 'claimed'"
)
RECORD_RETRY = (
    "UPDATE dispatch SET status = 'retry', reason = '', detail = :detail, due_at = :due_at, due_day = :due_day,"
    " attempts = attempts + 1 WHERE id = :dispatch AND status = 'claimed'"
)
INSERT_TOUCH = (
    f"INSERT INTO touch ({_TAKEN_OVER}, at, day, ideas, items, certain)"
    f" SELECT {_TAKEN_OVER}, :at, :day, :ideas, :items, :certain FROM dispatch WHERE id = :dispatch ON CONFLICT DO NOTHING"
)
MOVE_MESSAGE = "UPDATE message SET state = :new WHERE id = :message AND claim_id = :claim AND state = 'claimed'"
MOVE_DISPATCH = "UPDATE dispatch SET status = :new, reason = :reason, detail = :detail WHERE id = :dispatch AND status = :old"


@cache
def in_words_of(dialect: str, sql: str) -> str:
    """A statement with parameters ``:name`` as the driver wants it: for psycopg they are ``%(name)s``."""
    return PARAMETER.sub(r"%(\1)s", sql) if dialect == "postgresql" else sql


class Recorder:
    """Writes down what became of messages, in a transaction that somebody else opened.

    ``run`` carries out one statement of the driver, ``run_many`` one for several rows. A message may have no dispatch (a service
    mail): then nothing but the message is written.
    """

    def __init__(self, dialect: Dialect, run: Callable[..., Any], run_many: Callable[[str, Sequence[Mapping[str, Any]]], Any]) -> None:
        self._dialect, self._execute, self._execute_many = dialect.name, run, run_many
        self._to_column: Callable[[Any], Any] = Instant().dialect_impl(dialect).bind_processor(dialect) or (lambda value: value)
        self._latest: tuple[datetime | None, Any] = (None, None)

    @classmethod
    def of(cls, session: Session) -> Recorder:
        """In the transaction of a session. What was loaded before is not loaded again by itself."""
        session.flush()
        connection = session.connection()
        return cls(connection.dialect, connection.exec_driver_sql, connection.exec_driver_sql)

    def instant(self, moment: datetime) -> Any:
        """As the column keeps it; the last one is remembered, because one letter needs it several times."""
        known, kept = self._latest
        if known is not moment:
            kept = self._to_column(moment)
            self._latest = (moment, kept)
        return kept

    def record(self, done: Done, verdict: Verdict) -> list[dict[str, Any]] | None:
        """What the server's answer made of a message; returns what is still to be posted as sent, None where the claim was lost."""
        outcome = done.outcome
        reply = outcome.reply if verdict is SENT else verdict.detail
        rows = self._write(done.letter.attempt, done.old, verdict, done.at, outcome.code, reply)
        if rows is None:
            events.claim_lost(done.letter.id, outcome.kind.value)
        return rows

    def record_unknown(self, attempt: Attempt, old: MessageState, at: datetime, code: int | None, reply: str) -> None:
        """Its worker died, and nobody knows whether it left: it may have been taken over ``at`` that moment."""
        self._write(attempt, old, UNKNOWN, at, code, reply)

    def _write(
        self, attempt: Attempt, old: MessageState, verdict: Verdict, at: datetime, code: int | None, reply: str
    ) -> list[dict[str, Any]] | None:
        check_message(old, verdict.message)
        check_dispatch(DispatchStatus.claimed, verdict.dispatch)
        sent = verdict is SENT
        message = {"message": attempt.message_id, "claim": attempt.claim_id, "code": code, "reply": reply[:REPLY_LENGTH]}
        states = {"new": verdict.message.value, "old": old.value, "sent_at": self.instant(at) if sent else None}
        if not self._run(RECORD_MESSAGE, message | states).rowcount:
            return None
        touches = self.make_touches(attempt, at, certain=sent)
        if sent and attempt.part is Part.mail:
            return touches
        for dispatch in attempt.dispatch_ids:
            if sent:
                values = {"at": self.instant(at), "dispatch": dispatch, "message": attempt.message_id}
                self._run(RECORD_PART_SENT, values)
            elif verdict.retry_at is not None:
                again = {"due_at": self._to_column(verdict.retry_at), "due_day": make_day(verdict.retry_at, attempt.zone)}
                self._run(RECORD_RETRY, {"dispatch": dispatch, "detail": verdict.detail, **again})
            else:
                end = {"new": verdict.dispatch.value, "reason": verdict.reason.value, "detail": verdict.detail}
                self._run(RECORD_NOT_SENT, {"dispatch": dispatch, **end})
        if touches and (sent or verdict.message is MessageState.uncertain):
            self._run_many(INSERT_TOUCH, touches)
        return []

    def make_touches(self, attempt: Attempt, at: datetime, *, certain: bool = True) -> list[dict[str, Any]]:
        """The touches of a message, by dispatch, as ``post`` takes them."""
        day = make_day(at, attempt.zone)
        said = {"at": self.instant(at), "day": day, "ideas": attempt.ideas, "items": attempt.items, "certain": certain}
        return [{**said, "dispatch": number} for number in attempt.dispatch_ids]

    def post(self, touches: Sequence[dict[str, Any]]) -> None:
        """Bring touches and dispatches up to their messages, which are recorded as sent: what ``record`` left to be done."""
        if touches and self._dialect == "postgresql":
            self._run_many(INSERT_TOUCH, touches)
            self._run_many(RECORD_SENT, touches)
        elif touches:  # each call of the driver there costs a turn of all threads
            rows = {"rows": dump_json(touches)}
            self._run(TOUCH_OF_JSON, rows)
            self._run(RECORD_SENT_OF_JSON, rows)

    def mark_sending(self, attempt: Attempt) -> bool:
        """Its content goes out now; False where somebody else has the claim."""
        return self._move(attempt, MessageState.sending)

    def take_back(self, attempt: Attempt, *, final: bool = False) -> None:
        """Nothing of a claimed message left; one that was tried before keeps its row and its Message-ID (MSG-04)."""
        again = MessageState.failed if final else MessageState.retry
        self._move(attempt, again if attempt.attempts else MessageState.dropped)

    def give_back(self, attempt: Attempt) -> None:
        """Take a claimed message back; its dispatches are owed again."""
        self.take_back(attempt)
        for dispatch in attempt.dispatch_ids:
            self.owe_again(attempt, dispatch)

    def owe_again(self, attempt: Attempt, dispatch: int, reason: Reason = Reason.none, detail: str = "") -> None:
        """A claimed dispatch waits for the next sending."""
        new = DispatchStatus.retry if attempt.attempts else DispatchStatus.planned
        self.move_dispatch(dispatch, DispatchStatus.claimed, new, reason, detail)

    def move_dispatch(
        self, dispatch: int, old: DispatchStatus, new: DispatchStatus, reason: Reason = Reason.none, detail: str = ""
    ) -> bool:
        """False where it is not ``old`` any more; nothing is written then."""
        check_dispatch(old, new)
        values = {"dispatch": dispatch, "old": old.value, "new": new.value, "reason": reason.value, "detail": detail}
        return bool(self._run(MOVE_DISPATCH, values).rowcount)

    def _run(self, sql: str, values: Mapping[str, Any]) -> Any:
        return self._execute(in_words_of(self._dialect, sql), values)

    def _run_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._execute_many(in_words_of(self._dialect, sql), rows)

    def _move(self, attempt: Attempt, new: MessageState) -> bool:
        check_message(MessageState.claimed, new)
        values = {"new": new.value, "message": attempt.message_id, "claim": attempt.claim_id}
        return bool(self._run(MOVE_MESSAGE, values).rowcount)


def settle(session: Session, message: Message, now: datetime, *, arrived: bool) -> dict[int, DispatchStatus]:
    """Settle one uncertain letter; returns what its dispatches are now, by id. Nothing happens to a letter that is not uncertain.

    Arrived: its touch becomes certain. Not arrived: the touch is cancelled, and it is owed again with the same Message-ID.
    """
    if message.state is not MessageState.uncertain:
        return {}
    new = MessageState.sent if arrived else MessageState.retry
    check_message(message.state, new)
    message.state = new
    message.sent_at = _left_at(session, message) if arrived else None
    if not arrived:
        message.claimed_at = now  # five days of trying begin anew
    session.add(message)
    session.flush()
    query = select(Dispatch).join(MessageDispatch, col(MessageDispatch.dispatch_id) == col(Dispatch.id))
    dispatches = session.execute(query.where(col(MessageDispatch.message_id) == message.id)).scalars().all()
    moved = {each.id: _settle_dispatch(session, each, now) for each in dispatches if each.status is DispatchStatus.uncertain}
    session.flush()
    return moved


def _left_at(session: Session, message: Message) -> datetime:
    """When its content went out, as far as we know: its touch says so."""
    query = select(col(Touch.at)).join_from(MessageDispatch, Dispatch, col(Dispatch.id) == col(MessageDispatch.dispatch_id))
    query = query.join(Touch, _same_key()).where(col(MessageDispatch.message_id) == message.id)
    return session.execute(query.limit(1)).scalar() or message.claimed_at


def _same_key() -> ColumnElement[bool]:
    return and_(*(col(getattr(Touch, name)) == col(getattr(Dispatch, name)) for name in TOUCH_COLUMNS[:5]))


def _settle_dispatch(session: Session, dispatch: Dispatch, now: datetime) -> DispatchStatus:
    """All of its parts are known: it is sent, or what is missing is owed. One part that nobody knows keeps it uncertain."""
    query = select(col(MessageDispatch.part), col(Message.state)).join(Message, col(Message.id) == col(MessageDispatch.message_id))
    parts = session.execute(query.where(col(MessageDispatch.dispatch_id) == dispatch.id)).all()
    if any(state is MessageState.uncertain for _, state in parts):
        return dispatch.status
    served = {part for part, state in parts if state in SERVED}
    if served == {part for part, _ in parts}:
        _move(dispatch, DispatchStatus.sent, Reason.settled)
        dispatch.sent_at = _touch_of(session, dispatch, certain=True)
    else:
        _move(dispatch, DispatchStatus.planned)
        dispatch.due_at, dispatch.open_until = now, None  # the planner finds its next opening
        _touch_of(session, dispatch, certain=bool(served))
        if session.get_one(Campaign, dispatch.campaign_id).status is CampaignStatus.stopped:
            _move(dispatch, DispatchStatus.cancelled, Reason.campaign_stopped)
    session.add(dispatch)
    return dispatch.status


def _move(dispatch: Dispatch, new: DispatchStatus, reason: Reason = Reason.none) -> None:
    check_dispatch(dispatch.status, new)
    dispatch.status, dispatch.reason, dispatch.detail = new, reason, ""


def _touch_of(session: Session, dispatch: Dispatch, *, certain: bool) -> datetime | None:
    """Make the touch of a dispatch certain, or cancel it; returns when it was."""
    query = select(Touch).join_from(Dispatch, Touch, _same_key()).where(col(Dispatch.id) == dispatch.id)
    touch: Touch | None = session.execute(query).scalar_one_or_none()
    if touch is None:
        return None
    if certain:
        touch.certain = True
        session.add(touch)
    else:
        session.delete(touch)
    return touch.at


def find_failed(session: Session, campaign_id: int) -> Sequence[int]:
    """What failed in a campaign and may be owed once more: whose address is not there or suppressed stays failed."""
    dispatch, address, house, campaign = (table_of(each) for each in (Dispatch, Address, Organisation, Campaign))
    may_get_it = (
        select(dispatch.c.id)
        .join_from(dispatch, address, address.c.id == dispatch.c.address_id)
        .join(house, house.c.id == dispatch.c.organisation_id)
        .join(campaign, campaign.c.id == dispatch.c.campaign_id)
        .where(
            dispatch.c.campaign_id == campaign_id,
            dispatch.c.status == DispatchStatus.failed,
            address.c.bounce_state != BounceState.hard,
            ~is_suppressed(address, house, campaign.c.mailing_list),
        )
    )
    return session.execute(may_get_it.order_by(dispatch.c.id)).scalars().all()


def reopen_failed(session: Session, part: Sequence[int], now: datetime) -> int:
    """Owe one slice of ``find_failed`` once more; returns how many."""
    check_dispatch(DispatchStatus.failed, DispatchStatus.planned)
    dispatch = table_of(Dispatch)
    fill_slice(session, part)
    owed = {"status": DispatchStatus.planned, "reason": Reason.none, "detail": "", "due_at": now, "open_until": None}
    return change(session, update(dispatch).where(in_slice(dispatch), dispatch.c.status == DispatchStatus.failed).values(owed))


def find_uncertain(session: Session, chosen: Sequence[ColumnElement[bool]] = ()) -> list[Message]:
    """Letters whose fate nobody knows, the oldest first; ``chosen`` are conditions on Message and Dispatch."""
    query = (
        select(Message)
        .join(MessageDispatch, col(MessageDispatch.message_id) == col(Message.id))
        .join(Dispatch, col(Dispatch.id) == col(MessageDispatch.dispatch_id))
        .where(col(Message.state) == MessageState.uncertain, *chosen)
        .order_by(col(Message.id))
        .distinct()
    )
    return list(session.execute(query).scalars())
