"""`campaign skip` and `campaign move-to-latest`: shown first, asked, refused where nobody can be asked, said afterwards everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

AT = "2027-01-06T10:00"


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """Karla and Klaus had w1; w2 lies ahead."""
    made = Workspace(tmp_path / "ws")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k"), person("Klaus", "k"))
    made.segment("alle", "status == 'active'")
    made.campaign("wir", "w1 day = 0", "w2 day = 7")
    made.publish()
    made.tick(local("2027-01-05"))
    return made


def test_skip_shows_asks_and_is_told_by_show_and_why(office: Workspace) -> None:
    before = office.dump()
    refused = om(office.folder, "campaign", "skip", "wir/w2", now=AT)
    assert refused.code == 3
    assert "2 in wir have 'w2' ahead of them and would not get it." in refused.out
    assert "campaign skip wir/w2 --yes" in refused.err
    assert om(office.folder, "campaign", "skip", "wir/w2", now=AT, typed="n\n").code == 3
    assert office.dump() == before
    done = om(office.folder, "campaign", "skip", "wir/w2", now=AT, typed="y\n")
    assert done.code == 0
    assert "wir/w2 is taken out: 2 in the series will not get it." in done.out
    assert "w2 was taken out on" in om(office.folder, "campaign", "show", "wir", now=AT).out
    assert "it was taken out and passes without a letter" in om(office.folder, "why", "Karla", "wir", now=AT).out
    again = om(office.folder, "campaign", "skip", "wir/w2", now=AT)
    assert (again.code, "was taken out before" in again.out) == (0, True)
    office.tick(local("2027-01-12"))
    assert "the step was taken out for everybody who had not had it" in om(office.folder, "why", "Karla", "wir", now="2027-01-12T10:00").out


def test_skip_names_the_steps_there_are(office: Workspace) -> None:
    said = om(office.folder, "campaign", "skip", "wir/w22", now=AT)
    assert said.code == 2
    assert "campaign 'wir' has no step 'w22'" in said.err
    assert "did you mean 'w2'?" in said.err
    assert om(office.folder, "campaign", "skip", "wir", now=AT).code == 2


def test_move_to_latest_shows_asks_and_says(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 0", "neu day = 3", "w2 day = 7", "schluss day = 14")
    said = om(office.folder, "campaign", "publish", now=AT)
    assert "2 are in the series on version 1 and will not get 'neu', 'schluss'" in said.out
    before = office.dump()
    for options in (["--dry-run"], []):
        shown = om(office.folder, "campaign", "move-to-latest", "wir", *options, now=AT)
        assert shown.code == (0 if options else 3)
        assert "2 in wir would move to version 2." in shown.out
        assert "2 before 'w2' on version 1: 'w2' comes next; 'neu' left out" in shown.out
        assert "campaign move-to-latest wir --yes" in shown.out + shown.err
    assert office.dump() == before
    done = om(office.folder, "campaign", "move-to-latest", "wir", now=AT, typed="y\n")
    assert done.code == 0
    assert "2 in wir are on version 2 now." in done.out
    assert "Everybody in wir is on its newest version." in om(office.folder, "campaign", "move-to-latest", "wir", "--yes", now=AT).out
    versions = om(office.folder, "campaign", "show", "wir", "--format", "json", now=AT).json["versions"]
    assert [each["readers"] for each in versions] == [0, 2]
    rows = om(office.folder, "ledger", "--status", "skipped", "--format", "json", now=AT).json
    assert [each["step"] for each in rows] == ["neu", "neu"]
    assert {each.reason for each in office.ledger(step="neu")} == {"step_skipped"}
