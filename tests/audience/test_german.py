"""Rough numbers: taken as offices write them, refused where they could be read in two ways."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.audience.german import MOST_COUNTED, read_count


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("80", 80),
        ("0", 0),
        ("ca. 12", 12),
        ("ca.12", 12),
        ("Circa 12.", 12),
        ("rund 200", 200),
        ("ungefähr 1.200 Personen", 1200),
        ("etwa 1 200", 1200),
        ("1\u00a0200", 1200),
        ("1\u202f200", 1200),
        ("1,200", 1200),
        ("1'200", 1200),
        ("999.999", MOST_COUNTED),
        ("über 80 Beraterinnen und Berater", 80),
        ("knapp 30 Berater:innen", 30),
        ("12 Regionalstellen", 12),
        ("100+", 100),
        ("~ 40", 40),
        ("about 40 advisers", 40),
        ("14 Tage", 14),
    ],
)
def test_what_offices_write_is_a_number(written: str, number: int) -> None:
    assert read_count(written) == number


@pytest.mark.parametrize(
    "written",
    [
        *("", "viele", "zwölf", "-3", "80-100", "80–100", "80 bis 100", "12 von 20", "1,5", "1.5", "1.20", "12.5", "1.2000", "10.00"),
        *("2 Tsd.", "2 Tausend", "3 Dutzend", "80 %", "1e3", "0x10", "١٢", "½", "1.000.000", "9" * 30, "ca.", "ca. ca. 12", "80 80"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"whole number|too large"):
        read_count(written)


@given(st.integers(0, MOST_COUNTED), st.sampled_from((".", " ", ",", "'", "\u2019", "\u00a0", "\u202f")))
def test_every_number_is_read_with_and_without_marks_between_thousands(number: int, mark: str) -> None:
    assert read_count(str(number)) == number
    assert read_count(f"rund {number:,}".replace(",", mark)) == number


@given(st.text(max_size=30))
def test_nothing_breaks_it(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= read_count(text) <= MOST_COUNTED
