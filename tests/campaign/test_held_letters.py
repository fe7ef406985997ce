"""Letters that are held are a task, in `todo` and on the status page, until none is held any more; no campaign falls silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from om_campaigns.staff.todo import close_task, load_tasks
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

AT = "2027-01-05T12:00"


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """Karla's text prints a role that she lacks; Klaus has it."""
    made = Workspace(tmp_path / "ws")
    made.segment("alle", "status == 'active'")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k", roles=""), person("Klaus", "k", roles="contact"))
    made.campaign("wir", "w1 day = 0", "w2 day = 7")
    made.text("wir", "w1.de", "Guten Tag {{ contact.full_name }},\n\nals {{ contact.role }} wissen Sie das.")
    made.publish()
    made.tick(local("2027-01-05"))
    return made


def tasks(office: Workspace) -> list[tuple[str, str, int]]:
    found = load_tasks(office.app)
    return [(each["kind"], each["detail"]["step"], each["detail"]["letters"]) for each in found]


def test_held_letters_are_a_task_in_todo_and_status(office: Workspace) -> None:
    assert tasks(office) == [("letters_held", "w1", 1)]
    said = om(office.folder, "todo", "list", now=AT).out
    assert "wir" in said
    assert "w1" in said
    assert "contact.role" in said
    status = om(office.folder, now=AT).out
    assert "1 letter of wir/w1 held back" in status


def test_the_task_closes_by_itself_when_none_is_held_any_more(office: Workspace) -> None:
    office.people(person("Karla", "k", roles="deputy"))
    office.tick(local("2027-01-06"))
    assert tasks(office) == []
    (closed,) = load_tasks(office.app, with_closed=True)
    assert closed["closed_by"] == "by itself"


def test_a_task_that_somebody_closed_is_not_opened_again_for_the_same_letters(office: Workspace) -> None:
    close_task(office.app, load_tasks(office.app)[0]["number"], office.now, "petra")
    office.tick(local("2027-01-06"))
    assert tasks(office) == []
    office.people(person("Karla", "k", roles=""), person("Klaus", "k"), person("Kora", "k", roles=""))
    office.tick(local("2027-01-07"))
    assert load_tasks(office.app, with_closed=True)[-1]["closed_by"] in ("", "petra")


def test_a_text_that_cannot_be_made_any_more_is_a_task(office: Workspace) -> None:
    """A file frozen earlier that breaks now: here by hand, in the field by a newer version of the program."""
    office.do("UPDATE blob SET body = '{% broken %}' WHERE hash IN (SELECT blob_hash FROM campaign_file WHERE path = 'blocks/text.mjml')")
    office.tick(local("2027-01-12"))
    assert ("letters_held", "w2", 1) in tasks(office)
