"""Questions, signs and the way on: what every screen of the terminal has in common."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from om_campaigns.cli import screen
from om_campaigns.errors import RefusedError
from tests.cli.shell import Terminal, om


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> Terminal:
    """A person at a terminal who types ``text``; returns what they are shown on the error stream."""
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("sys.stdin", Terminal(text))
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv("TERM", "dumb")
    return shown


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "J\n", "ja\n"])
def test_yes_is_understood_in_both_languages(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    asked = type_in(monkeypatch, typed)
    screen.confirm("Send them?", answer="send --yes", what="88 letters would leave")
    assert asked.getvalue() == "\nSend them? [y/N] "


@pytest.mark.parametrize("typed", ["\n", "", "n\n", "yess\n"])
def test_enter_the_end_of_input_and_anything_else_are_no(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    type_in(monkeypatch, typed)
    with pytest.raises(RefusedError, match="nothing was changed"):
        screen.confirm("Send them?", answer="send --yes", what="88 letters would leave")


def test_where_nobody_can_be_asked_it_is_refused_with_the_command_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(RefusedError) as refused:
        screen.confirm("Send them?", answer="send --all-due --yes", what="88 letters would leave")
    assert refused.value.exit_code == 3
    assert refused.value.command == "send --all-due --yes"


def test_nobody_is_asked_where_a_machine_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "y\n")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RefusedError, match="nobody to ask"):
        screen.confirm("Send them?", answer="send --yes", what="88 letters would leave")


@pytest.mark.parametrize(("typed", "is_right"), [("2995\n", True), ("2,995\n", True), ("2.995\n", True), ("299\n", False), ("y\n", False)])
def test_a_large_figure_must_be_typed(monkeypatch: pytest.MonkeyPatch, typed: str, is_right: bool) -> None:
    type_in(monkeypatch, typed)
    if is_right:
        screen.confirm_figure("Type the number", 2995, answer="x --expect 2995", what="2,995 would enter")
    else:
        with pytest.raises(RefusedError):
            screen.confirm_figure("Type the number", 2995, answer="x --expect 2995", what="2,995 would enter")


def test_signs_change_as_a_whole_where_a_stream_lacks_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert screen.sign("✓") == "✓"
    monkeypatch.setenv("OM_CAMPAIGNS_ASCII", "1")
    assert [screen.sign(each) for each in ("✓", "✗", "…")] == ["+", "x", "..."]
    monkeypatch.delenv("OM_CAMPAIGNS_ASCII")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert screen.sign("✓") == "+"


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    assert screen.paint("x", asked, bold=True) == "\x1b[1mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen.paint("x", asked, bold=True) == "x"
    assert screen.paint("x", io.StringIO(), bold=True) == "x"


def test_a_word_with_blanks_is_quoted_for_every_shell() -> None:
    assert screen.quoted("Sabine Groß") == '"Sabine Groß"'
    assert screen.quoted("b.kranz@kh-ahornfeld.example") == "b.kranz@kh-ahornfeld.example"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("stauts",), "error: there is no command 'stauts'\n"),
        (("status",), "hint: the status page is the bare command\n"),
        (
            ("campaign", "lst"),
            "error: there is no command 'campaign lst'\nhint: did you mean 'list'?\nnext: om-campaigns campaign --help\n",
        ),
        (("person", "list", "--role", "chef"), "is not one of 'contact', 'deputy'"),
        (("plan", "-w", "x"), "error: -w stands before the command\n"),
    ],
)
def test_what_was_typed_wrong_is_said_with_a_command_that_works(tmp_path: Path, typed: tuple[str, ...], told: str) -> None:
    said = om(tmp_path, *typed, now="")
    assert (said.code, said.out) == (2, "")
    assert told in said.err, said.err
    assert "Usage" not in said.err
