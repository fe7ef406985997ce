"""The code of a pack (Kennwort): seven signs that a person can read out, type and hide in a sentence.

Six drawn symbols and one check symbol, shown as ``K7M-2X99`` and never given twice. The alphabet has no 0/O and no 1/I; the
check finds every wrong symbol and every swapped pair, because it is a weighted sum in the field of 32 elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
DRAWN = 6

_CODE = re.compile(r"(?<!\w)([0-9A-Za-z]{3})([ \u2010-\u2014-]?)([0-9A-Za-z]{4})(?!\w)")
_POLYNOMIAL = 0b100101
"""x⁵ + x² + 1, irreducible: multiplying by x is a shift and, on overflow, one exclusive or."""


def make_code(draw: Callable[[Sequence[str]], str]) -> str:
    """A new code; ``draw`` picks one symbol (``secrets.choice``)."""
    symbols = "".join(draw(ALPHABET) for _ in range(DRAWN))
    return show(symbols + _check(symbols))


def new_code(known: set[str], draw: Callable[[Sequence[str]], str]) -> str:
    """A code that was never given before; it is known from now on."""
    while (code := make_code(draw)) in known:
        pass
    known.add(code)
    return code


def show(symbols: str) -> str:
    """The seven symbols as people see them."""
    return f"{symbols[:3]}-{symbols[3:]}"


def find_codes(text: str) -> list[str]:
    """Every valid code in a text, in its order, each once; case and dashes do not matter, words around it neither.

    Without a dash it needs a capital or a digit: two small words, or one, are words.
    """
    found = (first + last for first, gap, last in _CODE.findall(text) if gap.strip() or not (first + last).islower())
    return list(dict.fromkeys(show(symbols.upper()) for symbols in found if is_valid(symbols.upper())))


def without_codes(text: str) -> str:
    """The words around the codes; what only looks like one stays."""
    return _CODE.sub(lambda found: " " if is_valid((found[1] + found[3]).upper()) else found[0], text)


def is_valid(symbols: str) -> bool:
    """Seven symbols of the alphabet with the right check symbol."""
    known = len(symbols) == DRAWN + 1 and all(symbol in ALPHABET for symbol in symbols)
    return known and _check(symbols[:DRAWN]) == symbols[DRAWN]


def _check(symbols: str) -> str:
    total = 0
    for symbol in symbols:
        total = _times_x(total ^ ALPHABET.index(symbol))
    return ALPHABET[total]


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value > 31 else value
