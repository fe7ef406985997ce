"""Bad input has a ceiling: the first thousand faults and a number, in seconds, in the memory of a good file (SEC-15, SEC-16)."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from om_campaigns.audience.intake.files import MOST_LINES, read_table
from om_campaigns.audience.intake.workbooks import inspect
from om_campaigns.audience.segments import load_segments
from om_campaigns.errors import MOST_SHOWN, InputError, Problem, ProblemsError
from om_campaigns.letters.texts import read_tree
from om_campaigns.settings import load_settings
from om_campaigns.toml_positions import load_toml
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house

pytestmark = pytest.mark.slow

HEADER = "name;email;organisation;roles\n"

MEASURED = """
import sys, time
from pathlib import Path
from om_campaigns.cli import main
started = time.process_time()
try:
    main(sys.argv[1:])
finally:
    most = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    print(time.process_time() - started, int(most) / 1000, file=sys.stderr)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.houses(house("ihk", "05"))
    return made


def measure(workspace: Workspace, *arguments: str) -> tuple[str, float, float]:
    """What a command says, its CPU seconds, and its megabytes at most (``getrusage`` would begin with those of this process)."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("this system does not say how much memory a process had at most")
    workspace.app.engine.dispose()
    command = [sys.executable, "-c", MEASURED, "-w", str(workspace.folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, megabytes = map(float, done.stderr.split()[-2:])
    return done.stdout + done.stderr, seconds, megabytes


def unclosed(megabytes: int) -> str:
    row = "Otto Nr {};otto{}@ihk.example;nirgends;contact\n"
    number = megabytes * 1_000_000 // len(row.format(100_000, 100_000))
    return HEADER + '"Offen;o@ihk.example;ihk;contact\n' + "".join(row.format(each, each) for each in range(number))


BAD = {
    "rows without anything right": lambda: HEADER + "".join(f"Otto {each};kein at {each};ihk{each};xy{each}\n" for each in range(200_000)),
    "rows of an unknown house": lambda: (
        HEADER + "".join(f"Otto {each};o{each}@ihk.example;haus-{each};contact\n" for each in range(200_000))
    ),
    "rows with too many cells": lambda: HEADER + "a;b;c;d;e;f\n" * 200_000,
    "a mark that is never closed": lambda: unclosed(20),
    "marks that are never closed": lambda: HEADER + '"a;b@ihk.example;ihk;contact\n' * 200_001,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("command", ["import", "check"])
def test_bad_rows_end_with_a_thousand_faults_and_a_number(workspace: Workspace, what: str, command: str) -> None:
    path = workspace.write("audiences/people.csv", BAD[what]())
    said, seconds, megabytes = measure(workspace, *(("audience", "import", str(path)) if command == "import" else ("check",)))
    assert "more faults" in said
    assert len(said) < 400_000
    assert seconds < 30, f"{seconds:.1f} s of CPU"
    assert megabytes < 300, f"{megabytes:.0f} MB"


def test_json_and_csv_hold_the_first_thousand_and_the_number(workspace: Workspace) -> None:
    path = workspace.write("audiences/people.csv", HEADER + "Otto;kein;ihk;contact\n" * (MOST_SHOWN + 500))
    told = om(workspace.folder, "audience", "import", str(path), "--format", "json").json
    assert (len(told["rejected"]), told["faults"]) == (MOST_SHOWN, MOST_SHOWN + 500)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_i13_an_unclosed_mark_costs_its_own_row_only_and_its_line_is_named(workspace: Workspace, end: str) -> None:
    rows = [f"Nach Nr {each};n{each}@ihk.example;ihk;contact" for each in range(50)]
    text = end.join([HEADER.strip(), rows[0], '"Offen;o@ihk.example;ihk;contact', *rows[1:]]) + end
    path = workspace.folder / "audiences/people.csv"
    path.write_bytes(text.encode())
    told = om(workspace.folder, "audience", "import", str(path), "--format", "json").json
    assert told["rejected"] == [
        {"file": "people.csv", "line": 3, "column": 0, "reason": "a quotation mark is opened here and never closed"}
    ]
    assert told["people"]["new"] == 50


def test_i13_a_mark_that_meets_a_quoted_cell_further_down(tmp_path: Path) -> None:
    """The row that opens it is named, not the innocent one that ends the mess."""
    path = tmp_path / "people.csv"
    path.write_text(
        HEADER + 'A;a@x.de;h;contact\n"B;b@x.de;h;contact\nC;c@x.de;h;contact\n"D ""Q""";d@x.de;h;contact\nE;e@x.de;h;contact\n',
        encoding="utf-8",
    )
    rows = list(read_table(path).rows)
    assert [(row.line, row.cells[:1], bool(row.fault)) for row in rows] == [
        (2, ["A"], False),
        (3, [], True),
        (4, ["C"], False),
        (5, ['D "Q"'], False),
        (6, ["E"], False),
    ]


def test_cells_of_many_lines_are_still_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    note = "\n".join(f"Zeile {each}" for each in range(MOST_LINES - 1))
    path.write_text(f'{HEADER}"{note}";a@x.de;h;contact\nB;b@x.de;h;contact\n', encoding="utf-8")
    rows = list(read_table(path).rows)
    assert [(row.line, row.fault) for row in rows] == [(2, ""), (2 + MOST_LINES - 1, "")]
    assert rows[0].cells[0] == note


@pytest.mark.parametrize("make", [lambda: "x = 1\n" * 4_000_000, lambda: 'x = """' + "a\n" * 10_000_000, lambda: "[" * 20_000_000])
def test_a_file_of_settings_has_a_largest_size(tmp_path: Path, make: object) -> None:
    source = make()  # type: ignore[operator]
    values, findings = load_toml(source, "config.toml")
    assert values is None
    assert "at most" in findings.in_order()[0].text
    (tmp_path / "config.toml").write_text(source, encoding="utf-8")
    with pytest.raises(InputError, match="at most"):
        load_settings(tmp_path)
    (tmp_path / "segments").mkdir()
    (tmp_path / "config.toml").rename(tmp_path / "segments/alle.toml")
    with pytest.raises(ProblemsError, match="at most"):
        load_segments(tmp_path / "segments")


def test_unknown_settings_are_named_up_to_the_ceiling(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("".join(f"k{each} = 1\n" for each in range(5_000)), encoding="utf-8")
    with pytest.raises(ProblemsError) as refused:
        load_settings(tmp_path)
    assert len(refused.value.problems) == MOST_SHOWN + 1
    assert refused.value.problems[-1].text == "and 4,000 more faults"


def test_a_text_has_a_largest_size(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content/gross.de.md").write_text("[" * 20_000_000, encoding="utf-8")
    with pytest.raises(ProblemsError, match=r"20,000 KB, more than 500 KB: no letter is that long"):
        read_tree(tmp_path, "content")


def test_problems_are_counted_beyond_the_ceiling() -> None:
    found = ProblemsError(Problem("f", each, 0, "R", "wrong") for each in range(200_000)).problems
    assert (len(found), str(found[-1])) == (MOST_SHOWN + 1, "f: and 199,000 more faults [R]")


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = f'<worksheet xmlns="{MAIN}"><sheetData>{{}}</sheetData></worksheet>'
CELL = '<c{} t="inlineStr"><is><t>a</t></is></c>'
FAR = {
    "a row far below": f'<row r="1">{CELL.format("")}</row><row r="999999999999">{CELL.format("")}</row>',
    "a row at the end of a sheet": f'<row r="1">{CELL.format("")}</row><row r="1048576">{CELL.format("")}</row>',
    "a place of ten digits": "<row>{}</row><row>{}</row>".format(CELL.format(""), CELL.format(' r="A4294967290"')),
    "a place spelled by entities": "<row>{}</row><row>{}</row>".format(CELL.format(""), CELL.format(' r="&#88;FD900000"')),
    "cells without places": f"<row>{'<c/>' * 20_000}{CELL.format('')}</row>" + "<row/>" * 20_000 + f"<row>{CELL.format('')}</row>",
    "rows without places behind one": f'<row r="999999">{CELL.format("")}</row>' + f"<row>{CELL.format('')}</row>" * 2,
    "tags with a name before": f'<x:row xmlns:x="y" r="88888888">{CELL.format("")}</x:row>',
}
NAMES = ("xl/worksheets/sheet1.xml", "xl/anything.xml")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", FAR.values(), ids=FAR)
def test_sec_15_a_sheet_of_a_kilobyte_spans_no_gigabytes(tmp_path: Path, rows: str, name: str) -> None:
    """The program that reads sheets takes memory for all that a sheet spans; where there is none, it ends the process."""
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    relations = f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{{}}/{{}}" Target="{{}}"/></Relationships>'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheet = '<sheet name="a" sheetId="1" r:id="r1"/>'
    parts = {
        "_rels/.rels": relations.format(office, "officeDocument", "xl/workbook.xml"),
        "xl/_rels/workbook.xml.rels": relations.format(office, "worksheet", name.removeprefix("xl/")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{office}"><sheets>{sheet}</sheets></workbook>',
        name: SHEET.format(rows),
    }
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, text)
    with pytest.raises(ProblemsError, match=r"spans|cells up to column|unusual way"):
        inspect(path.name, path.read_bytes())
