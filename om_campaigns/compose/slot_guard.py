"""The guard: every decision in a template is wrapped, so that a value that differs per recipient cannot be decided on."""

# ruff: noqa: N802  Jinja names its visitors after the classes of its nodes

from __future__ import annotations

from typing import cast

from jinja2 import nodes
from jinja2.exceptions import TemplateAssertionError
from jinja2.visitor import NodeTransformer

from om_campaigns.compose.slots import FIELDS

TRUTHS = frozenset({"if", "for … if", "and", "or", "not"})
"""Decisions that ask only whether there is something."""

CUT_OUT = "a cut-out"


class Guard(NodeTransformer):
    """Wraps each decision in a filter that refuses slots and texts holding one; loops, joins and lists are charged to the budget."""

    def _wrap(self, node: nodes.Node, name: str, *what: str) -> nodes.Filter:
        return nodes.Filter(cast("nodes.Expr", node), name, [nodes.Const(text) for text in what], [], None, None, lineno=node.lineno)

    def visit_If(self, node: nodes.If) -> nodes.Node:
        node.test = self._wrap(node.test, "_decide", "if")
        return self.generic_visit(node)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:
        node.test = self._wrap(node.test, "_decide", "if")
        return self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateAssertionError("a loop cannot be recursive here", node.lineno)
        node.iter = self._wrap(node.iter, "_loop")
        if node.test is not None:
            node.test = self._wrap(node.test, "_decide", "for … if")
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        node.node = self._wrap(node.node, "_decide", f"is {node.name}")
        node.args = [self._wrap(each, "_decide", f"is {node.name}") for each in node.args or ()]
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        node.expr = self._wrap(node.expr, "_decide", "a comparison")
        for operand in node.ops:
            operand.expr = self._wrap(operand.expr, "_decide", "a comparison")
        return self.generic_visit(node)

    def visit_And(self, node: nodes.And) -> nodes.Node:
        node.left = self._wrap(node.left, "_decide", "and")
        node.right = self._wrap(node.right, "_decide", "and")
        return self.generic_visit(node)

    def visit_Or(self, node: nodes.Or) -> nodes.Node:
        node.left = self._wrap(node.left, "_decide", "or")
        node.right = self._wrap(node.right, "_decide", "or")
        return self.generic_visit(node)

    def visit_Not(self, node: nodes.Not) -> nodes.Node:
        node.node = self._wrap(node.node, "_decide", "not")
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        if isinstance(node.arg, nodes.Slice):
            node.node = self._wrap(node.node, "_decide", CUT_OUT)
        else:
            node.arg = self._wrap(node.arg, "_decide", "an index")
        return self.generic_visit(node)

    def visit_Slice(self, node: nodes.Slice) -> nodes.Node:
        for part in ("start", "stop", "step"):
            if (value := getattr(node, part)) is not None:
                setattr(node, part, self._wrap(value, "_decide", CUT_OUT))
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        node.nodes = [self._wrap(each, "_sized") for each in node.nodes]
        return self.generic_visit(node)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._wrap(self.generic_visit(node), "_sized")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._wrap(self.generic_visit(node), "_sized")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        visited = self.generic_visit(node)
        return self._wrap(visited, "_sized") if node.ctx == "load" else visited

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.ctx in ("store", "param") and node.name in FIELDS:
            raise TemplateAssertionError(f"'{node.name}' is the recipient's and cannot be set", node.lineno)
        return node

    def visit_FilterBlock(self, node: nodes.FilterBlock) -> nodes.Node:
        raise TemplateAssertionError("{% filter %} is not available; use a filter on the value", node.lineno)

    def visit_ScopedEvalContextModifier(self, node: nodes.ScopedEvalContextModifier) -> nodes.Node:
        raise TemplateAssertionError("escaping cannot be switched off", node.lineno)
