"""How long a command takes to start: ``om-campaigns --help`` against ``python -c "import click"``, whole processes in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PAIRS = 15
OURS = [sys.executable, "-c", "from om_campaigns.cli import main; main(['--help'])"]
THEIRS = [sys.executable, "-c", "import click"]


def take_time(command: list[str]) -> float:
    """Seconds of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def run() -> list[tuple[str, float, str]]:
    """Name, ratio, requirement."""
    for command in (OURS, THEIRS):
        take_time(command)
    ratios = [take_time(OURS) / take_time(THEIRS) for _ in range(PAIRS)]
    return [("starting", statistics.median(ratios), "om-campaigns --help ≤ 2× of importing click")]


if __name__ == "__main__":
    for name, ratio, needed in run():
        print(f"{name}: {ratio:.2f} ({needed})")
