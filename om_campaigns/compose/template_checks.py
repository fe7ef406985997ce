"""What is wrong with a template on any of its branches, also those that are not taken today.

Running finds a slot in a decision only where the decision is reached; this walks the syntax tree instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from jinja2 import nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from om_campaigns.compose.slot_guard import Guard
from om_campaigns.compose.slots import DECISION, FIELDS, SLOT_FILTERS, unknown_field
from om_campaigns.compose.templates import ENVIRONMENT, Source
from om_campaigns.errors import Problem
from om_campaigns.nearest import suggest

CONTEXT: dict[str, frozenset[str]] = {
    "org": frozenset({"name", "short_name", "slug", "level", "type", "type_name", "website"}),
    "campaign": frozenset({"name", "title", "mailing_list", "mailing_list_name"}),
    "step": frozenset({"name", "subject", "ideas", "idea_names", "topics", "position", "count", "due_date", "call_to_action"}),
    "toolkit": frozenset({"code", "name", "version", "url"}),
    "region": frozenset({"ags", "name", "partner_count", "neighbours", "neighbour_examples", "contacts", "page"}),
    "om": frozenset({"name", "imprint", "imprint_url", "privacy_url", "contact"}),
    "house_contact": frozenset({"name", "email"}),
    "next_step": frozenset({"subject", "after"}),
    **FIELDS,
}
"""Names every template may use and the fields they have."""

OPEN_NAMES = frozenset({"brand", "toolkits", "issue", "releases", "sender", "language", "purpose", "t"})
"""Further names; their fields are lists, plain texts or differ from issue to issue."""

LAYOUT_NAMES = frozenset({"subject", "title", "preheader", "content", "action", "person"})
OWN_NAMES = frozenset({"range", "namespace", "loop", "caller", "varargs", "kwargs"})


def check_source(source: Source, *, layout: bool = False) -> list[Problem]:
    """Syntax, unknown names and fields, unknown filters, decisions on slots: all of them, with their places."""
    return list(_check_once(source, layout))


@lru_cache(maxsize=512)
def _check_once(source: Source, layout: bool) -> tuple[Problem, ...]:
    """Layouts and blocks belong to every campaign, and each is checked with all of them."""
    return tuple(_check(source, layout))


def _check(source: Source, layout: bool) -> list[Problem]:
    try:
        tree = ENVIRONMENT.parse_plain(source.text, source.name)
        Guard().visit(ENVIRONMENT.parse_plain(source.text, source.name))
    except TemplateSyntaxError as error:
        return [Problem(source.file, *source.place(error.lineno), "template", str(error.message))]
    except TemplateError as error:
        return [Problem(source.file, 0, 0, "template", str(error))]
    checker = _Checker(tree, layout=layout)
    found = {(source.place(line), rule, text) for line, rule, text in checker.faults()}
    return [Problem(source.file, line, column, rule, text) for (line, column), rule, text in sorted(found)]


class _Checker:
    def __init__(self, tree: nodes.Template, *, layout: bool) -> None:
        self.tree = tree
        self.own = {name.name for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")}
        self.own |= {macro.name for macro in tree.find_all(nodes.Macro)}
        self.own |= {alias if isinstance(alias, str) else alias[1] for node in tree.find_all(nodes.FromImport) for alias in node.names}
        self.own |= {node.target for node in tree.find_all(nodes.Import)}
        self.known = {*CONTEXT, *OPEN_NAMES, *OWN_NAMES, *(LAYOUT_NAMES | {"content"} if layout else {"content"})}
        self.tainted = self._tainted()

    def faults(self) -> Iterator[tuple[int, str, str]]:
        yield from self._names()
        yield from self._fields()
        yield from self._filters()
        yield from self._decisions()
        for output in self.tree.find_all(nodes.Output):
            for name in output.nodes:
                if isinstance(name, nodes.Name) and name.name in FIELDS:
                    fields = ", ".join(sorted(FIELDS[name.name]))
                    yield name.lineno, "slot", f"'{name.name}' cannot be printed itself; name a field: {fields}"

    def _tainted(self) -> set[str]:
        """The recipient's names and every name set from one of them."""
        names = set(FIELDS)
        while True:
            before = len(names)
            for plain in self.tree.find_all(nodes.Assign):
                self._spread(plain.target, [plain.node], names)
            for block in self.tree.find_all(nodes.AssignBlock):
                self._spread(block.target, block.body, names)
            if len(names) == before:
                return names

    def _spread(self, target: nodes.Node, values: Sequence[nodes.Node], names: set[str]) -> None:
        if isinstance(target, nodes.Name) and target.name != "content" and any(self._reads(value, names) for value in values):
            names.add(target.name)

    @staticmethod
    def _reads(node: nodes.Node, names: set[str]) -> str:
        """The first recipient's value read in ``node``, as it is written; empty if there is none."""
        for inner in (node, *node.find_all(nodes.Getattr)):
            if isinstance(inner, nodes.Getattr) and isinstance(inner.node, nodes.Name) and inner.node.name in names:
                return f"{inner.node.name}.{inner.attr}"
        every = (node, *node.find_all(nodes.Name))
        return next((name.name for name in every if isinstance(name, nodes.Name) and name.ctx == "load" and name.name in names), "")

    def _names(self) -> Iterator[tuple[int, str, str]]:
        for node in self.tree.find_all(nodes.Name):
            if node.ctx == "load" and node.name not in self.known | self.own:
                yield node.lineno, "variable", f"there is no '{node.name}'{suggest(node.name, sorted(self.known | self.own))}"

    def _fields(self) -> Iterator[tuple[int, str, str]]:
        used: list[tuple[nodes.Node, nodes.Node, str]] = [(node, node.node, node.attr) for node in self.tree.find_all(nodes.Getattr)]
        used += [(node, node.node, str(node.arg.value)) for node in self.tree.find_all(nodes.Getitem) if isinstance(node.arg, nodes.Const)]
        for node, owner, field in used:
            if isinstance(owner, nodes.Name) and owner.name in CONTEXT and owner.name not in self.own and field not in CONTEXT[owner.name]:
                yield node.lineno, "variable", unknown_field(owner.name, field, CONTEXT[owner.name])

    def _filters(self) -> Iterator[tuple[int, str, str]]:
        for node in self.tree.find_all(nodes.Filter):
            if node.name not in ENVIRONMENT.filters or node.name.startswith("_"):
                yield node.lineno, "template", f"there is no filter '{node.name}'{suggest(node.name, ENVIRONMENT.filters)}"
            elif node.name not in (*SLOT_FILTERS, "e", "escape", "string") and self._is_slot(node.node):
                allowed = ", ".join(sorted(SLOT_FILTERS))
                yield node.lineno, "slot", f"filter '{node.name}' cannot be used on a recipient's value; possible are {allowed}"
            elif self._is_slot(node.node) and (node.kwargs or not all(isinstance(argument, nodes.Const) for argument in node.args)):
                yield node.lineno, "slot", f"filter '{node.name}' on a recipient's value takes plain texts or numbers, without names"

    @staticmethod
    def _is_slot(node: nodes.Node | None) -> bool:
        return isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name in FIELDS

    def _decisions(self) -> Iterator[tuple[int, str, str]]:
        for node in self._decided():
            if isinstance(node, nodes.List | nodes.Tuple):
                continue
            if name := self._reads(node, self.tainted):
                yield node.lineno, "slot", DECISION.format(name)

    def _decided(self) -> Iterator[nodes.Node]:
        yield from (node.test for node in self.tree.find_all(nodes.If))
        yield from (node.test for node in self.tree.find_all(nodes.CondExpr))
        for loop in self.tree.find_all(nodes.For):
            yield from (part for part in (loop.iter, loop.test) if part is not None)
        for test in self.tree.find_all(nodes.Test):
            yield test.node
        kinds = (nodes.Compare, nodes.And, nodes.Or, nodes.Not, nodes.Slice)
        yield from self.tree.find_all(kinds)
        for operation in self.tree.find_all(nodes.BinExpr):
            if not isinstance(operation, nodes.And | nodes.Or):
                yield operation
        for item in self.tree.find_all(nodes.Getitem):
            yield item.arg
        for call in self.tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Getattr):
                yield call.node.node
            if isinstance(call.node, nodes.Name) and call.node.name == "range":
                yield from call.args
