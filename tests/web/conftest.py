"""Pages as people meet them: a workspace, its real server on a port of this machine, a real browser, and two strict readers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest

from om_campaigns.web.server import serving
from tests.journeys.conftest import empty_postgres  # noqa: F401  a fixture
from tests.journeys.workspace import SQLITE, Workspace, house, person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NODE = Path(__file__).parent / "html_validate"
Open = Callable[..., "Page"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest) -> str:
    """Where a workspace keeps its data: the same test on both databases."""
    return SQLITE if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres"))


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    """Two houses with a contact each, and a campaign that has not begun; on both databases where a test asks for ``database``."""
    url = request.getfixturevalue("database") if "database" in request.fixturenames else SQLITE
    made = Workspace(tmp_path / "ws", database=url, settings='[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n')
    made.pause = timedelta(days=7)  # pages ask what came of a series; that nothing happens between its letters is for the journeys
    made.houses(house("hwk-tal", "05", name="Handwerkskammer Tal"), house("ihk-berg", "05", name="IHK Berg", language="en"))
    made.people(
        person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example"),
        person("Mira Feldkamp", "ihk-berg", email="mira@ihk-berg.example"),
    )
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0", "a2 day = 7", "a3 day = 14")
    return made


def offer_series(workspace: Workspace, *lists: str) -> None:
    """Running campaigns that take in whoever subscribes to these lists, with a first letter so far away that no test meets it."""
    workspace.segment("beratende", "'adviser' in roles and 'consent_doi' in basis")
    for slug in lists:
        workspace.campaign(f"serie-{slug}", "s1 day = 400", "s2 day = 414", segment="beratende", head=f'mailing_list = "{slug}"')
        workspace.publish(f"serie-{slug}")


@pytest.fixture
def base(workspace: Workspace) -> Iterator[str]:
    """Where the pages of the workspace are really served."""
    with serving(workspace.app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    """A caller without cookies that follows nothing by itself."""
    with httpx.Client(base_url=base, follow_redirects=False, timeout=30) as made:
        yield made


@pytest.fixture
def visit(browser: Browser, base: str) -> Iterator[Open]:
    """Opens a page as a person does: ``visit(path, width=360, scripts=False, dark=True, lang="en-GB")``.

    Whatever the page asks of another host, sets as a cookie, or complains about in the console fails the test (LAW-25).
    """
    contexts, complaints = [], []

    def opened(path: str, *, width: int = 1280, scripts: bool = True, dark: bool = False, lang: str = "de-DE", status: int = 200) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            locale=lang,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith(base) else complaints.append(request.url))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" and "status of 4" not in said.text else None)
        answer = page.goto(base + path)
        assert answer is not None
        assert answer.status == status, path
        return page

    yield opened
    cookies = [cookie for context in contexts for cookie in context.cookies()]
    for context in contexts:
        context.close()
    assert complaints == []
    assert cookies == []


def picture(page: Page, name: str) -> None:
    """Keep how a page looks if ``LOOK_PICTURES`` names a folder, for people to look at."""
    if folder := os.environ.get("LOOK_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def overflow(page: Page) -> float:
    """Pixels one would have to scroll sideways. Needs a page with scripts, as ``axe`` does."""
    return float(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def axe(page: Page) -> list[str]:
    """What axe-core finds wrong (REN-19)."""
    runner = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: install the dev dependencies")
    found = runner.Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']} {[node['html'][:120] for node in each['nodes']]}" for each in found]


def html_faults(pages: dict[str, str], folder: Path) -> list[str]:
    """What html-validate finds wrong in these documents, by name."""
    if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
        pytest.skip("no html-validate: npm ci --prefix tests/web/html_validate")
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(body, encoding="utf-8")
    command = ["node", str(NODE / "node_modules/html-validate/bin/html-validate.mjs"), "--config", str(NODE / "rules.json")]
    done = subprocess.run(
        [*command, "--formatter", "json", *sorted(map(str, folder.glob("*.html")))], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        f"{Path(report['filePath']).stem}:{each['line']}:{each['column']} {each['message']} [{each['ruleId']}]"
        for report in reports
        for each in report["messages"]
    ]
