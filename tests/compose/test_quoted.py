"""Quoted-printable joined from pieces decodes to the whole text and keeps every rule at every seam (MSG-01, MSG-10, MSG-12, MSG-13)."""

from __future__ import annotations

import quopri
import random
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from om_campaigns.compose.quoted import quote, quote_around_gaps

ODD = [
    "a",
    "ä",
    "€",
    "😀",
    ".",
    "From ",
    "-",
    " ",
    "  ",
    "\t",
    "=",
    "=_",
    "=3D",
    "wort ",
    "x" * 40,
    "x" * 72,
    "x" * 75,
    "x" * 76,
    "--b",
    "e\u0301",
]
VALUES = st.lists(st.sampled_from(ODD), max_size=6).map("".join) | st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=120
)
CHUNKS = st.lists(st.sampled_from([*ODD, "\n", "\n.\n", "\nFrom ", " \n"]), max_size=9).map("".join)


def decode(encoded: bytes) -> bytes:
    """RFC 2045 by hand, unforgiving: anything that is not an encoding raises."""
    joined = encoded.replace(b"=\r\n", b"")
    assert not re.search(rb"=(?![0-9A-F]{2})", joined)
    return re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), joined)


def assert_well_formed(encoded: bytes) -> None:
    lines = encoded.split(b"\r\n")
    for line in lines:
        assert len(line) <= 76
        assert all(32 <= octet < 127 or octet == 9 for octet in line)
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))
    assert not lines[-1].endswith(b"="), "a soft break must not swallow the line end before the boundary"
    assert b"=_" not in encoded


def join(chunks: list[str], values: list[str]) -> bytes:
    pieces = quote_around_gaps(chunks)
    return pieces[0] + b"".join(quote(value) + piece for value, piece in zip(values, pieces[1:], strict=True))


@pytest.mark.slow
@settings(max_examples=1_000)
@given(CHUNKS, st.lists(st.tuples(VALUES, CHUNKS), max_size=4))
@example("", [("", "")])
@example("", [(".", ""), ("From x", ""), (" ", "")])
@example("x" * 75, [("x" * 75, "x" * 75)])
@example("a ", [("", " b")])
@example("x" * 73 + "From a", [("x" * 72 + "=From a", "\n")])
def test_pieces_join_to_the_whole_text(first: str, rest: list[tuple[str, str]]) -> None:
    assert_joins([first, *(chunk for _, chunk in rest)], [value for value, _ in rest])


def test_three_thousand_joined_mails() -> None:
    """The same as above without Hypothesis: many, quick, always the same."""
    lots = random.Random(5)
    for _ in range(3_000):
        chunks = ["".join(lots.choices([*ODD, "\n"], k=lots.randrange(9))) for _ in range(lots.randint(1, 4))]
        assert_joins(chunks, ["".join(lots.choices(ODD, k=lots.randrange(5))) for _ in chunks[1:]])


def assert_joins(chunks: list[str], values: list[str]) -> None:
    """What is decoded is the text, whatever stands at the seams; by hand and by CPython's C decoder."""
    encoded = join(chunks, values)
    wanted = (chunks[0] + "".join(value + chunk for value, chunk in zip(values, chunks[1:], strict=True))).replace("\n", "\r\n").encode()
    assert decode(encoded) == wanted
    assert quopri.decodestring(encoded) == wanted
    assert_well_formed(encoded)


@given(VALUES)
def test_a_value_is_encoded_as_if_nothing_were_around_it(value: str) -> None:
    encoded = quote(value)
    assert decode(encoded) == value.encode()
    assert len(encoded.rpartition(b"\n")[2]) <= 75
    assert_well_formed(encoded)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("Anna Muster", b"Anna Muster"),
        ("Jörg", b"J=C3=B6rg"),
        (".", b"=2E"),
        ("From here", b"=46rom here"),
        ("Fromage", b"Fromage"),
        ("a ", b"a=20"),
        ("a\t\nb", b"a=09\r\nb"),
        ("1=1", b"1=3D1"),
        ("", b""),
        ("x" * 76, b"x" * 72 + b"=\r\nxxxx"),
    ],
)
def test_examples(text: str, encoded: bytes) -> None:
    assert quote(text) == encoded


def test_gaps_stand_between_soft_breaks_unless_a_line_ends_there() -> None:
    assert quote_around_gaps(["a", "b"]) == (b"a=\r\n", b"=\r\nb")
    assert quote_around_gaps(["a\n", "\nb"]) == (b"a\r\n", b"\r\nb")
    assert quote_around_gaps(["", "", ""]) == (b"", b"=\r\n", b"")
