"""Which features of HTML and CSS a letter uses, and which programs cannot show them, by caniemail's tests (REN-02 … REN-05)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode
from tinycss2.ast import AtRule, Declaration, DimensionToken, FunctionBlock, Node, PercentageToken, QualifiedRule

from om_campaigns.compose.lint.findings import Finding, shorten_quote
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import load_toml

STYLE = "html-style"

WHOLE_FAMILY = (
    "animation", "border", "border-image", "border-inline", "border-block", "column", "grid-template", "list-style", "margin", "mask-image",
    "outline", "padding", "scroll-snap", "text-emphasis", "transition",
)  # fmt: skip
"""Properties whose longhands (``border-left-width``) are tested as one feature."""

OTHER_NAMES = {
    **dict.fromkeys(("left", "right", "top", "bottom"), "left-right-top-bottom"),
    **dict.fromkeys(("column-gap", "row-gap"), "gap"),
    **dict.fromkeys(("block-size", "inline-size"), "block-inline-size"),
    **dict.fromkeys(("margin-inline", "margin-block"), "margin-inline-block"),
    **dict.fromkeys(("padding-inline", "padding-block"), "padding-inline-block"),
    "column": "column-layout-properties",
    "columns": "column-layout-properties",
}
VALUES = {"display": ("flex", "grid", "none"), "flex-direction": ("column",), "flex-wrap": ("wrap",)}
VALUE_SLUGS = {"flex-direction-column": "css-flex-direction", "flex-wrap-wrap": "css-flex-wrap"}
FUNCTIONS = {
    "var": "css-variables",
    "calc": "css-unit-calc",
    **dict.fromkeys(("lab", "lch", "oklab", "oklch"), "css-modern-color"),
}
COMBINATORS = {">": "child", "+": "adjacent-sibling", "~": "general-sibling"}
MEDIA = ("prefers-color-scheme", "prefers-reduced-motion", "hover", "orientation", "device-pixel-ratio")
SEMANTIC = (
    "article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark", "nav", "section", "summary", "time",
)  # fmt: skip
ELEMENTS = {
    **dict.fromkeys(("ul", "ol", "dl"), "html-lists"),
    **dict.fromkeys((f"h{level}" for level in range(1, 7)), "html-h1-h6"),
    **dict.fromkeys(SEMANTIC, "html-semantics"),
    "map": "html-image-maps",
    "b": "html-strong",
}
ATTRIBUTES = {"sizes": "html-srcset", "loading": "html-loading-attribute"}
IMAGES = {"jpeg": "jpg", "tif": "tiff", "heic": "heif"}


@dataclass(frozen=True, slots=True)
class Use:
    """A feature in use. A program that lacks one of ``inside`` (the style sheet, a media query) never meets it."""

    slug: str
    inside: frozenset[str] = frozenset()


def find_features(document: str, known: frozenset[str]) -> set[Use]:
    """Every known feature the letter uses."""
    root = LexborHTMLParser(document).root
    uses = set(_of_tree(root, known)) if root is not None else set()
    return {use for use in uses if use.slug in known}


def _of_tree(root: LexborNode, known: frozenset[str]) -> Iterator[Use]:
    for node in root.traverse():
        if node.tag == "style":
            yield Use(STYLE)
            yield from _of_sheet(node.text(), known)
        elif node.is_element_node:
            yield from _of_element(node, known)


def _of_element(node: LexborNode, known: frozenset[str]) -> Iterator[Use]:
    tag, attributes = str(node.tag), node.attributes
    yield Use(ELEMENTS.get(tag, f"html-{tag}"))
    for name, value in attributes.items():
        yield Use(ATTRIBUTES.get(name, f"html-{name}"))
        if name in ("src", "background") and value:
            yield from _of_picture(value)
    if tag == "a" and (target := attributes.get("href")):
        kind = {"#": "html-anchor-links", "m": "html-mailto-links"}.get(target[0], "")
        yield Use(kind if target.startswith(("#", "mailto:")) else "")
    if tag in ("input", "button"):
        yield Use(f"html-{tag}-{attributes.get('type') or 'text'}")
    if tag == "meta" and attributes.get("name") == "color-scheme":
        yield Use("html-meta-color-scheme")
    if style := attributes.get("style"):
        yield from _of_style(style, known)


@functools.lru_cache(maxsize=4096)
def _of_style(style: str, known: frozenset[str]) -> frozenset[Use]:
    """Of a style attribute; letters repeat the same few hundred."""
    return frozenset(_of_declarations(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True), frozenset(), known))


@functools.lru_cache(maxsize=64)
def _of_sheet(sheet: str, known: frozenset[str]) -> frozenset[Use]:
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    return frozenset(_of_rules(rules, frozenset({STYLE}), known))


def _of_picture(address: str) -> Iterator[Use]:
    if address.startswith("data:"):
        yield Use("image-base64")
    elif ending := re.search(r"\.(\w+)(?:[?#].*)?$", address):
        kind = ending[1].lower()
        yield Use(f"image-{IMAGES.get(kind, kind)}")


def _of_rules(rules: list[Node], inside: frozenset[str], known: frozenset[str]) -> Iterator[Use]:
    for rule in rules:
        if isinstance(rule, QualifiedRule):
            for slug in _of_selector(tinycss2.serialize(rule.prelude).strip()):
                yield Use(slug, inside)
            contents = tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)
            yield from _of_declarations(contents, inside, known)
        elif isinstance(rule, AtRule):
            slug = f"css-at-{rule.lower_at_keyword}"
            yield Use(slug, inside)
            query = tinycss2.serialize(rule.prelude)
            special = [f"{slug}-{feature}" for feature in MEDIA if feature in query]
            for each in special:
                yield Use(each, inside | {slug})
            if rule.content is not None:
                inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
                yield from _of_rules(inner, inside | {slug, *special}, known)


def _of_selector(selector: str) -> Iterator[str]:
    if "," in selector:
        yield "css-selector-grouping"
    for sign, name in COMBINATORS.items():
        if sign in selector:
            yield f"css-selector-{name}"
    bare = re.sub(r"\[[^\]]*\]", "[]", re.sub(r"\([^)]*\)", "", selector))
    found = {
        "descendant": r"[\w\])]\s+[\w.#\[:*]",
        "attribute": r"\[\]",
        "class": r"\.[\w-]",
        "chaining": r"\.[\w-]+\.[\w-]",
        "id": r"#[\w-]",
        "universal": r"\*",
        "type": r"(?:^|[\s,>+~])[a-zA-Z]",
    }
    for name, pattern in found.items():
        if re.search(pattern, bare):
            yield f"css-selector-{name}"
    for colons, name in re.findall(r"(::?)([a-z-]+)", bare):
        kind = "element" if colons == "::" or name in ("before", "after", "first-letter", "first-line") else "class"
        yield f"css-pseudo-{kind}-{name}"


def _of_declarations(declarations: list[Node], inside: frozenset[str], known: frozenset[str]) -> Iterator[Use]:
    for each in declarations:
        if not isinstance(each, Declaration):
            continue
        name = each.lower_name.removeprefix("-webkit-")
        if name.startswith(("mso-", "-")):
            continue
        for slug in (_property(name, known), *_of_value(name, each.value)):
            yield Use(slug, inside)
        if each.important:
            yield Use("css-important", inside)


def _property(name: str, known: frozenset[str]) -> str:
    name = OTHER_NAMES.get(name, name)
    if f"css-{name}" not in known:
        family = [each for each in WHOLE_FAMILY if name.startswith(f"{each}-")]
        name = max(family, key=len, default=name)
    return f"css-{OTHER_NAMES.get(name, name)}"


def _of_value(name: str, tokens: list[Node]) -> Iterator[str]:
    text = tinycss2.serialize(tokens)
    for value in VALUES.get(name, ()):
        if re.search(rf"\b{value}\b", text):
            yield VALUE_SLUGS.get(f"{name}-{value}", f"css-{name}-{value}")
    if re.search(r"\binitial\b", text):
        yield "css-unit-initial"
    for token in tokens:
        if isinstance(token, DimensionToken):
            yield f"css-unit-{token.lower_unit}"
        elif isinstance(token, PercentageToken):
            yield "css-unit-percent"
        elif isinstance(token, FunctionBlock):
            yield FUNCTIONS.get(token.lower_name, f"css-{token.lower_name}")
            yield f"css-function-{token.lower_name}"
            yield from _of_value("", token.arguments)


@dataclass(frozen=True, slots=True)
class Support:
    """How one program shows a feature: ``y``, ``a`` (in part) or ``n``, as tested in ``version``."""

    version: str
    result: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Feature:
    title: str
    tested: str
    support: Mapping[str, Support]


@dataclass(frozen=True, slots=True)
class Tests:
    """The published tests: when they were taken over, the programs by key, and the features by caniemail's slug."""

    date: str
    clients: Mapping[str, str]
    features: Mapping[str, Feature]


@functools.cache
def load_tests() -> Tests:
    """The copy of caniemail's data that belongs to this version."""
    raw: dict[str, Any] = json.loads(_read("caniemail.json"))
    features = {
        slug: Feature(each["title"], each["tested"], {client: Support(*entry[:3]) for client, entry in each["support"].items()})
        for slug, each in raw["features"].items()
    }
    return Tests(raw["date"], raw["clients"], features)


@functools.cache
def load_allowed() -> Mapping[str, str]:
    """Features a letter may use although some program lacks them, each with the reason why nothing is lost."""
    allowed, problems = read_allowed(_read("allowed.toml"), "allowed.toml")
    if problems:
        raise ProblemsError(problems)
    return allowed


def read_allowed(source: str, path: str) -> tuple[dict[str, str], list[Problem]]:
    """A list of allowances (``feature = "reason"`` in TOML), with everything that is wrong in it."""
    raw, findings = load_toml(source, path, "REN-02")
    for slug, reason in (raw or {}).items():
        if slug not in load_tests().features:
            said = f"caniemail has no feature '{slug}'{suggest(slug, load_tests().features)}"
            findings.at_key((slug,), "REN-02", said)
        elif not isinstance(reason, str) or not reason.strip():
            findings.at_value((slug,), "REN-02", f"'{slug}' needs the reason why nothing is lost without it, as a text")
    return {slug: reason for slug, reason in (raw or {}).items() if isinstance(reason, str)}, findings.in_order()


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def check_clients(document: str, allowed: Collection[str]) -> Iterator[Finding]:
    """One finding per feature that is not ``allowed``, with every program that lacks it and the age of the test (REN-03)."""
    tests = load_tests()
    lacking: dict[str, dict[str, Support]] = {}
    for use in find_features(document, frozenset(tests.features)):
        support = tests.features[use.slug].support
        for client in support.keys() & tests.clients.keys():
            meets = not any(_result(tests, each, client) == "n" for each in use.inside)
            if meets and support[client].result != "y":
                lacking.setdefault(use.slug, {})[client] = support[client]
    for slug in sorted(lacking.keys() - set(allowed)):
        yield _finding(slug, lacking[slug], tests)


def _result(tests: Tests, slug: str, client: str) -> str:
    feature = tests.features.get(slug)
    return feature.support[client].result if feature and client in feature.support else "y"


def _finding(slug: str, lacking: Mapping[str, Support], tests: Tests) -> Finding:
    feature = tests.features[slug]
    parts = []
    for result, said in (("n", "does not work in"), ("a", "works only in part in")):
        names = [f"{tests.clients[client]} ({entry.version})" for client, entry in lacking.items() if entry.result == result]
        parts += [f"{said} {', '.join(sorted(names))}"] if names else []
    note = next((entry.note for entry in lacking.values() if entry.note), "")
    text = f"{feature.title} [{slug}] {'; '.join(parts)}; tested {feature.tested}" + (f" – {shorten_quote(note, 160)}" if note else "")
    return Finding("REN-02", text, is_warning=not any(entry.result == "n" for entry in lacking.values()))
