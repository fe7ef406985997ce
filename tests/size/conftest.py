"""A small copy of what the benchmark of size measures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.filling import copy_kept, make, new_database

FEW = {"offices": 18, "networks": 6, "pack_steps": 4}
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
"""Tests in several processes may share a server."""


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 advisers in 18 offices after two years, on SQLite; to be copied."""
    office = make(tmp_path_factory.mktemp("size") / "ws", 200, **FEW)
    assert office.ask("PRAGMA foreign_key_check") == []
    assert office.ask("PRAGMA integrity_check") == [("ok",)]
    office.app.engine.dispose()
    return office.folder


@pytest.fixture(scope="session")
def kept_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Path:
    """The same on PostgreSQL."""
    folder = tmp_path_factory.mktemp("size") / "ws"
    make(folder, 200, database=new_database(postgres_url, f"size_kept_{WORKER}"), **FEW).app.engine.dispose()
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of it, on both databases."""
    if request.param == "sqlite":
        copy_kept(request.getfixturevalue("kept"), tmp_path / "ws")
    else:
        server = str(request.getfixturevalue("postgres_url"))
        copy_kept(request.getfixturevalue("kept_postgres"), tmp_path / "ws", server, f"size_tried_{WORKER}")
    return tmp_path / "ws"
