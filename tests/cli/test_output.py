"""Listings: stable JSON, CSV that no spreadsheet runs, tables that lose nothing and cannot steer a terminal."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from om_campaigns.audience.intake.cells import free_text
from om_campaigns.audience.intake.import_run import Known
from om_campaigns.audience.vocabulary import Route
from om_campaigns.cli.output import neutral, print_facts, print_rows, shown

ROW: dict[str, Any] = {
    "name": "Jörg Müller, M. A.",
    "at": datetime(2027, 1, 5, 9, 0, tzinfo=timezone(timedelta(hours=1))),
    "on": date(2027, 1, 5),
    "route": Route.direct_email,
    "many": ["a", "b"],
    "none": None,
    "yes": True,
    "number": 7,
}
COLUMNS = {"name": "name", "at": "at", "number": "number"}


def test_json_has_every_key_instants_in_utc_and_umlauts(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([ROW], "json", COLUMNS)
    out = capsys.readouterr().out
    assert json.loads(out) == [
        {
            "name": "Jörg Müller, M. A.",
            "at": "2027-01-05T08:00:00Z",
            "on": "2027-01-05",
            "route": "direct_email",
            "many": ["a", "b"],
            "none": None,
            "yes": True,
            "number": 7,
        }
    ]
    assert "Jörg" in out


def test_keys_decide_what_json_and_csv_have(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([ROW], "json", COLUMNS, keys=("number", "name"))
    assert list(json.loads(capsys.readouterr().out)[0]) == ["number", "name"]
    print_rows([], "json", COLUMNS)
    assert json.loads(capsys.readouterr().out) == []
    print_rows([], "csv", COLUMNS, keys=("number", "name"))
    assert capsys.readouterr().out == "number,name\n"


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([ROW], "csv", COLUMNS)
    (read,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert read["name"] == "Jörg Müller, M. A."
    assert (read["at"], read["many"], read["none"], read["yes"]) == ("2027-01-05T08:00:00Z", "a,b", "", "yes")


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-2", "@home", "\tx", "＝1", "－1"])
def test_sec06_a_cell_is_no_formula(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-2 Grad", "+49 30 1"])
def test_sec06_an_import_takes_the_apostrophe_away_again(text: str) -> None:
    assert free_text(neutral(text), Known()) == text


def test_an_ordinary_cell_stays_as_it_is() -> None:
    assert [neutral(text) for text in ("Haus", "", "1-2")] == ["Haus", "", "1-2"]


def test_a_table_away_from_a_terminal_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    print_rows([ROW, ROW | {"name": long, "number": 1234}], "table", COLUMNS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "at", "number"]
    assert first.startswith("Jörg Müller, M. A.")
    assert long in second
    assert "\x1b" not in first + second
    assert first.endswith("     7")
    assert second.endswith("  1234")


def make_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 80 columns."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    found = Terminal()
    monkeypatch.setattr("sys.stdout", found)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    return found


def test_what_is_copied_from_a_terminal_stands_whole_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Message-ID in pieces cannot be handed to ``ledger settle``."""
    screen = make_terminal(monkeypatch)
    ids = [f"<{'abcdefgh23456722' * 2}{n}@om-mail.example>" for n in range(3)]
    rows = [{"recipient": "person.nummer@handwerkskammer.example", "id": each, "why": "no answer " * 9} for each in ids]
    print_rows(rows, "table", {"recipient": "recipient", "id": "Message-ID", "why": "why"}, apart="id")
    assert screen.getvalue().splitlines()[-4:] == ["Message-ID, in the same order:", *ids]
    assert screen.getvalue().count("Message-ID") == 1


def test_a_table_on_a_terminal_wraps_and_never_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = make_terminal(monkeypatch)
    words = [f"wort{number:02}" for number in range(30)]
    print_rows([{"name": " ".join(words), "at": None, "number": 5}], "table", COLUMNS)
    printed = screen.getvalue()
    assert all(word in printed for word in words)
    assert max(map(len, printed.splitlines())) <= 80
    assert "…" not in printed


def test_slugs_and_addresses_stay_whole_below_their_row_where_they_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied from a terminal must come off it in one piece."""
    screen = make_terminal(monkeypatch)
    row = {"house": "beraterverband-klarsee-bodenmoor", "person": "a.poeppelmann@klarsee.example", "day": "2027-01-05", "why": "w" * 30}
    print_rows([row], "table", {each: each for each in row})
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(value in line.split() for line in lines) for value in row.values())
    assert lines[-1] == f"    {row['why']}"


def test_rows_stand_as_blocks_where_a_terminal_is_too_narrow_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = make_terminal(monkeypatch)
    row = {f"column {number}": "wortohnepause" + str(number) for number in range(9)}
    print_rows([row, row], "table", {each: each for each in row})
    block = "".join(f"{name}  {value}\n" for name, value in row.items())
    assert screen.getvalue() == f"{block}\n{block}"


def test_control_characters_are_made_visible() -> None:
    assert shown("a\x1b[31mb\u202ec") == "a�[31mb�c"
    assert shown(datetime(2027, 1, 5, 8, tzinfo=UTC)) == "2027-01-05 08:00"
    assert shown({"active": 2, "finished": 0}) == "active 2, finished 0"


def test_facts_leave_out_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"name": "Haus", "zone": None, "count": 0, "where": "a\nb", "list": []})
    assert capsys.readouterr().out == "name   Haus\ncount  0\nwhere  a\n       b\n"
