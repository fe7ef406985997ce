"""demo: what a newcomer sees first really happens, and its figures are those of the database and the files."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from email import message_from_bytes
from email.policy import default
from itertools import dropwhile, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import golden
from tests.docs.test_pages import ROOT, blocks
from tests.docs.walkthrough import Shell
from tests.web.conftest import axe, overflow, picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("newcomer")
    done = golden.run_demo(folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_json_has_the_promised_keys(demo: tuple[Path, dict[str, Any]]) -> None:
    _, told = demo
    keys = {"organisations", "people", "mails", "packs", "by_route", "skipped", "outbox", "packs_dir", "database", "index"}
    assert set(told) == keys
    assert told["packs"] > 60
    assert {path.name for path in Path(told["packs_dir"]).glob("hwk-westerfurt/*/*")} == {
        "weiterleiten.eml",
        "weiterleiten.html",
        "weiterleiten.txt",
        "baustein.md",
        "baustein.html",
        "blatt.pdf",
        "manifest.json",
    }


def test_every_mail_is_a_file_and_a_sent_row_and_a_touch(demo: tuple[Path, dict[str, Any]]) -> None:
    _, told = demo
    files = list(Path(told["outbox"]).glob("*.eml"))
    with sqlite3.connect(told["database"]) as database:
        (sent,) = database.execute("SELECT count(*) FROM dispatch WHERE status = 'sent'").fetchone()
        (touches,) = database.execute("SELECT count(*) FROM touch WHERE certain").fetchone()
        (messages,) = database.execute("SELECT count(*) FROM message WHERE state = 'sent'").fetchone()
        states = dict(database.execute("SELECT relay_state, count(*) FROM pack GROUP BY relay_state").fetchall())
    assert sent == touches == sum(told["by_route"].values())
    assert told["mails"] == messages == len(files)
    assert told["mails"] > sent > 200, "a pack is one dispatch and mostly two mails"
    assert {"reported", "skipped", "replaced", "expired"} <= set(states), "partners pass on, decline, stay silent"
    ids = {message_from_bytes(path.read_bytes(), policy=default)["Message-ID"] for path in files}
    assert len(ids) == len(files)


def test_nobody_gets_more_than_the_cap_allows(demo: tuple[Path, dict[str, Any]]) -> None:
    """Domain rule 8: at most one touch in any seven local days and four in any thirty, per address."""
    _, told = demo
    with sqlite3.connect(told["database"]) as database:
        rows = database.execute("SELECT address_id, day FROM touch ORDER BY address_id, day").fetchall()
    days: dict[int, list[int]] = {}
    for address, day in rows:
        days.setdefault(address, []).append(day)
    assert all(later - earlier >= 7 for found in days.values() for earlier, later in pairwise(found))
    assert all(found[place + 4] - found[place] >= 30 for found in days.values() for place in range(len(found) - 4))


def test_the_page_shows_every_mail(demo: tuple[Path, dict[str, Any]]) -> None:
    _, told = demo
    page = Path(told["index"]).read_text(encoding="utf-8")
    assert page.count('target="mail"') == told["mails"] + 2, "the desk of staff and the files of packs"
    assert len(list((Path(told["index"]).parent / "mails").glob("*.html"))) == told["mails"]


def test_the_desk_of_staff_tells_of_every_pack_and_the_files_can_be_opened(demo: tuple[Path, dict[str, Any]]) -> None:
    _, told = demo
    folder = Path(told["index"]).parent
    staff = (folder / "staff.html").read_text(encoding="utf-8")
    assert staff.count('class="code"') == told["packs"]
    assert "<h2>fuenf-gedanken/b2</h2><p>" in staff
    links = re.findall(r'href="(packs/[^"]+)"', (folder / "files.html").read_text(encoding="utf-8"))
    assert len(links) > 100
    assert all((folder / link).is_file() for link in links)


@pytest.mark.parametrize("width", [1280, 360])
def test_ren19_three_desks_can_be_read_on_a_desktop_and_on_a_phone(demo: tuple[Path, dict[str, Any]], browser: Browser, width: int) -> None:
    """REN-19: staff, contact and adviser as somebody clicks through them; nothing sticks out, axe-core finds nothing."""
    from playwright.sync_api import expect

    index = Path(demo[1]["index"])
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(index.as_uri())
    frame = page.frame_locator("iframe")
    page.get_by_role("link", name="Zum Weitergeben:").first.click()
    expect(frame.get_by_text("So leiten Sie weiter").first).to_be_visible()
    assert (overflow(page), axe(page)) == (0, [])
    picture(page, f"demo-contact-{width}")
    page.get_by_text("Ansprechpersonen: was die OM").click()
    page.get_by_text("Beratende: was ihr Haus").click()
    page.get_by_role("link", name="zum Weiterleiten").first.click()
    page.frames[1].wait_for_url("**/*weiterleiten*")
    expect(frame.get_by_text("So leiten Sie weiter")).to_have_count(0)
    picture(page, f"demo-adviser-{width}")
    page.get_by_role("link", name="Redaktion: die Pakete").click()
    expect(frame.get_by_role("heading", name="Die Pakete, und was aus ihnen wurde")).to_be_visible()
    picture(page, f"demo-staff-{width}")
    for name in ("staff", "files"):
        page.goto(index.with_name(f"{name}.html").as_uri())
        assert (overflow(page), axe(page)) == (0, []), name
        picture(page, f"demo-{name}-{width}")
    page.close()


def test_a_house_speaks_its_own_words_in_what_it_passes_on(demo: tuple[Path, dict[str, Any]]) -> None:
    _, told = demo
    pages = [path.read_text(encoding="utf-8") for path in (Path(told["index"]).parent / "mails").glob("*weiterleiten*.html")]
    second = [page for page in pages if "Ein Anruf statt fünf Prospekte" in page and "Was Sie sagen können" in page]
    own = [page for page in second if "Ich rufe die Kollegin der Krankenkasse heute noch an" in page]
    assert len(second) > len(own) == 1
    assert "Handwerkskammer Westerfurt" in own[0]


def test_the_golden_run_is_the_same(demo: tuple[Path, dict[str, Any]]) -> None:
    """Before the second run, which draws other refs. Where a difference is meant: ``make golden``, and say it in the commit."""
    assert list(golden.differences(golden.collect(demo[0]))) == []


@pytest.fixture(scope="module")
def again(demo: tuple[Path, dict[str, Any]]) -> str:
    """What a second run in the same folder prints."""
    done = run("demo", folder=demo[0])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_run_rebuilds_and_prints_commands_that_work(demo: tuple[Path, dict[str, Any]], again: str) -> None:
    folder, told = demo
    assert f"{told['mails']} mails" in again
    table = [re.split(r"  +", line) for line in again.split("\n\n")[1].splitlines()]
    assert sum(int(row[table[0].index("mails")]) for row in table[1:]) == told["mails"], "a pack is one letter and up to two mails"
    commands = [line.split()[1:] for line in again.splitlines() if line.startswith("  ") and "--now" in line]
    assert len(commands) == 3
    for command in commands:
        done = run(*command, folder=folder)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_the_readme_shows_what_the_demo_prints(demo: tuple[Path, dict[str, Any]], again: str) -> None:
    printed = list(dropwhile(lambda line: not line, map(str.rstrip, again.splitlines())))
    after = next(line for line in printed if " why " in line)
    answer = Shell(demo[0]).run(f"om-campaigns {after.strip().partition(' ')[2]}")
    shown = [line for body in blocks(ROOT / "README.md", "text") for line in body.splitlines()]
    assert shown == [*printed[: printed.index("Try:") - 1], *answer]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me", encoding="utf-8")
    done = run("demo", "mine", folder=tmp_path)
    assert done.returncode == 3
    assert "not a demo folder" in done.stderr
    assert (tmp_path / "mine" / "letter.txt").read_text(encoding="utf-8") == "keep me"
