"""From Jinja's syntax tree to a small tree of typed conditions; everything outside the closed list is refused here.

Every problem of an expression is found, not only the first: each condition is read on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeGuard

from jinja2 import nodes as j

from om_campaigns.audience.expressions.catalogue import (
    FIELDS,
    FUNCTIONS,
    MAX_DAYS,
    MAX_NUMBER,
    All,
    Always,
    Any,
    Constant,
    Field,
    Function,
    Holds,
    Is,
    Kind,
    Node,
    Not,
    OneOf,
    Parameter,
    Reference,
    Refers,
    Selects,
    Takes,
    Term,
    Truth,
)
from om_campaigns.audience.expressions.parse import NAME, SIZE, SYNTAX, TYPE, VALUE, ExpressionError, Position, parse
from om_campaigns.audience.toolkits import version_key
from om_campaigns.audience.vocabulary import LAENDER, NATIONWIDE
from om_campaigns.nearest import suggest

MAX_DEPTH = 40


@dataclass(slots=True)
class Reading:
    """What became of a text: a tree if ``problems`` is empty, and the words that only data can check."""

    tree: Node | None = None
    problems: list[ExpressionError] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)


def read(source: str, selects: Selects) -> Reading:
    """Parse and check one expression. Never raises for what stands in ``source``."""
    reading = Reading()
    try:
        parsed = parse(source)
    except ExpressionError as error:
        reading.problems.append(error)
        return reading
    tree = _Reader(selects, reading).condition(parsed, 0)
    reading.tree = None if reading.problems else tree
    return reading


_OPS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in"}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDERED = frozenset({Kind.number, Kind.days, Kind.date, Kind.version})
_NONE = object()
_FOREIGN: dict[type[j.Node], str] = {
    j.Filter: "a filter",
    j.Test: "a test with 'is' (only 'is none')",
    j.CondExpr: "'if … else'",
    j.Getitem: "square brackets after a name",
    j.Dict: "a dictionary",
}


def position(node: j.Node) -> Position:
    """Where a node begins. Jinja places a call at its bracket, an attribute at its dot and a comparison behind itself."""
    found: j.Node | None = node
    while found is not None:
        node, found = found, _first(found)
    at = node.lineno
    return at if isinstance(at, Position) else Position(1, 1, 0)


def _first(node: j.Node) -> j.Node | None:
    """The leftmost part of a node whose own place is not its beginning."""
    if isinstance(node, j.Call | j.Getattr | j.Getitem | j.Filter | j.Test):
        return node.node
    if isinstance(node, j.BinExpr):
        return node.left
    if isinstance(node, j.Compare):
        return node.expr
    if isinstance(node, j.Concat):
        return node.nodes[0]
    return node.expr1 if isinstance(node, j.CondExpr) else None


def _bad(node: j.Node, rule_id: str, text: str) -> ExpressionError:
    at = position(node)
    return ExpressionError(at, at.column, rule_id, text)


class _Reader:
    def __init__(self, selects: Selects, reading: Reading) -> None:
        self.selects, self.reading = selects, reading

    # ---- conditions

    def condition(self, node: j.Node, depth: int) -> Node:
        """A condition; what is wrong in it is noted and reading goes on beside it."""
        try:
            if depth > MAX_DEPTH:
                raise _bad(node, SIZE, "the expression is nested too deeply")
            return self._condition(node, depth)
        except ExpressionError as error:
            self.reading.problems.append(error)
            return Always(False)

    def _condition(self, node: j.Node, depth: int) -> Node:
        if isinstance(node, j.And | j.Or):
            parts = tuple(self.condition(part, depth + 1) for part in _flat(node, type(node)))
            return All(parts) if isinstance(node, j.And) else Any(parts)
        if isinstance(node, j.Not):
            return Not(self.condition(node.node, depth + 1))
        if isinstance(node, j.Compare):
            return self._comparison(node)
        if isinstance(node, j.Test) and node.name == "none" and not node.args:
            return Is(self._comparable(node.node), "==", None)
        if isinstance(node, j.Const) and isinstance(node.value, bool):
            return Always(node.value)
        term = self._term(node)
        if term is None:
            raise _bad(node, TYPE, "a condition is needed here, not a value")
        if term.kind is not Kind.truth:
            raise _bad(node, TYPE, f"'{_shown(term)}' is a {term.kind}, not a condition; {_hint(term)}")
        return Truth(term)

    def _comparison(self, node: j.Compare) -> Node:
        found: list[Node] = []
        left = node.expr
        for operand in node.ops:
            found.append(self._compare(left, _OPS[operand.op], operand.expr))
            left = operand.expr
        return found[0] if len(found) == 1 else All(tuple(found))

    def _compare(self, left: j.Node, op: str, right: j.Node) -> Node:
        if op in {"in", "not in"}:
            found = self._membership(left, right)
            return Not(found) if op == "not in" else found
        if _is_constant(left):
            if _is_constant(right):
                raise _bad(left, TYPE, "two fixed values are compared; compare a field with a value")
            left, op, right = right, _FLIPPED[op], left
        term = self._comparable(left)
        if not _is_constant(right):
            self._term(right)
            raise _bad(right, TYPE, "a field can only be compared with a fixed value")
        if op in {"==", "!="}:
            found = Is(term, "==", self._value(term, right, missing=True))
            return Not(found) if op == "!=" else found
        if term.kind not in _ORDERED:
            raise _bad(left, TYPE, f"'{_shown(term)}' is a {term.kind} and has no order; use ==, != or in")
        return Is(term, op, self._value(term, right, missing=False))

    def _membership(self, left: j.Node, right: j.Node) -> Node:
        if isinstance(right, j.List | j.Tuple):
            term = self._comparable(left)
            values = [None if _constant(item) is _NONE else self._value(term, item, missing=False) for item in right.items]
            known = tuple(value for value in values if value is not None)
            return OneOf(term, known, missing=len(known) < len(values))
        held = None if _is_constant(right) else self._term(right)
        if held is None or held.kind is not Kind.texts:
            raise _bad(right, TYPE, "a list is needed after 'in': ['a', 'b'], or a field such as roles")
        if not isinstance(left, j.Const) or not isinstance(left.value, str):
            raise _bad(left, TYPE, f"one text in quotation marks is looked for in '{held.name}'")
        spec = FIELDS[held.name]
        return Holds(held, self._word(left, left.value, spec.words, spec.refers))

    # ---- terms

    def _comparable(self, node: j.Node) -> Term:
        term = self._term(node)
        if term is None:
            raise _bad(node, TYPE, "a field or a function is needed here")
        if term.kind is Kind.truth:
            raise _bad(node, TYPE, f"'{_shown(term)}' already says yes or no; leave the comparison away")
        if term.kind is Kind.texts:
            raise _bad(node, TYPE, f"'{term.name}' is a list; write 'value' in {term.name}")
        return term

    def _term(self, node: j.Node) -> Term | None:
        """The field or function a node names; None for a constant. Raises for everything that is not in the language."""
        if isinstance(node, j.Name | j.Getattr):
            return self._field(node)
        if isinstance(node, j.Call):
            return self._call(node)
        if _is_constant(node) or isinstance(node, j.List | j.Tuple):
            return None
        if isinstance(node, j.And | j.Or | j.Not | j.Compare):
            raise _bad(node, TYPE, "a value is needed here, not a condition")
        name = next((name for kind, name in _FOREIGN.items() if isinstance(node, kind)), "arithmetic")
        raise _bad(node, SYNTAX, f"{name} is not part of the language")

    def _field(self, node: j.Name | j.Getattr) -> Term:
        name = _dotted(node)
        if name is None:
            raise _bad(node, SYNTAX, "a dot stands only in names such as home.type")
        spec = FIELDS.get(name)
        if spec is None:
            if name in FUNCTIONS:
                raise _bad(node, NAME, f"'{name}' is a function; write {FUNCTIONS[name].example}")
            raise _bad(node, NAME, f"unknown name '{name}'{suggest(name, [*self._known(FIELDS), *self._known(FUNCTIONS)])}")
        self._fits(node, name, spec)
        return Term(name, spec.kind, seat=self._needs_seat(name, spec))

    def _call(self, node: j.Call) -> Term:
        name = _dotted(node.node)
        if name is None:
            raise _bad(node, SYNTAX, "only functions of the language can be called")
        spec = FUNCTIONS.get(name)
        if spec is None:
            if name in FIELDS:
                raise _bad(node, NAME, f"'{name}' is a field; leave the brackets away")
            raise _bad(node, NAME, f"unknown function '{name}'{suggest(name, self._known(FUNCTIONS))}")
        self._fits(node, name, spec)
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None or len(node.args) != len(spec.parameters):
            count = len(spec.parameters)
            wanted = "no value" if count == 0 else "one value" if count == 1 else f"{count} values"
            raise _bad(node, TYPE, f"'{name}' takes {wanted} in its brackets: {spec.example}")
        given = tuple(self._argument(one, parameter, name) for one, parameter in zip(node.args, spec.parameters, strict=True))
        seat = self._needs_seat(name, spec) or (name == "days_since" and FIELDS[str(given[0])].seat)
        return Term(name, spec.kind, given, seat)

    def _known(self, names: dict[str, Field] | dict[str, Function]) -> Iterator[str]:
        return (name for name, spec in names.items() if self.selects is Selects.seats or not spec.seat)

    def _fits(self, node: j.Node, name: str, spec: Field | Function) -> None:
        if spec.seat and self.selects is Selects.organisations:
            raise _bad(node, NAME, f"'{name}' belongs to a seat, but this expression is about organisations")

    def _needs_seat(self, name: str, spec: Field | Function) -> bool:
        return spec.seat or (self.selects is Selects.seats and name in EITHER)

    def _argument(self, node: j.Node, parameter: Parameter, function: str) -> str | int:
        takes = parameter.takes
        if takes in {Takes.regions_field, Takes.date_field}:
            return self._field_argument(node, function, Kind.date if takes is Takes.date_field else Kind.texts)
        found = _constant(node)
        if takes is Takes.days:
            if not _is_whole(found) or not 0 <= found <= MAX_DAYS:
                raise _bad(node, TYPE, f"'{function}' takes a number of days from 0 to {MAX_DAYS}")
            return found
        if not isinstance(found, str):
            raise _bad(node, TYPE, f"'{function}' takes a text in quotation marks: {FUNCTIONS[function].example}")
        if takes is Takes.region:
            self._region(node, found)
        if takes is Takes.step:
            self._step(node, found)
        return self._word(node, found, takes if not isinstance(takes, Takes) else None, parameter.refers)

    def _field_argument(self, node: j.Node, function: str, kind: Kind) -> str:
        allowed = [name for name, spec in FIELDS.items() if spec.kind is kind and (kind is Kind.date or name == "regions")]
        name = _dotted(node)
        if name is None or (name in FIELDS and name not in allowed):
            what = "a date, such as joined_on" if kind is Kind.date else "the field regions"
            raise _bad(node, TYPE, f"'{function}' takes {what}")
        return self._field(node).name if isinstance(node, j.Name | j.Getattr) else name

    # ---- values

    def _value(self, term: Term, node: j.Node, *, missing: bool) -> Constant | None:
        found = _constant(node)
        if found is _NONE:
            if missing:
                return None
            raise _bad(node, TYPE, "none has no order; write == none or != none")
        shown = _shown(term)
        if term.kind in {Kind.number, Kind.days}:
            limit = MAX_DAYS if term.kind is Kind.days else MAX_NUMBER
            if not _is_whole(found):
                raise _bad(node, TYPE, f"'{shown}' is compared with a whole number, without quotation marks")
            if abs(found) > limit:
                raise _bad(node, VALUE, f"this number is too large (at most {limit})")
            return found
        if not isinstance(found, str):
            raise _bad(node, TYPE, f"'{shown}' is compared with a text in quotation marks")
        if term.kind is Kind.date:
            return _date(node, found)
        if term.kind is Kind.version:
            try:
                version_key(found)
            except ValueError as error:
                raise _bad(node, VALUE, str(error)) from None
            return found
        spec = FIELDS[term.name]
        return self._word(node, found, spec.words, spec.refers)

    def _word(self, node: j.Node, found: str, words: type[StrEnum] | None, refers: Refers | None) -> str:
        if not found.isprintable():
            raise _bad(node, VALUE, "this text has a character that cannot be printed")
        if words is not None and found not in {member.value for member in words}:
            known = [member.value for member in words]
            raise _bad(node, VALUE, f"'{found}' is not one of {', '.join(known)}{suggest(found, known)}")
        if refers is not None:
            at = position(node)
            self.reading.references.append(Reference(refers, found, at, at.column))
        return found

    def _region(self, node: j.Node, found: str) -> None:
        if found == NATIONWIDE or (found.isascii() and found.isdigit() and len(found) in {2, 3, 5, 8}):
            return
        by_name = {word.casefold(): ags for ags, names in LAENDER.items() for word in names}
        meant = by_name.get(found.casefold().removeprefix("de-"))
        hint = f"; did you mean '{meant}'?" if meant else ""
        raise _bad(node, VALUE, f"'{found}' is not a region key: 2, 3, 5 or 8 digits, or DE{hint}")

    def _step(self, node: j.Node, found: str) -> None:
        campaign, slash, step = found.partition("/")
        if not campaign or (slash and not step) or "/" in step:
            raise _bad(node, VALUE, f"'{found}' is neither a campaign nor campaign/step")


EITHER = frozenset({"language", "networks", "member_of", "sits_in", "received"})
"""Terms that ask the person first where there is one."""


def _flat(node: j.Expr, joint: type[j.And] | type[j.Or]) -> list[j.Expr]:
    """The operands of a chain of the same word, left to right; a loop, because such chains are long, not deep."""
    found: list[j.Expr] = []
    rest = [node]
    while rest:
        one = rest.pop()
        if isinstance(one, joint):
            rest += [one.right, one.left]
        else:
            found.append(one)
    return found


def _dotted(node: j.Node) -> str | None:
    if isinstance(node, j.Name):
        return node.name
    if isinstance(node, j.Getattr) and isinstance(node.node, j.Name):
        return f"{node.node.name}.{node.attr}"
    return None


def _is_constant(node: j.Node) -> bool:
    if isinstance(node, j.Neg | j.Pos):
        node = node.node
    return isinstance(node, j.Const)


def _constant(node: j.Node) -> object:
    """The value of a constant, ``_NONE`` for none, a fresh object for anything else (which fits no type)."""
    if isinstance(node, j.Neg) and isinstance(node.node, j.Const) and _is_whole(node.node.value):
        return -node.node.value
    if isinstance(node, j.Const):
        return _NONE if node.value is None else node.value
    return object()


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _date(node: j.Node, text: str) -> date:
    try:
        if len(text) != 10:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise _bad(node, VALUE, f"'{text}' is not a day; write it as 2027-01-31") from None


def _shown(term: Term) -> str:
    """How a term is written, for messages."""
    if term.name not in FUNCTIONS:
        return term.name
    return f"{term.name}({', '.join(str(one) if term.name == 'days_since' else repr(one) for one in term.arguments)})"


def _hint(term: Term) -> str:
    if term.kind is Kind.texts:
        return f"write 'value' in {term.name}"
    if term.kind in {Kind.number, Kind.days}:
        return f"compare it, such as {_shown(term)} >= 1"
    if term.kind is Kind.version:
        return f"compare it, such as {_shown(term)} != none"
    if term.kind is Kind.date:
        return f"compare it, such as days_since({term.name}) <= 90"
    return f"compare it, such as {_shown(term)} == '…'"
