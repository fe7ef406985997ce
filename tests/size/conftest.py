"""A small copy of what the benchmark of size measures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.filling import make
from tests.journeys.conftest import empty_postgres  # noqa: F401  a fixture

FEW = {"offices": 18, "networks": 6}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 advisers in 18 offices after two years, on SQLite; to be copied."""
    office = make(tmp_path_factory.mktemp("size") / "ws", 200, **FEW)
    assert office.ask("PRAGMA foreign_key_check") == []
    assert office.ask("PRAGMA integrity_check") == [("ok",)]
    office.app.engine.dispose()
    return office.folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, kept: Path, tmp_path: Path) -> Path:
    """The workspace of it, on both databases."""
    if request.param == "sqlite":
        shutil.copytree(kept, tmp_path / "ws")
        return tmp_path / "ws"
    made = make(tmp_path / "ws", 200, database=str(request.getfixturevalue("empty_postgres")), **FEW)
    made.app.engine.dispose()
    return made.folder
