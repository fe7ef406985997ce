"""Nothing a template or a text holds costs time or memory out of proportion (SEC-03)."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from collections.abc import Callable

import pytest
from mjml import mjml2html

from om_campaigns.compose.building import make_edition, tidy_plain
from om_campaigns.compose.markdown import check_markdown
from om_campaigns.compose.mjml import check_mjml, make_html, run_native
from om_campaigns.compose.overlay_text import MAX_LENGTH, check_words
from om_campaigns.errors import ProblemsError
from tests.compose.sample_letter import HEAD, Given

pytestmark = pytest.mark.slow

SECONDS = 5
"""Generous for a machine shared with others; without the budget each of these runs for minutes or to the end of memory."""
MEGABYTES = 120

GROW = "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x|replace('a', x) %}" * 4
BOMBS = {
    "replace": GROW + "{{ x }}",
    "replace, folded": "{{ 'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 9 + " }}",
    "replace of nothing": "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x|replace('', x) %}" * 4,
    "join": "{% set x = 'aaaaaaaaaa' %}" + "{% set x = range(1000)|list|join(x) %}" * 4,
    "join of itself": "{% set x = 'a' %}" + "{% set x = [x, x, x, x, x, x, x, x, x, x]|join %}" * 9,
    "format": "{% set x = '%(a)s%(a)s%(a)s%(a)s' %}{% set y = 'aaaaaaaaaa' %}" + "{% set y = x|format(a=y) %}" * 14,
    "~": "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x ~ x ~ x %}" * 12,
    "+": "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x + x %}" * 25,
    "lists in lists, printed": "{% set x = ['a'] %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}",
    "lists in lists, compared": "{% set x = ['a'] %}{% set y = ['a'] %}"
    + "{% set x = [x, x] %}{% set y = [y, y] %}" * 40
    + "{% if x == y %}a{% endif %}",
    "lists in lists, as text": "{% set x = ['a'] %}" + "{% set x = [x, x] %}" * 40 + "{{ x|string|length }}",
    "tuples in tuples": "{% set x = ('a', 'b') %}" + "{% set x = (x, x) %}" * 40 + "{{ x }}",
    "dictionaries in each other": "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 40 + "{{ x }}",
    "a namespace in itself": "{% set n = namespace(a=1) %}{% set n.a = [n, n] %}{{ n.a }}",
    "namespaces in each other": "{% set n = namespace() %}" + "{% set n = namespace(a=n, b=n) %}" * 40 + "{{ n }}",
    "batch": "{{ ['a']|batch(1000000000, 'x')|list }}",
    "slice": "{{ ['a']|slice(1000000000)|list|length }}",
    "round": "{{ 5|round(-1000000000) }}",
    "round, floor": "{{ 5|round(1000000000, 'floor') }}",
    "numbers": "{% set x = 999999999999 %}" + "{% set x = x * x %}" * 30 + "{{ x }}",
    "range": "{{ range(1000000000)|list }}",
    "sum of lists": "{{ [[1]]|sum(start=[]) }}",
    "trim": "{% set x = range(1000)|join('aaaaaaaaaa') %}{{ ('a' ~ x)|trim(x) }}",
    "in, again and again": "{% set x = range(1000)|list %}{% for a in range(999) %}{% for b in range(19) %}"
    "{% if 'x' in x %}a{% endif %}{% endfor %}{% endfor %}",
    "select with a list": "{% set x = range(1000)|list %}{% for a in range(50) %}{{ x|select('in', x)|list|length }}{% endfor %}",
    "map over texts": "{% set x = range(1000)|join('aaaaaaaaaa') %}{{ range(1000)|map('replace', '1', x)|list|length }}",
    "changed, again and again": "{% set x = range(1000)|list %}{% for a in range(1000) %}{{ loop.changed(x, x, x, x, x, x) }}{% endfor %}",
    "loops in loops": "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "loops nested deep": "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "brackets nested deep": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "a long sum": "{{ " + "1 + " * 5000 + "1 }}",
}


def cost(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds of CPU and megabytes at the peak."""
    begin = time.process_time()
    with contextlib.suppress(ProblemsError):
        run()
    seconds = time.process_time() - begin
    tracemalloc.start()
    with contextlib.suppress(ProblemsError):
        run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak / 1e6


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS)
def test_a_template_of_a_few_hundred_characters_costs_no_more_than_a_letter(given: Given, template: str) -> None:
    with pytest.raises(ProblemsError):
        make_edition(given(HEAD + template + "\n"))
    seconds, megabytes = cost(lambda: make_edition(given(HEAD + template + " \n")))
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


@pytest.mark.parametrize(
    "block",
    [
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% include 'blocks/text.mjml' %}{% include 'blocks/text.mjml' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_layout_that_calls_itself_ends(given: Given, block: str) -> None:
    seconds, megabytes = cost(lambda: make_edition(given(files={"blocks/text.mjml": block})))
    with pytest.raises(ProblemsError):
        make_edition(given(files={"blocks/text.mjml": block}))
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def test_a_lack_of_memory_ends_the_letter_and_not_the_process(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    from om_campaigns.compose import templates

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(templates.SlotEnvironment, "concat", exhausted)
    with pytest.raises(ProblemsError, match="MemoryError"):
        make_edition(given())


LONG = 60_000
TEXTS = {
    "quotes": "> " * (LONG // 2) + "a",
    "quotes, tight": ">" * LONG,
    "lists": "".join(f"{'  ' * number}- a\n" for number in range(240)),
    "brackets": "[" * LONG,
    "closed brackets": "[" * (LONG // 2) + "]" * (LONG // 2),
    "links not ended": "[a](" * (LONG // 4),
    "links in links": "[a" * (LONG // 4) + "](x)" * 100,
    "emphasis opened": "*a **a " * (LONG // 7),
    "emphasis mixed": "*a_ " * (LONG // 4),
    "stars": "*" * LONG,
    "stars and letters": "a**b" + "c* " * (LONG // 3),
    "code marks": "".join("`" * number + "a" for number in range(1, 340)),
    "quotation marks": "\"a' " * (LONG // 4),
    "opening marks": ' "a' * (LONG // 3),
    "pictures": "![" * (LONG // 2),
    "entities": "&" * LONG,
    "escapes": "\\" * LONG,
    "pointed": "<" * LONG,
    "pointed words": "<a " * (LONG // 3),
    "addresses": "https://x.de/((((" * (LONG // 17),
    "brackets of an address": "https://x.de/" + ")" * LONG,
    "dots of an address": "https://x.de/" + ".a" * (LONG // 2) + "." * 1000,
    "mail addresses": "a.a@b." * (LONG // 6),
    "at signs": "a@" * (LONG // 2),
    "wide table": "|a" * 10_000 + "|\n" + "|-" * 10_000 + "|\n|b|",
    "long table": "|a|b|\n|-|-|\n" + "|c|d|\n" * 5_000,
    "numbers": "1. a\n" * (LONG // 5),
    "numbers that count on": "".join(f"{number}. b\n" for number in range(2, LONG // 7)),
    "numbers below a line": "x\n" + "5. a\n" * (LONG // 5),
    "ones and a two": "1. a\n" * (LONG // 6) + "2. b\n",
    "ones and threes": "1. a\n3. b\n" * (LONG // 12),
    "expressions never ended": "{{" * (LONG // 2),
    "statements never ended": "{%" * (LONG // 2),
    "wide table of empty rows": "|a" * 330 + "\n" + "|-" * 330 + "\n" + "a\n" * 330,
    "dates": "14. Januar\n" * (LONG // 11),
    "bullets and lines": "a\n- b\n" * (LONG // 6),
    "blank entries": "-\n" * (LONG // 2),
    "headings": "# a\n" * (LONG // 4),
    "underlines": "a\n===\n" * (LONG // 6),
    "references": "[a]: https://x.de\n" * (LONG // 18),
    "blocks": "::: say\n" * (LONG // 8),
    "braces": "{a" * (LONG // 2),
    "dashes": " --" * (LONG // 3),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_markdown_costs_more_than_its_length(text: str) -> None:
    seconds, megabytes = cost(lambda: check_markdown(text, "x.md", 1, "de"))
    assert seconds < 2 * SECONDS
    assert megabytes < 2 * MEGABYTES


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_own_words_hold_up_the_page_they_are_typed_on(text: str) -> None:
    seconds, _ = cost(lambda: check_words(text[:MAX_LENGTH], "Haus", 1))
    assert seconds < 1


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_own_words_of_any_length_are_judged_at_once(text: str) -> None:
    """A form takes 64 KB: what is longer than a block may be is not read any further."""
    seconds, _ = cost(lambda: check_words(text, "Haus", 1))
    assert seconds < 1


def test_blanks_between_words_cost_no_more_than_their_length() -> None:
    seconds, _ = cost(lambda: tidy_plain("a" + " " * 200_000 + "b"))
    assert seconds < 1


@pytest.mark.parametrize("tag", ["div", "table", "b"])
def test_html_nested_deep_is_named_before_a_library_reads_it(tag: str) -> None:
    """The programs that lay out and inline recurse in native code: too deep, they would take the process with them."""
    text = f"<mj-text>{f'<{tag}>' * 50_000}{f'</{tag}>' * 50_000}</mj-text>"
    source = f"<mjml><mj-body><mj-section><mj-column>{text}</mj-column></mj-section></mj-body></mjml>"
    with pytest.raises(ProblemsError, match="inside each other"):
        make_html(source, "layouts/x.mjml")
    assert len(check_mjml(source, "layouts/x.mjml")) == 1


def test_a_library_that_stops_ends_the_letter_and_not_the_process() -> None:
    """MRML stops at an umlaut behind a broken attribute, with an error that no ``except Exception`` catches."""
    source = '<mjml><mj-body><mj-section><mj-column width=""><b>ä"></mj-column></mj-section></mj-body></mjml>'
    with pytest.raises(ValueError, match="a library stopped"):
        run_native(lambda: mjml2html(source))
    with pytest.raises(ValueError, match="end of stream"):
        run_native(lambda: mjml2html("<mjml>"))
