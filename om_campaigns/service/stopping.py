"""Being told to stop: SIGTERM, Ctrl-C, Ctrl-Break set an event and kill nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that a signal sets while the block runs. Main thread only."""
    stop = threading.Event()
    before = {number: signal.signal(number, _stopper(stop)) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait(stop: threading.Event) -> None:
    """Until it is set; a bounded wait lets Windows deliver Ctrl-C."""
    while not stop.wait(1):
        continue


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: stop.set()
