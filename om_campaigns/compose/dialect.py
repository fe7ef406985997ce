"""The Markdown of letters: CommonMark and tables, read so that nothing a German text says gets lost or becomes something else.

No rendering changes letters, digits or signs of what was written, but for quotation marks, dashes between spaces, and blanks
that do not break. So: a single ``*`` or ``_`` inside a word is a sign; only 1, 2, 3 … (or 1, 1, 1 …) number a list, and dates
never do; bare addresses are links and stay as they are. Every form of a text (HTML, plain text, sheet, archive) is read here.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.list import list_block, skipBulletListMarker
from markdown_it.rules_block.reference import reference
from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.container import container_plugin

from om_campaigns.compose.characters import take_breaks
from om_campaigns.compose.typesetting import CLOSING, OPENING, QUOTES, set_fixed_spaces, set_quotes_and_dashes

MAX_DEPTH = 8
"""Lists and quotes inside each other; what stands deeper no reader follows, and no program sets."""

MAX_LENGTH = 200_000
"""Characters of a text that is read at all; a letter holds half of that (REN-01)."""
MAX_BRACKETS = 2_000
MAX_ENTRIES = 2_000
"""Lines that begin as the entry of a list."""
MAX_COLUMNS = 20
"""Of a table; a row without its cells is filled up to them."""

STATEMENT_LINE = re.compile(r"(?:Zq7k\d{5}x[0-9a-f]{16}q7Z\s*)+")

_MONTHS = (
    "Januar Jänner Februar Feber März April Mai Juni Juli August September Oktober November Dezember "
    "Jan Jän Feb Mär Mrz Apr Jun Jul Aug Sep Sept Okt Nov Dez"
)
_NUMBER = re.compile(r"(?P<number>\d{1,9})\.[ \t]+(?P<text>.*)")
_DATE = re.compile(rf"(?:{'|'.join(_MONTHS.split())})\b|\d{{1,2}}\.(?!\d)|(?:[–—/-]|und|bis|oder|sowie)[ \t]+\d")
_NUMBER_LINE = re.compile(r"[ \t]*\n(?=[ \t]*\d{1,9}[.)](?:[ \t]|$))")
_NO_ADDRESS = r"\s<>\"„“”‚‘’»«…`|\\^{}\[\]"
_ADDRESS = re.compile(
    rf"(?P<web>(?<![\w@/.+-])(?:https?://(?=\w)|www\.(?=\w))[^{_NO_ADDRESS}]*[^{_NO_ADDRESS}.,;:!?'*_~–—])"
    r"|(?<![\w.+%/:@-])[\w+%-]+(?:\.[\w+%-]+)*@(?:[\w-]+\.)+[^\W\d_]{2,}(?![\w@-])",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"^[ \t>]*(?:[-*]|\d{1,9}\.)(?=[ \t]|$)", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t>*+\d.)|:-]*\|[ \t|:-]*$", re.MULTILINE)
_JOINS = re.compile(r"[|`\[\]<\\]|(?<!\w)[*_]|[*_](?!\w)|^\s*(?::{3}|=+\s*$)", re.MULTILINE)
"""What is a sign alone and something else beside another one: in a table, a link, an emphasis, below a line, inside a block."""
_TARGET = re.compile(r"\[[^\]]*\]:\s*<?(?:https?:|mailto:|tel:|Zq7|/|#)", re.IGNORECASE)


@functools.lru_cache(maxsize=8)
def make_parser(language: str) -> MarkdownIt:
    """The parser of letters in one language."""
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 100}).enable("table")
    attrs_plugin(parser, after=("image",), allowed=("width", "height"))
    container_plugin(parser, "block", marker=":", validate=lambda parameters, *_: bool(parameters.strip()))
    parser.block.ruler.before("fence", "statement", _statement, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.block.ruler.at("list", _list, {"alt": ["paragraph", "reference", "blockquote"]})
    parser.block.ruler.at("reference", _reference)
    parser.core.ruler.before("inline", "number_lines", _break_number_lines)
    parser.core.ruler.before("text_join", "typography", functools.partial(set_quotes_and_dashes, signs=QUOTES.get(language, QUOTES["en"])))
    parser.core.ruler.push("spaces", set_fixed_spaces)
    parser.inline.ruler.before("text", "address", _address)
    parser.inline.ruler.at("text", _text)
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.add_render_rule("softbreak", lambda self, tokens, index, options, env: " ")  # MRML drops a line end between two links
    parser.add_render_rule("statement", lambda self, tokens, index, options, env: tokens[index].content)
    return parser


def unify_line_ends(text: str) -> str:
    """The text with ``\\n`` for everything that ends a line."""
    return take_breaks(text.replace("\r\n", "\n").replace("\r", "\n"))


def visible_text(markdown: str) -> str:
    """All that a reader could come to see of a text: its words, and what its links say and lead to."""
    parts: list[str] = []
    waiting = list(make_parser("de").parse(markdown))
    for token in waiting:
        parts += [token.content, token.info, *map(str, token.attrs.values())]
        waiting += token.children or ()
    return "\n".join(parts)


def as_markdown(value: str) -> str:
    """A value as Markdown that reads as the value wherever it is printed: escaped only where it would become something else, or make
    something of what stands around it; never an address.
    """
    if not value or re.fullmatch(r"(?:https?://|mailto:|tel:)\S+", value) or (_is_plain(value) and not _JOINS.search(value)):
        return value
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", value)


@functools.lru_cache(maxsize=4096)
def _is_plain(value: str) -> bool:
    tokens = make_parser("de").parse(value)
    inner = tokens[1].children or [] if [each.type for each in tokens] == ["paragraph_open", "inline", "paragraph_close"] else []
    return all(each.type in ("text", "softbreak") or each.info == "auto" or each.markup == "linkify" for each in inner) and bool(inner)


def find_excess(text: str) -> str:
    """Why a text is not read at all, '' if it is: it is far longer than a letter, or has more of something than any letter needs.

    A parser compares every opening bracket with all others of its paragraph, and each entry of a list with those below.
    """
    if len(text) > MAX_LENGTH:
        return f"the text has {len(text):,} characters, at most {MAX_LENGTH:,} are read"
    most = max((part.count("[") for part in re.split(r"\n[ \t]*\n", text)), default=0)
    if most > MAX_BRACKETS:
        return f"a paragraph has {most:,} opening brackets, at most {MAX_BRACKETS:,} are read"
    entries = sum(1 for _ in _ENTRY.finditer(text))
    if entries > MAX_ENTRIES:
        return f"{entries:,} lines begin as the entry of a list, at most {MAX_ENTRIES:,} are read"
    columns = max((line[0].count("|") - 1 for line in _TABLE_RULE.finditer(text)), default=0)
    return f"a table has {columns:,} columns, at most {MAX_COLUMNS} are read" if columns > MAX_COLUMNS else ""


def find_lost(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Line (from 0) and sentence for what would get lost: text too deep inside lists and quotes, cells without a column."""
    columns = 0
    for token in tokens:
        line = token.map[0] if token.map else 0
        if token.level > 2 * MAX_DEPTH:
            yield line, f"lists and quotes stand more than {MAX_DEPTH} deep inside each other"
            return
        if token.type == "thead_open":
            columns = _cells(lines[line])
        elif token.type == "tr_open" and columns and (count := _cells(lines[line])) > columns:
            yield line, f"this row has {count} cells, the head of its table {columns}; what is too much would be missing"


def find_unread(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Line (from 0) and sentence for what other programs read in Markdown and letters do not: it stays as it was written."""
    for token in tokens:
        if token.type != "inline" or not token.map:
            continue
        for number, text in enumerate(token.content.split("\n"), token.map[0]):
            bare = re.sub(r"`[^`]*`", "", text)
            if match := re.search(r"\[\^[^\]\s]+\]", bare):
                yield number, f"'{match[0]}': there are no footnotes in a letter; it stays as it is written"
            if match := re.search(r"~~(?=\S)[^~]+~~", bare):
                yield number, f"'{match[0][:40]}': nothing is crossed out in a letter; it stays as it is written"
            if match := re.match(r"\[[ xX]\](?=\s)", bare):
                yield number, f"'{match[0]}': there are no boxes to tick in a letter; it stays as it is written"


def _cells(line: str) -> int:
    return len(escapedSplit(line.strip().removeprefix("|").removesuffix("|")))


def _statement(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A line that holds only statements is no paragraph and ends none by being read as one."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].strip()
    if not STATEMENT_LINE.fullmatch(line):
        return False
    if not silent:
        token = state.push("statement", "", 0)
        token.content, token.map = line, [start, start + 1]
        state.line = start + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A list, if it is one: numbers count from 1, bullets are ``-`` or several ``*``; under a line of text it needs a second entry."""
    line = _line(state, start)
    is_numbered = line[:1].isdigit()
    if line.startswith("+") or not (is_numbered or skipBulletListMarker(state, start) > 0):
        return False
    if silent and state.sCount[start] < state.blkIndent:  # the next entry of the list around it
        return list_block(state, start, end, silent)
    if line.startswith("*") and not _has_second(state, start, end):
        return False
    if is_numbered and not _may_number(state, start, line):
        return False
    numbers = _numbers(state, start, end) if is_numbered else []
    if is_numbered and not numbers:
        return False
    if silent and state.parentType == "paragraph" and not _may_interrupt(state, start, end, numbers):
        return False
    found = list_block(state, start, end, silent)
    if found and not silent and is_numbered:
        state.env["numbered"] = (state.line, numbers[-1] if numbers[-1] > 1 else len(numbers))
    return found


def _has_second(state: StateBlock, start: int, end: int) -> bool:
    return len(list(islice(_entries(state, start, end), 2))) > 1


def _may_number(state: StateBlock, start: int, line: str) -> bool:
    """Whether a list can begin with this number; told before the lines below are looked at."""
    match = _NUMBER.fullmatch(line)
    return match is not None and (int(match["number"]) == 1 or _goes_on(state, start, int(match["number"])))


def _entries(state: StateBlock, start: int, end: int) -> Iterator[int]:
    """The lines at which entries of the list begin that would begin at ``start``, that one and a statement behind it included."""
    indent, is_blank = state.sCount[start], False
    yield start
    for number in range(start + 1, end):
        if state.isEmpty(number):
            is_blank = True
            continue
        line = _line(state, number)
        if state.sCount[number] < indent or (is_blank and state.sCount[number] <= indent and not _is_entry(line)):
            return
        if STATEMENT_LINE.fullmatch(line.strip()):
            yield number
            return
        if state.sCount[number] <= indent + 1 and _is_entry(line) and line[:1].isdigit() == _line(state, start)[:1].isdigit():
            yield number
        is_blank = False


def _is_entry(line: str) -> bool:
    return re.match(r"(?:[-*]|\d{1,9}\.)(?:[ \t]|$)", line) is not None


def _numbers(state: StateBlock, start: int, end: int) -> list[int]:
    """The numbers of the list that would begin at ``start``; none where they do not count, or belong to dates."""
    found = []
    for number in _entries(state, start, end):
        line = _line(state, number)
        if STATEMENT_LINE.fullmatch(line.strip()):
            continue
        match = _NUMBER.fullmatch(line)
        if match is None or _DATE.match(match["text"]):
            return []
        found.append(int(match["number"]))
    is_counting = all(later == earlier + 1 for earlier, later in pairwise(found))
    return found if is_counting or set(found) == {1} else []


def _goes_on(state: StateBlock, start: int, number: int) -> bool:
    """Whether a list that ended at a statement is continued here."""
    ended, last = state.env.get("numbered", (0, 0))
    between = (_line(state, each).strip() for each in range(ended, start))
    return bool(ended) and number == last + 1 and all(not each or STATEMENT_LINE.fullmatch(each) for each in between)


def _may_interrupt(state: StateBlock, start: int, end: int, numbers: Sequence[int]) -> bool:
    """Right under a line of text one lonely dash or number is part of the sentence, unless a colon says that something follows."""
    before = _line(state, start - 1).rstrip() if start else ""
    if numbers and numbers[0] != 1:
        return False
    is_inner = state.blkIndent > 0  # an entry below an entry was moved in on purpose
    return is_inner or before.endswith((":", "q7Z")) or _has_second(state, start, end)


def _reference(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """``[word]: address`` names an address for later; anything else between brackets before a colon is text."""
    return bool(_TARGET.match(_line(state, start))) and reference(state, start, end, silent)


def _break_number_lines(state: StateCore) -> None:
    """A line that begins with a number and is no entry of a list stays a line of its own."""
    for token in state.tokens:
        if token.type == "inline" and "\n" in token.content:
            token.content = _NUMBER_LINE.sub("  \n", token.content)


@functools.lru_cache(maxsize=256)
def _addresses(text: str) -> tuple[tuple[int, ...], dict[int, tuple[int, str]]]:
    """Where bare addresses begin, and for each its end and what it leads to."""
    found: dict[int, tuple[int, str]] = {}
    for match in _ADDRESS.finditer(text):
        start, end = match.span()
        too_many = text.count(")", start, end) - text.count("(", start, end)
        while match["web"] and text[end - 1] == ")" and too_many > 0:
            end, too_many = end - 1, too_many - 1
        while match["web"] and text[end - 1] in ".,;:!?'*_~":
            end -= 1
        said = text[start:end]
        found[start] = (end, f"mailto:{said}" if not match["web"] else said if "://" in said else f"https://{said}")
    return tuple(sorted(found)), found


def _address(state: StateInline, silent: bool) -> bool:
    """A bare web or mail address: a link that says exactly what was written."""
    end, target = _addresses(state.src)[1].get(state.pos, (0, ""))
    if not end or end > state.posMax:
        return False
    if not silent:
        href = state.md.normalizeLink(target)
        if state.linkLevel or not state.md.validateLink(href):
            state.pending += state.src[state.pos : end]
        else:
            opening = state.push("link_open", "a", 1)
            opening.attrs, opening.markup, opening.info = {"href": href}, "linkify", "auto"
            state.push("text", "", 0).content = state.src[state.pos : end]
            closing = state.push("link_close", "a", -1)
            closing.markup, closing.info = "linkify", "auto"
    state.pos = end
    return True


def _text(state: StateInline, silent: bool) -> bool:
    """Plain text, up to the next sign that may mean something or the next bare address."""
    sign = state.md.inline.terminator_re.search(state.src, state.pos)
    end = sign.start() if sign else state.posMax
    starts, _ = _addresses(state.src)
    following = bisect_right(starts, state.pos)
    if following < len(starts):
        end = min(end, starts[following])
    end = min(end, state.posMax)
    if end == state.pos:
        return False
    if not silent:
        state.append_pending(state.src[state.pos : end])
    state.pos = end
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """As CommonMark has it, but a single ``*`` opens and closes at the edge of words only; Berater*innen, (*) and 2*3 keep theirs."""
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    opens, closes = scanned.can_open, scanned.can_close
    if scanned.length == 1:
        before = state.src[state.pos - 1] if state.pos else " "
        after = state.src[state.pos + 1] if state.pos + 1 < state.posMax else " "
        opens = opens and not before.isalnum() and after not in CLOSING
        closes = closes and not after.isalnum() and before not in OPENING
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(Delimiter(ord(marker), scanned.length, len(state.tokens) - 1, -1, opens, closes))
    state.pos += scanned.length
    return True
