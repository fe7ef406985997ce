"""What may not fit on a phone: code that never breaks, and tables with more columns than there is room for (REN-18).

An estimate, from letters counted and sizes as styled; ``check --browser`` measures.
"""

from __future__ import annotations

from collections.abc import Iterator

from om_campaigns.compose.lint.findings import Finding, shorten_quote
from om_campaigns.compose.lint.page import Element

PHONE = 360
ROOM = 320
"""Pixels a phone leaves for the text of a letter."""
CODE_SIGN, TEXT_SIGN = 0.6, 0.52
"""Width of a sign of program code, and of a usual letter, in the height of its type."""
CELL = 10


def check_width(page: Element) -> Iterator[Finding]:
    for element in page.walk():
        if element.look.is_hidden:
            continue
        if element.tag in ("code", "pre") and element.within("pre") in (None, element):
            width = _code_width(element)
            if width > ROOM:
                text = f"„{shorten_quote(element.words)}“ never breaks and needs about {width:.0f} px, a phone leaves {ROOM}"
                yield Finding("REN-18", text, is_warning=True, near=_longest_line(element).strip())
        elif element.tag == "table" and any(each.tag == "th" for each in element.walk() if each.within("table") is element):
            yield from _table(element)


def _code_width(element: Element) -> float:
    line = _longest_line(element) if _keeps_lines(element) else max(_text(element).split(), key=len, default="")
    return len(line) * CODE_SIGN * element.look.size


def _longest_line(element: Element) -> str:
    return max(_text(element).split("\n"), key=len, default="")


def _keeps_lines(element: Element) -> bool:
    """Whether its lines are never broken; what is in it may say otherwise than itself."""
    inner = [each for each in element.walk() if each.tag in ("code", "pre")][-1]
    here: Element | None = inner
    while here is not None:
        if said := here.style.get("white-space"):
            return said in ("nowrap", "pre")
        if here.tag == "pre":
            return True
        here = here.parent
    return False


def _text(element: Element) -> str:
    return "".join(child if isinstance(child, str) else _text(child) for child in element.children)


def _table(table: Element) -> Iterator[Finding]:
    rows = [
        [cell for cell in row.children if isinstance(cell, Element) and cell.tag in ("td", "th")] for row in table.walk() if row.tag == "tr"
    ]
    columns = max((len(row) for row in rows), default=0)
    width = sum(max((_cell_width(row[column]) for row in rows if column < len(row)), default=0.0) for column in range(columns))
    if width > ROOM:
        text = f"a table of {columns} columns needs about {width:.0f} px so that no word of it is torn apart, a phone leaves {ROOM}"
        yield Finding("REN-18", text, is_warning=True, near=max((cell.words for row in rows for cell in row), key=len))


def _cell_width(cell: Element) -> float:
    codes = [_code_width(each) for each in cell.walk() if each.tag == "code"]
    words = "".join(text for text, where in cell.texts() if where.tag != "code").split()
    return max([*codes, *(len(word) * TEXT_SIGN * cell.look.size for word in words), 0.0]) + CELL
