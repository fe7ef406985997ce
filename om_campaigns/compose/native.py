"""Libraries in native code, called so that a fault in them ends a letter and not the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")


def run_native(call: Callable[[], Made]) -> Made:
    """What the call gives. A panic of Rust code, which passes every ``except Exception``, raises ValueError instead."""
    try:
        return call()
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"a library stopped: {error}") from None
