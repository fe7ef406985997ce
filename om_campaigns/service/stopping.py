"""Being told to stop: SIGTERM, Ctrl-C, Ctrl-Break set an event and kill nothing; a silent mail server cannot hold the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from om_campaigns.app import break_off

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))
EVERY_SECONDS = 0.5


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
