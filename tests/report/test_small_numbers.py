"""Small numbers: no figure about fewer people than the smallest group, and none that can be told from the others (LAW-14)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.report.small_numbers import Part, protect

K = 10


def told(**counts: int) -> tuple[dict[str, int], int | None]:
    found = protect({name: Part(count, 50) for name, count in counts.items()}, K)
    return found.shown, found.rest


def test_law_14_counts_below_the_smallest_group_are_told_together() -> None:
    assert told(tal=12, berg=30) == ({"tal": 12, "berg": 30}, 0)
    assert told(tal=12, berg=6, see=7) == ({"tal": 12}, 13)
    assert told(tal=0, berg=30) == ({"tal": 0, "berg": 30}, 0)


def test_law_14_one_small_count_cannot_be_told_from_the_whole() -> None:
    """Alone it would be the difference between the whole and the others: the smallest of these joins it."""
    assert told(tal=12, berg=30, see=1) == ({"berg": 30}, 13)
    assert told(tal=9) == ({}, None)
    assert told(tal=5, berg=4) == ({}, None)


def test_law_14_few_readers_are_never_told_apart_however_often_they_click() -> None:
    found = protect({"klein": Part(40, 3), "gross": Part(12, 50)}, K)
    assert (found.shown, found.rest) == ({}, 52)
    assert protect({"klein": Part(40, 3)}, K).rest is None


PARTS = st.dictionaries(st.integers(0, 30), st.builds(Part, st.integers(0, 40), st.integers(0, 40)), max_size=8)


@given(PARTS)
def test_law_14_nothing_small_can_be_seen_or_computed(parts: dict[int, Part]) -> None:
    found = protect(parts, K)
    assert set(found.shown) | set(found.together) == set(parts)
    for key, count in found.shown.items():
        assert parts[key].readers >= K
        assert count == parts[key].count
        assert count == 0 or count >= K
    hidden = [parts[key] for key in found.together]
    if found.rest is None:
        assert not found.shown  # the whole is not told either
    elif hidden:
        assert found.rest == sum(each.count for each in hidden)
        assert sum(each.readers for each in hidden) >= K
        assert found.rest == 0 or found.rest >= K
