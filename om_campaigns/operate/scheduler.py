"""Long-running processes. ``run`` wakes the tick until told to stop: the tables decide what is due, a wake-up only asks them.

One process per database leads: it holds a lock beside the SQLite file, or an advisory lock of PostgreSQL, which vanishes
with the process. A wake-up that is missed, or that comes while the last one is at work, changes nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, datetime
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.errors import InstallationError, RefusedError
from om_campaigns.identity import find_refusal
from om_campaigns.operate.installation import take_leadership
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.store import Instance
from om_campaigns.tick import tick
from om_campaigns.wiring import break_off

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))
EVERY_SECONDS = 0.5

PageServer = Callable[[App, str, int], AbstractContextManager[int]]
"""Serves the pages at a host and a port while a block runs."""


def run_until_told(app: App, load_server: Callable[[], PageServer]) -> None:
    """Lead and tick until SIGTERM or SIGINT; the letter on the wire is finished within ``run.stop_seconds``, the rest stays owed.

    Raises RefusedError, naming the leader, when another process leads this database. Main thread only.
    """
    with told_to_stop(app.settings.run.stop_seconds) as stop:
        run(app, stop, load_server)


def serve_until_told(app: App, host: str, port: int, serving: PageServer) -> None:
    """Serve the pages alone until SIGTERM or SIGINT; answers that are on their way are finished. Main thread only.

    Raises InstallationError when the port cannot be had.
    """
    with told_to_stop(app.settings.run.stop_seconds) as stop, serving(app, host, port):
        wait(stop)


def run(app: App, stop: threading.Event, load_server: Callable[[], PageServer]) -> None:
    """Lead, serve the pages and tick every ``run.every_seconds`` until ``stop`` is set.

    Raises RefusedError when another process leads, and for a database that would refuse to send at every tick: whoever starts it
    must see that, and not only the log.
    """
    with store.read(app.engine) as session:
        if why := find_refusal(app, session):
            raise RefusedError(f"{why}; nothing is sent", hint="the doctor says what to do", command="doctor")
    every = app.settings.run.every_seconds
    with _leading(app) as leader, _pages(app, load_server):
        events.scheduler_started(leader, every)
        waker = Waker(app, stop)
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(
            waker.wake, "interval", seconds=every, next_run_time=datetime.now(scheduler.timezone),
            coalesce=True, max_instances=1, misfire_grace_time=None,
        )  # fmt: skip
        scheduler.start()
        try:
            wait(stop)
        finally:
            stop.set()
            scheduler.shutdown(wait=True)
        events.scheduler_stopped(leader)


@contextmanager
def _pages(app: App, load_server: Callable[[], PageServer]) -> Iterator[None]:
    """Serve the pages too where ``[web] base_url`` is set. Where that fails mail goes on: somebody else may serve them."""
    with ExitStack() as stack:
        if app.settings.web.base_url:
            try:
                stack.enter_context(load_server()(app, app.settings.web.host, app.settings.web.port))
            except InstallationError as error:
                events.pages_missing(str(error))
        yield


class Waker:
    """One wake-up after the other; a fault in one is told and does not end the process."""

    def __init__(self, app: App, stop: threading.Event) -> None:
        self._app = app
        self._stop = stop
        self._cleaned_on: date | None = None

    def wake(self) -> None:
        """One tick at the present instant, and once a day the retention."""
        if self._stop.is_set():
            return
        try:
            now = self._app.now()
            done = tick(self._app, now, stop=self._stop)
            if done.is_clock_behind:
                events.tick_refused("the rehearsal was walked ahead of the clock with --now; nothing is due until the clock is there")
            elif done.enrolled or done.planned or done.sent.handled:
                sent = done.sent
                events.tick_done(
                    enrolled=done.enrolled,
                    planned=done.planned,
                    sent=sent.sent,
                    retry=sent.retry,
                    failed=sent.failed,
                    uncertain=sent.uncertain,
                )
            if self._cleaned_on != (today := self._app.today(now)):
                forget_old_values(self._app, now)
                self._cleaned_on = today
        except (RefusedError, InstallationError) as error:
            events.tick_refused(str(error))  # a fault outside: the next wake-up finds out whether it is over
        except Exception:
            events.tick_failed()


@contextmanager
def _leading(app: App) -> Iterator[str]:
    """Hold the leader's lock and stand in ``instance.leader`` while it is held."""
    name = f"{socket.gethostname()}, process {os.getpid()}, since {app.now():%Y-%m-%d %H:%M} UTC"
    release = take_leadership(app)
    if release is None:
        with store.read(app.engine) as session:
            row = session.get(Instance, 1)
            other = (row.leader if row else "") or "a process that is just starting"
        raise RefusedError(f"another scheduler leads this database: {other}", hint="one is enough; stop that one first")
    try:
        _note_leader(app, name)
        yield name
        _note_leader(app, "")
    finally:
        release()


def _note_leader(app: App, name: str) -> None:
    with store.write(app.engine) as session:
        row = store.instance(session)
        row.leader = name
        session.add(row)


@contextmanager
def told_to_stop(seconds: float) -> Iterator[threading.Event]:
    """An event that a signal sets while the block runs. Main thread only.

    Where the block has not ended ``seconds`` after that, dialogues with mail servers are broken off until it does. A second Ctrl-C
    raises KeyboardInterrupt.
    """
    stop, ended = threading.Event(), threading.Event()
    before = {number: signal.signal(number, _stopper(stop)) for number in SIGNALS}
    threading.Thread(target=_watch, args=(stop, ended, seconds), name="stopping", daemon=True).start()
    try:
        yield stop
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def wait(stop: threading.Event) -> None:
    """Until it is set; a bounded wait lets Windows deliver Ctrl-C."""
    while not stop.wait(1):
        continue


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def note(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    return note


def _watch(stop: threading.Event, ended: threading.Event, seconds: float) -> None:
    while not stop.wait(EVERY_SECONDS):
        if ended.is_set():
            return
    patience = seconds
    while not ended.wait(patience):
        break_off()  # again and again: a lane may open a further connection to learn whether it was its fault
        patience = EVERY_SECONDS
