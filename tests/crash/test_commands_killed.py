"""Kill -9 during import, publish, migration and backup: all or nothing, and the same command again does it (SCH-16)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from om_campaigns import migrations
from om_campaigns.operate.backup import read_contents
from tests.crash.commands import do_backup, do_import, do_migrate, do_publish, kill_at, moments, run_whole
from tests.journeys.workspace import PEOPLE_COLUMNS, SQLITE, Workspace, house, person
from tests.operate.test_backup import use_its_programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PEOPLE = 1500
KILLS = 4


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Workspace]:
    """Makes the workspace anew; on PostgreSQL in the same database, emptied."""
    made: list[Workspace] = []

    def begin() -> Workspace:
        url = SQLITE
        if request.param == "postgres":
            use_its_programs(monkeypatch)
            engine: Engine = request.getfixturevalue("postgres_engine")
            with engine.begin() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            url = engine.url.render_as_string(hide_password=False)
        made.append(Workspace(tmp_path / f"ws{len(made)}", database=url))
        made[-1].houses(house("ihk-tal", "05"))
        made[-1].segment("alle", "'contact' in roles")
        made[-1].campaign("reihe", *(f"a{n} day = {n}" for n in range(40)))
        rows = "".join(person(f"Anna Nummer{n}", "ihk-tal") for n in range(PEOPLE))
        made[-1].write("audiences/people.csv", PEOPLE_COLUMNS + rows)
        made[-1].app.engine.dispose()
        return made[-1]

    return begin


def is_sound(ws: Workspace) -> bool:
    return ws.app.engine.dialect.name != "sqlite" or ws.ask("PRAGMA integrity_check") == [("ok",)]


def test_an_import_is_whole_or_was_never_begun(make: Callable[[], Workspace]) -> None:
    ws = make()
    whole = run_whole(do_import, ws.folder)
    assert (ws.count("person"), ws.count("seat")) == (PEOPLE, PEOPLE)
    ws.app.engine.dispose()
    ws = make()
    for moment in moments(1, whole, KILLS):
        killed = kill_at(do_import, ws.folder, moment)
        assert ws.count("person") in ((0, PEOPLE) if killed else (PEOPLE,))
        assert ws.count("seat") == ws.count("person")
        assert is_sound(ws)
    run_whole(do_import, ws.folder)
    assert (ws.count("person"), ws.count("seat")) == (PEOPLE, PEOPLE)


def test_a_publication_is_whole_or_was_never_begun(make: Callable[[], Workspace]) -> None:
    whole = run_whole(do_publish, make().folder)
    ws = make()
    for moment in moments(2, whole, KILLS):
        kill_at(do_publish, ws.folder, moment)
        assert (ws.count("campaign"), ws.count("campaign_version"), ws.count("campaign_file") > 40) in ((0, 0, False), (1, 1, True))
        assert is_sound(ws)
    run_whole(do_publish, ws.folder)
    assert (ws.count("campaign"), ws.count("campaign_version")) == (1, 1)


def test_a_migration_is_whole_or_was_never_begun(make: Callable[[], Workspace]) -> None:
    ws = make()
    whole = 0.0
    for moment in (None, *moments(3, 1.0, KILLS)):
        empty_database(ws)
        if moment is None:
            whole = run_whole(do_migrate, ws.folder)
        else:
            kill_at(do_migrate, ws.folder, moment * whole)
        assert migrations.current(ws.app.engine) in (None, migrations.head())
        assert is_sound(ws)
        ws.app.engine.dispose()
    run_whole(do_migrate, ws.folder)
    migrations.require_current(ws.app.engine)


def empty_database(ws: Workspace) -> None:
    ws.app.engine.dispose()
    if ws.app.engine.dialect.name == "postgresql":
        with ws.app.engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return
    for end in ("", "-wal", "-shm"):
        Path(f"{ws.app.engine.url.database}{end}").unlink(missing_ok=True)


def test_a_backup_is_whole_or_not_there(make: Callable[[], Workspace]) -> None:
    ws = make()
    run_whole(do_import, ws.folder)
    target = ws.folder / "copies" / "om.zip"
    whole = run_whole(do_backup, ws.folder)
    for moment in moments(4, whole, KILLS):
        target.unlink(missing_ok=True)
        kill_at(do_backup, ws.folder, moment)
        if target.exists():
            assert "audiences/people.csv" in read_contents(target).files
    target.unlink(missing_ok=True)
    run_whole(do_backup, ws.folder)
    assert os.listdir(target.parent) == ["om.zip"], "what killed backups left is cleared away"  # noqa: PTH208
    assert (ws.count("person"), is_sound(ws)) == (PEOPLE, True)
