"""The benchmark of size, with few people: everything it measures can be done, and what it makes holds together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.size import Meter, list_commands, list_doors, list_first_tick, list_work, open_office

pytestmark = pytest.mark.slow


def test_everything_that_is_measured_can_be_done(kept: Path, tmp_path: Path) -> None:
    """Doors, commands that look, ticks: each once, in the order of the benchmark."""
    folder = tmp_path / "ws"
    shutil.copytree(kept, folder)
    office, meter = open_office(folder), Meter()
    try:
        costs = {
            name: meter.measure(act)
            for acts in (list_doors(office), list_first_tick(office), list_commands(folder, office), list_work(folder, office))
            for name, act in acts
        }
    finally:
        meter.stop()
        office.app.engine.dispose()
    assert all(cost.cpu > 0 for cost in costs.values())
    assert costs["door: one click"].lock > 0
    assert costs["door: leaving, page"].lock == 0
