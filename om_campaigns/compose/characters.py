"""Characters that need care: unseen ones, those no mail can carry, and braces that are only braces (SEC-03)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from om_campaigns.errors import Problem

BREAKS = {
    "\x0b": "U+000B (vertical tab)",
    "\x0c": "U+000C (form feed)",
    "\x85": "U+0085 (next line)",
    "\u2028": "U+2028 (line separator)",
    "\u2029": "U+2029 (paragraph separator)",
}
"""What word processors put where somebody pressed Shift and Enter, or began a page."""

NAMES = {"\x00": "NUL", "\x07": "BEL", "\x08": "backspace", "\x1b": "ESC", "\x7f": "DEL"}
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters but tab and line ends, and what Unicode says is no character."""

_TO_LINES = str.maketrans(dict.fromkeys(BREAKS, "\n"))
_TO_BLANKS = str.maketrans(dict.fromkeys(BREAKS, " "))


def take_breaks(text: str) -> str:
    """The text with a line's end for each of ``BREAKS``; as long as before."""
    return text.translate(_TO_LINES)


def blank_breaks(text: str) -> str:
    """The text with a blank for each of ``BREAKS``, where a line cannot end; as long as before."""
    return text.translate(_TO_BLANKS)


def find_control_characters(text: str, path: str) -> Iterator[Problem]:
    """A warning for each character that is read as a line's end, an error for each that cannot be sent; with their places."""
    for found in re.finditer(f"{CONTROL.pattern}|[{''.join(BREAKS)}]", text):
        sign = found[0]
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        if sign in BREAKS:
            yield Problem(path, line, column, "control-character", f"{BREAKS[sign]} is read as a line break", is_warning=True)
        else:
            name = f"U+{ord(sign):04X}" + (f" ({NAMES[sign]})" if sign in NAMES else "")
            yield Problem(path, line, column, "control-character", f"the control character {name} cannot be in a text; delete it")


def place_before(source: str, line: int, column: int) -> tuple[int, int]:
    """Where in ``source`` a place stands that was found after ``take_breaks``; an editor counts lines by their usual ends only."""
    lines = take_breaks(source).split("\n")
    offset = sum(len(each) + 1 for each in lines[: line - 1]) + max(column - 1, 0)
    before = source[:offset]
    return before.count("\n") + 1, (offset - before.rfind("\n")) if column else 0


RESERVED = "Zq7"
"""Begins every word that stands for something else on its way through Markdown and MJML; no text may hold it."""

UNSEEN = "\u00ad"
"""Taken out of subjects and plain text at last; what is looked for before must be seen without it."""

_NAMES = {"{": "Zq7lq7Z", "}": "Zq7rq7Z"}
LITERAL = re.compile("|".join(_NAMES.values()))
_RUN = re.compile(rf"(?:{LITERAL.pattern}|[{{}}])+")


def is_reserved(text: str) -> bool:
    """Whether a text holds the word that no text may hold, or would once it is plain."""
    return RESERVED in text.replace(UNSEEN, "")


def as_literal(text: str) -> str:
    """Text with a word for each brace, so that nobody finds an expression in it."""
    return re.sub("[{}]", lambda brace: _NAMES[brace[0]], text)


def read_literals(text: str) -> str:
    """The text with its braces again."""
    return LITERAL.sub(lambda word: "{" if word[0] == _NAMES["{"] else "}", text)


def write_literals(text: str) -> str:
    """The text as part of a Jinja template that prints it."""
    return _RUN.sub(lambda run: f"{{{{ '{read_literals(run[0])}' }}}}", text)
