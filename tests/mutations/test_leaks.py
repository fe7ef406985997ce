"""A change of the code that leaks a token into what is passed on makes the suite fail (FWD-01, FWD-02, UNS-12).

Each mutation is made in a copy of the project, whose own tests of packs then run there; at least one of them must fail. The copy
without a mutation passes, so what fails fails because of the leak.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("om_campaigns", "templates", "audiences", "benchmarks", "tests", "pyproject.toml", "config.example.toml")
SUITE = ("tests/compose/test_pack.py", "tests/journeys/test_cascade.py", "tests/journeys/test_ready_mail.py")

BUILDING, FORWARDABLE = "om_campaigns/compose/building.py", "om_campaigns/compose/forwardable.py"
COMPOSER, HEADS = "om_campaigns/pipeline/letters/composer.py", "om_campaigns/pipeline/letters/heads.py"
PACKING, PACK = "om_campaigns/pipeline/letters/packing.py", "om_campaigns/compose/pack.py"

MUTATIONS = {
    "the foot of a letter in what is passed on": ("templates/layouts/letter.mjml", 'purpose == "pack"', 'purpose == "never"'),
    "the same in the text part": ("templates/layouts/letter.txt", 'purpose == "pack"', 'purpose == "never"'),
    "personal values allowed in packs": (BUILDING, "constants={", "constants=None and {"),
    "the letter itself as the ready mail": (PACKING, "purpose=Purpose.pack, sender", "purpose=Purpose.letter, sender"),
    "no guard before the files": (PACK, "if problems := find_personal(", "if problems := (lambda *_: [])("),
    "no guard before the ready mail": (COMPOSER, "require_forwardable(self.library, each.key)", "pass"),
    "a guard that knows no tokens": (FORWARDABLE, "if holds_token(address):", "if False:"),
    "a guard that knows no doors": (FORWARDABLE, "elif _DOORS.search(address):", "elif False:"),
    "a guard that knows no masked addresses": (FORWARDABLE, "if masked := _MASKED.search(text):", "if masked := None:"),
    "a guard that knows no codes": (FORWARDABLE, "if is_valid(code", "if not is_valid(code"),
    "a guard that knows no notes": (FORWARDABLE, "if note := _NOTE.search(text):", "if note := None:"),
    "the head of a letter on the ready mail": (
        HEADS,
        "        if key.purpose is Purpose.pack:\n            return",
        "        if False:\n            return",
    ),
    "a one-click button on a mail to a list": (
        HEADS,
        '"unsubscribe_mailto": leave,',
        '"one_click_url": "https://om.example/one-click/k1.x",',
    ),
    "the reader's name on the ready mail": (HEADS, "Mailbox(recipient.address),", "Mailbox(recipient.address, recipient.full_name),"),
    "the note in what is passed on": (PACKING, 'sender=Sender.home, note="")', 'sender=Sender.home, note="content/so-leiten-sie-weiter")'),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, without what git does not know."""
    folder = tmp_path_factory.mktemp("mutated")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture
def mutated(copy: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The copy with one mutation, which must apply; taken back afterwards."""
    file, old, new = request.param
    source = (copy / file).read_text(encoding="utf-8")
    assert old in source, f"{file} has changed: the mutation does not apply any more"
    (copy / file).write_text(source.replace(old, new), encoding="utf-8")
    yield copy
    (copy / file).write_text(source, encoding="utf-8")


def run_suite(folder: Path) -> subprocess.CompletedProcess[str]:
    """The tests of packs in the copy, by its own code, up to the first that fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", *SUITE]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_copy_runs_its_own_code_and_passes(copy: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import om_campaigns as o; print(o.__file__)"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(copy)
    done = run_suite(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutated", MUTATIONS.values(), ids=MUTATIONS, indirect=True)
def test_fwd_01_a_leak_makes_the_suite_fail(mutated: Path) -> None:
    done = run_suite(mutated)
    assert done.returncode == 1, done.stdout
    assert " failed" in done.stdout or " error" in done.stdout
