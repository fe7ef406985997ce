"""What our readers' programs cannot show of a letter, by caniemail's published tests (REN-02 … REN-05).

A program that does not show a feature at all is an error, one that shows it in part a warning, unless the letter is known to
be whole without it: ``allowed.toml`` names each such feature with the reason.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from om_campaigns.compose.lint.features import find_features
from om_campaigns.compose.lint.findings import Finding, shorten_quote
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import load_toml


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
