"""The bare command: one sentence that is true, what it rests on, and one command to go on with; the same as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.locks import take_lock
from om_campaigns.operate.installation import LEADER
from om_campaigns.store import write
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.houses(house("ihk-tal", "05"))
    made.people(person("Jörg Müller", "ihk-tal"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0", "a2 day = 7")
    made.publish()
    return made


def test_all_is_well_and_says_when_the_next_letters_are_due(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    said = om(office.folder, now="2027-01-06T08:00").out
    assert "All is well. The next letters are due on Tue 12 Jan 09:00." in said
    assert "rehearsal: mail goes to outbox/ only" in said
    assert max(map(len, said.replace(str(office.folder), "").splitlines())) <= 80


def test_without_people_or_campaigns_it_leads_on(tmp_path: Path) -> None:
    bare = Workspace(tmp_path / "leer")
    said = om(bare.folder).out
    assert said.startswith("A new workspace: nobody in it yet")
    assert "audience import" in said.splitlines()[-1]


def test_a_scheduler_that_was_killed_is_not_listed_as_running(office: Workspace) -> None:
    office.do("UPDATE instance SET leader = 'somewhere, process 1, since 2026-01-01 00:00 UTC'")
    assert "not running" in om(office.folder).out
    assert om(office.folder, "--format", "json").json["scheduler"] == {"leader": None, "is_running": False}
    release = take_lock(office.app.engine, office.app.locks, LEADER)
    assert release is not None
    assert "somewhere, process 1" in om(office.folder).out
    release()


def test_a_database_that_refuses_to_send_is_the_headline(office: Workspace) -> None:
    office.do("UPDATE instance SET mode = 'live'")
    said = om(office.folder, now="").out
    assert "Nothing is sent: this database went live, but config.toml says rehearsal." in said
    assert om(office.folder, "--format", "json", now="").json["refuses"] == "this database went live, but config.toml says rehearsal"


@pytest.mark.parametrize("kind", list(TaskKind))
def test_every_kind_of_task_is_a_sentence_with_a_command(office: Workspace, kind: TaskKind) -> None:
    """Whatever is missing in an old task, it is shown and its command can be copied."""
    details = {
        TaskKind.mass_leaving: {"scope": "mailing_list reihe", "through": "page", "left": 12, "readers": 40},
        TaskKind.letters_held: {"campaign": "reihe", "step": "a1", "reason": "missing_value", "letters": 3},
    }
    with write(office.app.engine) as session:
        open_task(session, kind, "k", office.now, **details.get(kind, {"letter": "reihe/a1"}))
    said = om(office.folder, "todo")
    assert (said.code, "{" in said.out) == (0, False)
    assert said.out.startswith(("1 thing waits.", "Nothing")), said.out
    assert "om-campaigns -w" in said.out
    (wait,) = om(office.folder, "--format", "json").json["waits"]
    assert (wait["kind"], wait["number"]) == (kind.value, 1)
    assert om(office.folder, "todo", "close", "1").code == 0
    assert "Nothing waits for anybody." in om(office.folder, "todo").out


def test_format_belongs_to_the_bare_command_only(office: Workspace) -> None:
    refused = om(office.folder, "--format", "json", "plan")
    assert refused.code == 2
    assert "plan … --format json" in refused.err


def test_what_somebody_wrote_cannot_steer_the_terminal(office: Workspace) -> None:
    with write(office.app.engine) as session:
        open_task(session, TaskKind.house_says, "k", office.now, by="x", says="Guten Tag\x1b[2J\u202e")
    said = om(office.folder, "todo").out + om(office.folder).out
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_data_has_the_keys_of_the_manual(office: Workspace) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    shown = json.loads(page.split("## `om-campaigns`\n")[1].split("```json\n")[1].split("```")[0])
    printed = om(office.folder, "--format", "json").json
    assert printed.keys() == shown.keys()
    assert printed["scheduler"].keys() == shown["scheduler"].keys()
    with write(office.app.engine) as session:
        open_task(session, TaskKind.house_says, "k", office.now, says="x")
    assert om(office.folder, "--format", "json").json["waits"][0].keys() == shown["waits"][0].keys()
