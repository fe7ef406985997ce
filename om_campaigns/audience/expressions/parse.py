"""From text to Jinja's syntax tree, with the exact line and column of every node.

Jinja's own lexer and parser do the work. Its tokens know only their line; ours carry a ``Position``, which is an ``int``
(so the parser is none the wiser) that also knows its column and its offset in the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TokenStream
from jinja2.parser import Parser

MAX_BYTES = 2048
MAX_BRACKETS = 30

SYNTAX = "EXPR-01"
NAME = "EXPR-02"
TYPE = "EXPR-03"
VALUE = "EXPR-04"
SIZE = "EXPR-05"

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_ADVICE = {
    "=": "a single '=' compares nothing; write '=='",
    "&": "write 'and' instead of '&'",
    "!": "write 'not' instead of '!'",
    "„": "write straight quotation marks: 'text'",
    "“": "write straight quotation marks: 'text'",
    "”": "write straight quotation marks: 'text'",
    "‚": "write straight quotation marks: 'text'",
    "‘": "write straight quotation marks: 'text'",
    "’": "write straight quotation marks: 'text'",
    "'": "the text that begins here has no closing quotation mark",
    '"': "the text that begins here has no closing quotation mark",
    "#": "'#' cannot stand inside an expression; comments stand above it",
}


class ExpressionError(Exception):
    """One thing wrong in one place of an expression; line and column count from 1."""

    def __init__(self, line: int, column: int, rule_id: str, text: str) -> None:
        super().__init__(f"{line}:{column}: {text}")
        self.line, self.column, self.rule_id, self.text = line, column, rule_id, text


class Position(int):
    """A line number that also knows its column (from 1) and its offset in the text (from 0)."""

    column: int
    offset: int

    def __new__(cls, line: int, column: int, offset: int) -> Position:
        made = int.__new__(cls, line)
        made.column, made.offset = column, offset
        return made


class _Environment(Environment):
    def _tokenize(self, source: str, name: str | None, filename: str | None = None, state: str | None = None) -> TokenStream:
        return TokenStream(self.lexer.wrap(_positioned(self, source, state), name, filename), name, filename)


_ENVIRONMENT = _Environment()


def parse(source: str) -> nodes.Expr:
    """The syntax tree of one expression; every node's ``lineno`` is a ``Position``.

    Raises ExpressionError for the first place that cannot be read, for more than 2 KB and for too many brackets.
    """
    if len(source.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ExpressionError(1, 1, SIZE, f"an expression may have {MAX_BYTES} bytes at most")
    if not source.strip():
        raise ExpressionError(1, 1, SYNTAX, "the expression is empty")
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    parser: Parser | None = None
    try:
        parser = Parser(_ENVIRONMENT, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise _unexpected(parser, source)
    except TemplateSyntaxError as error:
        raise _explained(error, parser, source) from None
    except RecursionError:
        raise ExpressionError(1, 1, SIZE, "the expression is nested too deeply") from None
    return tree


def split(source: str) -> tuple[str, list[tuple[str, Position]]]:
    """An expression that can be parsed, cut at its outermost ``or``, else at its outermost ``and``.

    Returns ``("or" | "and", [(part, where it begins), …])``; a single part counts as "and".
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    cuts: dict[str, list[tuple[int, int]]] = {"and": [], "or": []}
    depth = 0
    for position, kind, value in _positioned(_ENVIRONMENT, source, "variable"):
        if kind == "operator":
            depth += (value in _OPEN) - (value in _CLOSE)
        elif kind == "name" and depth == 0 and value in cuts:
            cuts[value].append((position.offset, position.offset + len(value)))
    joint = "or" if cuts["or"] else "and"
    parts, begin = [], 0
    for stop, after in [*cuts[joint], (len(source), len(source))]:
        part = source[begin:stop]
        offset = begin + len(part) - len(part.lstrip())
        parts.append((part.strip(), place(source, offset)))
        begin = after
    return joint, parts


def place(source: str, offset: int) -> Position:
    """Line and column of an offset."""
    return Position(source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset), offset)


def _positioned(environment: Environment, source: str, state: str | None) -> Iterator[tuple[Position, str, str]]:
    offset = depth = 0
    try:
        for _line, kind, value in environment.lexer.tokeniter(source, None, None, state):
            at = place(source, offset)
            depth += (value in _OPEN) - (value in _CLOSE) if kind == "operator" else 0
            if depth > MAX_BRACKETS:
                raise ExpressionError(at, at.column, SIZE, f"more than {MAX_BRACKETS} brackets inside each other")
            yield at, kind, value
            offset += len(value)
    except TemplateSyntaxError as error:
        error.lineno = place(source, offset)
        raise


def _explained(error: TemplateSyntaxError, parser: Parser | None, source: str) -> ExpressionError:
    at = error.lineno
    if parser is not None and at is parser.stream.current.lineno:
        return _unexpected(parser, source)
    if not isinstance(at, Position):
        at = place(source, len(source.rstrip()))
    found = source[at.offset : at.offset + 1]
    return ExpressionError(at, at.column, SYNTAX, _ADVICE.get(found) or f"'{found}' cannot stand here")


def _unexpected(parser: Parser, source: str) -> ExpressionError:
    token: Any = parser.stream.current
    if parser.stream.eos:
        at = place(source, len(source.rstrip()))
        return ExpressionError(at, at.column, SYNTAX, "the expression ends too early")
    at = token.lineno
    found = source[at.offset :]
    advice = _ADVICE.get(found[:1]) if token.type == "assign" else None
    if source[at.offset - 1 : at.offset + 1] == "||":
        at, advice = place(source, at.offset - 1), "write 'or' instead of '||'"
    word = found[: len(str(token.value))] if token.type in {"name", "integer", "operator"} else found[:2].strip()
    return ExpressionError(at, at.column, SYNTAX, advice or f"'{word}' cannot stand here")
