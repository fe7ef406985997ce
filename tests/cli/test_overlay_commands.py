"""``overlay``: what is printed, what is changed, and what is said when something cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Said, om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.test_cascade import BODY, series, taker
from tests.journeys.workspace import Workspace, local, person

pytestmark = pytest.mark.slow

B1 = ("amt", "reihe/b1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One office that has received the first pack of a series and may use own words."""
    office = Workspace(tmp_path_factory.mktemp("overlay"))
    office.houses(taker("amt", forward_policy="edit_allowed"))
    office.people(person("Anna Amt", "amt"))
    series(office, text=BODY.replace("{#do editable}", "{#do optional}"))
    office.tick(local("2027-01-05"))
    return office.folder


def overlay(folder: Path, *arguments: str, typed: str = "") -> Said:
    return om(folder, "overlay", *arguments, now="2027-01-07T08:00", typed=typed)


@pytest.mark.slow
def test_the_whole_way_of_own_words(folder: Path, tmp_path: Path) -> None:
    assert overlay(folder, "list").out.strip() == "no house uses own words"
    assert overlay(folder, "set", *B1, "say", "--text", "„Unser Satz.“").out.strip() == "say: own words"
    assert overlay(folder, "set", *B1, "say", "--text", "„Unser Satz.“").out.strip() == "say: own words (already)"
    assert overlay(folder, "hide", *B1, "do").out.strip() == "do: left out"
    assert overlay(folder, "add", *B1, "--after", "say", "--file", "-", typed="Von der Tastatur.").out.strip() == "own block: added"
    twice = overlay(folder, "add", *B1, "--after", "say", "--file", "-", typed="Von der Tastatur.")
    assert twice.out.strip() == "own block: added (already)"
    own = tmp_path / "eigen.md"
    own.write_text("Aus der Datei.", encoding="utf-8")
    assert overlay(folder, "add", *B1, "--name", "gruss", "--file", str(own)).out.strip() == "gruss: added"
    shown = overlay(folder, "show", *B1, "--format", "json").json
    assert not (difference := find_difference(EXAMPLES["overlay show amt reihe/b1"], shown)), difference
    assert [(row["block"], row["state"], row["own_text"]) for row in shown] == [
        ("offers", "om", ""),
        ("say", "replaced", "„Unser Satz.“"),
        ("do", "hidden", ""),
        ("own-1", "added", "Von der Tastatur."),
        ("gruss", "added", "Aus der Datei."),
    ]
    listed = overlay(folder, "list", "--house", "amt", "--format", "json").json
    assert not (difference := find_difference(EXAMPLES["overlay list"], listed)), difference
    assert len(listed) == 4
    assert overlay(folder, "list", "--conflicts").out.strip() == "no decision is wanted"
    assert "'overlay reset' takes it away" in overlay(folder, "hide", *B1, "own-1").err
    assert overlay(folder, "reset", *B1, "own-1").out.strip() == "own-1: OM's words"
    assert overlay(folder, "reset", *B1, "own-1").out.strip() == "own-1: OM's words (already)"
    told = overlay(folder, "history", *B1, "--format", "json").json
    assert not (difference := find_difference(EXAMPLES["overlay history amt reihe/b1"], told)), difference
    assert [row["kind"] for row in told] == ["replaced", "hidden", "added", "added", "reset"]
    table = overlay(folder, "show", *B1).out
    assert table.splitlines()[0].split() == ["block", "policy", "hash", "says", "decide", "OM's", "words", "own", "words"]


def test_decide_says_when_there_is_nothing_to_decide(folder: Path) -> None:
    for keep in ("own", "om"):
        assert overlay(folder, "decide", *B1, "say", "--keep", keep).out.strip() == "say: no decision is wanted"


def test_import_counts(folder: Path) -> None:
    path = folder / "audiences/overlays/amt/reihe/b2.de.md"
    path.parent.mkdir(parents=True)
    path.write_text("::: sagen\nAus der Datei.\n:::\n", encoding="utf-8")
    assert overlay(folder, "import").out.strip() == "1 files, 1 blocks changed, 0 packs with a new revision"
    assert overlay(folder, "import", str(path)).out.strip() == "1 files, 0 blocks changed, 0 packs with a new revision"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("set", "amt", "reihe", "say", "--text", "A"), "names no step"),
        (("set", *B1, "say"), "say what it should read"),
        (("set", *B1, "offers", "--text", "A"), "amt: reihe/b1:1: 'offers' is locked"),
        (("set", *B1, "say", "--text", "A\n\n<b>"), "amt: reihe/b1:3:1: '<b>' is HTML"),
        (("hide", *B1, "say"), "not optional"),
        (("add", *B1, "--after", "nirgends", "--text", "A"), "no block 'nirgends'"),
        (("show", "amt", "reihe/b7"), "no step 'b7'"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    found = overlay(folder, *arguments)
    assert found.code == 2
    assert told in found.err


def test_todo_tells_of_own_words_that_want_a_decision(tmp_path: Path) -> None:
    office = Workspace(tmp_path)
    office.houses(taker("amt", forward_policy="edit_allowed"))
    office.people(person("Anna Amt", "amt"))
    series(office)
    office.tick(local("2027-01-05"))
    overlay(tmp_path, "set", *B1, "say", "--text", "„Unser Satz.“")
    assert "Nothing waits for anybody." in om(tmp_path, "todo", "list").out
    office.text("reihe", "b1.de", BODY.replace("eine halbe Stunde", "eine Stunde"))
    office.publish()
    told = om(tmp_path, "todo", "list").out
    assert "1 block in the words of houses: OM has changed" in told
    assert "overlay list --conflicts" in told
    assert om(tmp_path, "todo", "list", "--format", "json").json == []
    overlay(tmp_path, "decide", *B1, "say", "--keep", "own")
    assert "Nothing waits for anybody." in om(tmp_path, "todo", "list").out
