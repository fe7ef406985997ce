"""Commands that change something: import, publish, pause, stop, erase, halt; what they print and what they refuse."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.store import write
from tests.cli.shell import om
from tests.journeys.workspace import HOUSE_COLUMNS, PEOPLE_COLUMNS, Workspace, house, local, person

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.houses(house("ihk-tal", "05315"))
    return made


def test_import_counts_in_json_and_the_same_again_changes_nothing(workspace: Workspace) -> None:
    file = workspace.write("neu.csv", PEOPLE_COLUMNS + person("Jörg Müller", "ihk-tal") + person("Anna Tal", "ihk-tal", basis=""))
    expected = {
        "organisations": {"new": 0, "changed": 0, "unchanged": 0},
        "people": {"new": 2, "changed": 0, "unchanged": 0},
        "rejected": [],
        "without_basis": 1,
        "faults": 0,
    }
    assert om(workspace.folder, "audience", "import", str(file), "--format", "json").json == expected
    again = om(workspace.folder, "audience", "import", str(file), "--format", "json").json
    assert again["people"] == {"new": 0, "changed": 0, "unchanged": 2}
    assert "1 of 2 have no basis" in om(workspace.folder, "audience", "import", str(file)).out


def test_import_without_files_takes_every_table_of_the_folder(workspace: Workspace) -> None:
    workspace.write("audiences/people.csv", PEOPLE_COLUMNS + person("Jörg Müller", "ihk-tal"))
    answer = om(workspace.folder, "audience", "import", "--format", "json").json
    assert (answer["organisations"]["unchanged"], answer["people"]["new"]) == (1, 1)


def test_a_dry_run_shows_the_difference_and_changes_nothing(workspace: Workspace) -> None:
    file = workspace.write("houses.csv", HOUSE_COLUMNS + house("ihk-tal", "05315", name="IHK im Tal") + house("neu", "09"))
    before = workspace.dump()
    answer = om(workspace.folder, "audience", "import", str(file), "--dry-run", "--format", "json").json
    assert (answer["organisations"], answer["rejected"]) == ({"new": 1, "changed": 1, "unchanged": 0}, [])
    assert {"entity": "organisation", "name": "ihk-tal", "field": "name", "old": "Haus ihk-tal", "new": "IHK im Tal"} in answer["changes"]
    assert "'Haus ihk-tal' → 'IHK im Tal'" in om(workspace.folder, "audience", "import", str(file), "--dry-run").out
    assert workspace.dump() == before


@pytest.mark.slow
def test_when_a_command_has_ended_all_of_it_stands_in_the_file_of_the_database(workspace: Workspace) -> None:
    """Whoever copies only om-campaigns.db after a command has everything: nothing waits in files beside it."""
    workspace.app.engine.dispose()
    file = workspace.write("neu.csv", PEOPLE_COLUMNS + person("Anna Tal", "ihk-tal"))
    program = [sys.executable, "-c", "from om_campaigns.cli import main; main()"]
    subprocess.run([*program, "-w", str(workspace.folder), "audience", "import", str(file)], check=True, capture_output=True)
    database = workspace.folder / "om-campaigns.db"
    assert [path.name for path in database.parent.glob(f"{database.name}*")] == [database.name]
    copy = workspace.folder / "copy.db"
    shutil.copy(database, copy)
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT full_name FROM person").fetchall() == [("Anna Tal",)]


def test_a_refused_row_is_named_and_strict_takes_nothing(workspace: Workspace) -> None:
    file = workspace.write("leute.csv", PEOPLE_COLUMNS + person("Eins", "ihk-tal") + person("Zwei", "ihk-tal", email="kein @ zeichen"))
    before = workspace.dump()
    strict = om(workspace.folder, "audience", "import", str(file), "--strict", "--format", "json")
    assert (strict.code, workspace.dump() == before) == (2, True)
    (fault,) = strict.json["rejected"]
    assert (fault["file"], fault["line"], fault["column"]) == ("leute.csv", 3, 3)
    loose = om(workspace.folder, "audience", "import", str(file))
    assert (loose.code, "leute.csv:3:3: email:" in loose.err) == (0, True)
    assert workspace.ask("SELECT full_name FROM person") == [("Eins",)]


def test_law01_a_basis_needs_its_proof(workspace: Workspace) -> None:
    file = str(workspace.write("leute.csv", PEOPLE_COLUMNS + person("Eins", "ihk-tal", basis="")))
    said = om(workspace.folder, "audience", "import", file, "--basis", "consent_written")
    assert (said.code, "add --source and --obtained-on" in said.err) == (2, True)
    said = om(workspace.folder, "audience", "import", file, "--basis", "maybe", "--source", "x", "--obtained-on", "2026-12-01")
    assert (said.code, "choose one of consent_doi, consent_written" in said.err) == (2, True)
    proof = ("--basis", "consent_written", "--source", "Formular", "--obtained-on", "06.01.2027")
    said = om(workspace.folder, "audience", "import", file, *proof, now="2027-01-05")
    assert (said.code, "2027-01-06 lies in the future" in said.err, workspace.count("basis")) == (2, True, 0)
    answer = om(
        workspace.folder, "audience", "import", file, "--basis", "consent_written", "--source", "Formular", "--obtained-on", "01.12.2026",
        "--mailing-list", "monatsbrief", "--format", "json", now="2027-01-05",
    ).json  # fmt: skip
    assert answer["without_basis"] == 0
    assert workspace.ask("SELECT kind, mailing_list, source, obtained_on FROM basis") == [
        ("consent_written", "monatsbrief", "Formular", "2026-12-01")
    ]


def test_a_file_that_is_not_there(workspace: Workspace) -> None:
    said = om(workspace.folder, "audience", "import", "fehlt.csv")
    assert (said.code, "fehlt.csv: there is no such file" in said.err) == (2, True)


@pytest.fixture
def published(workspace: Workspace) -> Workspace:
    workspace.people(person("Jörg Müller", "ihk-tal"), person("Anna Tal", "ihk-tal"))
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    return workspace


def test_publish_says_what_is_new(workspace: Workspace) -> None:
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("reihe", "a1 day = 0")
    first = om(workspace.folder, "campaign", "publish", "--format", "json").json
    assert first == [{"name": "reihe", "version": 1, "new": True, "first": True}]
    assert om(workspace.folder, "campaign", "publish", "reihe", "--format", "json").json[0]["new"] is False
    said = om(workspace.folder, "campaign", "publish", "rehie")
    assert (said.code, "did you mean 'reihe'?" in said.err) == (2, True)


def test_pause_resume_and_stop(published: Workspace) -> None:
    def status() -> str:
        return str(published.ask("SELECT status FROM campaign")[0][0])

    assert om(published.folder, "campaign", "pause", "reihe").out == "reihe is paused\n"
    assert om(published.folder, "campaign", "pause", "reihe").out == "reihe was paused already\n"
    assert status() == "paused"
    assert "is running again" in om(published.folder, "campaign", "resume", "reihe").out
    refused = om(published.folder, "campaign", "stop", "reihe", typed="n\n")
    assert (refused.code, status(), "2 are in 'reihe'" in refused.out) == (3, "running", True)
    assert "is stopped" in om(published.folder, "campaign", "stop", "reihe", "--yes").out
    assert status() == "stopped"
    assert published.ask("SELECT DISTINCT state FROM enrolment") == [("stopped",)]
    changes = published.ask("SELECT old, new FROM change WHERE entity = 'campaign' ORDER BY id")
    assert changes == [("running", "paused"), ("paused", "running"), ("running", "stopped")]


@pytest.mark.slow
def test_law21_erasing_reaches_every_room_and_says_what_stays(published: Workspace) -> None:
    """LAW-21: name, address, bases, what is owed and the values in mails go; facts and the suppression hash stay (LAW-09)."""
    published.tick(local("2027-01-05"))
    published.tick(local("2027-01-12"))
    assert published.count("message_slots") == 4
    ref = published.ask("SELECT ref FROM message WHERE envelope_to LIKE 'jörg%' OR envelope_to LIKE 'j%' LIMIT 1")[0][0]
    copy = published.write(f"outbox/20270105T080000Z-{ref}.eml", "To: Jörg")
    published.do("UPDATE change SET origin = 'partner', actor = 'Jörg Müller' WHERE id = (SELECT min(id) FROM change)")
    with write(published.app.engine) as session:
        open_task(session, TaskKind.house_says, "k", published.now, by="Jörg Müller", says="Ein Wort")
    asked = om(published.folder, "person", "erase", "Jörg Müller", typed="n\n")
    assert (asked.code, published.count("message_slots")) == (3, 4)
    answer = om(published.folder, "person", "erase", "Jörg Müller", "--yes", "--format", "json", now="2027-01-13").json
    assert (answer["erased"]["addresses"], answer["erased"]["values_in_sent_mails"], copy.exists()) == (1, 2, False)
    assert answer["erased"]["signatures"] == 2
    assert {each["what"]: each["number"] for each in answer["stays"]} == {
        "facts that a letter went out": 2, "ledger rows": 2, "suppressions": 1,
    }  # fmt: skip
    dump = repr({name: rows for name, rows in published.dump().items() if name != "blob"}).casefold()
    assert "müller" not in dump
    assert "anna tal" in dump
    assert "erased before" in om(published.folder, "person", "erase", _erased_id(published), "--yes").err


@pytest.mark.slow
def test_law21_a_name_that_was_changed_is_erased_too(published: Workspace) -> None:
    """What somebody signed in the portal bears the name they had that day; what waits for staff bears the one that was typed on a page."""
    published.people(person("Vera Alt", "ihk-tal", email="vera@ihk-tal.example", person="p-77"))
    published.do("UPDATE change SET origin = 'partner', actor = 'Vera Alt' WHERE id = (SELECT min(id) FROM change)")
    published.people(person("Vera Neu", "ihk-tal", email="vera@ihk-tal.example", person="p-77"))
    ((address_id,),) = published.ask("SELECT id FROM address WHERE address = 'vera@ihk-tal.example'")
    with write(published.app.engine) as session:
        open_task(session, TaskKind.home_missing, "k", published.now, address_id=address_id, name="Vera Alt")
    erased = om(published.folder, "person", "erase", "Vera Neu", "--yes", "--format", "json", now="2027-01-13").json["erased"]
    assert (erased["signatures"], erased["names_in_tasks"]) == (1, 1)
    dump = repr({name: rows for name, rows in published.dump().items() if name != "blob"})
    assert "Vera" not in dump


def _erased_id(workspace: Workspace) -> str:
    return str(workspace.ask("SELECT public_id FROM person WHERE status = 'erased'")[0][0])


@pytest.mark.slow
def test_law09_a_file_that_still_names_an_erased_person_brings_no_mail(published: Workspace) -> None:
    om(published.folder, "person", "erase", "Jörg Müller", "--yes")
    published.people(person("Jörg Müller", "ihk-tal"), person("Anna Tal", "ihk-tal"))
    published.tick(local("2027-01-05"))
    assert [mail.to for mail in published.ledger(status="sent")] == ["anna.tal@ihk-tal.example"]


def test_law08_what_a_reader_asks_for_on_the_phone_takes_effect_at_once_and_stays(published: Workspace) -> None:
    """LAW-08, UNS-08, UNS-09: a letter that waits is not sent, consent counts as withdrawn, and no file takes it back."""
    published.people(person("Anna Tal", "ihk-tal", basis="consent_written"))
    said = om(published.folder, "person", "unsubscribe", "Anna.Tal@ihk-tal.example")
    assert (said.code, said.out) == (0, "Anna.Tal@ihk-tal.example: no mail at all from now on\n")
    before = published.dump()
    assert "(already)" in om(published.folder, "person", "unsubscribe", "anna.tal@ihk-tal.example").out
    assert published.dump() == before
    published.people(person("Jörg Müller", "ihk-tal"), person("Anna Tal", "ihk-tal", basis="consent_written"))
    published.tick(local("2027-01-05"))
    assert [mail.to for mail in published.ledger(status="sent")] == ["jörg.müller@ihk-tal.example"]
    assert published.ask("SELECT kind FROM basis WHERE withdrawn_at IS NOT NULL") == [("consent_written",)]
    [(new, origin, actor)] = published.ask("SELECT new, origin, actor FROM change WHERE field = 'suppressed'")
    assert (new, origin, bool(actor)) == ("all", "staff", True)


def test_uns09_an_address_nobody_knows_yet_stays_without_mail(published: Workspace) -> None:
    """LAW-09: only its keyed hash is kept, and a file that brings the address later brings no mail to it."""
    assert "no mail at all from now on" in om(published.folder, "person", "unsubscribe", "fremd@ihk-tal.example").out
    assert "fremd@" not in repr(published.dump())
    published.people(person("Fremd", "ihk-tal"))
    published.tick(local("2027-01-05"))
    assert "fremd@ihk-tal.example" not in [mail.to for mail in published.ledger(status="sent")]


def test_mail_is_stopped_in_one_list_or_through_one_house(published: Workspace) -> None:
    office = published.folder
    assert "of the list monatsbrief" in om(office, "person", "unsubscribe", "anna.tal@ihk-tal.example", "--mailing-list", "monatsbrief").out
    assert "through ihk-tal" in om(office, "person", "unsubscribe", "anna.tal@ihk-tal.example", "--org", "ihk-tal").out
    assert published.ask("SELECT scope_kind FROM suppression ORDER BY scope_kind") == [("mailing_list",), ("organisation",)]
    for arguments, told in (
        (("anna.tal",), "@"),
        (("anna.tal@ihk-tal.example", "--mailing-list", "monatsbreif"), "did you mean 'monatsbrief'?"),
        (("anna.tal@ihk-tal.example", "--org", "ihk-berg"), "there is no organisation 'ihk-berg'"),
        (("anna.tal@ihk-tal.example", "--org", "ihk-tal", "--mailing-list", "monatsbrief"), "two scopes"),
    ):
        said = om(office, "person", "unsubscribe", *arguments)
        assert (said.code, told in said.err) == (2, True), said.err


def test_an_import_says_that_an_emptied_basis_stays(published: Workspace) -> None:
    """An empty cell takes nothing away, and that is said; whoever states the basis again, or brings none, hears nothing."""
    file = published.write("neu.csv", PEOPLE_COLUMNS + person("Jörg Müller", "ihk-tal", basis="") + person("Neu", "ihk-tal", basis=""))
    assert "1 address keeps its basis though the file states none" in om(published.folder, "audience", "import", str(file)).out
    file = published.write("neu.csv", PEOPLE_COLUMNS + person("Jörg Müller", "ihk-tal"))
    assert "keeps its basis" not in om(published.folder, "audience", "import", str(file)).out


def test_halt_and_unhalt(published: Workspace) -> None:
    said = om(published.folder, "halt", "--reason", "falscher Text")
    assert (said.out, said.err) == ("halted: nothing is sent until 'om-campaigns unhalt'\n", "")
    assert "halted already" in om(published.folder, "halt").out
    assert "falscher Text" in om(published.folder).out
    assert "may go on" in om(published.folder, "unhalt").out
    assert "was not halted" in om(published.folder, "unhalt").out
    assert [row[0] for row in published.ask("SELECT new FROM change WHERE entity = 'instance' ORDER BY id")] == ["falscher Text", None]


def test_check_names_every_problem_at_its_place(published: Workspace) -> None:
    assert om(published.folder, "check").code == 0
    published.segment("kaputt", "'contact' in rolls")
    published.write("templates/campaigns/reihe/a1.de.md", "+++\nsubject = \n+++\nText\n")
    published.write("audiences/people.csv", PEOPLE_COLUMNS + person("Eins", "gibt-es-nicht"))
    published.write("templates/brands/haus.toml", "format = 1\n[colours]\naccent = 'rot'\n")
    before = published.dump()
    said = om(published.folder, "check")
    assert said.code == 2
    for place in ("segments/kaputt.toml:4:", "reihe/a1.de.md:2", "audiences/people.csv:2:", "brands/haus.toml:"):
        assert place in said.out, place
    rows = om(published.folder, "check", "--format", "json").json
    assert {"file", "line", "column", "rule", "level", "text"} == set(rows[0])
    assert len(rows) == len([line for line in said.out.splitlines() if re.search(r"\[[\w.-]+\]$", line)])
    assert published.dump() == before


def test_db_upgrade_says_that_nothing_was_to_do(published: Workspace) -> None:
    assert om(published.folder, "db", "upgrade", "--format", "json").json["changed"] is False
