"""``run``: wakes the tick until told to stop. The tables decide what is due; a wake-up only asks them.

One process per database leads: it holds a lock beside the SQLite file, or an advisory lock of PostgreSQL, which vanishes
with the process. A wake-up that is missed, or that comes while the last one is at work, changes nothing.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.errors import InstallationError, RefusedError
from om_campaigns.pipeline.identity import find_refusal
from om_campaigns.pipeline.operator.installation import take_leadership
from om_campaigns.pipeline.operator.retention import forget_old_values
from om_campaigns.pipeline.tick import tick
from om_campaigns.service.stopping import told_to_stop, wait
from om_campaigns.store import Instance


def run_until_told(app: App) -> None:
    """Lead and tick until SIGTERM or SIGINT; the letter on the wire is finished within ``run.stop_seconds``, the rest stays owed.

    Raises RefusedError, naming the leader, when another process leads this database. Main thread only.
    """
    with told_to_stop(app.settings.run.stop_seconds) as stop:
        run(app, stop)


def run(app: App, stop: threading.Event) -> None:
    """Lead, serve the pages and tick every ``run.every_seconds`` until ``stop`` is set.

    Raises RefusedError when another process leads, and for a database that would refuse to send at every tick: whoever starts it
    must see that, and not only the log.
    """
    with store.read(app.engine) as session:
        if why := find_refusal(app, session):
            raise RefusedError(f"{why}; nothing is sent", hint="the doctor says what to do", command="doctor")
    every = app.settings.run.every_seconds
    with _leading(app) as leader, _pages(app):
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
def _pages(app: App) -> Iterator[None]:
    """Serve the pages too where ``[web] base_url`` is set. Where that fails mail goes on: somebody else may serve them."""
    if not app.settings.web.base_url:
        yield
        return
    try:
        from om_campaigns.web.server import serving
    except ModuleNotFoundError as error:
        events.pages_missing(f"the extra [web] is not installed: {error.name}")
        yield
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(serving(app, app.settings.web.host, app.settings.web.port))
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
