"""files and sheets: what German offices save, and what would hurt (SEC-15, SEC-16)."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from om_campaigns.audience.intake.files import MAX_CELL, read_table
from om_campaigns.errors import ProblemsError

TEXT = "Name;E-Mail\r\nJörg Müßig;joerg@hwk.example\r\n"


def rows(path: Path) -> list[tuple[int, list[str]]]:
    return [(row.line, row.cells) for row in read_table(path).rows]


@pytest.fixture
def quick() -> Iterator[None]:
    """The test must not take longer than a second of processor time."""
    before = time.process_time()
    yield
    assert time.process_time() - before < 1.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_usual_encoding_reads_the_same(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert read_table(path).header == ["Name", "E-Mail"]
    assert rows(path) == [(2, ["Jörg Müßig", "joerg@hwk.example"])]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_every_usual_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'"Name, Vorname; Titel"{separator}b{separator}c\n1{separator}2{separator}3\n', encoding="utf-8")
    assert rows(path) == [(2, ["1", "2", "3"])]


def test_excels_own_hint_wins_and_lines_stay_right(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"sep=,\r\na,b;c\r\n1,2;3\r\n")
    assert rows(path) == [(3, ["1", "2;3"])]


def test_line_numbers_stay_right_after_cells_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a;b\r\n1;"x\r\ny\r\nz"\r\n\r\n2;w\r\n')
    assert [(line, cells) for line, cells in rows(path) if cells] == [(2, ["1", "x\r\ny\r\nz"]), (6, ["2", "w"])]


def test_a_broken_quotation_mark_costs_one_row_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a;b\n1;"x"y\n2;z\n')
    found = list(read_table(path).rows)
    assert found[0].fault
    assert found[0].line == 2
    assert found[-1].cells == ["2", "z"]


def test_mixed_encodings_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Name\nMüller\n".encode() + "Jäger\n".encode("cp1252"))
    with pytest.raises(ProblemsError, match="mixes encodings") as caught:
        read_table(path)
    assert caught.value.problems[0].line == 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a;b\n1;\0\n", "NUL"),
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b";" * 1_000_000 + b"x\n", "columns"),
        (b'"' + b"x" * 1_000_000 + b'";b\n', "longer than"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old .xls"),
        (b"\xff\xfea", "UTF-16"),
        (b"a\n\x81\n", "neither UTF-8"),
    ],
)
def test_sec_15_what_is_no_table_is_refused_quickly(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(ProblemsError, match=reason):
        list(read_table(path).rows)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_sec_16_a_cell_of_a_megabyte_costs_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a;b\n1;" + b"(" * (MAX_CELL * 10) + b"\n2;z\n")
    found = list(read_table(path).rows)
    assert "longer than" in found[0].fault
    assert found[-1].cells == ["2", "z"]


def workbook(path: Path, lines: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


def test_a_workbook_reads_like_the_same_table_in_csv(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "Berater.xlsx", [["Name", "Zahl", "Am", "Primär"], ["Jörg", 12.0, date(2026, 12, 31), True], [None, 0.5, "", ""]]
    )
    assert read_table(path).header == ["Name", "Zahl", "Am", "Primär"]
    assert rows(path) == [(2, ["Jörg", "12", "2026-12-31", "yes"]), (3, ["", "0.5", "", ""])]


def test_empty_lines_above_do_not_move_the_line_numbers(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [[], [], ["a", "b"], [], ["1", "2"]])
    assert [line for line, cells in rows(path) if any(cells)] == [5]


def packed(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"xl/worksheets/sheet1.xml": b" " * 30_000_000}, "times its size"),
        ({f"x{number}": b"" for number in range(1_001)}, "parts"),
        ({"xl/vbaProject.bin": b"x"}, "macros"),
        ({"xl/workbook.xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x/>'}, "document type"),
        ({"xl/worksheets/sheet1.xml": b'<c r="A1"/><c r="XFD1048576"/>'}, "column 16,384"),
        ({"xl/worksheets/sheet1.xml": b'<c r="A1"/><c s="1" r="CV1048576"/>'}, "rows"),
        ({"something.txt": b"x"}, "cannot be read"),
    ],
)
def test_sec_15_bombs_are_refused_before_parsing(tmp_path: Path, parts: dict[str, bytes], reason: str) -> None:
    path = packed(tmp_path / "a.xlsx", parts)
    before = time.process_time()
    with pytest.raises(ProblemsError, match=reason):
        list(read_table(path).rows)
    assert time.process_time() - before < 1.0


def test_sec_15_a_part_that_is_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.xlsx", {"xl/worksheets/sheet1.xml": b"x" * 5_000_000})
    data = bytearray(path.read_bytes())
    for marker, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = data.rindex(marker) + offset
        data[start : start + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(ProblemsError, match="larger than it says"):
        read_table(path)


def test_another_office_file_is_not_taken_for_a_table(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    path = tmp_path / "brief.docx"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ProblemsError, match=r"only \.xlsx"):
        read_table(path)


@pytest.mark.slow
def test_sec_16_a_file_of_text_has_as_many_rows_as_a_workbook_at_most(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a;b\n" + b"\n" * 1_000_100)
    with pytest.raises(ProblemsError, match="more than 1,000,000 rows"):
        for _ in read_table(path).rows:
            pass
