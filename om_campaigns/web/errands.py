"""What a page promised to do, done after its answer has left: nobody waits for it, and nobody can measure it (SEC-09)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from om_campaigns import events

MOST_WAITING = 1000
"""Errands beyond these are not taken; whoever waits asks again."""

DELAY = (0.2, 1.0)
"""Seconds, drawn by lot, before an errand begins: done at once, its work would slow down the very answer that must not tell."""


class Errands:
    """One thread that does one thing after the other. A fault in one is told and does not end it."""

    def __init__(self) -> None:
        self.delay = DELAY
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="errands")
        self._open: set[Future[None]] = set()

    def do(self, errand: Callable[..., Any], *arguments: Any) -> None:
        """Do this soon."""
        if len(self._open) >= MOST_WAITING:
            return
        due = time.monotonic() + random.uniform(*self.delay)  # noqa: S311  no secret
        future = self._thread.submit(_do, due, errand, arguments)
        self._open.add(future)
        future.add_done_callback(self._open.discard)

    def finish(self, seconds: float) -> None:
        """Wait until what was promised by now is done, at most so long."""
        wait(list(self._open), seconds)


def _do(due: float, errand: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        time.sleep(max(0.0, due - time.monotonic()))
        errand(*arguments)
    except Exception as fault:
        events.errand_failed(fault)
