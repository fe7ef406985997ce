"""Tables for the columns there are: whatever is in them, nothing is lost, nothing to copy is broken, no line is too wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from om_campaigns.cli.layout import Column, lay_out, lay_out_facts, wrap

WORD = st.text(st.characters(codec="utf-8", categories=("Ll", "Lu", "Nd", "Lo", "Pd")), min_size=1, max_size=30)
PROSE = st.lists(WORD, max_size=12).map(" ".join)


@given(st.data(), st.integers(1, 6), st.integers(40, 100))
def test_every_piece_stands_whole_and_no_line_is_wider_than_the_screen(data: st.DataObject, width: int, room: int) -> None:
    columns = [Column(data.draw(st.text("abc ", min_size=1, max_size=9)).strip() or "a") for _ in range(width)]
    rows = data.draw(st.lists(st.tuples(*[PROSE] * width), min_size=1, max_size=5))
    lines = lay_out(columns, rows, room)
    printed = [piece for line in lines for piece in line.split()]
    for row in rows:
        for cell in row:
            for word in cell.split():
                assert word in printed
    for line in lines:
        assert cell_len(line) <= room or any(cell_len(piece) > room - 12 for piece in line.split()), line  # nothing could be broken
        assert line == line.rstrip()


def test_numbers_stand_to_the_right_words_to_the_left() -> None:
    columns = [Column("letters", is_number=True), Column("letter")]
    assert lay_out(columns, [("10", "b3"), ("2", "a1")], 80) == ["letters  letter", "     10  b3", "      2  a1"]


def test_prose_wraps_in_its_column_and_what_is_copied_moves_below_its_row() -> None:
    columns = [Column("when", is_whole=True), Column("letter"), Column("to")]
    rows = [("27 Apr 09:00", "fuenf-gedanken/b6", "geschaeftsstelle@beraterverband-klarsee.example")]
    assert lay_out(columns, rows, 60) == [
        "when          letter             to",
        "27 Apr 09:00  fuenf-gedanken/b6",
        "    geschaeftsstelle@beraterverband-klarsee.example",
    ]
    rows = [("27 Apr 09:00", "fuenf-gedanken/b6", "her house passes it on itself, since April")]
    assert lay_out(columns, rows, 60) == [
        "when          letter             to",
        "27 Apr 09:00  fuenf-gedanken/b6  her house passes it on",
        "                                 itself, since April",
    ]


def test_a_narrow_screen_gets_names_and_values() -> None:
    columns = [Column("issue"), Column("state"), Column("letters", is_number=True)]
    assert lay_out(columns, [("monatsbrief/2027-06", "planned for tomorrow", "73")], 40) == [
        "issue    monatsbrief/2027-06",
        "state    planned for tomorrow",
        "letters  73",
    ]


def test_facts_have_one_edge_and_wrap_behind_it() -> None:
    assert lay_out_facts([("live", "33 houses, 149 people"), ("scheduler", "running")], 24) == [
        "live       33 houses,",
        "           149 people",
        "scheduler  running",
    ]


def test_wide_letters_count_as_two_columns() -> None:
    assert wrap("漢字 漢字", 5) == ["漢字", "漢字"]
