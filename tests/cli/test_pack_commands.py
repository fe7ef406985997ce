"""``pack``: what is printed, what is written, and what is said when a code is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Said, om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.test_cascade import series, taker
from tests.journeys.workspace import Workspace, local, person

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One office with a contact that has received the first pack of a series."""
    office = Workspace(tmp_path_factory.mktemp("packs"))
    office.houses(taker("amt"), taker("leer", routes="none"))
    office.people(person("Anna Amt", "amt"))
    series(office)
    office.walk(local("2027-01-06"))
    return office.folder


def at_work(folder: Path, *arguments: str) -> Said:
    return om(folder, *arguments, now="2027-01-07T08:00")


def code_of(folder: Path) -> str:
    return str(at_work(folder, "pack", "list", "reihe/b1", "--format", "json").json[0]["code"])


def test_list_and_show_print_the_shape_of_the_manual(folder: Path) -> None:
    listed = at_work(folder, "pack", "list", "--house", "amt", "--state", "offered", "--format", "json").json
    assert len(listed) == 1
    assert not (difference := find_difference(EXAMPLES["pack list"], listed)), difference
    shown = at_work(folder, "pack", "show", code_of(folder), "--format", "json").json
    assert not (difference := find_difference(EXAMPLES["pack show"], shown)), difference
    assert at_work(folder, "pack", "list", "--house", "leer", "--format", "json").json == []


def test_plan_shows_the_cascade_and_whom_nobody_serves(folder: Path) -> None:
    printed = at_work(folder, "plan", "--until", "2027-01-20", "--format", "json").json
    assert not (difference := find_difference(EXAMPLES["plan --until 2027-01-15"], printed)), difference
    told = at_work(folder, "plan", "--cascade").out
    assert "1 houses pass on" in told
    assert "nobody serves leer" in told
    assert "it takes packs itself" in told
    early = om(folder, "plan", "--until", "2026-12-01", now="2027-01-07T08:00")
    assert (early.code, "--until 2026-12-01 lies before now" in early.err) == (2, True)


def test_write_puts_the_files_into_a_folder(folder: Path, tmp_path: Path) -> None:
    at_work(folder, "pack", "write", code_of(folder), str(tmp_path / "paket"), "--only", "pdf", "--only", "markdown")
    assert sorted(path.name for path in (tmp_path / "paket").iterdir()) == ["baustein.md", "blatt.pdf"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pack", "postpone", "CODE", "--until", "10.13.2027"), "'10.13.2027' is no day and no time; write 2027-01-05 or 5.1.2027"),
        (("pack", "postpone", "CODE", "--until", "10.2.2027 9:00"), "'10.2.2027 9:00' is a time; a whole day is wanted"),
        (("plan", "--until", "bald"), "'bald' is no day and no time"),
        (("send", "--all-due", "--expect", "x", "--as-of", "gestern"), "'gestern' is no day and no time"),
        (("leaving", "undo", "--since", "8 Uhr", "--until", "9:00", "--through", "page", "--reason", "x"), "'8 Uhr' is no day and no time"),
        (("audience", "import", "--obtained-on", "1.2.2026 8:00"), "'1.2.2026 8:00' is a time"),
    ],
)
def test_every_day_and_time_is_read_in_one_way(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    said = om(folder, *(code_of(folder) if each == "CODE" else each for each in arguments))
    assert (said.code, told in said.err) == (2, True), said.err


def test_german_days_and_times_are_understood_wherever_one_is_asked_for(folder: Path) -> None:
    iso = om(folder, "plan", "--until", "2027-02-01", "--format", "json", now="2027-01-07T08:00").json
    assert om(folder, "plan", "--until", "1.2.2027", "--format", "json", now="7.1.2027 8:00").json == iso
    assert iso["until"] == "2027-02-01T22:59:59Z"


def test_states_and_answers_by_command(folder: Path) -> None:
    code = code_of(folder)
    assert at_work(folder, "pack", "accept", code).out.strip() == "accepted"
    assert at_work(folder, "pack", "accept", code).out.strip() == "accepted (already)"
    assert at_work(folder, "pack", "postpone", code, "--until", "10.2.2027").out.strip() == "postponed"
    assert at_work(folder, "pack", "show", code, "--format", "json").json["due_on"] == "2027-02-10"
    assert at_work(folder, "pack", "forwarded", code).out.strip() == "forwarded"
    line = f"{code} – Beratende – 12"
    assert at_work(folder, "pack", "acknowledge", line).out.strip() == f"{code}: adviser, 12"
    assert at_work(folder, "pack", "acknowledge", line).out.strip().endswith("(known already)")
    assert at_work(folder, "pack", "list", "--state", "reported", "--format", "json").json[0]["count"] == 12


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "K7M"), "is no code"),
        (("acknowledge",), "say which pack"),
        (("acknowledge", "gestern alles verteilt"), "is no code"),
        (("skip", "222-2222"), "no pack has the code"),
    ],
)
def test_what_is_not_understood_is_named(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    found = at_work(folder, "pack", *arguments)
    assert found.code == 2
    assert told in found.err
