"""Doors walked to their end without a mouse and without JavaScript, on a narrow screen; and what a stranger can do with a letter.

Where a door has a file of tests of its own, its walk stands there: leaving, subscribing, preferences, answers, archive, packs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from om_campaigns.compose.links import Door, holds_token
from om_campaigns.web.server import serving
from tests.cli.shell import om
from tests.journeys.workspace import Workspace
from tests.web.conftest import Open
from tests.web.portal_help import open_office
from tests.web.postbox import token_of
from tests.web.test_portal_packs import pack_of
from tests.web.test_portal_reports import NETWORKS, TOOLKITS, USES
from tests.web.test_portal_walk import enter, served  # noqa: F401  fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    Enter = Callable[..., Page]

pytestmark = pytest.mark.slow

MOST_TABS = 90


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """Houses with packs, where one works with an old version of a toolkit; each mail went out over these very pages' links."""
    office = open_office(tmp_path, settings="")
    office.take(networks=NETWORKS, toolkits=TOOLKITS, toolkit_uses=USES)
    return office


def reach(page: Page, selector: str) -> None:
    """Tab on until this has the focus; whoever has no mouse gets there no other way."""
    for _ in range(MOST_TABS):
        if page.locator(selector).and_(page.locator(":focus")).count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by keyboard")


def press(page: Page, selector: str, key: str = "Enter") -> None:
    reach(page, selector)
    page.keyboard.press(key)


def write(page: Page, selector: str, words: str) -> None:
    reach(page, selector)
    page.keyboard.press("Control+A")
    page.keyboard.type(words)


def test_ren_19_the_link_of_a_letter_asks_for_the_second_mail(workspace: Workspace, visit: Open) -> None:
    page = visit(f"/einstellungen/{token_of(workspace, Door.preferences, 'joerg@hwk-tal.example', 'hwk-tal')}", width=360, scripts=False)
    press(page, "button")
    page.get_by_role("heading", name="Bitte sehen Sie in Ihr Postfach").wait_for()
    assert workspace.ask("SELECT purpose, address FROM notice") == [("preferences", "joerg@hwk-tal.example")]


def test_ren_19_own_words_are_written_and_taken_back(enter: Enter, office: Workspace, served: str) -> None:  # noqa: F811
    page = enter(width=360, scripts=False)
    page.goto(f"{served}{pack_of(office, 'dach')}/worte")
    press(page, "#block-say a[href*=bearbeiten]")
    write(page, "textarea", "Ich rufe selbst an.")
    press(page, "button[name=tun][value=ersetzen]")
    page.get_by_text("Ich rufe selbst an.").first.wait_for()
    assert office.ask("SELECT kind, origin, actor FROM overlay_change") == [("replaced", "partner", "Doris Dach")]
    press(page, "button[name=tun][value=zurueck]")
    page.get_by_role("heading").first.wait_for()
    assert "Ich rufe selbst an." not in page.content()


def test_ren_19_a_report_is_sent_and_a_version_confirmed(enter: Enter, office: Workspace, served: str) -> None:  # noqa: F811
    page = enter(width=360, scripts=False)
    press(page, "nav a[href$='/berichte']")
    write(page, "textarea[name=text]", "Wir haben den Check gemeinsam vorgestellt.")
    press(page, "input[name=wirkung]", "Space")
    press(page, "input[name=brief]", "Space")
    press(page, "form:has(textarea) button[type=submit]")
    page.get_by_role("status").wait_for()
    assert office.count("action_report") == 1
    press(page, "nav a[href$='/hilfen']")
    press(page, "button[name=nutzen][value=ja]")
    page.get_by_role("status").wait_for()
    assert office.ask("SELECT count(*) FROM toolkit_use WHERE confirmed_on IS NOT NULL") == [(1,)]


def test_ren_19_a_house_decides_looks_into_its_mirror_and_signs_out(enter: Enter, office: Workspace, served: str) -> None:  # noqa: F811
    page = enter(width=360, scripts=False)
    press(page, "nav a[href$='/haus']")
    write(page, "input[name=berater]", "17")
    press(page, "form:has([name=berater]) button[type=submit]")
    page.get_by_role("status").wait_for()
    assert office.ask("SELECT adviser_headcount FROM organisation WHERE slug = 'dach'") == [(17,)]
    press(page, "nav a[href$='/spiegel']")
    page.get_by_role("heading", level=1).wait_for()
    press(page, "form[action$='/portal/abmelden'] button:not([name])")
    page.get_by_role("button", name="Link anfordern").wait_for()
    assert page.context.cookies() == []


# --- a mail that was forwarded to a stranger -------------------------------------------------------------------------------


def links_of(text: str) -> set[str]:
    """Every address in a text or a page that somebody could click."""
    return {found.replace("&amp;", "&").rstrip(".,>)") for found in re.findall(r"https://[^\s\"'<>]+", text)}


def texts_of(content: bytes) -> Iterator[str]:
    """What a mail shows, as text and as a page; attached mails as well."""
    for part in message_from_bytes(content, policy=policy.default).walk():
        if part.get_content_maintype() == "text":
            yield str(part.get_content())  # type: ignore[attr-defined]


def test_fwd_03_a_stranger_with_the_letter_changes_nothing_by_clicking(office: Workspace, browser: Browser) -> None:
    """Every link of every mail that went out, cover and letter, opened in a real browser with JavaScript: only buttons act."""
    links = {link for _, content in office.transport.letters for text in texts_of(content) for link in links_of(text)}
    doors = {link for link in links if holds_token(link)}
    assert doors, "a cover mail holds links of its reader"
    before = office.dump()
    with serving(office.app, "127.0.0.1", 0) as port:
        context = browser.new_context(locale="de-DE")
        page = context.new_page()
        for link in sorted(links):
            answer = page.goto(re.sub(r"^https://[^/]+", f"http://127.0.0.1:{port}", link))
            page.wait_for_timeout(200)
            assert answer is not None
            assert answer.status == (200 if link in doors else answer.status)
            for word in ("doris@dach", "tim@tal", "frieda@fremd"):
                assert word not in page.content(), link
        assert context.cookies() == []
        context.close()
    assert office.dump() == before


def test_fwd_01_a_stranger_with_the_pack_has_nothing_to_click_of_anybody(office: Workspace, tmp_path: Path) -> None:
    """The ready mail and every file of the pack: no token, none of our doors; what is left is the same for everybody."""
    ((code,),) = office.ask("SELECT p.code FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'dach'")
    assert om(office.folder, "pack", "write", code, str(tmp_path / "pack")).code == 0
    files = [path for path in (tmp_path / "pack").rglob("*") if path.suffix in (".eml", ".html", ".txt", ".md")]
    assert len(files) >= 4
    ready = [content for _, content in office.transport.letters if b"List-Id" not in content and b"Auto-Submitted" not in content]
    assert ready
    drafts = [path.read_bytes() for path in files if path.suffix == ".eml"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix != ".eml"]
    for text in (*texts, *(text for content in (*ready, *drafts) for text in texts_of(content))):
        assert not [link for link in links_of(text) if holds_token(link) or re.search(rf"/({'|'.join(Door)})(/|$)", link)], text
