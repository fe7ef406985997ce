"""Run every benchmark but the long ones, or those named, and print one table; the exit code is 1 when a figure misses its mark."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("starting", "composing", "importing", "planning", "sending")

LONG = ("crash", "leaving", "size", "telling")
"""Run only when named."""

CRASHES = ("kill -9, SQLite", "kill -9, PostgreSQL", "power, SQLite")
MARKS = {
    "starting": ("≤", 2.0),
    "composing": ("≥", 20.0),
    "importing": ("≥", 1.5),
    "planning": ("≤", 4.0),
    "memory": ("≤", 1.3),
    "sending against smtp-source": ("≥", 0.8),
    **{f"kill -9, {database}: uncertain at once": ("≤", 3.0) for database in ("SQLite", "PostgreSQL")},
    **{f"{what}: {how}": ("≤", 0.0) for what in CRASHES for how in ("lost", "unfinished", "left open", "doubled")},
    **{f"one click, {database}: lost": ("≤", 0.0) for database in ("SQLite", "PostgreSQL")},
    **{f"telling, {database}": ("≤", 3.89) for database in ("SQLite", "PostgreSQL")},
    **{f"growth, {database}": ("≤", 1.3) for database in ("SQLite", "PostgreSQL")},
    **{
        f"{kind}, {database} {people}": ("≤", mark)
        for kind, mark in (("door", 0.1), ("looking", 3.0), ("idle", 0.05), ("lock", 1.0))
        for database in ("SQLite", "PostgreSQL")
        for people in ("2,000", "50,000", "200,000")
    },
    "power, SQLite: uncertain at once": ("≤", 603.0),
    "faults with another outcome": ("≤", 0.0),
}
"""Figure, or what stands before its colon → what it must be; a figure that is not here is only told."""


def main(wanted: list[str]) -> int:
    """Print the table; returns the exit code."""
    if unknown := set(wanted) - {*NAMES, *LONG}:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES + LONG)}", file=sys.stderr)
        return 2
    missed = 0
    print(f"{'figure':36} {'value':>10}  {'mark':>7}  held  what")
    for name in wanted or NAMES:
        for title, value, what in import_module(f"benchmarks.{name}").run():
            sign, mark = MARKS.get(title) or MARKS.get(title.partition(":")[0], ("", 0.0))
            held = not sign or (value <= mark if sign == "≤" else value >= mark)
            missed += not held
            shown = ("yes" if held else "NO") if sign else ""
            print(f"{title:36} {value:10.2f}  {f'{sign} {mark:g}' if sign else '':>7}  {shown:4}  {what}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
