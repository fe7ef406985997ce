"""The typed tree of a condition: what is left of an expression once it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from om_campaigns.audience.expressions.catalogue import Kind, Refers

Constant = str | int | date


@dataclass(frozen=True, slots=True)
class Term:
    """A field, or a function with its arguments. Versions and dates in ``arguments`` are as they were written."""

    name: str
    kind: Kind
    arguments: tuple[str | int, ...] = ()
    seat: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """A comparison with one value; ``op`` is ``==  <  <=  >  >=``, ``value`` None asks whether the term is missing."""

    term: Term
    op: str
    value: Constant | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """The term's value is one of these; ``missing`` says that none stood in the list too."""

    term: Term
    values: tuple[Constant, ...]
    missing: bool


@dataclass(frozen=True, slots=True)
class Holds:
    """A list-valued term holds this text."""

    term: Term
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """A function that says yes or no."""

    term: Term


@dataclass(frozen=True, slots=True)
class Always:
    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True)
class All:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    nodes: tuple[Node, ...]


Node = Is | OneOf | Holds | Truth | Always | Not | All | Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A word of an expression that names something of the workspace; line and column count within the expression."""

    refers: Refers
    value: str
    line: int
    column: int
