"""Characters nobody sees: line breaks of word processors are line breaks, what no mail can carry is named at its place."""

from __future__ import annotations

import pytest

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import show_html, show_text
from om_campaigns.compose.frontmatter import read_step
from om_campaigns.compose.step_checks import check_looks, check_step
from tests.compose.sample_letter import Given

HEAD = """+++
subject = "Willkommen im Wir"
preheader = "Wer gibt in Ihrem Haus weiter, was Betriebe brauchen?"
ideas = ["we_opportunities"]
call_to_action = { text = "Person nennen", how = "reply" }
+++
"""
PATH = "campaigns/x/a1.de.md"


def check(look_files: dict[str, str], source: str) -> list[tuple[int, int, bool, str]]:
    found = check_step({**look_files, PATH: source}, PATH)
    return [(each.line, each.column, each.is_warning, each.text) for each in found]


def test_breaks_of_word_processors_are_warnings_and_other_controls_are_errors_at_their_place(look_files: dict[str, str]) -> None:
    """Lines and columns are those of the file as an editor shows it."""
    body = "Guten Tag {{ contact.full_name }},\n\nvertikal\x0btab, form\x0cfeed, zeilentrenner\u2028hier, esc\x1b[31m, delete\x7f.\n"
    assert check(look_files, HEAD + body) == [
        (9, 9, True, "U+000B (vertical tab) is read as a line break"),
        (9, 19, True, "U+000C (form feed) is read as a line break"),
        (9, 39, True, "U+2028 (line separator) is read as a line break"),
        (9, 49, False, "the control character U+001B (ESC) cannot be in a text; delete it"),
        (9, 62, False, "the control character U+007F (DEL) cannot be in a text; delete it"),
    ]


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_break_in_text_and_head_parts_words(given: Given, values: dict[str, str], sign: str) -> None:
    source = HEAD.replace("Willkommen im", f"Willkommen{sign}im") + f"Guten Tag {{{{ contact.full_name }}}},\n\nein{sign}Wort.\n"
    edition = make_edition(given(source))
    for shown in (show_html(edition, values), show_text(edition, values)):
        assert sign not in shown
        assert " ".join(shown.split()).find("ein Wort.") > 0
    assert read_step(source, PATH).subject == "Willkommen im Wir"


def test_faults_behind_a_break_keep_their_place_in_the_file(look_files: dict[str, str]) -> None:
    found = check(look_files, HEAD + "eins\x0bzwei\x0bdrei {{ nichts }}\n\n{{ auch_nichts }}\n")
    assert [(line, column) for line, column, is_warning, _ in found if not is_warning] == [(7, 16), (9, 1)]


def test_a_control_character_in_a_layout_or_note_is_named(look_files: dict[str, str]) -> None:
    note = "Zeile eins\nZeile\x1b zwei\n"
    files = {**look_files, "content/notiz.de.md": note, "layouts/letter.txt": "\x08" + look_files["layouts/letter.txt"]}
    found = {(each.file, each.line, each.column) for each in check_looks(files) if each.rule_id == "control-character"}
    assert found == {("content/notiz.de.md", 2, 6), ("layouts/letter.txt", 1, 1)}
