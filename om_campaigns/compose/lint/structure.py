"""What carries a letter where colours and styles are lost: language, tables, pictures, headings, sizes (REN-09 … REN-14)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from om_campaigns.compose.lint.findings import Finding, Rendered, shorten_quote
from om_campaigns.compose.lint.page import Element, sheets
from om_campaigns.compose.mjml import FORBIDDEN

MIN_SIZE = 14
MIN_TARGET = 24
MIN_WORDS = 40
"""Words a letter with pictures needs beside them, so that it says something with pictures off (REN-11)."""
PREHEADER = (40, 110)
"""Characters of a preheader that show in a list of mails (REN-13)."""
LOADED = re.compile(r"@import\b|@font-face\b", re.IGNORECASE)
POSITIONED = frozenset({"absolute", "fixed", "sticky"})
BLOCKS = ("p", "div", "td", "li", "th", "h1", "h2", "h3", "blockquote", "body")


def check_structure(letter: Rendered, page: Element) -> Iterator[Finding]:
    """What a whole letter needs, and its parts."""
    elements = list(page.walk())
    yield from _language(elements)
    yield from _headings(elements)
    yield from _preheader(letter, page)
    yield from _words_beside_pictures(elements, page)
    yield from check_parts(letter.html, page)


def check_parts(html: str, page: Element) -> Iterator[Finding]:
    """Tables, pictures, sizes and what no mail may hold, wherever they stand."""
    elements = list(page.walk())
    yield from _tables(elements)
    yield from _pictures(elements)
    yield from _sizes(page)
    yield from _targets(elements)
    yield from _foreign(html, elements)


def _language(elements: list[Element]) -> Iterator[Finding]:
    body = next((each for each in elements if each.tag == "body"), None)
    wrapper = next((each for each in body.children if isinstance(each, Element)), None) if body else None
    for name, element in (("<html>", elements[0]), ("the first element of the body", wrapper)):
        missing = [each for each in ("lang", "dir") if element is None or not element.attributes.get(each)]
        if missing:
            yield Finding("REN-09", f"{name} has no {' and no '.join(missing)}; some programs strip the one, some the other")
    if not any(each.tag == "title" and "".join(str(child) for child in each.children).strip() for each in elements):
        yield Finding("REN-12", "the letter has no <title>; a screen reader names it by that")


def _tables(elements: list[Element]) -> Iterator[Finding]:
    for table in (each for each in elements if each.tag == "table"):
        own = [each for each in table.walk() if each.within("table") is table]
        heads = [each for each in own if each.tag == "th"]
        is_layout = table.attributes.get("role") in ("presentation", "none")
        if is_layout and any(each.tag in ("th", "caption") for each in own):
            yield Finding("REN-10", 'a table with role="presentation" has <th> or <caption>; it is one or the other', near=table.words)
        elif not is_layout and not heads:
            yield Finding("REN-10", 'a layout table has no role="presentation"; a screen reader counts its cells', near=table.words)
        for head in heads:
            if not head.attributes.get("scope"):
                yield Finding("REN-10", f"<th> „{shorten_quote(head.words)}“ has no scope", near=head.words)


def _pictures(elements: list[Element]) -> Iterator[Finding]:
    for picture in (each for each in elements if each.tag == "img"):
        source = picture.attributes.get("src", "")
        picture_name = f"the picture {shorten_quote(source, 60)}"
        for name in ("width", "height"):
            if not re.match(r"\d", picture.attributes.get(name, "")):
                yield Finding("REN-11", f"{picture_name} has no {name}", near=source)
        if "alt" not in picture.attributes:
            yield Finding("REN-11", f'{picture_name} has no alt text (alt="" for decoration)', near=source)
        if not source.startswith("https://"):
            yield Finding("FWD-06", f"{picture_name} must have an https:// address everybody can load", near=source)


def _words_beside_pictures(elements: list[Element], page: Element) -> Iterator[Finding]:
    pictures = [each for each in elements if each.tag == "img"]
    said = sum(len(text.split()) for text, where in page.texts() if not where.look.is_hidden and not where.look.is_silent)
    if pictures and said < MIN_WORDS:
        yield Finding("REN-11", f"{len(pictures)} pictures and only {said} words: with pictures off the letter says nothing")


def _headings(elements: list[Element]) -> Iterator[Finding]:
    headings = [each for each in elements if re.fullmatch("h[1-6]", each.tag) and not each.look.is_hidden]
    first = [each for each in headings if each.tag == "h1"]
    if len(first) != 1:
        yield Finding("REN-12", f"the letter has {len(first)} <h1>, it needs exactly one: its title")
    last = 0
    for heading in headings:
        level = int(heading.tag[1])
        if level > last + 1:
            yield Finding(
                "REN-12", f"the heading „{shorten_quote(heading.words)}“ skips a level (h{last or 0} → h{level})", near=heading.words
            )
        last = level


def _sizes(page: Element) -> Iterator[Finding]:
    told: set[float] = set()
    for text, where in page.texts():
        size = where.look.size
        if not where.look.is_hidden and not where.look.is_silent and size < MIN_SIZE and size not in told:
            told.add(size)
            yield Finding("REN-12", f"„{shorten_quote(text)}“ is set in {size:g} px, smaller than {MIN_SIZE} px", near=text.strip())


def _targets(elements: list[Element]) -> Iterator[Finding]:
    """A link inside a sentence may be as high as its line; one on a line of its own must be a target for a thumb."""
    for block in (each for each in elements if each.tag in BLOCKS):
        for line in _lines(block):
            links = [each for each in line if isinstance(each, Element)]
            said = "".join(each for each in line if isinstance(each, str))
            if not links or re.search(r"\w", said):
                continue
            for link in links:
                height = (link.look.line or link.look.size * 1.2) + _padding(link)
                if height < MIN_TARGET:
                    text = f"the link „{shorten_quote(link.words)}“ is {height:g} px high, a thumb needs {MIN_TARGET} px"
                    yield Finding("REN-12", text, near=link.words)


def _lines(block: Element) -> list[list[Element | str]]:
    """The links and texts of a block's own lines; what stands in blocks below is theirs."""
    lines: list[list[Element | str]] = [[]]

    def add(element: Element) -> None:
        for child in element.children:
            if isinstance(child, str):
                lines[-1].append(child)
            elif child.tag == "br":
                lines.append([])
            elif child.tag == "a":
                lines[-1].append(child)
            elif child.tag not in (*BLOCKS, "table", "ul", "ol") and not child.look.is_hidden:
                add(child)

    add(block)
    return lines


def _padding(link: Element) -> float:
    parts = [float(each) for each in re.findall(r"(\d*\.?\d+)(?:px|\b)", link.style.get("padding", ""))]
    if not parts:
        return 0
    return parts[0] + (parts[2] if len(parts) > 2 else parts[0])


def _preheader(letter: Rendered, page: Element) -> Iterator[Finding]:
    shown = " ".join(letter.preheader.split())
    if not PREHEADER[0] <= len(shown) <= PREHEADER[1]:
        text = f"the preheader has {len(shown)} characters; {PREHEADER[0]} to {PREHEADER[1]} are shown well"
        yield Finding("REN-13", text, is_warning=True, near=shown)
    if shown.casefold() == " ".join(letter.subject.split()).casefold():
        yield Finding("REN-13", "the preheader repeats the subject; it is the second line of the letter in a list of mails", near=shown)
    body = next((each for each in page.walk() if each.tag == "body"), page)
    first = next(((" ".join(text.split()), where) for text, where in body.texts()), None)
    if first is None or not first[0].startswith(shown):
        yield Finding("REN-13", "the preheader is not the first text of the body, so lists of mails show something else")
        return
    filler = [where for text, where in body.texts() if where.look.is_hidden and not re.search(r"\w", text)]
    if any(not each.look.is_silent for each in filler):
        yield Finding("REN-13", 'the blanks after the preheader are read aloud; put them into <span aria-hidden="true">')


def _foreign(html: str, elements: list[Element]) -> Iterator[Finding]:
    for tag in sorted({each.tag for each in elements} & FORBIDDEN):
        yield Finding("REN-14", f"<{tag}> cannot be in a mail")
    for element in elements:
        acting = [name for name in element.attributes if name.startswith("on")]
        if acting:
            yield Finding("REN-14", f"<{element.tag}> has {acting[0]}=; no program runs it, many refuse the mail", near=element.words)
        if element.style.get("position") in POSITIONED:
            yield Finding("REN-14", f"<{element.tag}> is set with position: {element.style['position']}", near=element.words)
    for loaded in sorted({match.lower() for sheet in sheets(html) for match in LOADED.findall(sheet)}):
        yield Finding("REN-14", f"{loaded} loads from elsewhere; a letter brings what it needs")


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
