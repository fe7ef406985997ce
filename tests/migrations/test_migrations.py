"""migrations: an upgraded database has exactly the tables of the models, on both databases; running twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from om_campaigns import engines, migrations, store
from om_campaigns.errors import InstallationError

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = engines.open_engine("sqlite:///empty.db", root=tmp_path)
        yield engine
        engine.dispose()
    else:
        engine = request.getfixturevalue("postgres_engine")
        store.metadata.drop_all(engine)
        yield engine


@pytest.mark.filterwarnings("ignore:autogenerate skipping:UserWarning", "ignore:Skipped unsupported reflection")
def test_an_upgraded_database_is_what_the_models_say(empty: Engine) -> None:
    assert migrations.upgrade(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, store.metadata) == []
        checks = {table: {check["name"] for check in inspect(connection).get_check_constraints(table)} for table in store.metadata.tables}
    assert {"ck_dispatch_status_known", "ck_dispatch_reason_known"} <= checks["dispatch"]


def test_every_index_of_the_models_is_there_with_its_condition(empty: Engine, sqlite_engine: Engine) -> None:
    """Alembic compares neither partial conditions nor expressions, so the SQL itself is compared (SQLite)."""
    if empty.dialect.name != "sqlite":
        pytest.skip("PostgreSQL spells index conditions in its own way")
    migrations.upgrade(empty)
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
    found = []
    for engine in (empty, sqlite_engine):
        with engine.connect() as connection:
            found.append({name: " ".join(sql.split()) for name, sql in connection.execute(query) if name != "ix_alembic"})
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_every_check_and_null_of_the_models_is_there(empty: Engine, request: pytest.FixtureRequest) -> None:
    """Alembic compares no CHECKs; a vocabulary that grew must be known to a database that was made before."""
    migrations.upgrade(empty)
    found = _checks_and_nulls(empty)
    if empty.dialect.name == "sqlite":
        made = request.getfixturevalue("sqlite_engine")
    else:
        made = empty
        with empty.begin() as connection:
            store.metadata.drop_all(connection)
            store.metadata.create_all(connection)
    assert found == _checks_and_nulls(made)


def _checks_and_nulls(engine: Engine) -> dict[str, object]:
    looked = inspect(engine)
    return {
        table: (
            {check["name"]: " ".join(check["sqltext"].split()) for check in looked.get_check_constraints(table)},
            {column["name"]: column["nullable"] for column in looked.get_columns(table)},
        )
        for table in store.metadata.tables
    }


def test_rows_of_the_first_version_survive_every_upgrade(empty: Engine) -> None:
    """A database of version 0.1.0 with a house in it: nothing is lost, and what the later version allows can be written."""
    from alembic import command

    command.upgrade(migrations._config(empty), "0001")
    house = """INSERT INTO organisation (id, public_id, slug, name, name_key, short_name, org_type, level, status, forward_policy, relay,
       pack_delivery, shelf_life_days, origin) VALUES (7, 'o7', 'haus', 'Haus', 'haus', '', 'chamber_ihk', 'regional', 'active', 'as_is',
       'lowest', 'ready_mail', 28, 'file')"""
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO organisation_type (code, name, \"group\") VALUES ('chamber_ihk', 'IHK', 'chambers')"))
        connection.execute(text(house))
    migrations.upgrade(empty)
    with empty.begin() as connection:
        assert connection.execute(text("SELECT slug, relay FROM organisation WHERE id = 7")).one() == ("haus", "lowest")
        connection.execute(text("UPDATE organisation SET relay = NULL WHERE id = 7"))
    with empty.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(text("UPDATE organisation SET relay = 'sideways' WHERE id = 7"))


def test_upgrading_twice_changes_nothing(empty: Engine) -> None:
    migrations.upgrade(empty)
    assert not migrations.upgrade(empty)
    migrations.require_current(empty)


def test_an_empty_or_newer_database_is_named(empty: Engine) -> None:
    with pytest.raises(InstallationError, match="empty"):
        migrations.require_current(empty)
    migrations.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InstallationError, match="newer program"):
        migrations.require_current(empty)


def test_the_file_names_tell_the_same_head_as_alembic() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(migrations._config()).get_heads() == [migrations.head()]
