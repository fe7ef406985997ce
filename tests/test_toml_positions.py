"""toml_positions: every value of a TOML file is found where it stands."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om_campaigns.toml_positions import Key, load_toml, locate

CAMPAIGN = """# a comment with key = 1
format = 1
"title" = 'Wir # = "kein" Kommentar'
window = { days = ["tue", "wed"], from = "09:00" }   # = [
exit_when = '''
responded_within(30)
[[step]]
'''

[[step]]
name = "a1"
variants = [
  { name = "few", when = '''level == 'state' ''' },  # ]
  { name = "many", when = "type == \\"x\\"" },
]
[[step]]
name = "a2"
extra.deep.key = 2027-01-04
[step.sub]
of = true
[tail]
end = \"\"\"
line\"\"\"\"
"""


def _values(found: Any, path: Key = ()) -> dict[Key, Any]:
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    flat: dict[Key, Any] = {}
    for key, value in pairs:
        if isinstance(value, dict | list):
            flat |= _values(value, (*path, key))
        else:
            flat[*path, key] = value
    return flat


def _text_at(source: str, line: int, column: int) -> str:
    lines = source.split("\n")
    return "\n".join([lines[line - 1][column - 1 :], *lines[line:]])


def test_every_value_is_found_where_it_stands() -> None:
    values, places = _values(tomllib.loads(CAMPAIGN)), locate(CAMPAIGN)
    assert set(values) <= set(places)
    for path, value in values.items():
        place = places[path]
        if isinstance(value, str) and place.exact:
            assert _text_at(CAMPAIGN, place.value_line, place.value_column).startswith(value)
    assert (places["format",].line, places["format",].column, places["format",].value_column) == (2, 1, 10)
    assert (places["exit_when",].line, places["exit_when",].value_line, places["exit_when",].value_column) == (5, 6, 1)
    few, many = places["step", 0, "variants", 0, "when"], places["step", 0, "variants", 1, "when"]
    assert (few.value_line, few.value_column, few.exact) == (13, 29, True)
    assert (many.value_line, many.exact) == (14, False)
    assert (places["step", 1].line, places["step", 1].column) == (16, 1)
    assert places["step", 1, "extra", "deep", "key"].value_line == 18
    assert places["step", 1, "sub", "of"].line == 20


_LITERAL = st.text(alphabet='ab "=[]{}#,\n', max_size=20).filter(lambda text: not text.startswith("\n"))


@settings(max_examples=60, deadline=None)
@given(st.lists(_LITERAL, min_size=1, max_size=4))
def test_literals_of_any_content_do_not_confuse_it(texts: list[str]) -> None:
    source = "\n".join(f"k{number} = '''{text}'''" for number, text in enumerate(texts))
    places = locate(source)
    for number, text in enumerate(texts):
        place = places[f"k{number}",]
        assert _text_at(source, place.value_line, place.value_column).startswith(f"{text}'''")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab=[]{}'\"#.,\n \\", max_size=40))
def test_a_text_that_is_not_toml_gives_what_was_understood(source: str) -> None:
    locate(source)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a" + ".a" * 100_000 + " = 1", "more than 100 parts"),
        ("b = 1\n[a" + ".a" * 20_000 + "]\n", "more than 100 parts"),
        ("a = " + "9" * 100_000, "more digits"),
    ],
)
def test_keys_and_numbers_without_end_are_named(source: str, said: str) -> None:
    values, findings = load_toml(source, "x.toml")
    assert values is None
    assert said in findings.in_order()[0].text
