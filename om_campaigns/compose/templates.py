"""The template engine: Jinja in a closed sandbox that knows slots.

Staff write templates, so templates are not trusted with anything but text (SEC-03): filters, tests and functions are closed
lists, loops and output have a budget, files come from one mapping only. A decision on a value that differs per recipient is
refused while running (``Guard``) and, on branches not taken, by ``template_checks``.
"""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

from jinja2 import BaseLoader, StrictUndefined, Template, TemplateNotFound, nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace, _PassArg, pass_context
from markupsafe import Markup

from om_campaigns.compose.budget import MAX_RANGE, Budget, check_number
from om_campaigns.compose.dialect import as_markdown
from om_campaigns.compose.slot_guard import CUT_OUT, TRUTHS, Guard
from om_campaigns.compose.slots import Slot, SlotError, shorten, tainted
from om_campaigns.errors import Problem

READABLE = ("layouts/", "blocks/", "content/")
"""Folders below ``templates/`` that a layout may include from."""

KEPT_FILTERS = [
    "abs",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "urlencode",
]
KEPT_TESTS = [
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "integer",
    "boolean",
    "mapping",
    "sequence",
    "iterable",
    "even",
    "odd",
    "divisibleby",
    "in",
    "eq",
    "equalto",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "lessthan",
    "greaterthan",
    "true",
    "false",
]
PIECEWISE = frozenset({"join", "e", "escape", "string", "trim"})
"""Filters that leave a mark whole, so text that already holds one may pass."""

MARKDOWN = "#body.txt"
"""Ends the name of a template whose text is Markdown: what is printed there stays what it is."""


class SlotEnvironment(ImmutableSandboxedEnvironment):
    """Jinja with closed lists; templates whose name ends in ``.txt`` are plain text, all others are escaped."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    budget: Budget

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=lambda name: not (name or "").endswith(".txt"),
            cache_size=0,
            finalize=_printed,
            optimized=False,  # nothing is computed before there is a budget for it
        )
        self.filters = {name: self._wrapped(name, FILTERS[name]) for name in KEPT_FILTERS}
        for name, function in {"truncate": shorten, "format": _format, "initials": _initials}.items():
            self.filters[name] = self._wrapped(name, function)
        self.filters["underline"] = _underline
        self.filters |= {"_decide": _decide, "_loop": _loop, "_sized": _sized}
        self.tests = {name: TESTS[name] for name in KEPT_TESTS}
        self.globals = {"range": _range, "namespace": Namespace}
        self.budget = Budget()

    def for_files(self, files: Mapping[str, str]) -> SlotEnvironment:
        """The same environment with its own files and a fresh budget."""
        ready: SlotEnvironment = self.overlay(loader=FilesLoader(files))
        ready.budget = Budget()
        return ready

    def concat(self, parts: Any) -> str:
        taken = []
        for part in parts:
            self.budget.spend_output(len(part))
            taken.append(part)
        return "".join(taken)

    def parse_plain(self, source: str, name: str) -> nodes.Template:
        """The tree as written, for checks."""
        return super()._parse(source, name, name)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = Guard().visit(super()._parse(source, name, filename))
        return tree

    @staticmethod
    def _wrapped(name: str, function: Any) -> Callable[..., Any]:
        """The filter with its price: what it is given and what it makes is charged, what could grow without end before it does."""
        wanted = _PassArg.from_obj(function)

        @pass_context
        def wrapper(context: Context, *arguments: Any, **named: Any) -> Any:
            value, rest = arguments[0], arguments[1:]
            if isinstance(value, Slot):
                return value.filtered(name, rest, named)
            if name not in PIECEWISE and (tainted(value) or tainted(rest) or tainted(named)):
                raise SlotError(f"filter '{name}' on text that already holds a recipient's value")
            budget = _budget_of(context)
            budget.spend_filter(name, value, rest, named)
            owner = {_PassArg.context: context, _PassArg.eval_context: context.eval_ctx, _PassArg.environment: context.environment}
            made = function(*([owner[wanted]] if wanted else []), *arguments, **named)
            if isinstance(made, Iterator):
                return budget.listed(made)
            budget.spend_made(made)
            return made

        return wrapper

    def getattr(self, obj: Any, attribute: str) -> Any:
        return obj.child(attribute) if isinstance(obj, Slot) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return obj.child(str(argument)) if isinstance(obj, Slot) else super().getitem(obj, argument)

    def call(self, context: Context, function: Any, /, *arguments: Any, **named: Any) -> Any:
        """Macros, ``range``, ``namespace`` and reading methods of dictionaries; nothing else can be called."""
        if isinstance(function, Slot):
            raise SlotError("a recipient's value cannot be called")
        owner = getattr(function, "__self__", None)
        reading = isinstance(owner, dict) and getattr(function, "__name__", "") in ("items", "keys", "values", "get")
        looping = isinstance(owner, LoopContext) and getattr(function, "__name__", "") in ("cycle", "changed")
        if not (isinstance(function, Macro) or function in (_range, Namespace) or reading or looping):
            raise SecurityError("this cannot be called in a template")
        if not isinstance(function, Macro) and function is not Namespace:
            self.budget.spend_work(arguments)
            if tainted(arguments) or tainted(named):
                raise SlotError("a recipient's value cannot be an argument here")
        self.budget.spend_loops(1)
        return super().call(context, function, *arguments, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if tainted(left) or tainted(right):
            raise SlotError(f"'{operator}' cannot be used on a recipient's value; print it with {{{{ … }}}}")
        numbers = all(isinstance(value, (int, float)) for value in (left, right))
        alike = operator == "+" and any(isinstance(left, kind) and isinstance(right, kind) for kind in (str, list))
        if operator == "**" or not (numbers or alike):
            raise SecurityError(f"'{operator}' is for numbers only")
        if alike:
            self.budget.spend_made(left)
            self.budget.spend_made(right)
        return check_number(super().call_binop(context, operator, left, right))


def _budget_of(context: Context) -> Budget:
    return cast("SlotEnvironment", context.environment).budget


@pass_context
def _printed(context: Context, value: Any) -> Any:
    """What stands between ``{{`` and ``}}`` on its way into the text."""
    if isinstance(value, (str, Slot)):
        return as_markdown(str(value)) if (context.name or "").endswith(MARKDOWN) and not tainted(value) else value
    _budget_of(context).spend_made(value)
    return value


@pass_context
def _decide(context: Context, value: Any, what: str) -> Any:
    if tainted(value):
        raise SlotError(f"'{what}' depends on a value that differs per recipient; it may be printed only, use variants (when = …)")
    if what in TRUTHS:
        _budget_of(context).spend_step()
    elif what == CUT_OUT:
        _budget_of(context).spend_made(value)
    else:
        _budget_of(context).spend_work(value)
    return value


@pass_context
def _loop(context: Context, value: Any) -> Any:
    if isinstance(value, Slot):
        raise SlotError(f"'for' depends on '{'.'.join(value.path)}', which differs per recipient")
    if isinstance(value, str):
        raise SecurityError("a loop runs over a list, not over a text")
    budget: Budget = _budget_of(context)
    items = value if hasattr(value, "__len__") else budget.listed(value)
    budget.spend_loops(len(items))
    return items


@pass_context
def _sized(context: Context, value: Any) -> Any:
    """A text that is joined to others, or a list that was put together: all that is in it is charged."""
    _budget_of(context).spend_made(value)
    return value


def _range(*limits: int) -> range:
    numbers = range(*limits)
    if len(numbers) > MAX_RANGE:
        raise SecurityError(f"range() gives at most {MAX_RANGE:,} numbers")
    return numbers


def _format(text: str, **named: Any) -> str | Markup:
    """``"für %(house)s"|format(house=org.name)``: fills names in, nothing more; inserted texts are escaped where escaping is on."""
    return re.sub(r"%\((\w+)\)s", lambda match: str(named[match[1]]), str(text))


def _initials(name: str) -> str:
    """``Mira Feldkamp`` → ``MF``: first and last word, titles with a full stop left out."""
    words = [word for word in str(name).replace("-", " ").split() if not word.endswith(".") and word[:1].isalpha()]
    return "".join(word[0].upper() for word in (words if len(words) < 2 else (words[0], words[-1])))


@pass_context
def _underline(context: Context, text: str, sign: str = "-") -> str:
    """A rule as long as the text above it, for plain text; 32 where the length differs per recipient."""
    _budget_of(context).spend_made(text)
    length = 32 if tainted(text) else min(max(len(str(text)), 3), 60)
    return f"{text}\n{sign[:1] * length}"


class FilesLoader(BaseLoader):
    """Templates from one mapping (path → source) and nowhere else; compiled code is shared between editions (SEC-04)."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def load(self, environment: Any, name: str, globals: Any = None) -> Template:
        source = self.files.get(name) if name.startswith(READABLE) else None
        environment.budget.spend_loops(1)
        if source is None:
            raise TemplateNotFound(name, f"there is no file '{name}' (templates may include from {', '.join(READABLE)})")
        return make_template(environment, Source(name, name, source), globals)


@dataclass(frozen=True, slots=True)
class Source:
    """Something to render: ``places[i]`` is where line i+1 of ``text`` stands in ``file`` (line, column); None = as it is."""

    name: str
    file: str
    text: str
    places: tuple[tuple[int, int], ...] | None = None

    def place(self, line: int) -> tuple[int, int]:
        if self.places is None:
            return line, 0
        return self.places[min(max(line, 1), len(self.places)) - 1] if self.places else (0, 0)


ENVIRONMENT = SlotEnvironment()
TAG_NAME = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
POSITION = re.compile(r"Zq7p([0-9a-f]+)x(\d+)q7Z")


@functools.lru_cache(maxsize=512)
def _compiled(name: str, text: str) -> CodeType:
    if name.endswith(".mjml"):
        text = mark_positions(name, text)
    return ENVIRONMENT.compile(text, name=name, filename=name)


def mark_positions(name: str, text: str) -> str:
    """Each tag of an MJML file says where it stands, so that ``mjml`` can name file and line after rendering."""
    path = name.encode().hex()
    parts: list[str] = []
    line, last = 1, 0
    for tag in TAG_NAME.finditer(text):
        line += text.count("\n", last, tag.start())
        parts += (text[last : tag.end()], f"Zq7p{path}x{line}q7Z")
        last = tag.end()
    return "".join((*parts, text[last:]))


def make_template(environment: SlotEnvironment, source: Source, names: Any = None) -> Template:
    """A template ready to render in ``environment``; a syntax error raises Jinja's TemplateSyntaxError."""
    return environment.template_class.from_code(
        environment, _compiled(source.name, source.text), environment.make_globals(names), lambda: True
    )


FAILURES = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError, SyntaxError)
"""What a template can raise; ``make_problem`` turns each into a sentence with its place."""


def make_problem(error: Exception, source: Source, rule_id: str = "template") -> Problem:
    """The problem a failed template stands for: the deepest template line, in the file a person edits."""
    name, line = source.name, 0
    if isinstance(error, TemplateSyntaxError):
        name, line = error.name or name, error.lineno
    else:
        known = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == source.name or _is_file(frame.filename)]
        if known:
            name, line = known[-1].filename, known[-1].lineno or 0
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, SlotError):
        rule_id = "slot"
    elif isinstance(error, SecurityError):
        rule_id = "SEC-03"
    if name == source.name and source.places is not None and "'endset'" in text:
        text = "if, for and with must end in the same block or list they begin in"
    if name == source.name:
        return Problem(source.file, *source.place(line), rule_id, text)
    return Problem(name, line, 0, rule_id, text)


def _is_file(name: str) -> bool:
    return name.startswith(READABLE)
