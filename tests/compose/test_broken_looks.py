"""Layouts, blocks and brands with faults: each ends in a problem with its place, none in a fault of the program."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import EditionInput, Purpose
from om_campaigns.compose.lint.specimen import make_specimen
from om_campaigns.compose.step_checks import check_looks
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.staff.linting import SPECIMEN_VALUES, lint_edition
from tests.compose.sample_letter import LETTER, Given

pytestmark = pytest.mark.slow

SECTION = "<mj-section><mj-column>\n{}\n</mj-column></mj-section>"


def problems(given: Given, block: str) -> list[Problem]:
    with pytest.raises(ProblemsError) as caught:
        make_edition(given(files={"blocks/say.mjml": SECTION.format(block)}))
    return list(caught.value.problems)


@pytest.mark.parametrize("style", ["color", "color:red;:x", "@x", "\\", "color:red; x{y:z}"])
def test_a_style_that_cannot_be_read_is_named_with_file_and_line(given: Given, style: str) -> None:
    (found,) = problems(given, f"<mj-text><p style='{style}'>Wort</p></mj-text>")
    assert (found.file, found.line, found.rule_id) == ("blocks/say.mjml", 2, "style")
    assert style in found.text


@pytest.mark.parametrize("attribute", ['color="red;x"', 'padding="1px}"', "font-size='{'"])
def test_an_attribute_that_would_break_a_style_is_named_with_file_and_line(given: Given, attribute: str) -> None:
    (found,) = problems(given, f"<mj-text {attribute}>Wort</mj-text>")
    assert (found.file, found.line, found.rule_id) == ("blocks/say.mjml", 2, "style")


SNIPPETS = [
    '"', "'", "<", ">", "{", "}", "{{", "}}", "{%", "%}", "{#", "&", "&#x110000;", ";", ":", ' style="', 'style="color:red;;:;"', "#", "=",
    "\x0b", "\x1b", "\u2028", "\x00", "\ufffe", "</", "/>", "<!--", "-->", "<![CDATA[", "<style>", "</style>", "@media", '"""', "[", "]",
    "[[x]]", "%", "url(", "(", ")", "\\", "😀", "-1", "1e309", "{% raw %}", "<mj-text>", "</mj-text>", "<table>", "<br>", "%(x)s",
    "{{ 1/0 }}", "{{ org }}", "{{ c.x }}", "!important", "font-size:1e999px", "rgba(", "</mj-body>", 'width="abc"',
]  # fmt: skip


def mutated(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return text[:at] + text[at + chance.choice((1, 2, 5, 30)) :]
    if kind == 1:
        other = chance.randrange(len(text) + 1)
        return text[:at] + text[other : other + chance.choice((1, 5, 40))] + text[at:]
    return text[:at] + chance.choice(SNIPPETS) + text[at + chance.choice((0, 0, 1, 3)) :]


@pytest.mark.parametrize("seed", range(6))
def test_small_faults_in_layouts_blocks_and_brands_end_in_problems(given: Given, look_files: dict[str, str], seed: int) -> None:
    """Sixty mutations; each leaves a letter the lint can read, or problems that name a file."""
    chance = random.Random(seed)
    names = sorted(look_files)
    for _ in range(10):
        name = chance.choice(names)
        files = {**look_files, name: mutated(look_files[name], chance)}
        try:
            found = check_looks(files)
            found += look(given(LETTER), files, name[7:-5] if name.startswith("brands/") else "om")
        except Exception as error:
            raise AssertionError(f"seed {seed}, {name}: {files[name]!r}") from error
        assert all(each.file and each.text for each in found)


def look(like: EditionInput, files: dict[str, str], brand: str) -> list[Problem]:
    given = make_specimen(replace(like, files=files, pages="https://om.example"), "letter", brand, Purpose.letter)
    try:
        edition = make_edition(given)
    except ProblemsError as error:
        return list(error.problems)
    lint_edition(given, edition, SPECIMEN_VALUES, ())
    return []
