"""Faults of ``config.toml`` and of the environment in our own words, each at its place, as those of every other file.

pydantic only says which value it refused and why; lines and columns are found here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from om_campaigns.errors import Problem
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import Findings

_KINDS = {
    "string_type": "must be a text in quotation marks",
    "path_type": "must be a path in quotation marks",
    "tuple_type": 'must be a list of texts: ["…", "…"]',
    "dict_type": "must be a table: { … }",
    "model_type": "must be a section: a line with its name in brackets, its settings below",
}
_WHOLE = frozenset({"int_type", "int_parsing", "int_parsing_size", "int_from_float", "greater_than_equal", "less_than_equal"})
_CLOSED = frozenset({"enum", "literal_error"})


def add_faults(errors: list[ErrorDetails], findings: Findings, model: type[BaseModel], prefix: str) -> None:
    """Put what pydantic found in ``model`` into the findings; ``prefix`` is how its variables of the environment begin."""
    for error in errors:
        path, variable = error["loc"], _variable_of(error["loc"], prefix)
        rule, text = _words(error, model)
        if variable:
            findings.add(Problem(variable, 0, 0, rule, text))
        elif rule == "unknown-key":
            findings.at_key(path, rule, text)
        else:
            findings.at_value(path, rule, text)


def _words(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """The rule and the sentence."""
    kind, path = error["type"], error["loc"]
    name = ".".join(str(part) for part in path if isinstance(part, str))
    if kind == "extra_forbidden":
        return "unknown-key", f"unknown setting '{name}'{suggest(name, _names(model))}"
    field = _field(model, path)
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind in _WHOLE:
        return "value", f"'{name}' must be a whole number{_range(field, context)}"
    if kind in _CLOSED and field is not None:
        given, choices = str(error["input"]), _choices(field)
        near = suggest(given, choices) or f"; it can be {', '.join(choices)}"
        return "value", f"'{given}' is no value of '{name}'{near}"
    if kind == "value_error":
        return "value", f"'{name}': {context['error']}"
    if isinstance(path[-1], int):
        return "value", f"'{name}' holds texts in quotation marks only"
    return "value", f"'{name}' {_KINDS.get(kind, error['msg'])}"


def _variable_of(path: tuple[int | str, ...], prefix: str) -> str:
    """The variable of the environment that says what stands at ``path``, '' if it is the file that says it."""
    given = {name.upper() for name in os.environ}
    names = (prefix + "__".join(str(part).upper() for part in path[:length]) for length in range(len(path), 0, -1))
    return next((name for name in names if name in given), "")


def _names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every setting and section, with the name of its section before it."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{name}.")


def _field(model: type[BaseModel], path: tuple[int | str, ...]) -> FieldInfo | None:
    """The setting at ``path``; of a list or table, the setting that holds it."""
    field = model.model_fields.get(str(path[0])) if path else None
    inner = field.annotation if field else None
    if len(path) > 1 and isinstance(inner, type) and issubclass(inner, BaseModel):
        return _field(inner, path[1:])
    return field


def _range(field: FieldInfo | None, context: Mapping[str, Any]) -> str:
    metadata = field.metadata if field else []
    limits = {side: getattr(each, side) for each in metadata for side in ("ge", "le") if hasattr(each, side)} | dict(context)
    low, high = limits.get("ge"), limits.get("le")
    return (f" from {low}" if low is not None else "") + (f" to {high}" if high is not None else "")


def _choices(field: FieldInfo) -> list[str]:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return [str(each) for each in get_args(kind)]
    return [str(each.value) for each in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
