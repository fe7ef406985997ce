"""Words that no vocabulary has are named with their place, in segments and campaigns, in files and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, person


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k"))
    made.segment("alle", "status == 'active'")
    made.campaign("wir", "w1 day = 0")
    return made


def faults(office: Workspace) -> list[tuple[str, int, int, str, str]]:
    rows = om(office.folder, "check", "--format", "json").json
    return [
        (Path(each["file"]).name, each["line"], each["column"], each["level"], each["text"]) for each in rows if each["rule"] != "LAW-15"
    ]


def test_an_unknown_type_in_a_segment_is_an_error_with_the_word_that_was_meant(office: Workspace) -> None:
    office.segment("kammern", "status == 'active' and type in ['HWK', 'chamber_ihk']", "organisations")
    assert faults(office) == [
        ("kammern.toml", 4, 44, "error", "there is no organisation type 'HWK'; did you mean 'chamber_hwk'?"),
    ]
    assert om(office.folder, "check").code == 2
    assert office.publish() == [True]
    office.campaign("wir", "w1 day = 0", segment="kammern")
    said = om(office.folder, "campaign", "publish")
    assert said.code == 2
    assert "kammern.toml:4:44" in said.err


def test_an_unknown_type_in_a_campaign_is_an_error_at_its_place(office: Workspace) -> None:
    office.campaign("wir", "w1 day = 0", head="exit_when = '''type == 'chamber_hwx' '''")
    (found,) = faults(office)
    assert found[0] == "campaign.toml"
    assert found[3:] == ("error", "there is no organisation type 'chamber_hwx'; did you mean 'chamber_hwk'?")


@pytest.mark.parametrize(
    ("where", "level", "word"),
    [
        ("'Z' in sectors", "error", "Z"),
        ("member_of('om-talau')", "warning", "om-talau"),
        ("uses('XY') != none", "warning", "XY"),
    ],
)
def test_other_words_that_match_nobody_are_named(office: Workspace, where: str, level: str, word: str) -> None:
    """What the next import may bring is a warning."""
    office.segment("neu", where, "organisations")
    (found,) = faults(office)
    assert (found[0], found[3]) == ("neu.toml", level)
    assert word in found[4]


def test_types_of_the_data_are_known(office: Workspace) -> None:
    office.segment("neu", "type == 'chamber_hwk' or type == 'enterprise'", "organisations")
    assert faults(office) == []
