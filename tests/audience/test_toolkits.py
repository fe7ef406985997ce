"""versions: keys sort as people count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.audience.toolkits import version_key


def test_versions_sort_as_people_count() -> None:
    ordered = ["0.9", "1", "1.3", "2.0", "2.0.1", "2.1", "2.1a", "2.1b", "2.2", "2.9", "2.10", "10", "2026/03", "2026-11", "20270304"]
    assert sorted(ordered, key=version_key) == ordered
    assert len({version_key(each) for each in ordered}) == len(ordered)


@pytest.mark.parametrize("text", ["2.1", " v2.1", "V 2.1", "Version 2.1", "Fassung 2.1", "2.1.0", "02.01", "2-1", "Stand: 2.1"])
def test_the_same_version_written_otherwise_has_the_same_key(text: str) -> None:
    assert version_key(text) == version_key("2.1")


@pytest.mark.parametrize(("text", "reason"), [("", "neither a number nor a letter"), (" - ", "neither"), ("1234567890123", "12 digits")])
def test_what_is_no_version_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        version_key(text)


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=4), st.lists(st.integers(0, 10**11), min_size=1, max_size=4))
def test_numbers_compare_part_by_part(one: list[int], other: list[int]) -> None:
    """Zeros at the end do not count, so shorter means smaller only if something follows."""
    width = max(len(one), len(other))
    numbers = [parts + [0] * (width - len(parts)) for parts in (one, other)]
    keys = [version_key(".".join(map(str, parts))) for parts in (one, other)]
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (numbers[0] < numbers[1], numbers[0] == numbers[1])
