"""nearest: what somebody probably meant, found and said in one way everywhere."""

from __future__ import annotations

import pytest

from om_campaigns.nearest import MOST, find_nearest, make_hint, suggest

KNOWN = ("wir-gedanke", "monatsbrief", "hilfen-update")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("wir-gedanken", "wir-gedanke"),
        ("WIR_GEDANKE", "wir-gedanke"),
        ("monatsbreif", "monatsbrief"),
        ("wir", "wir-gedanke"),
        ("hilfen", "hilfen-update"),
        ("etwas anderes", ""),
        ("", ""),
        ("…", ""),
        ("monatsbrief" * 1_000, ""),
    ],
)
def test_the_nearest_known_word(word: str, near: str) -> None:
    assert find_nearest(word, KNOWN) == near


def test_both_sentences_say_the_same() -> None:
    assert suggest("monat", KNOWN) == "; did you mean 'monatsbrief'?"
    assert make_hint("monat", KNOWN, "see the list") == "did you mean 'monatsbrief'?"
    assert (suggest("xyz", KNOWN), make_hint("xyz", KNOWN, "see the list")) == ("", "see the list")


def test_sec_16_not_more_words_are_looked_at_than_can_be_compared_quickly() -> None:
    assert find_nearest("ziel", ["nichts"] * MOST + ["ziel"]) == ""
    assert find_nearest("ziel", ["ziel"] + ["nichts"] * MOST) == "ziel"
