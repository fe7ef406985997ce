"""What rendering one edition may cost: characters it makes, values it looks at, rounds it runs (SEC-03).

Everything is charged before it is done where it could grow without end, so that a template of a few hundred characters never
takes more memory or time than a letter is worth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

MAX_OUTPUT = 1_000_000
"""Characters one edition may produce while it is rendered, all parts and intermediate values together."""
MAX_WORK = 5_000_000
"""Characters and list entries its filters, tests and comparisons may look at."""
ENTRY = 10
"""What an entry of a list costs, in characters: it is looked at one by one."""
MAX_LOOPS = 20_000
"""Rounds of its loops, calls of its macros and files it includes."""
MAX_RANGE = 1_000
MAX_NUMBER = 10**15
MAX_SIGNS = 100
"""Signs ``trim`` looks for, and digits that become a number."""


def check_number(value: Any) -> Any:
    """A result of arithmetic; one that no letter counts up to raises SecurityError."""
    if isinstance(value, (int, float)) and not -MAX_NUMBER < value < MAX_NUMBER:
        raise SecurityError(f"a number here stays below {MAX_NUMBER:,}")
    return value


@dataclass(slots=True)
class Budget:
    """What rendering one edition may still use. Whoever spends more than there is gets SecurityError."""

    output: int = MAX_OUTPUT
    work: int = MAX_WORK
    loops: int = MAX_LOOPS

    def spend_output(self, size: int) -> None:
        self.output -= size
        self._check_output(0)

    def spend_loops(self, count: int) -> None:
        self.loops -= count
        if self.loops < 0:
            raise SecurityError(f"loops run more than {MAX_LOOPS:,} times")

    def spend_made(self, value: Any) -> None:
        """A value that was made, or is about to be printed or joined to others: all that is in it."""
        if type(value) not in (bool, int, float):
            self.spend_output(len(value) if isinstance(value, str) else self._measure(value, self.output))

    def spend_work(self, value: Any) -> None:
        """A value that is looked at, in full."""
        self._work(len(value) if isinstance(value, str) else self._measure(value, self.work))

    def spend_step(self) -> None:
        """Something that takes the same time for any value."""
        self._work(1)

    def spend_filter(self, name: str, value: Any, rest: Sequence[Any], named: Mapping[str, Any]) -> None:
        """A filter before it runs: what it looks at, and what it would make where that is more than it was given."""
        arguments = [*rest, *named.values()]
        for each in (value, *arguments):
            self.spend_work(each)
        if name == "replace" and len(arguments) > 1:
            text, old, new = str(value), str(arguments[0]), str(arguments[1])
            self._check_output(len(text) + text.count(old) * max(len(new) - len(old), 0))
        elif name == "join" and arguments:
            self._check_output(_count(value) * len(str(arguments[0])))
        elif name == "format":
            text = str(value)
            self._check_output(len(text) + text.count("%(") * max((len(str(each)) for each in arguments), default=0))
        elif name in ("select", "reject", "selectattr", "rejectattr"):
            self._work(_count(value) * sum(self._measure(each, self.work) for each in arguments))
        elif name in ("batch", "slice", "round"):
            if any(isinstance(each, (int, float)) and not -MAX_RANGE <= each <= MAX_RANGE for each in arguments):
                raise SecurityError(f"'{name}' takes numbers up to {MAX_RANGE:,}")
            if name == "round" and any(isinstance(each, int) and not -15 <= each <= 15 for each in arguments):
                raise SecurityError("'round' keeps at most 15 digits")
        elif name == "sum" and any(not isinstance(each, (int, float, str)) for each in arguments):
            raise SecurityError("'sum' is for numbers only")
        elif name == "trim" and any(len(str(each)) > MAX_SIGNS for each in arguments):
            raise SecurityError(f"'trim' looks for at most {MAX_SIGNS} signs")
        elif name in ("int", "float") and isinstance(value, str) and len(value) > MAX_SIGNS:
            raise SecurityError(f"a number has at most {MAX_SIGNS} digits")

    def listed(self, values: Iterable[Any]) -> list[Any]:
        """Values that come one by one as a list, charged as they come."""
        found = []
        for value in values:
            self.spend_made((value,))
            found.append(value)
        return found

    def _work(self, size: int) -> None:
        self.work -= size
        if self.work < 0:
            raise SecurityError(f"filters and comparisons look at more than {MAX_WORK:,} characters and entries")

    def _check_output(self, more: int) -> None:
        if self.output - more < 0:
            raise SecurityError(f"the text grows beyond {MAX_OUTPUT:,} characters")

    def _measure(self, value: Any, limit: int) -> int:
        """Characters and entries of a value with all that is inside; counting ends where ``limit`` is passed."""
        size, waiting = 0, [value]
        while waiting and size <= limit:
            each = waiting.pop()
            size += ENTRY
            if isinstance(each, str):
                size += len(each)
            elif each is None or isinstance(each, (int, float)) or hasattr(each, "__html__"):
                continue  # a recipient's value is printed as one short mark, and must not be looked into
            elif isinstance(each, dict):
                waiting += [*each.keys(), *each.values()]
            elif isinstance(each, range):
                size += ENTRY * len(each)
            elif isinstance(each, Collection):
                waiting += each
            elif isinstance(each, Namespace):
                waiting += each._Namespace__attrs.values()  # it shows nothing of itself to anybody else
        return size


def _count(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0
