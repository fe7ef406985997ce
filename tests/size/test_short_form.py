"""The benchmark of size, with few people: everything it measures can be done, and what it makes holds together."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.filling import make
from benchmarks.size import Meter, list_commands, list_doors, list_work, open_office


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small copy of what is measured: 200 advisers in 18 offices."""
    office = make(tmp_path_factory.mktemp("size") / "ws", 200, offices=18, networks=6)
    assert office.ask("PRAGMA foreign_key_check") == []
    assert office.ask("PRAGMA integrity_check") == [("ok",)]
    office.app.engine.dispose()
    return office.folder


def test_everything_that_is_measured_can_be_done(folder: Path) -> None:
    """Doors, commands that look, ticks: each once, in the order of the benchmark."""
    office, meter = open_office(folder), Meter()
    try:
        costs = {
            name: meter.measure(act)
            for acts in (list_doors(office), list_commands(folder, office), list_work(folder, office))
            for name, act in acts
        }
    finally:
        meter.stop()
        office.app.engine.dispose()
    assert all(cost.cpu > 0 for cost in costs.values())
    assert costs["door: one click"].lock > 0
    assert costs["door: leaving, page"].lock == 0
