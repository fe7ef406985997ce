"""The portal as people walk it: a real server, a real browser; wide, narrow, by keyboard alone, without JavaScript (REN-19)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from om_campaigns.web.server import serving
from tests.compose.test_logos import picture as logo
from tests.journeys.workspace import Workspace
from tests.web.conftest import axe, html_faults, overflow, picture
from tests.web.portal_help import link_of, notices, open_office
from tests.web.test_portal_packs import cover_link, pack_of, state_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.slow

EXPECTED = re.compile(r"status of (404|422)|frame is sandboxed|Applying inline style")
"""A browser asks for an icon; a form comes back with faults; axe knocks at the letter's frame, and styles what it looks at.

Styles of our own in tags are found by html-validate.
"""

ROUTES = "SELECT route FROM organisation_route r JOIN organisation o ON o.id = r.organisation_id WHERE o.slug = 'dach'"

Enter = Callable[..., "Page"]


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    return open_office(tmp_path, settings="")


@pytest.fixture
def served(office: Workspace) -> Iterator[str]:
    with serving(office.app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def enter(browser: Browser, served: str, office: Workspace) -> Iterator[Enter]:
    """Signs somebody in through the pages; gives the browser's page. Nothing may be asked of others or be complained about."""
    contexts, complaints = [], []

    def entered(address: str = "doris@dach.example", *, width: int = 1280, scripts: bool = True, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, locale="de-DE",
            color_scheme="dark" if dark else "light", reduced_motion="reduce",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: None if request.url.startswith((served, "blob:")) else complaints.append(request.url))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" and not EXPECTED.search(said.text) else None)
        before = len(notices(office))
        page.goto(f"{served}/portal")
        assert context.cookies() == [], "no cookie before somebody signs in (LAW-25)"
        page.get_by_label("Ihre E-Mail-Adresse").fill(address)
        page.get_by_role("button", name="Link anfordern").click()
        page.get_by_role("heading", name="Bitte sehen Sie in Ihr Postfach").wait_for()
        while len(notices(office)) == before:
            page.wait_for_timeout(20)
        page.goto(served + link_of(notices(office)[-1]))
        page.get_by_role("button", name="Jetzt anmelden").click()
        page.get_by_role("heading", name="Ihre Pakete").wait_for()
        return page

    yield entered
    assert complaints == []
    for context in contexts:
        cookies = context.cookies()
        assert all(each["httpOnly"] and each["sameSite"] == "Lax" and each["path"] == "/portal" for each in cookies)
        context.close()


@pytest.mark.parametrize(("width", "scripts"), [(1280, True), (360, True), (1280, False)])
def test_a_pack_is_passed_on_and_acknowledged(enter: Enter, office: Workspace, width: int, scripts: bool) -> None:
    page = enter(width=width, scripts=scripts)
    page.get_by_role("listitem").filter(has_text="Dachverband Nord").get_by_role("link").click()
    page.get_by_role("button", name="Ich gebe es weiter").click()
    page.get_by_text("vorgemerkt: Sie geben dieses Paket weiter").wait_for()
    page.get_by_role("link", name="Ansehen").click()
    letter = page.frame_locator("iframe")
    letter.get_by_role("heading", name="reihe b1.de").wait_for()
    page.get_by_role("link", name="Nur Text").click()
    page.get_by_text("Guten Tag").wait_for()
    page.get_by_role("link", name="Zurück zum Paket").click()
    page.get_by_role("link", name="Kopieren oder herunterladen").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Entwurf für Ihr Mailprogramm").click()
    assert saved.value.suggested_filename == "weiterleiten.eml"
    if scripts:
        page.get_by_role("button", name="Brief kopieren").wait_for()
    else:
        assert page.get_by_role("button", name="Brief kopieren").count() == 0
    page.get_by_role("link", name="Zurück zum Paket").click()
    page.get_by_label("unsere Regionalstellen").check()
    page.get_by_role("button", name="Rückmeldung senden").click()
    page.get_by_text("Ihre Rückmeldung ist angekommen").wait_for()
    assert state_of(office, "dach") == "reported"


def test_the_enter_key_in_a_field_sends_the_answer_and_makes_no_choice(enter: Enter, office: Workspace, served: str) -> None:
    page = enter(width=360, scripts=False)
    page.goto(served + pack_of(office, "dach"))
    page.get_by_label("unsere Regionalstellen").check()
    page.get_by_label("Ungefähr wie viele").fill("rund 12")
    page.get_by_role("button", name="Ich gebe es weiter").click()
    page.get_by_text("vorgemerkt: Sie geben dieses Paket weiter").wait_for()
    assert page.get_by_label("Ungefähr wie viele").input_value() == "rund 12"
    assert page.get_by_role("link", name="English").count() == 0
    page.get_by_label("Ungefähr wie viele").press("Enter")
    page.get_by_text("Ihre Rückmeldung ist angekommen").wait_for()
    assert office.ask("SELECT level, count FROM acknowledgement") == [("regional", 12)]
    assert state_of(office, "dach") == "reported"


def test_the_keyboard_alone_will_do(enter: Enter, office: Workspace, served: str) -> None:
    page = enter()
    page.goto(served + pack_of(office, "dach"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "stufe":
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Rückmeldung senden":
            break
    page.keyboard.press("Enter")
    page.get_by_text("Ihre Rückmeldung ist angekommen").wait_for()
    assert office.ask("SELECT level FROM acknowledgement") == [("state",)]


@pytest.mark.parametrize(("width", "scripts"), [(1280, True), (360, True), (1280, False)])
def test_a_house_chooses_its_look(enter: Enter, served: str, tmp_path: Path, width: int, scripts: bool) -> None:
    (tmp_path / "logo.png").write_bytes(logo(400, 100))
    page = enter(width=width, scripts=scripts)
    page.get_by_role("link", name="Unser Haus").click()
    page.get_by_label("Farbe Ihres Hauses").fill("#ffd400")
    page.get_by_label("Wie viele Menschen beraten").fill("rund 200")
    page.get_by_role("button", name="Speichern").click()
    page.get_by_text("Ihr Kontrast ist 1,4 : 1").first.wait_for()
    assert page.get_by_label("Wie viele Menschen beraten").input_value() == "rund 200", "faults lose nothing"
    page.get_by_label("Farbe Ihres Hauses").fill("#9c1f4a")
    page.get_by_role("button", name="Speichern").click()
    page.get_by_text("Gespeichert").wait_for()
    assert page.get_by_label("Wie viele Menschen beraten").input_value() == "200"
    page.get_by_role("link", name="Logo").click()
    page.get_by_label("Logo", exact=True).set_input_files(tmp_path / "logo.png")
    page.get_by_role("button", name="Logo speichern").click()
    page.get_by_text("Gespeichert").wait_for()
    image = page.get_by_role("img", name="Ihr Logo, wie es in Briefen steht")
    assert page.request.get(served + str(image.get_attribute("src"))).headers["content-type"] == "image/png"
    assert html_faults({"look": page.content()}, tmp_path) == []
    picture(page, f"portal-look-{width}-{scripts}")
    if scripts:
        assert image.evaluate("image => image.naturalWidth") == 400
        assert axe(page) == []
        assert overflow(page) == 0


def test_a_house_says_when_letters_rest_by_the_keyboard_alone(enter: Enter, office: Workspace, served: str) -> None:
    page = enter()
    page.goto(f"{served}/portal/haus/dach")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "ruhe":
            break
    page.keyboard.type("24.12.2027 – 06.01.2028")
    page.keyboard.press("Tab")
    page.keyboard.type("15")
    page.keyboard.press("Enter")
    page.get_by_text("Gespeichert").wait_for()
    assert office.ask("SELECT quiet_days, newsletter_days FROM organisation WHERE slug = 'dach'") == [("2027-12-24..2028-01-06", "15")]


def test_a_house_drops_a_way_by_the_keyboard_alone(enter: Enter, office: Workspace, served: str) -> None:
    office.take(organisations="slug;routes\ndach;forward_pack,newsletter_block\n")
    page = enter(scripts=False)
    page.goto(f"{served}/portal/haus/dach")
    second = page.get_by_label("Zweiter Weg")
    assert second.input_value() == "newsletter_block"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator("select:focus").count():
            break
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    while page.locator("button:focus", has_text="Speichern").count() == 0:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Gespeichert").wait_for()
    assert second.input_value() == ""
    assert office.ask(ROUTES) == [("forward_pack",)]


@pytest.mark.parametrize(("width", "scripts"), [(1280, True), (360, False)])
def test_own_words_are_looked_at_before_they_hold(
    enter: Enter, office: Workspace, served: str, tmp_path: Path, width: int, scripts: bool
) -> None:
    page = enter(width=width, scripts=scripts)
    page.goto(f"{served}{pack_of(office, 'dach')}/worte")
    block = page.locator("#block-say")
    block.get_by_role("link", name="Bearbeiten").click()
    assert page.get_by_role("button", name=re.compile("Weglassen|Zurück zur OM|Einfügen")).count() == 0, "nothing could lose what is typed"
    block.get_by_label("Ihre Worte").fill("„Ich rufe **selbst** an.“")
    block.get_by_role("button", name="Erst ansehen").click()
    block.get_by_role("status").get_by_text("selbst").wait_for()
    assert block.get_by_label("Ihre Worte").input_value() == "„Ich rufe **selbst** an.“"
    assert page.get_by_role("link", name="English").count() == 0, "a click would lose what was typed"
    assert html_faults({"looked-at": page.content()}, tmp_path) == []
    if scripts:
        assert axe(page) == []
        assert block.evaluate("each => each.getBoundingClientRect().top < innerHeight"), "the page comes back where one was"
    picture(page, f"portal-words-looked-at-{width}")
    block.get_by_role("button", name="Übernehmen").click()
    page.get_by_text("Alle Formen dieses Pakets sagen es jetzt so").wait_for()
    assert block.locator("strong", has_text="selbst").count() == 1
    assert office.ask("SELECT text FROM overlay_change") == [("„Ich rufe **selbst** an.“",)]


def test_the_letter_is_copied_with_its_looks(enter: Enter, office: Workspace, served: str) -> None:
    page = enter()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served)
    page.goto(f"{served}{pack_of(office, 'dach')}/weitergeben")
    page.get_by_role("button", name="Brief kopieren").click()
    page.get_by_text("Kopiert. Öffnen Sie").wait_for()
    kept = page.evaluate(
        "navigator.clipboard.read().then(async ([item]) => Object.fromEntries(await Promise.all("
        "item.types.map(async (type) => [type, await (await item.getType(type)).text()]))))"
    )
    assert "reihe b1.de" in kept["text/plain"]
    assert "style=" in kept["text/html"]


def test_the_cover_mail_answers_in_two_clicks(browser: Browser, office: Workspace, served: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800}, java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    page.goto(served + cover_link(office, "dach"))
    page.get_by_role("button", name="Schon weitergegeben").click()
    page.get_by_text("Danke für das Weitergeben").wait_for()
    assert state_of(office, "dach") == "forwarded"
    assert context.cookies() == []
    context.close()


def test_every_page_is_sound(enter: Enter, office: Workspace, served: str, tmp_path: Path) -> None:
    """axe, html-validate, nothing to scroll sideways, in German and English, light and dark; pictures to look at."""
    pack, cover = pack_of(office, "dach"), cover_link(office, "dach")
    paths = {
        "packs": "/portal",
        "pack": pack,
        "preview": f"{pack}/vorschau",
        "preview-narrow": f"{pack}/vorschau?als=schmal",
        "preview-text": f"{pack}/vorschau?als=text",
        "pass-on": f"{pack}/weitergeben",
        "words": f"{pack}/worte",
        "words-edit": f"{pack}/worte?bearbeiten=say",
        "words-new": f"{pack}/worte?bearbeiten=neu",
        "house": "/portal/haus/dach",
        "logo": "/portal/haus/dach/logo",
        "people": "/portal/haus/dach/menschen",
        "message": "/portal/haus/dach/nachricht",
        "mirror": "/portal/spiegel",
        "by-link": cover,
        "reports": "/portal/berichte",
        "toolkits": "/portal/hilfen",
    }
    bodies: dict[str, str] = {}
    for width, dark in ((1280, False), (360, False), (1280, True)):
        page = enter(width=width, dark=dark)
        for name, path in paths.items():
            for language in ("de", "en"):
                answer = page.goto(f"{served}{path}{'&' if '?' in path else '?'}lang={language}")
                assert answer is not None
                assert answer.status == 200
                bodies[f"{name}-{language}"] = answer.text()
                assert axe(page) == [], (name, width, dark)
                assert overflow(page) == 0, (name, width)
                if language == "de":
                    picture(page, f"portal-{name}-{width}{'-dark' if dark else ''}")
        page.goto(served + pack)
        page.get_by_role("button", name="Rückmeldung senden").click()
        page.locator(".faults:focus").wait_for()
        bodies["pack-faults"] = page.content()
        assert axe(page) == []
        picture(page, f"portal-faults-{width}{'-dark' if dark else ''}")
    assert html_faults(bodies, tmp_path) == []


def test_the_entrance_is_sound(browser: Browser, served: str, tmp_path: Path) -> None:
    bodies = {}
    for width in (1280, 360):
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="de-DE")
        page = context.new_page()
        page.goto(f"{served}/portal")
        assert axe(page) == []
        assert overflow(page) == 0
        bodies["entrance"] = page.content()
        picture(page, f"entrance-{width}")
        page.get_by_role("button", name="Link anfordern").click()
        page.locator(".faults:focus").wait_for()
        assert axe(page) == []
        bodies["entrance-faults"] = page.content()
        page.get_by_label("Ihre E-Mail-Adresse").fill("wer@auch.immer.example")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Bitte sehen Sie in Ihr Postfach").wait_for()
        assert axe(page) == []
        bodies["asked"] = page.content()
        picture(page, f"asked-{width}")
        context.close()
    assert html_faults(bodies, tmp_path) == []


def test_a_download_asked_for_at_once_does_not_stop_the_page_from_loading(enter: Enter) -> None:
    """A click on a plain link to a file is a navigation; it called off the script that was still on its way."""
    page = enter()
    waiting: list[Route] = []
    page.route("**/kopieren.js", lambda route: waiting.append(route))
    page.get_by_role("listitem").filter(has_text="Dachverband Nord").get_by_role("link").click()
    page.get_by_role("link", name="Kopieren oder herunterladen").click(no_wait_after=True)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Entwurf für Ihr Mailprogramm").click(no_wait_after=True)
    assert saved.value.suggested_filename == "weiterleiten.eml"
    for each in waiting:
        each.continue_()
    page.get_by_role("button", name="Brief kopieren").wait_for()
