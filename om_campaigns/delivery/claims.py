"""The claims of one sending process: one raw connection behind a lock, one short transaction per letter.

Each transaction records what became of the previous letter and marks the next as ``sending``, guarded by the claim (the fence
against a worker that was declared dead) and by the permission to write to this address (UNS-08). It is committed before that
letter's content goes out. Only a claim's commit is forced to disk. Touches and dispatches of letters recorded as sent follow in
groups: the message rows hold all that is needed, so a clean-up can complete them.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Engine

from om_campaigns import events
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import Instant, dump_json, new_claim
from om_campaigns.delivery.claim_statements import HALTED, WINDOW_OVER, Statements, conditions
from om_campaigns.delivery.handover import ClaimedLetter, Done, Held, Prepared, Refusal
from om_campaigns.delivery.models import MessageState, Part
from om_campaigns.delivery.outcomes import REPLY_LENGTH, SENT, Recorder, make_verdict
from om_campaigns.delivery.pacing import Limit, Places
from om_campaigns.delivery.send_queue import Due
from om_campaigns.delivery.states import check_message
from om_campaigns.errors import InstallationError
from om_campaigns.transport import Kind

POST_SECONDS = 0.5
POST_COUNT = 200
"""How far touches and dispatches may lie behind the messages that were recorded as sent."""

KEPT = frozenset({HALTED, WINDOW_OVER, Reason.campaign_paused})
"""Refusals after which the letter is owed still."""


class Claims:
    """Claims, records and gives back letters for one worker. Every method is one transaction; any thread may call."""

    def __init__(self, engine: Engine, worker_id: int, note_claim: Callable[[int], None] = lambda _: None) -> None:
        self._worker = worker_id
        self._note_claim = note_claim
        self._postgres = engine.dialect.name == "postgresql"
        self._lock = threading.Lock()
        self._sql = Statements(engine.dialect)
        self._reasons = [reason for reason, _ in conditions()]
        instant = Instant().dialect_impl(engine.dialect)
        self._to_column: Callable[[Any], Any] = instant.bind_processor(engine.dialect) or (lambda value: value)
        self._from_column: Callable[[Any], Any] = instant.result_processor(engine.dialect, None) or (lambda value: value)
        pooled = engine.raw_connection()
        self._connection = cast("Any", pooled.driver_connection)
        pooled.detach()
        self._close = pooled.close
        if self._postgres:
            self._connection.autocommit = True
            self._connection.execute("SET synchronous_commit = off")
        else:
            for pragma in ("synchronous = NORMAL", "cache_size = -32768", "wal_autocheckpoint = 4000"):
                self._connection.execute(f"PRAGMA {pragma}")
        self._run = self._connection.execute
        self._recorder = Recorder(engine.dialect, self._run, self._many)
        self._quick = ""
        if self._sql.quick_step is not None:
            view, trigger, self._quick = self._sql.quick_step
            self._run(view)
            self._run(trigger)
        self._unposted: list[dict[str, Any]] = []
        self._posted_at = time.monotonic()
        self._in_post = 0
        self._counted: int | None = None
        self._served: Sequence[dict[str, Any]] = ()
        self._latest: tuple[datetime | None, Any] = (None, None)

    def close(self) -> None:
        with self._lock:
            self._close()

    @contextmanager
    def _transaction(self, *, forced: bool = False) -> Iterator[None]:
        """``forced``: on disk when it ends; the rest may be lost with the power, never with the process.

        A claim's number is told before anybody else can write, and so before a letter of it leaves.
        """
        with self._lock:
            if forced and not self._postgres:
                self._run("PRAGMA synchronous = FULL")
            try:
                self._run(self._sql.begin)
                if forced and self._postgres:
                    self._run("SET LOCAL synchronous_commit = on")
                try:
                    yield
                    self._run("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
                if self._counted is not None:
                    self._note_claim(self._counted)
                if self._in_post:
                    self._unposted = self._unposted[self._in_post :]
                    self._posted_at = time.monotonic()
                self._unposted += self._served
            finally:
                self._in_post, self._served, self._counted = 0, (), None
                if forced and not self._postgres:
                    self._run("PRAGMA synchronous = NORMAL")

    def _roll_back(self) -> None:
        if self._postgres or self._connection.in_transaction:
            self._run("ROLLBACK")

    # --- claiming -------------------------------------------------------------------------------------------------------

    def claim(self, dues: Sequence[Due], answers: Sequence[Prepared | Held], now: datetime) -> tuple[list[ClaimedLetter], list[Held]]:
        """Make letters of what was prepared, as far as nobody else took it meanwhile; forced to disk.

        Returns the claimed letters and those held. Raises RuntimeError when a due row was not answered, InstallationError when
        this worker was declared dead: nobody would settle what it claims now.
        """
        by_id = {due.id: due for due in dues}
        prepared = [answer for answer in answers if isinstance(answer, Prepared)]
        held = [answer for answer in answers if isinstance(answer, Held)]
        numbers = [number for each in prepared for number in each.dispatch_ids]
        if missing := by_id.keys() - set(numbers) - {each.dispatch_id for each in held}:
            raise RuntimeError(f"composing gave no answer for dispatch {sorted(missing)[:5]}")
        with self._transaction(forced=True):
            if self._run(self._sql.is_alive, {"worker": self._worker}).fetchone() is None:
                raise InstallationError("another process took this one for dead", hint="nothing is lost; the next run goes on")
            self._post()
            ids = numbers if self._postgres else dump_json(numbers)
            claimed = {row[0] for row in self._run(self._sql.claim_dispatches, {"ids": ids}).fetchall()}
            whole = [each for each in prepared if claimed.issuperset(each.dispatch_ids)]
            for number in claimed - {number for each in whole for number in each.dispatch_ids}:
                self._recorder.move_dispatch(number, DispatchStatus.claimed, by_id[number].status)
            letters = self._insert(whole, by_id, now)
            stopped = [each for each in held if self._hold(by_id[each.dispatch_id], each)]
            counted = self._run(self._sql.count_claim).fetchone() if letters else None
            self._counted = counted[0] if counted else None
        return letters, stopped

    def _insert(self, prepared: list[Prepared], by_id: dict[int, Due], now: datetime) -> list[ClaimedLetter]:
        claim, at = new_claim(), self._to_column(now)
        before = [by_id[each.dispatch_ids[0]].earlier_of(each.part) for each in prepared]
        fresh = iter(self._next_ids(before.count(None)))
        together = {ids: Places(count) for ids, count in Counter(each.dispatch_ids for each in prepared).items()}
        letters: list[ClaimedLetter] = []
        new: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for each, earlier in zip(prepared, before, strict=True):
            number = earlier.id if earlier else next(fresh)
            attempts, first = (earlier.attempts, earlier.claimed_at) if earlier else (0, now)
            letters.append(ClaimedLetter(number, claim, each, attempts, first, places=together[each.dispatch_ids]))
            row = each.columns | {"id": number, "worker": self._worker, "claim": claim, "now": at}
            (again if earlier else new).append(row)
        self._bulk(self._sql.insert_message, new)
        self._many(self._sql.reclaim_message, again)
        self._bulk(
            self._sql.insert_part,
            [
                {"message": letter.id, "dispatch": number, "part": letter.prepared.part.value}
                for letter in letters
                for number in letter.prepared.dispatch_ids
            ],
        )
        self._bulk(
            self._sql.insert_slots,
            [{"message": letter.id, "slot_values": dump_json(letter.prepared.slot_values)} for letter in letters],
        )
        return letters

    def _next_ids(self, count: int) -> list[int]:
        """Numbers for new messages; on SQLite nobody else can write while this transaction runs."""
        if not count:
            return []
        rows = self._run(self._sql.next_ids, {"count": count}).fetchall()
        return [row[0] for row in rows] if self._postgres else list(range(rows[0][0] + 1, rows[0][0] + 1 + count))

    def _bulk(self, sql: str, rows: list[dict[str, Any]]) -> None:
        """Many rows through one statement of ``_of_json`` on SQLite; each call of the driver there costs a turn of all threads."""
        if self._postgres:
            self._many(sql, rows)
        elif rows:
            self._run(sql, {"rows": dump_json(rows)})

    def _many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._connection.cursor().executemany(sql, rows)

    def _hold(self, due: Due, held: Held) -> bool:
        """A planned row waits for its value; a retry that cannot be made any more has failed."""
        again = due.status is DispatchStatus.retry
        new = DispatchStatus.failed if again else DispatchStatus.held
        if not self._recorder.move_dispatch(due.id, due.status, new, held.reason, held.detail):
            return False
        for earlier in due.earlier if again else ():
            if not earlier.is_served:
                check_message(MessageState.retry, MessageState.failed)
                self._run(self._sql.fail_retry, {"id": earlier.id})
        return True

    # --- per letter -----------------------------------------------------------------------------------------------------

    def step(self, done: Done | None, following: ClaimedLetter | None, now: datetime) -> Refusal | None:
        """Record what became of one letter and mark the next as being sent; None: its content may go now.

        A Refusal has been recorded already: the letter is dropped, its dispatches are cancelled or owed again.
        """
        if self._quick and done is not None and following is not None and self._step_quickly(done, following):
            return None
        verdict = SENT if done is None else make_verdict(done)
        with self._transaction():
            served = (self._recorder.record(done, verdict) if done is not None else None) or ()
            refusal = self._mark(following, now) if following is not None else None
            if len(self._unposted) >= POST_COUNT:
                self._post()
            self._served = served
        return refusal

    def _step_quickly(self, done: Done, following: ClaimedLetter) -> bool:
        """The usual step as one statement; False when it is not the usual one, and then nothing has changed."""
        letter, outcome = done.letter, done.outcome
        last, then = letter.prepared, following.prepared
        usual = outcome.kind is Kind.accepted and done.old is MessageState.sending and last.part is Part.mail
        if not usual or len(then.dispatch_ids) != 1 or len(self._unposted) >= POST_COUNT:
            return False
        at, reply = self._recorder.instant(done.at), outcome.reply[:REPLY_LENGTH]
        values = (letter.id, letter.claim_id, at, outcome.code, reply, following.id, following.claim_id, then.dispatch_ids[0])
        served = self._recorder.make_touches(letter.attempt, done.at)
        with self._lock:
            try:
                self._run(self._quick, values)
            except sqlite3.IntegrityError:
                return False
            self._unposted += served
        return True

    def post_if_due(self, *, at_once: bool = False) -> None:
        """Bring touches and dispatches of letters recorded as sent up to their messages, when ``POST_SECONDS`` have passed or at once."""
        if self._unposted and (at_once or time.monotonic() - self._posted_at >= POST_SECONDS):
            with self._transaction():
                self._post()

    def _post(self) -> None:
        self._recorder.post(self._unposted)
        self._in_post = len(self._unposted)

    def _mark(self, letter: ClaimedLetter, now: datetime) -> Refusal | None:
        at = self._recorder.instant(now)
        first, *others = letter.prepared.dispatch_ids
        if all(self._run(self._sql.is_permitted, {"dispatch": each, "now": at}).fetchone() for each in others):
            values = {"message": letter.id, "claim": letter.claim_id, "dispatch": first, "now": at}
            if self._run(self._sql.mark_sending, values).rowcount:
                return None
        return self._refuse(letter, at)

    def _refuse(self, letter: ClaimedLetter, at: Any) -> Refusal:
        """Find out why, and take the letter back: never silently."""
        if self._has_lost(letter, "claimed"):
            return Refusal(Reason.none, kept=True, lost=True)
        why = {number: self._explain(number, at) for number in letter.prepared.dispatch_ids}
        first = next((reason for reason in why.values() if reason is not None), None)
        final = first is not None and first not in KEPT
        self._recorder.take_back(letter.attempt, final=final)
        for number, reason in why.items():
            if reason is None or reason in KEPT:
                held = reason if isinstance(reason, Reason) else Reason.none
                self._recorder.owe_again(letter.attempt, number, held, HALTED if reason == HALTED else "")
            else:
                self._recorder.move_dispatch(number, DispatchStatus.claimed, DispatchStatus.cancelled, Reason(reason))
        reason = first if isinstance(first, Reason) else Reason.none
        events.message_dropped(letter.id, first or "changed meanwhile")
        return Refusal(reason, kept=not final, halted=first == HALTED)

    def _has_lost(self, letter: ClaimedLetter, step: str) -> bool:
        """Somebody else has this letter by now."""
        row = self._run(self._sql.select_message, {"message": letter.id}).fetchone()
        if row is not None and tuple(row) == (MessageState.claimed.value, letter.claim_id):
            return False
        events.claim_lost(letter.id, step)
        return True

    def _explain(self, dispatch: int, at: Any) -> Reason | str | None:
        row = self._run(self._sql.explain, {"dispatch": dispatch, "now": at}).fetchone()
        return next((reason for reason, held in zip(self._reasons, row, strict=True) if not held), None) if row else Reason.settled

    # --- giving back, pacing ----------------------------------------------------------------------------------------------

    def release(self, letters: Sequence[ClaimedLetter]) -> None:
        """Give claimed letters back: nothing of them was mailed (a retry keeps its message)."""
        with self._transaction():
            for letter in letters:
                if not self._has_lost(letter, "release"):
                    self._recorder.give_back(letter.attempt)

    def take_turn(self, limits: Sequence[Limit], now: datetime, places: Places | None = None) -> tuple[Limit, timedelta] | None:
        """None: one letter may begin now and is counted under every limit. Otherwise the limit in the way and how long to wait.

        ``places`` are those of the mails it goes together with: the first begins only where there is room for all of them.
        """
        places = places or Places()
        with self._transaction():
            for limit in sorted(limits, key=lambda each: each.subject) if self._postgres else ():
                self._run("SELECT pg_advisory_xact_lock(hashtext(%(subject)s))", {"subject": f"pace:{limit.subject}"})
            for limit in limits:
                if places.has_kept(limit, now):
                    continue
                if wait := limit.make_wait(self._load_buckets(limit, now), now, limit.make_needed(places.left)):
                    return limit, wait
            for limit in limits:
                self._count(limit, now, *places.begin(limit, now))
            places.left -= 1
        return None

    def _count(self, limit: Limit, now: datetime, left: datetime | None, count: int) -> None:
        if left is not None:
            self._run(self._sql.leave_bucket, {"subject": limit.subject, "bucket": self._to_column(left)})
        bucket = self._to_column(limit.make_bucket(now))
        self._run(self._sql.add_to_bucket, {"subject": limit.subject, "bucket": bucket, "count": count})

    def _load_buckets(self, limit: Limit, now: datetime) -> list[tuple[datetime, int]]:
        edges = {"old": self._to_column(now - limit.window), "future": self._to_column(now + limit.window)}
        self._run(self._sql.delete_buckets, {"subject": limit.subject, **edges})
        rows = self._run(self._sql.select_buckets, {"subject": limit.subject}).fetchall()
        return [(self._from_column(start), used) for start, used in rows]
