"""The lint: what is wrong with a finished letter in the programs, hands and ears of its readers, and before the law.

Each rule looks at a ``Rendered`` letter as it leaves the house and knows nothing of how it was made. The manual's page
``docs/reference/lint.md`` says for every rule what it means and how to mend it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from om_campaigns.compose.lint.clients import check_clients, load_allowed
from om_campaigns.compose.lint.clients import load_tests as load_tests
from om_campaigns.compose.lint.clients import read_allowed as read_allowed
from om_campaigns.compose.lint.findings import Finding as Finding
from om_campaigns.compose.lint.findings import Rendered as Rendered
from om_campaigns.compose.lint.page import check_colours, check_contrast, read_page
from om_campaigns.compose.lint.structure import check_parts, check_structure, check_width
from om_campaigns.compose.lint.wording import check_links, check_wording


def lint(letter: Rendered, allowed: Collection[str] = ()) -> list[Finding]:
    """Everything wrong with a letter, errors first; each once. ``allowed``: further features some programs may lack."""
    return list(_lint_once(letter, frozenset(allowed)))


@lru_cache(maxsize=64)
def _lint_once(letter: Rendered, allowed: frozenset[str]) -> tuple[Finding, ...]:
    """A draft and what was published before it share their layouts, in the colours of every brand."""
    return tuple(_lint(letter, allowed))


def _lint(letter: Rendered, allowed: frozenset[str]) -> list[Finding]:
    try:
        light, dark = read_page(letter.html), read_page(letter.html, dark=True)
    except RecursionError:
        return [Finding("REN-14", "elements stand inside each other hundreds deep; no program shows that as it is meant")]
    except ValueError as error:
        return [Finding("REN-14", f"a style cannot be read: {error}")]
    found = [
        *check_wording(letter, light),
        *check_structure(letter, light),
        *check_links(light),
        *check_width(light),
        *check_colours(light, dark),
        *check_clients(letter.html, {*load_allowed(), *allowed}),
    ]
    return sorted(dict.fromkeys(found), key=lambda each: each.is_warning)


def lint_fragment(fragment: str, allowed: Collection[str] = ()) -> list[Finding]:
    """The same for a block that is pasted into somebody else's page, after the sanitiser; what a whole letter has is not asked for."""
    page = read_page(f'<!doctype html><html lang="de" dir="ltr"><body>{fragment}</body></html>')
    found = [
        *check_parts(fragment, page),
        *check_links(page),
        *check_width(page),
        *check_contrast(page, "light"),
        *check_clients(fragment, {*load_allowed(), *allowed}),
    ]
    return sorted(dict.fromkeys(found), key=lambda each: each.is_warning)
