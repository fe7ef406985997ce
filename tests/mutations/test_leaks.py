"""A change of the code that leaks a token into what is passed on makes the suite fail (FWD-01, FWD-02, UNS-12).

Each mutation is made in a copy of the project and names the test that must fail there. The copy without a mutation passes all of
them, so what fails fails because of the leak.
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
COMPOSER, HEADS = "om_campaigns/letters/composer.py", "om_campaigns/letters/recipients.py"
PACKING, PACK = "om_campaigns/letters/packing.py", "om_campaigns/compose/pack.py"

PACK_IS_NOBODYS = f"{SUITE[0]}::test_fwd_01_a_pack_has_no_personal_value_and_greets_everybody"
LEAKS_FAIL = f"{SUITE[0]}::test_fwd_01_to_06_a_leak_fails_the_build_whatever_the_form"
ONE_PACK = f"{SUITE[1]}::test_each_pool_is_in_one_pack_and_the_empty_office_goes_through_the_distributor"
NOTHING_TO_DELETE = f"{SUITE[1]}::test_the_cover_has_code_note_and_way_out_the_ready_mail_none_of_them"
LAYOUT_HELD = f"{SUITE[2]}::test_fwd_01_a_layout_that_leaks_holds_every_pack_and_its_repair_lets_them_go"
HEAD_IS_NOBODYS = f"{SUITE[2]}::test_uns_12_fwd_01_what_is_forwarded_has_nothing_of_one_reader_in_its_head"

MUTATIONS = {
    "the foot of a letter in what is passed on": (
        "templates/layouts/letter.mjml",
        'purpose == "pack"',
        'purpose == "never"',
        PACK_IS_NOBODYS,
    ),
    "the same in the text part": ("templates/layouts/letter.txt", 'purpose == "pack"', 'purpose == "never"', PACK_IS_NOBODYS),
    "personal values allowed in packs": (BUILDING, "constants={", "constants=None and {", PACK_IS_NOBODYS),
    "the letter itself as the ready mail": (PACKING, "purpose=Purpose.pack, sender", "purpose=Purpose.letter, sender", ONE_PACK),
    "no guard before the files": (PACK, "if problems := find_personal(", "if problems := (lambda *_: [])(", LEAKS_FAIL),
    "no guard before the ready mail": (COMPOSER, "require_forwardable(self.library, each.key)", "pass", LAYOUT_HELD),
    "a guard that knows no tokens": (FORWARDABLE, "if holds_token(address):", "if False:", LEAKS_FAIL),
    "a guard that knows no doors": (FORWARDABLE, "elif _DOORS.search(address):", "elif False:", LEAKS_FAIL),
    "a guard that knows no masked addresses": (FORWARDABLE, "if masked := _MASKED.search(text):", "if masked := None:", LEAKS_FAIL),
    "a guard that knows no codes": (FORWARDABLE, "if is_valid(code", "if not is_valid(code", LEAKS_FAIL),
    "a guard that knows no notes": (FORWARDABLE, "if note := _NOTE.search(text):", "if note := None:", LEAKS_FAIL),
    "the head of a letter on the ready mail": (
        HEADS,
        "        if key.purpose is Purpose.pack:\n            return",
        "        if False:\n            return",
        NOTHING_TO_DELETE,
    ),
    "a one-click button on a mail to a list": (
        HEADS,
        '"unsubscribe_mailto": leave,',
        '"one_click_url": "https://om.example/one-click/k1.x",',
        HEAD_IS_NOBODYS,
    ),
    "the reader's name on the ready mail": (
        HEADS,
        "Mailbox(recipient.address),",
        "Mailbox(recipient.address, recipient.full_name),",
        NOTHING_TO_DELETE,
    ),
    "the note in what is passed on": (
        PACKING,
        'sender=Sender.home, note="")',
        'sender=Sender.home, note="content/so-leiten-sie-weiter")',
        NOTHING_TO_DELETE,
    ),
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
    file, old, new, *_ = request.param
    source = (copy / file).read_text(encoding="utf-8")
    assert old in source, f"{file} has changed: the mutation does not apply any more"
    (copy / file).write_text(source.replace(old, new), encoding="utf-8")
    yield copy
    (copy / file).write_text(source, encoding="utf-8")


def run_suite(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """These tests of the copy, by its own code, up to the first that fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_copy_runs_its_own_code_and_passes(copy: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import om_campaigns as o; print(o.__file__)"], cwd=copy, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(copy)
    done = run_suite(copy, *sorted({each[-1] for each in MUTATIONS.values()}))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("mutated", "test"), [(each, each[-1]) for each in MUTATIONS.values()], ids=MUTATIONS, indirect=["mutated"])
def test_fwd_01_a_leak_makes_the_suite_fail(mutated: Path, test: str) -> None:
    done = run_suite(mutated, test)
    assert done.returncode == 1, done.stdout
    assert " failed" in done.stdout or " error" in done.stdout
