"""Words that no vocabulary has are named with their place, in segments and campaigns, in files and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, person

pytestmark = pytest.mark.slow


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
    assert office.publish(is_checked=True) == [True]
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


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["org", "list", "--type", "HWK"], ["there is no organisation type 'HWK'; did you mean 'chamber_hwk'?", "chamber_ihk"]),
        (["org", "list", "--region", "NRW"], ["'NRW' is no key of a region"]),
        (["person", "list", "--role", "chef"], ["'chef' is not one of", "'contact'", "'press'"]),
        (["person", "list", "--org", "nixda"], ["there is no organisation 'nixda'"]),
        (["answer", "list", "--campaign", "nixda"], ["no campaign 'nixda' is published"]),
        (["answer", "list", "--house", "nixda"], ["there is no organisation 'nixda'"]),
        (["action", "list", "--house", "nixda"], ["there is no organisation 'nixda'"]),
        (["overlay", "list", "--house", "nixda"], ["there is no organisation 'nixda'"]),
    ],
)
def test_a_wrong_value_of_an_option_names_the_right_ones(office: Workspace, command: list[str], said: list[str]) -> None:
    """An empty list would read as if there were nothing."""
    answer = om(office.folder, *command)
    assert answer.code == 2
    assert all(each in answer.err for each in said)


@pytest.mark.parametrize(
    "command", [["person", "show", "M\udcfcller"], ["campaign", "publish", "\udce4"], ["why", "a", "\udcff"], ["\udce4"]]
)
def test_an_argument_that_is_no_utf_8_is_an_error_and_no_trace(office: Workspace, command: list[str]) -> None:
    answer = om(office.folder, *command)
    assert answer.code == 2
    assert "is not UTF-8" in answer.err
    assert answer.err.isprintable() or "\n" in answer.err


def test_a_file_that_nobody_reads_is_named_by_check_and_import(office: Workspace) -> None:
    for name in ("people (1).csv", "notizen.docx", "segments/alt.txt", "alt/people.csv", ".versteckt"):
        office.write(f"audiences/{name}", "x")
    named = {"people (1).csv", "notizen.docx", "segments/alt.txt", "alt"}
    rows = om(office.folder, "check", "--format", "json").json
    strays = {each["file"].split("audiences/")[1] for each in rows if each["rule"] == "audience.stray"}
    assert strays == named
    for options in ([], ["--dry-run"]):
        said = om(office.folder, "audience", "import", *options).out
        assert all(f"note: {name} was not read" in said for name in named)
    own = office.write("audiences/eigene.csv", "slug;name_de\nneu;Neu\n")
    assert "was not read" not in om(office.folder, "audience", "import", str(own)).out
