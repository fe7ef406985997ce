"""The tutorial does what it says: each page, typed from top to bottom into an empty folder, prints what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.walkthrough import Run, Save, Shell, fits, read_steps

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
PAGES = ("first-campaign.md", "erste-kampagne.md")


def load_steps(page: str) -> list[Save | Run]:
    return read_steps((TUTORIAL / page).read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_newcomer_can_type_it_and_sees_what_it_shows(page: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for step in load_steps(page):
        if isinstance(step, Save):
            path = shell.folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.body, encoding="utf-8")
        else:
            printed = shell.run(step.command)
            assert fits(step.shown, printed), f"{page}: $ {step.command}\n" + "\n".join(printed)
    assert len(list((shell.folder / "outbox").glob("*.eml"))) == 4


def test_both_languages_tell_the_same_story() -> None:
    """The files may differ in the language of their keys, the commands and what they print may not."""
    english, german = (load_steps(page) for page in PAGES)
    assert [step for step in english if isinstance(step, Run)] == [step for step in german if isinstance(step, Run)]
    assert [step.path for step in english if isinstance(step, Save)] == [step.path for step in german if isinstance(step, Save)]
    assert sum(isinstance(step, Run) for step in english) > 15


@pytest.mark.parametrize(
    ("shown", "is_same"),
    [
        (("one", "two"), True),
        (("one", "…"), True),
        (("…", "two"), True),
        (("o…e", "two"), True),
        (("one",), False),
        (("one", "three"), False),
        (("two", "one"), False),
        ((), False),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: tuple[str, ...], is_same: bool) -> None:
    assert fits(shown, ["one", "two"]) is is_same
