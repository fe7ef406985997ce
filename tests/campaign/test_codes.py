"""codes: what people type comes back, and what they mistype does not (domain section 5)."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.campaign.packs import ALPHABET, find_codes, is_valid, make_code

codes = st.integers().map(lambda seed: make_code(random.Random(seed).choice))


def test_the_alphabet_has_nothing_that_looks_alike() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set("01OI") & set(ALPHABET)


@given(codes, st.sampled_from(["{}", "kennwort: {} – Regionalstellen – 12", "({})", "Danke!\n{}\nMit Gruß"]))
def test_a_code_is_found_in_free_text_in_any_case(code: str, around: str) -> None:
    for written in (code, code.lower(), code.replace("-", ""), code.replace("-", " "), code.replace("-", "–")):
        assert find_codes(around.format(written)) == [code]


@given(codes, st.integers(0, 6), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_noticed(code: str, place: int, symbol: str) -> None:
    symbols = list(code.replace("-", ""))
    right = symbols[place] == symbol
    symbols[place] = symbol
    assert is_valid("".join(symbols)) is right


@given(codes, st.integers(0, 5))
def test_two_swapped_neighbours_are_noticed(code: str, place: int) -> None:
    symbols = list(code.replace("-", ""))
    same = symbols[place] == symbols[place + 1]
    symbols[place], symbols[place + 1] = symbols[place + 1], symbols[place]
    assert is_valid("".join(symbols)) is same


def test_ordinary_words_are_no_codes() -> None:
    assert find_codes("Die Innung hat am 12.03.2027 um 10:15 Uhr angerufen, Telefon 0221 4455667.") == []
