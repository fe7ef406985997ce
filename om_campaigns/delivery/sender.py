"""Sending what is due: claim, hand over, record; from the first letter to a clean end, whatever happens between.

The calling thread finds and composes the next letters and claims them (at most a second of work); other threads send them. A kill
leaves at most one uncertain letter per connection, a loss of power at most one claim batch, and never a double.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session

from om_campaigns import events
from om_campaigns.clock import Clock
from om_campaigns.delivery.circuit_breakers import forget_old, load_closed
from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.handover import Compose, Ended, Sent
from om_campaigns.delivery.pacing import Rates, Rules
from om_campaigns.delivery.send_queue import Capacity, Chosen, is_halted, load_campaign_limits, load_capacity, load_due, load_fitting
from om_campaigns.delivery.sending_thread import Run, start_threads
from om_campaigns.delivery.workers import recover, working
from om_campaigns.engines import naming_faults, require_room
from om_campaigns.store import read, write
from om_campaigns.transport import Transport

CLAIM_SECONDS = 0.6
"""Work that is claimed at one time: the batch that a loss of power makes uncertain."""

MOST_CLAIMED = 600
FIRST_LOOK = 50
COUNTED_EVERY = 5.0
"""Seconds after which what was sent is written down for the circuit breakers; a kill may lose so much of the count."""

MOST_WAITED = 5.0
"""Seconds a run waits until a destination or campaign may go on, when nothing else is due; what takes longer is for the next run."""


def send_due(
    engine: Engine,
    *,
    clock: Clock,
    compose: Compose,
    transport: Transport,
    smtp: Rates,
    lock_folder: Path,
    chosen: Sequence[Chosen] = (),
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
    note_claim: Callable[[int], None] = lambda _: None,
) -> Sent:
    """Send everything that is due at ``clock()``, or what is ``chosen`` of it; returns the account of the run.

    ``stop`` lets the letters on the wire finish and gives the rest back. ``progress`` is called in this thread with the number
    of letters handled since the last call, ``note_claim`` with the number of each claim before any of its letters leaves.
    ``Sent.ended`` names why a run stopped early. Errors of composing and of the database are raised after everything claimed was
    given back; what could not be is settled by ``recover``.
    """
    recover(engine, lock_folder=lock_folder, now=clock())
    with read(engine) as session:
        if is_halted(session):
            return Sent(ended=Ended.halted)
        rules = Rules(transport.name, smtp, load_campaign_limits(session))
        nothing_to_do = _find_work(session, rules, chosen, clock())
        if nothing_to_do is not None:
            return nothing_to_do
    with working(engine, lock_folder, clock) as worker_id, closing(Claims(engine, worker_id, note_claim)) as claims:
        with write(engine) as session:
            forget_old(session, clock())
        run = Run(engine, claims, transport, clock, rules, stop or threading.Event())
        with naming_faults():
            _Feeder(run, compose, smtp, chosen, progress).work()
    account = run.account
    events.sending_ended(
        transport.name, sent=account.sent, retry=account.retry, failed=account.failed, uncertain=account.uncertain, ended=account.ended
    )
    return account


def _find_work(session: Session, rules: Rules, chosen: Sequence[Chosen], now: datetime) -> Sent | None:
    """None: something is due and may go. Otherwise the account of a run that need not begin."""
    if not load_due(session, now, 1, chosen=chosen):
        return Sent()
    closed = load_closed(session, now)
    capacity = load_capacity(session, rules, {}, now)
    fitting = load_fitting(session, capacity, now, FIRST_LOOK, closed=closed, chosen=chosen)
    soon = timedelta(0) < capacity.opens_in <= timedelta(seconds=MOST_WAITED)
    return None if fitting or soon else Sent(ended=Ended.paced, detail=capacity.explain(closed))


class _Feeder:
    """The calling thread's part: keeps the feed filled for as long as something is due."""

    def __init__(self, run: Run, compose: Compose, smtp: Rates, chosen: Sequence[Chosen], progress: Callable[[int], None] | None) -> None:
        self._run = run
        self._compose = compose
        self._smtp = smtp
        self._chosen = chosen
        self._progress = progress
        self._reported = 0
        self._offset = 0
        self._waited = 0.0
        self._held_back = ""
        self._counted = time.monotonic()
        self._began = time.monotonic()

    def work(self) -> None:
        """Raises the first error of any thread after everything not begun was given back."""
        run = self._run
        run.threads = self._smtp.connections
        threads = start_threads(run, self._smtp.connections)
        try:
            self._fill()
        except BaseException:
            run.end(Ended.stopped)
            raise
        finally:
            for _ in threads:
                run.feed.put(None)
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
                    self._report()
            self._give_back()
            run.claims.post_if_due(at_once=True)
            run.breakers.flush(run.clock())
        if run.error is not None:
            raise run.error
        if run.stop.is_set():
            run.end(Ended.stopped)
        elif why := run.breakers.why_paused or self._held_back or (run.aside and f"put aside for now: {', '.join(sorted(run.aside))}"):
            run.end(Ended.paced, why)

    def _fill(self) -> None:
        run = self._run
        while not run.stopping:
            size = self._make_size()
            waiting = run.feed.qsize()
            if waiting > size // 2:
                run.stop.wait(0.01)
            elif not self._claim(size - waiting):
                return
            self._report()

    def _make_size(self) -> int:
        """Letters that may be claimed at one time: ``CLAIM_SECONDS`` of the rate seen so far, few at the beginning."""
        connections, limit = self._smtp.connections, self._smtp.rate_per_minute
        elapsed = max(time.monotonic() - self._began, 0.05)
        size = min(MOST_CLAIMED, max(4 * connections, int(self._run.account.handled / elapsed * CLAIM_SECONDS)))
        return max(1, min(size, limit // 60)) if limit else size

    def _claim(self, size: int) -> bool:
        """Claim the next letters; False when nothing is due, or what is must wait for longer than a run does."""
        run, now = self._run, self._run.clock()
        pending = run.load_pending()  # before the database is read: a letter that begins meanwhile counts twice, never not at all
        require_room(run.engine)
        with read(run.engine) as session:
            if is_halted(session):
                run.end(Ended.halted)
                return False
            run.breakers.look(session, now)
            capacity = load_capacity(session, run.rules, pending, now)
            closed = run.breakers.closed
            dues = load_fitting(session, capacity, now, size, closed=closed, chosen=self._chosen, offset=self._offset)
            if not dues and not self._offset:
                return bool(closed or capacity.is_tight) and self._wait_for_capacity(capacity, now)
            answers = self._compose(session, dues, now) if dues else ()
        letters, held = run.claims.claim(dues, answers, now)
        run.account.held += len(held)
        run.account.skipped.update(each.reason for each in held)
        for letter in letters:
            if run.rules.aside:
                run.reserve(letter)
            run.feed.put(letter)
        crowded = len(letters) + len(held) < len(answers) / 2
        self._offset = size * random.randint(1, 8) if crowded else 0  # noqa: S311  somebody else claims the same rows
        return True

    def _wait_for_capacity(self, capacity: Capacity, now: datetime) -> bool:
        """Nothing else is due: wait a little for what a limit holds back; False when that would take too long."""
        run = self._run
        if capacity.pending:  # their turns may have been counted twice, here and in the database
            run.stop.wait(0.05)
            return True
        wait = capacity.opens_in.total_seconds()
        if wait and self._waited + wait <= MOST_WAITED:
            self._waited += wait
            run.stop.wait(wait)
            if run.clock() != now:
                return True
        self._held_back = capacity.explain(run.breakers.closed)
        return False

    def _report(self) -> None:
        self._run.claims.post_if_due()
        if time.monotonic() - self._counted > COUNTED_EVERY:
            self._counted = time.monotonic()
            self._run.breakers.flush(self._run.clock())
        handled = self._run.account.handled
        if self._progress is not None and handled > self._reported:
            self._progress(handled - self._reported)
            self._reported = handled

    def _give_back(self) -> None:
        run = self._run
        letters = list(run.leftovers)
        while not run.feed.empty():
            letter = run.feed.get_nowait()
            if letter is not None:
                letters.append(letter)
        if letters:
            run.claims.release(letters)
            if run.lost is not None:
                run.end(Ended(run.lost.trouble.value), str(run.lost))
        self._report()
