"""What the sender brakes by itself is said on the status page, and a person lets it go."""

from __future__ import annotations

from pathlib import Path

import pytest

from om_campaigns.transport import Kind, Outcome, Stage
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person
from tests.staff.test_corrections import Postman

pytestmark = pytest.mark.slow
REFUSED = Outcome(Kind.permanent, 554, "5.6.0 content malformed", Stage.dot)
SLOW_DOWN = Outcome(Kind.temporary, 450, "4.7.1 slow down", Stage.rcpt)
AT = "2027-01-05T09:30"


def make(folder: Path, postman: Postman) -> Workspace:
    workspace = Workspace(folder)
    workspace.transport = postman
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(*(person(f"Person Nummer{n:02}", "ihk-tal", roles="adviser") for n in range(30)))
    workspace.segment("alle", "'adviser' in roles")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    return workspace


def test_a_failing_campaign_is_paused_says_why_and_goes_on_after_resume(tmp_path: Path) -> None:
    postman = Postman()
    postman.answers = {f"person.nummer{n:02}@ihk-tal.example": REFUSED for n in range(5)}
    ws = make(tmp_path / "ws", postman)
    ws.tick(local("2027-01-05"))
    assert ws.ask("SELECT status FROM campaign") == [("paused",)]
    said = om(ws.folder, now=AT)
    told = " ".join(said.out.split())
    assert "Campaign reihe paused by itself:" in told
    assert "letters failed within an hour, the last one: dot: 554 5.6.0 content malformed" in told
    assert "campaign resume reihe" in om(ws.folder, "todo", now=AT).out
    postman.answers = {}
    assert om(ws.folder, "campaign", "resume", "reihe", now=AT).code == 0
    assert "paused by itself" not in om(ws.folder, now=AT).out
    ws.tick(local("2027-01-06"))
    assert {each.status for each in ws.ledger()} == {"sent", "failed"}
    assert om(ws.folder, "send", "--gaps", "reihe", now="2027-01-06T09:30").code == 0
    assert {each.status for each in ws.ledger()} == {"sent"}


def test_a_destination_left_alone_is_shown_and_let_go(tmp_path: Path) -> None:
    postman = Postman()
    postman.answers = {f"person.nummer{n:02}@ihk-tal.example": SLOW_DOWN for n in range(30)}
    ws = make(tmp_path / "ws", postman)
    ws.tick(local("2027-01-05"))
    said = om(ws.folder, now="2027-01-05T09:01")
    assert "ihk-tal.example asked to slow down: rcpt: 450 4.7.1 slow down; left alone until" in " ".join(said.out.split())
    assert om(ws.folder, "unhalt", "IHK-Tal.example", now=AT).out == "mail to IHK-Tal.example may go again\n"
    assert om(ws.folder, "unhalt", "ihk-tal.example", now=AT).out == "nothing holds mail to ihk-tal.example\n"
    assert "asked to slow down" not in om(ws.folder, now="2027-01-05T09:01").out
    assert ws.ask("SELECT field, old FROM change WHERE entity = 'instance'") == [("destination", "ihk-tal.example left alone")]


def test_what_is_put_off_is_next_when_it_is_due_and_not_when_it_was(tmp_path: Path) -> None:
    """The status page, ``campaign list`` and ``why`` tell of the letter that is owed, not of the day its step had come."""
    postman = Postman()
    later = Outcome(Kind.temporary, 451, "4.3.0 try again", Stage.rcpt)
    postman.answers = {f"person.nummer{n:02}@ihk-tal.example": later for n in range(30)}
    ws = make(tmp_path / "ws", postman)
    ws.tick(local("2027-01-05"))
    due = min(each.at for each in ws.ledger())
    assert due >= "2027-01-05 09:30"
    said = om(ws.folder, now="2027-01-05T09:10")
    assert due[-5:] in said.out
    assert "30 letters put off by the mail server, next try Tue 5 Jan " in said.out
    assert "letters since" not in said.out
    told = om(ws.folder, "why", "person.nummer03@ihk-tal.example", "reihe", now="2027-01-05T09:10").out
    mine = next(each.at for each in ws.ledger() if "nummer03" in each.to)
    assert f"next: a1 on {mine} (first due 2027-01-05 09:00)" in told
