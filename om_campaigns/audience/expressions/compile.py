"""From the typed tree to one SQL condition.

``not`` is pushed to the leaves; there a missing value makes equality and order false and their negation true.
Where a condition runs over seats, whatever concerns the house alone and costs more than a column is asked once per house
(``organisation.id IN (SELECT …)``), not once per seat.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any as Anything

from sqlalchemy import ColumnClause, ColumnElement, and_, false, not_, or_, select, true

from om_campaigns.audience.expressions.catalogue import All, Always, Any, Constant, Holds, Is, Kind, Node, Not, OneOf, Selects, Term, Truth
from om_campaigns.audience.expressions.terms import (
    ASKED,
    CONDITIONS,
    ORGANISATION,
    PERSON,
    PLAIN,
    SEAT,
    Around,
    Column,
    Condition,
    day_from,
    holds,
    scalar,
    table,
)
from om_campaigns.audience.expressions.typed import read
from om_campaigns.audience.toolkits import version_key
from om_campaigns.errors import Problem, ProblemsError

_OPERATORS: dict[str, Callable[[Anything, Anything], Anything]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NEGATED = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_FLIPPED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def check(source: str, selects: str, *, file: str = "", line: int = 1, column: int = 1) -> list[Problem]:
    """Everything wrong with an expression; ``line`` and ``column`` say where in ``file`` it begins (from 1)."""
    reading = read(source, Selects(selects))
    return [
        Problem(file, line + error.line - 1, error.column + (column - 1 if error.line == 1 else 0), error.rule_id, error.text)
        for error in reading.problems
    ]


def compile_condition(
    source: str,
    selects: str,
    *,
    today: date,
    campaigns: Mapping[str, int],
    seat: Anything = None,
    person: Anything = None,
    organisation: Anything = None,
) -> ColumnElement[bool]:
    """The expression as a condition that is true or false, never NULL.

    ``today`` is the date in the instance's zone; ``campaigns`` maps names to ids, a name not in it was received by nobody.
    The query it is put into must have ``seat``, ``person`` (outer) and ``organisation`` in its FROM for
    ``selects="seats"``, ``organisation`` alone for ``"organisations"``: by default the tables themselves, else a table
    class, ``aliased(…)`` or a Core alias. Seat and person may be outer joins without a row: their values are then missing.
    Raises ProblemsError with everything ``check`` finds.
    """
    reading = read(source, Selects(selects))
    if reading.tree is None:
        raise ProblemsError(check(source, selects, file="expression"))
    over_seats = Selects(selects) is Selects.seats
    around = Around(
        seat=table(seat if seat is not None else SEAT) if over_seats else None,
        person=table(person if person is not None else PERSON) if over_seats else None,
        organisation=table(organisation if organisation is not None else ORGANISATION),
        today=today,
        campaigns=campaigns,
    )
    return _condition(around, reading.tree, negated=False)


def _condition(around: Around, node: Node, *, negated: bool) -> Condition:
    if around.seat is not None and _of_house(node) and _costly(node):
        return _once_per_house(around, node, negated=negated)
    if isinstance(node, Not):
        return _condition(around, node.node, negated=not negated)
    if isinstance(node, All | Any):
        joint = and_ if isinstance(node, All) != negated else or_
        return joint(*(_condition(around, part, negated=negated) for part in _grouped(around, node)))
    if isinstance(node, Always):
        return true() if node.value != negated else false()
    if isinstance(node, Truth):
        found = CONDITIONS[node.term.name](around, node.term)
        return not_(found) if negated else found
    if isinstance(node, Holds):
        found = holds(around, node.term, node.value)
        return not_(found) if negated else found
    if isinstance(node, OneOf):
        return _one_of(around, node, negated=negated)
    return _is(around, node, negated=negated)


def _is(around: Around, node: Is, *, negated: bool) -> Condition:
    column, op = _side(around, node.term), node.op
    if node.value is None:
        return column.is_not(None) if negated else column.is_(None)
    if node.term.kind is Kind.days:
        op = _FLIPPED[op]
    value = _bound(around, node.term, node.value)
    if isinstance(column, ColumnClause):
        return _two_valued(column, _OPERATORS[_NEGATED[op] if negated else op](column, value), missing=negated)
    return _decided(_OPERATORS[op](column, value), negated=negated)


def _one_of(around: Around, node: OneOf, *, negated: bool) -> Condition:
    column = _side(around, node.term)
    values = [_bound(around, node.term, value) for value in node.values]
    if isinstance(column, ColumnClause):
        return _two_valued(column, column.not_in(values) if negated else column.in_(values), missing=negated != node.missing)
    found = _decided(column.in_(values), negated=negated)
    if not node.missing:
        return found
    return and_(column.is_not(None), found) if negated else or_(column.is_(None), found)


def _two_valued(column: Column, found: Condition, *, missing: bool) -> Condition:
    """A comparison of a bare column, which an index can follow, with what a missing value makes of it."""
    return or_(column.is_(None), found) if missing else and_(column.is_not(None), found)


def _decided(found: Condition, *, negated: bool) -> Condition:
    """A comparison of a subquery, asked once only: NULL counts as false."""
    return found.is_not(true()) if negated else found.is_(true())


def _side(around: Around, term: Term) -> Column:
    return day_from(around, term) if term.kind is Kind.days else scalar(around, term)


def _bound(around: Around, term: Term, value: Constant) -> Constant:
    if term.kind is Kind.days and isinstance(value, int):
        return around.today - timedelta(days=value)
    if term.kind is Kind.version:
        return version_key(str(value))
    return value


def _once_per_house(around: Around, node: Node, *, negated: bool) -> Condition:
    inside = Around(seat=None, person=None, organisation=ASKED, today=around.today, campaigns=around.campaigns)
    return around.organisation.c.id.in_(select(ASKED.c.id).where(_condition(inside, node, negated=negated)))


def _grouped(around: Around, node: All | Any) -> Iterable[Node]:
    """The parts, those of the house alone taken together if one of them is costly."""
    if around.seat is None:
        return node.nodes
    houses = [part for part in node.nodes if _of_house(part)]
    if not any(_costly(part) for part in houses):
        return node.nodes
    return [type(node)(tuple(houses)), *(part for part in node.nodes if not _of_house(part))]


def _terms(node: Node) -> Iterable[Term]:
    if isinstance(node, Not):
        yield from _terms(node.node)
    elif isinstance(node, All | Any):
        for part in node.nodes:
            yield from _terms(part)
    elif not isinstance(node, Always):
        yield node.term


def _of_house(node: Node) -> bool:
    return not any(term.seat for term in _terms(node))


def _costly(node: Node) -> bool:
    return any((term.arguments[0] if term.name == "days_since" else term.name) not in PLAIN for term in _terms(node))
