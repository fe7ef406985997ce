"""Quoted-printable that can be joined: static text is encoded once, the values of a mail into its gaps (RFC 2045, section 6.7).

The rule: each piece is encoded as if it began a line, its last line has at most 75 octets, and between a piece of text and a
gap stands a soft break unless a line end stands there already. So pieces never need to know of each other, and

- no line has more than 76 octets (MSG-01);
- no line begins with ``.`` or ``From `` (MSG-13), so nothing is ever dot-stuffed;
- no line ends in a blank (MSG-13);
- ``=`` is always followed by two hexadecimal digits or a line end, so ``=_`` cannot occur (MSG-10).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

SOFT_BREAK = b"=\r\n"
_LAST = 75
"""Octets the last line of a piece may have: a soft break must fit behind it."""

_AS_IT_IS = re.compile(r"(?![.]|From )(?:[ !-<>-~]{0,74}[!-<>-~])?")
"""Values that stand in quoted-printable as they are: one short ASCII line without ``=`` that ends in no blank."""


def quote(text: str) -> bytes:
    """One piece, encoded from column 0; LF in ``text`` becomes CRLF. No other kind of line end may be in it."""
    if _AS_IT_IS.fullmatch(text):
        return text.encode("ascii")
    lines: list[bytes] = []
    # binascii wraps at 76 and guards blanks at line ends, in C; it leaves the starts of lines alone and fills the last one up
    for line in binascii.b2a_qp(text.encode(), istext=True).split(b"\n"):
        rest = _guard_start(line)
        while len(rest) > (76 if rest.endswith(b"=") else _LAST):
            cut = _cut(rest)
            lines.append(rest[:cut] + b"=")
            rest = _guard_start(rest[cut:])
        lines.append(rest)
    return b"\r\n".join(lines)


def _guard_start(line: bytes) -> bytes:
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    if line.startswith(b"From "):
        return b"=46" + line[1:]
    return line


def _cut(line: bytes) -> int:
    """Where a line that is too long may be cut: never inside ``=XX``."""
    cut = 72
    while b"=" in line[cut - 2 : cut]:
        cut -= 1
    return cut


def quote_around_gaps(chunks: Sequence[str]) -> tuple[bytes, ...]:
    """The pieces between gaps with the soft breaks they need; join them with ``quote(value)`` in between."""
    quoted: list[bytes] = []
    last = len(chunks) - 1
    for number, chunk in enumerate(chunks):
        piece = quote(chunk)
        if number > 0 and not chunk.startswith("\n") and (chunk or number < last):
            piece = SOFT_BREAK + piece
        if number < last and chunk and not chunk.endswith("\n"):
            piece += SOFT_BREAK
        quoted.append(piece)
    return tuple(quoted)
