"""An empty PostgreSQL database for journeys that make their own tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from om_campaigns import engines


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database; gone after the test."""
    yield from _empty_database(postgres_url)


@pytest.fixture(scope="module")
def module_postgres(postgres_url: str) -> Iterator[str]:
    """The same for all tests of a module."""
    yield from _empty_database(postgres_url)


def _empty_database(postgres_url: str) -> Iterator[str]:
    name = f"j{uuid.uuid4().hex}"
    admin = create_engine(engines.open_engine(postgres_url).url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
