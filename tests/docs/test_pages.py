"""The manual as a whole: links lead somewhere, commands exist, words of the code occur in it, nothing of one machine is told."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from om_campaigns.cli import root

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|src=\"(?P<image>[^\"]+)\"")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    return FENCE.sub("", read(page))


def blocks(page: Path, *languages: str) -> list[str]:
    return [
        re.sub(f"^{found['indent']}", "", found["body"], flags=re.MULTILINE)
        for found in FENCE.finditer(read(page))
        if found["language"] in languages
    ]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for found in LINK.finditer(CODE.sub("", prose(page))):
        target = found["target"] or found["image"]
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.is_file(), target
        assert not anchor or anchor in anchors(to), target


@pages
def test_every_page_of_the_manual_is_in_its_index(page: Path) -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / found["target"].partition("#")[0]).resolve() for found in LINK.finditer(read(index)) if found["target"]}
    assert page.parent == ROOT or page == index or page.resolve() in linked


@pages
def test_nothing_of_one_machine_is_told(page: Path) -> None:
    """No folder of whoever wrote it, no host of a package index, no tracker of tasks."""
    told = read(page)
    for word in ("/tmp/", "/work/", "/home/", "/root/", "C:\\Users", "pypi.org", "pythonhosted", "npmjs", "localhost:", "issue #"):
        assert word not in told, word


def command_lines(page: Path) -> list[str]:
    shown = [line for body in blocks(page, "console") for line in re.findall(r"^\$ (.+)$", body, re.MULTILINE)]
    return shown + [line for body in blocks(page, "bash") for line in body.splitlines() if line.strip() and not line.startswith("#")]


@pages
def test_shell_commands_can_be_parsed(page: Path) -> None:
    done = subprocess.run(["bash", "-n", "-c", "\n".join(command_lines(page))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pages
def test_commands_of_ours_exist_with_these_options(page: Path) -> None:
    """Each ``om-campaigns …`` in a block is parsed by the command itself, up to running it."""
    for line in command_lines(page):
        program, *words = shlex.split(line)
        if program.rpartition("/")[2] == "om-campaigns":
            parse(root, words, None)


def parse(command: click.Command, words: list[str], parent: click.Context | None) -> None:
    with command.make_context("om-campaigns", list(words), parent=parent) as context:
        rest = [*context._protected_args, *context.args]
        if isinstance(command, click.Group) and rest:
            name, below, others = command.resolve_command(context, rest)
            assert below is not None, name
            parse(below, others, context)


@pages
def test_commands_in_running_text_exist(page: Path) -> None:
    context = click.Context(root)
    for words in re.findall(r"`om-campaigns ([a-z][a-z \-]*)", prose(page)):
        name, _, rest = words.partition(" ")
        found = root.get_command(context, name)
        assert found is not None, words
        if isinstance(found, click.Group) and rest:
            assert found.get_command(context, rest.split()[0]) is not None, words


@pages
def test_toml_in_the_manual_can_be_read(page: Path) -> None:
    for body in blocks(page, "toml"):
        tomllib.loads(body)


@pytest.mark.slow
def test_every_word_of_the_glossary_occurs_in_the_code() -> None:
    code = "\n".join(read(path) for path in (ROOT / "om_campaigns").rglob("*.py"))
    rows = re.findall(r"^\| [^|]+ \|[^|]*\| (`[^|]+`) \|", read(ROOT / "docs" / "explanation" / "glossary.md"), re.MULTILINE)
    words = [word for cell in rows for word in re.findall(r"`(\w+)`", cell)]
    assert len(words) > 50
    assert [word for word in words if not re.search(rf"\b{word}\b", code)] == []


def test_the_changelog_names_this_version() -> None:
    from om_campaigns import __version__

    headings = re.findall(r"^## \[([^\]]+)\]", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert __version__ in headings
    assert f"om_campaigns-{__version__}-py3" in read(ROOT / "README.md")


def test_pictures_are_small_enough_for_a_page() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 200_000, picture.name
