"""One run of the sender: what its lanes share, what it counts, and why it ends."""

from __future__ import annotations

import queue
import threading
from collections import Counter

from sqlalchemy import Engine

from om_campaigns import events
from om_campaigns.clock import Clock
from om_campaigns.delivery.brakes import POLICY_SAMPLE, Brakes
from om_campaigns.delivery.ledger import Ledger
from om_campaigns.delivery.letters import Done, Ended, Letter, Refusal, Sent
from om_campaigns.delivery.outcomes import make_verdict
from om_campaigns.delivery.pacing import Rules
from om_campaigns.delivery.transport import Kind, NoConnectionError, Transport


class Run:
    """What the lanes of one run share."""

    def __init__(self, engine: Engine, ledger: Ledger, transport: Transport, clock: Clock, rules: Rules, stop: threading.Event) -> None:
        self.engine = engine
        self.ledger = ledger
        self.transport = transport
        self.clock = clock
        self.rules = rules
        self.brakes = Brakes(engine, clock())
        self.stop = stop
        self.feed: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
        self.leftovers: list[Letter] = []
        self.account = Sent()
        self.error: BaseException | None = None
        self.lanes = 0
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
            self.lanes -= 1
        self._ending.set()

    def lose_lane(self, error: NoConnectionError) -> None:
        """A lane has no connection; the run ends with the last lane."""
        events.connection_failed(self.transport.name, error.trouble.value)
        with self._lock:
            self.lanes -= 1
            self.lost = error
            last = self.lanes == 0
        if last:
            self.end(Ended(error.trouble.value), str(error))

    def note(self, done: Done) -> None:
        """Count a recorded outcome."""
        kind = done.outcome.kind
        if kind is Kind.accepted:
            with self._lock:
                self.account.sent += 1
            self.brakes.note_sent(done.letter, done.at)
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
        self.brakes.note(done, verdict)

    def reserve(self, letter: Letter) -> None:
        """A claimed letter has a place under the limits it may be put aside for."""
        letter.reserved = True
        with self._lock:
            self.pending.update(limit.subject for limit in self.rules.aside_of(letter.prepared.campaign_id, letter.destination))

    def load_pending(self) -> Counter[str]:
        """Letters claimed by this run that have not taken their turn yet, by the limits they are under."""
        with self._lock:
            return +self.pending

    def begun(self, letter: Letter) -> None:
        """The letter has taken its turn, or is given back."""
        if letter.reserved:
            letter.reserved = False
            with self._lock:
                self.pending.subtract(limit.subject for limit in self.rules.aside_of(letter.prepared.campaign_id, letter.destination))

    def put_aside(self, letter: Letter) -> None:
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
