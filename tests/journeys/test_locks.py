"""Whoever only looks keeps nobody waiting and waits for nobody: each command that changes nothing runs while somebody else is writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlmodel import Session

from om_campaigns import engines, store
from om_campaigns.audience.intake import WRITTEN
from om_campaigns.staff.importing import check_workspace, import_audience
from om_campaigns.staff.preview import preview
from om_campaigns.staff.why import explain_recipient
from om_campaigns.tick import look
from tests.journeys.workspace import SQLITE, Workspace, house, local, person

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two houses and two people, a published campaign; whoever has to wait for a lock fails after a second."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    url = SQLITE
    if request.param == "postgres":
        url = request.getfixturevalue("empty_postgres") + "&options=-c%20lock_timeout%3D1000"
    made = Workspace(tmp_path, database=url)
    made.houses(house("nw", "05"), house("by", "09"))
    made.people(person("Anna", "nw"), person("Bernd", "by"))
    made.segment("alle", "status == 'active'")
    made.campaign("wir", "w1 day = 0", "w2 day = 7")
    made.publish()
    made.tick(local("2027-01-05"))
    return made


@contextmanager
def somebody_writes(office: Workspace) -> Iterator[None]:
    """Another process is changing the audience and has not finished; on PostgreSQL it holds tables and no rows that matter here."""
    with office.app.engine.connect().execution_options(om_write=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE organisation, address, person, seat, basis, campaign, dispatch IN ROW EXCLUSIVE MODE")
        yield
        connection.rollback()


def new_people(office: Workspace) -> Path:
    """The people's file with somebody new and somebody changed."""
    path = office.folder / "audiences/people.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("Bernd", "Bernhard") + person("Clara", "by"), encoding="utf-8")
    return path


def check_changed_files(office: Workspace) -> None:
    new_people(office)
    office.text("wir", "w1.de", "Guten Tag {{ contact.full_name }},\n\nein anderer Schritt.")
    assert [each for each in check_workspace(office.app, office.now).errors if each.rule_id == "audience.row"] == []


def import_the_same_again(office: Workspace) -> None:
    report = import_audience(office.app, [], office.now, "test")
    assert (report.people.unchanged, report.people.new, report.people.changed) == (2, 0, 0)


def import_on_trial(office: Workspace) -> None:
    assert import_audience(office.app, [new_people(office)], office.now, "test", is_dry_run=True).people.new


def look_at_the_letter(office: Workspace) -> None:
    assert preview(office.app, "wir", office.now)


def look_at_the_plan(office: Workspace) -> None:
    """Nothing is due and nobody new is there: what a plan says on most days."""
    assert look(office.app, office.now).planned == 0


def ask_why(office: Workspace) -> None:
    person_id = office.ask("SELECT id FROM person ORDER BY id")[0][0]
    assert explain_recipient(office.app, "wir", office.now, person_id=person_id).is_enrolled


LOOKING = (look_at_the_plan, ask_why, check_changed_files, import_the_same_again, import_on_trial, look_at_the_letter)


@pytest.mark.parametrize("look", LOOKING, ids=lambda look: look.__name__)
def test_looking_waits_for_no_writer_and_changes_nothing(office: Workspace, look: Callable[[Workspace], None]) -> None:
    if look is import_the_same_again and office.app.engine.dialect.name == "postgresql":
        pytest.skip("an import on PostgreSQL holds its tables while it compares: only SQLite can find out at the end")
    before = office.dump()
    with somebody_writes(office):
        look(office)
    assert office.dump() == before


def test_an_import_that_was_overtaken_is_done_again(office: Workspace) -> None:
    """Somebody else writes between what the import read and its first change: it begins again, and both changes stand."""
    engine, times = office.app.engine, []

    def rename(session: Session) -> None:
        name = session.connection().exec_driver_sql("SELECT full_name FROM person ORDER BY id").scalar()
        if not times and engine.dialect.name == "sqlite":
            office.do("UPDATE person SET full_name = full_name || ' Neu'")
        times.append(name)
        session.connection().exec_driver_sql("UPDATE person SET full_name = full_name || ', Dr.'")

    store.write_late(engine, rename)
    assert times in (["Anna", "Anna Neu"], ["Anna"])
    assert office.ask("SELECT full_name FROM person ORDER BY id")[0][0].endswith(", Dr.")


def test_a_trial_knows_every_table_that_an_import_writes_to(tmp_path: Path) -> None:
    """All tables of the starter go into an empty workspace while somebody else is writing."""
    engine = engines.open_engine("sqlite:///trial.db", root=tmp_path)
    store.metadata.create_all(engine)
    with store.scratch(engine, WRITTEN) as session:
        copied = session.connection().exec_driver_sql("SELECT name FROM temp.sqlite_master WHERE type = 'table'").scalars().all()
    assert sorted(copied) == sorted(WRITTEN)
    engine.dispose()
