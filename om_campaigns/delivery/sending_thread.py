"""The threads of one run: what they share, what is counted, why it ends, and the loop of each of them."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections import Counter
from datetime import datetime

from sqlalchemy import Engine

from om_campaigns import events
from om_campaigns.audience.consent import record_suppression
from om_campaigns.audience.models import Address
from om_campaigns.audience.vocabulary import BounceState, SuppressionReason
from om_campaigns.clock import Clock
from om_campaigns.delivery.circuit_breakers import POLICY_SAMPLE, CircuitBreakers
from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.handover import ClaimedLetter, Done, Ended, Refusal, Sent
from om_campaigns.delivery.models import MessageState
from om_campaigns.delivery.outcomes import make_detail, make_verdict
from om_campaigns.delivery.pacing import Rules
from om_campaigns.store import write
from om_campaigns.transport import Connection, Kind, NoConnectionError, Outcome, Transport, Trouble


class Run:
    """What the threads of one run share."""

    def __init__(self, engine: Engine, claims: Claims, transport: Transport, clock: Clock, rules: Rules, stop: threading.Event) -> None:
        self.engine = engine
        self.claims = claims
        self.transport = transport
        self.clock = clock
        self.rules = rules
        self.breakers = CircuitBreakers(engine, clock())
        self.stop = stop
        self.feed: queue.SimpleQueue[ClaimedLetter | None] = queue.SimpleQueue()
        self.leftovers: list[ClaimedLetter] = []
        self.account = Sent()
        self.error: BaseException | None = None
        self.threads = 0
        self.lost: NoConnectionError | None = None
        self.pending: Counter[str] = Counter()
        self.aside: set[str] = set()
        """Destinations of letters that were claimed and must wait all the same."""
        self._ours = 0
        self._ending = threading.Event()
        self._lock = threading.Lock()

    @property
    def stopping(self) -> bool:
        """No further letter is begun."""
        return self._ending.is_set() or self.stop.is_set()

    def end(self, why: Ended, detail: str = "") -> None:
        """Begin no further letter; the first reason is kept."""
        with self._lock:
            if not self._ending.is_set():
                self._ending.set()
                self.account.ended, self.account.detail = why, detail

    def fail(self, error: BaseException) -> None:
        """A fault that is raised to the caller once everything is given back."""
        with self._lock:
            self.error = self.error or error
            self.threads -= 1
        self._ending.set()

    def lose_thread(self, error: NoConnectionError) -> None:
        """A thread has no connection; the run ends with the last one."""
        events.connection_failed(self.transport.name, error.trouble.value)
        with self._lock:
            self.threads -= 1
            self.lost = error
            last = self.threads == 0
        if last:
            self.end(Ended(error.trouble.value), str(error))

    def note(self, done: Done) -> None:
        """Count a recorded outcome."""
        kind = done.outcome.kind
        if kind is Kind.accepted:
            with self._lock:
                self.account.sent += 1
            self.breakers.note_sent(done.letter, done.at)
            return
        verdict, letter, outcome = make_verdict(done), done.letter.id, done.outcome
        with self._lock:
            account = self.account
            if kind is Kind.uncertain:
                account.uncertain += 1
                events.message_uncertain(letter, outcome.at_stage.value)
            elif verdict.retry_at is not None:
                account.retry += 1
                events.message_deferred(letter, outcome.code, outcome.at_stage.value)
            else:
                account.failed += 1
                events.message_failed(letter, outcome.code, outcome.at_stage.value, verdict.reason.value)
            self._ours += verdict.ours
            storm = account.handled >= POLICY_SAMPLE and self._ours * 2 > account.handled
        if storm:
            self.end(Ended.policy, f"the server refuses us: {verdict.detail}")
        self.breakers.note(done, verdict)

    def reserve(self, letter: ClaimedLetter) -> None:
        """A claimed letter has a place under the limits it may be put aside for."""
        letter.reserved = True
        with self._lock:
            self.pending.update(limit.subject for limit in self.rules.aside_of(letter.prepared.campaign_id, letter.destination))

    def load_pending(self) -> Counter[str]:
        """Letters claimed by this run that have not taken their turn yet, by the limits they are under."""
        with self._lock:
            return +self.pending

    def begun(self, letter: ClaimedLetter) -> None:
        """The letter has taken its turn, or is given back."""
        if letter.reserved:
            letter.reserved = False
            with self._lock:
                self.pending.subtract(limit.subject for limit in self.rules.aside_of(letter.prepared.campaign_id, letter.destination))

    def put_aside(self, letter: ClaimedLetter) -> None:
        """Its destination or campaign must wait: it is given back at the end."""
        self.begun(letter)
        with self._lock:
            self.aside.add(letter.destination)
            self.leftovers.append(letter)

    def note_refusal(self, refusal: Refusal) -> None:
        """Count a letter whose permission was gone."""
        with self._lock:
            if not refusal.lost:
                self.account.skipped[refusal.reason] += 1
                self.account.dropped += not refusal.kept
        if refusal.halted:
            self.end(Ended.halted)


LOST_IN_A_ROW = 3
"""After so many broken dialogues without one letter taken over, the server is left alone until the next run."""

PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_LOCKED})
"""Faults of the database that a patient worker outlives."""

PATIENCE_SECONDS = 300
"""How long an outcome is recorded again; afterwards its letter is left to recovery, which can only call it uncertain."""


class SendingThread:
    """The loop of one thread. ``_done`` is an outcome not yet recorded; it goes down with the next mark."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._connection: Connection | None = None
        self._served = 0
        self._lost = 0
        self._done: Done | None = None
        self._current: ClaimedLetter | None = None
        self._offered = False

    def work(self) -> None:
        """Send until the feed is empty or the run ends; letters not begun are given back."""
        try:
            while (letter := self._take_next()) is not None:
                self._send(letter)
        except NoConnectionError as error:
            self._run.lose_thread(error)
        except BaseException as error:
            self._run.fail(error)
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            self._record()
        except Exception as error:  # the recovery of the next run settles it
            self._run.fail(error)
        if self._current is not None:
            self._run.leftovers.append(self._current)
        if self._connection is not None:
            self._connection.close()

    def _take_next(self) -> ClaimedLetter | None:
        """The letter to go on with; None: there is none to come. No outcome is held back while one is waited for."""
        if self._run.stopping and not self._offered:
            return None
        if self._current is None:
            try:
                self._current = self._run.feed.get_nowait()
            except queue.Empty:
                self._record()
                self._current = self._run.feed.get()
        return self._current

    def _send(self, letter: ClaimedLetter) -> None:
        if not self._offered and not self._offer(letter):
            return
        connection = self._connection  # that of the offer, even if it broke meanwhile: it knows the answer
        if connection is None:
            return
        answer = connection.answer()
        if answer is not None:
            self._not_taken(letter, answer)
            return
        refusal = self._step(letter)
        if refusal is not None:
            connection.call_off()
            self._current, self._offered = None, False
            self._run.note_refusal(refusal)
            return
        self._hand_over(connection, letter)

    def _offer(self, letter: ClaimedLetter) -> bool:
        """Begin the dialogue about a letter; False when its turn has not come: it is put aside, or the run ends."""
        if self._run.breakers.holds(letter):
            self._put_aside(letter)
            return False
        if self._run.rules.any and not self._wait_for_turn(letter):
            return False
        self._connected().offer(letter.make_envelope(self._run.clock()))
        self._offered = True
        return True

    def _hand_over(self, connection: Connection, letter: ClaimedLetter) -> None:
        now = self._run.clock()
        content = letter.write(now)
        following = self._prefetch(now) if connection.prefetches and not self._run.rules.any else None
        self._current, self._offered = following, following is not None
        outcome = connection.hand_over(content, following.make_envelope(now) if following is not None else None)
        letter.content = b""
        self._done = Done(letter, outcome, self._run.clock(), MessageState.sending)
        if outcome.kind is Kind.accepted:
            self._served += 1
            self._lost = 0
        if not connection.alive:
            self._offered = False
        if outcome.kind is not Kind.accepted:
            self._record()
            self._count_loss(letter, outcome)

    def _prefetch(self, now: datetime) -> ClaimedLetter | None:
        if self._run.stopping:
            return None
        try:
            letter = self._run.feed.get_nowait()
        except queue.Empty:
            return None
        if letter is None:
            self._run.feed.put(None)
        elif self._run.breakers.holds(letter):
            self._run.put_aside(letter)
            return None
        return letter

    def _put_aside(self, letter: ClaimedLetter) -> None:
        """It is given back at the end of the run."""
        self._record()
        self._run.put_aside(letter)
        self._current = None

    def _not_taken(self, letter: ClaimedLetter, answer: Outcome) -> None:
        """The server did not want the content. A used connection that broke is not the letter's fault: offer it once more."""
        self._offered = False
        if answer.lost and self._served and not letter.offered_again:
            letter.offered_again = True
            self._served = 0
            return
        self._record()
        self._current = None
        self._done = Done(letter, answer, self._run.clock(), MessageState.claimed)
        self._record()
        self._count_loss(letter, answer)

    def _count_loss(self, letter: ClaimedLetter, outcome: Outcome) -> None:
        if not outcome.lost:
            self._lost = 0
            return
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            raise NoConnectionError(Trouble.turned_away, make_detail(outcome, letter.prepared.envelope_to))

    def _connected(self) -> Connection:
        if self._connection is None or not self._connection.alive:
            self._connection = self._run.transport.connect()
        return self._connection

    def _wait_for_turn(self, letter: ClaimedLetter) -> bool:
        """Wait until the sender's own rate allows one more, or a whole pack; a clock that stands still cannot be waited for.

        Where its destination or campaign has had enough the letter is put aside.
        """
        run = self._run
        places = None if letter.offered_again else letter.places
        limits = run.rules.of(letter.prepared.campaign_id, letter.destination)
        while not run.stopping:
            now = run.clock()
            in_the_way = run.claims.take_turn(limits, now, places) if limits else None
            if in_the_way is None:
                run.begun(letter)
                return True
            limit, wait = in_the_way
            if limit is not limits[-1] or not run.rules.paces_sender:
                self._put_aside(letter)
                return False
            self._record()
            run.stop.wait(min(wait.total_seconds(), 0.25))
            if run.clock() == now:
                run.end(Ended.paced, f"{limit.most} letters a minute are reached")
        return False

    def _record(self) -> None:
        if self._done is not None:
            self._step(None)

    def _step(self, following: ClaimedLetter | None) -> Refusal | None:
        """One transaction; an outcome is recorded again until the database takes it."""
        done = self._done
        if done is not None and done.outcome.kind is not Kind.accepted:
            self._suppress(done)
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                refusal = self._run.claims.step(done, following, done.at if done is not None else self._run.clock())
            except sqlite3.OperationalError as error:
                if done is None or error.sqlite_errorcode not in PASSING or time.monotonic() > until:
                    raise
                events.record_delayed(done.letter.id, str(error))
                time.sleep(1)
                continue
            break
        self._done = None
        if done is not None:
            self._run.note(done)
        return refusal

    def _suppress(self, done: Done) -> None:
        """A permanent "not here" at RCPT, before it is recorded: a crash between the two is repeated, never forgotten."""
        if not make_verdict(done).suppress:
            return
        with write(self._run.engine) as session:
            address = session.get(Address, done.letter.prepared.address_id)
            if address is not None and address.erased_at is None:
                address.bounce_state = BounceState.hard
                record_suppression(session, address, SuppressionReason.hard_bounce, done.at)
        events.address_suppressed(done.letter.prepared.address_id, SuppressionReason.hard_bounce.value)


def start_threads(run: Run, count: int) -> list[threading.Thread]:
    """Sending threads, started."""
    threads = [threading.Thread(target=SendingThread(run).work, name=f"sending-{number}", daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads
