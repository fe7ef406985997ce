"""What holds for every page: headers, sizes, languages, look, and a log without a trace of anybody."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from om_campaigns.app import starter_folder
from om_campaigns.columns import new_ref
from om_campaigns.compose.brand import contrast
from om_campaigns.compose.links import Door
from om_campaigns.errors import InstallationError
from om_campaigns.events import set_up_logs
from om_campaigns.letters.pages import find_fault
from om_campaigns.reader.tokens import is_form_key, make_form_key
from om_campaigns.web.application import make_application
from om_campaigns.web.middleware import ALWAYS, BODY_LIMIT
from om_campaigns.web.server import _listen, serving
from om_campaigns.wiring import open_app
from tests.journeys.workspace import SQLITE, Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture
from tests.web.postbox import token_of

pytestmark = pytest.mark.slow

PLAIN_PAGES = ("/", "/impressum", "/datenschutz", "/gibt-es-nicht")


@pytest.fixture
def quick(workspace: Workspace) -> TestClient:
    """The application without a network, for what needs none."""
    return TestClient(
        make_application(workspace.app), base_url="http://seiten.example", follow_redirects=False, raise_server_exceptions=False
    )


@pytest.mark.parametrize("path", [*PLAIN_PAGES, "/stil/om.css", "/health/" + "a" * 16, "/health/x"])
def test_sec_05_sec_23_law_25_headers_on_every_answer(quick: TestClient, path: str) -> None:
    answer = quick.get(path)
    for name, value in ALWAYS.items():
        if name not in ("x-robots-tag", "cache-control"):
            assert answer.headers[name] == value, path
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    assert "server" not in answer.headers


def test_pages_are_not_listed_unless_they_say_so(quick: TestClient) -> None:
    assert quick.get("/impressum").headers["x-robots-tag"] == "all"
    assert quick.get("/gibt-es-nicht").headers["x-robots-tag"] == "noindex, nofollow"
    assert 'name="robots" content="noindex"' in quick.get("/gibt-es-nicht").text


def test_the_front_door_and_every_page_lead_partners_to_their_portal(quick: TestClient) -> None:
    assert "Zum Partnerportal" in quick.get("/?lang=de").text
    for path in PLAIN_PAGES:
        assert 'href="/portal?lang=en"' in quick.get(f"{path}?lang=en").text, path
        assert 'href="/portal"' in quick.get(path).text, path


def test_the_other_language_shows_what_was_asked_for(quick: TestClient) -> None:
    assert 'href="?suche=Wir+%26+Sie&amp;lang=en"' in quick.get("/archiv?suche=Wir+%26+Sie&lang=de").text
    assert 'href="?lang=en"' in quick.get("/impressum?lang=de&gut=gespeichert").text, "what was just done is not said again"
    assert "geheim" not in quick.get("/gibt-es-nicht?suche=geheim").text, "a page of a fault repeats no word of the request"


def test_https_is_for_ever_once_it_is_there(workspace: Workspace) -> None:
    assert "strict-transport-security" not in TestClient(make_application(workspace.app)).get("/").headers
    workspace.write("config.toml", 'format = 1\n[web]\nbase_url = "https://om.example/briefe"\n')
    answer = TestClient(make_application(open_app(workspace.folder))).get("/")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert 'href="/briefe/impressum"' in answer.text  # pages may live below a path of another site


def test_a_logo_may_be_as_large_below_a_path(workspace: Workspace) -> None:
    workspace.write("config.toml", 'format = 1\n[web]\nbase_url = "https://om.example/briefe"\n')
    client = TestClient(
        make_application(open_app(workspace.folder)), root_path="/briefe", base_url="https://om.example", follow_redirects=False
    )
    logo = {"logo": ("logo.png", bytes(2 * BODY_LIMIT), "image/png")}
    assert client.post("/briefe/portal/haus/dach/logo", files=logo).status_code == 303, "read, and sent to the entrance"
    assert client.post("/briefe/portal/berichte", files=logo).status_code == 413


def test_head_is_get_without_a_body(quick: TestClient) -> None:
    answer = quick.head("/impressum")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(quick.get("/impressum").content)


def test_a_fault_tells_nothing_of_the_request(quick: TestClient) -> None:
    answer = quick.get("/gibt-es-nicht/<script>geheim")
    assert answer.status_code == 404
    assert "geheim" not in answer.text
    assert quick.post("/impressum").status_code == 405


@pytest.mark.parametrize(
    ("headers", "lang", "words"),
    [
        ({"accept-language": "de"}, "", "Diese Seite gibt es nicht"),
        ({"accept-language": "en"}, "", "This page does not exist"),
        ({"accept-language": "de"}, "?lang=en", "This page does not exist"),
    ],
)
def test_pages_speak_german_and_english(quick: TestClient, headers: dict[str, str], lang: str, words: str) -> None:
    assert words in quick.get("/nichts" + lang, headers=headers).text


def test_the_style_sheet_speaks_in_a_houses_colours(quick: TestClient, workspace: Workspace) -> None:
    workspace.write("templates/brands/hwk.toml", 'format = 1\n[colours]\naccent = "#1f4e8c"\n')
    assert "--accent: #1f4e8c" in quick.get("/stil/hwk.css").text
    workspace.write("templates/brands/hwk.toml", 'format = 1\n[colours]\naccent = "#fffff0"\n')
    assert "--accent: #0b5d5e" in quick.get("/stil/hwk.css").text  # unreadable colours are OM's instead
    assert quick.get("/stil/..%2f..%2fconfig.css").status_code == 404


BRANDS = sorted(path.stem for path in (starter_folder() / "templates" / "brands").glob("*.toml"))
FAULT = re.compile(r"--fault: (#[0-9a-f]{6})")


@pytest.mark.parametrize("brand", BRANDS)
def test_ren_08_a_fault_looks_the_same_in_every_house_and_can_be_read(quick: TestClient, workspace: Workspace, brand: str) -> None:
    workspace.write(f"templates/brands/{brand}.toml", (starter_folder() / "templates" / "brands" / f"{brand}.toml").read_text("utf-8"))
    style = quick.get(f"/stil/{brand}.css").text
    colours = FAULT.findall(style)
    assert colours == FAULT.findall(quick.get("/stil/om.css").text)
    for ground in ("sheet", "panel"):
        for colour, under in zip(colours, re.findall(rf"--{ground}: (#[0-9a-f]{{6}})", style), strict=True):
            assert contrast(colour, under) >= 4.5, (ground, colour, under)
    assert not re.search(r"(\.faults?\b|aria-invalid)[^}]*--a(ction|ccent)", style)


def test_a_form_key_holds_a_day_for_its_purpose_and_subject(workspace: Workspace) -> None:
    now = local("2027-01-04")
    key = make_form_key(workspace.app, "abmelden", "token", now)
    assert is_form_key(workspace.app, "abmelden", "token", key, local("2027-01-05"))
    assert not is_form_key(workspace.app, "abmelden", "token", key, local("2027-01-05", "09:01"))
    assert not is_form_key(workspace.app, "abmelden", "token", key, local("2027-01-04", "08:59"))
    assert not is_form_key(workspace.app, "einstellungen", "token", key, now)
    assert not is_form_key(workspace.app, "abmelden", "other", key, now)
    assert not is_form_key(workspace.app, "abmelden", "token", key[:-1], now)
    assert not is_form_key(workspace.app, "abmelden", "token", "", now)


@pytest.mark.slow
def test_pages_prove_that_they_hold_the_keys(workspace: Workspace, tmp_path: Path, base: str) -> None:
    assert find_fault(base, workspace.app.keyring) is None
    other = Workspace(tmp_path / "other")
    fault = find_fault(base, other.app.keyring)
    assert fault is not None
    assert "other pages than this workspace's" in fault.text


@pytest.mark.slow
def test_a_body_beyond_the_limit_is_not_read(base: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT // 1000 + 2):
            yield b"x" * 1000

    assert httpx.post(f"{base}/impressum", content=b"x" * (BODY_LIMIT + 1)).status_code == 413
    assert httpx.post(f"{base}/impressum", content=endless()).status_code in (405, 413)


def test_law_26_the_log_holds_no_token_and_nothing_of_who_asked(quick: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logs(debug=True, verbose=True)
    token = new_ref()
    quick.get(f"/health/{token}?lang={token}", headers={"user-agent": "Agent 007", "x-forwarded-for": "203.0.113.9"})
    said = capfd.readouterr().err
    line = json.loads(next(each for each in said.splitlines() if "page.served" in each))
    assert (line["method"], line["route"], line["status"]) == ("GET", "/health/{nonce}", 200)
    for word in (token, "007", "203.0.113", "testclient"):
        assert word not in said


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_law_26_sec_19_a_page_that_breaks_tells_nobody_who_asked(
    tmp_path: Path, database: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real server and its own loggers: the visitor gets a page with every header, the log the place of the fault, and no value."""
    set_up_logs(debug=True, verbose=True)
    made = Workspace(tmp_path / "ws", database=SQLITE if database == "sqlite" else request.getfixturevalue("empty_postgres"))
    made.houses(house("amt", "05"))
    made.people(person("Jörg Müller", "amt", email="joerg@amt.example"))
    token = token_of(made, Door.unsubscribe, "joerg@amt.example", "amt")
    key = make_form_key(made.app, "anmelden", "/anmelden", made.now)
    asked = {"formular": key, "email": "joerg@amt.example", "name": "Jörg Müller", "reihen": "wir-gedanke", "einverstanden": "ja"}
    made.do("ALTER TABLE organisation RENAME TO elsewhere")
    capfd.readouterr()
    with serving(made.app, "127.0.0.1", 0) as port:
        root = f"http://127.0.0.1:{port}"
        answers = [httpx.get(f"{root}/abmelden/{token}"), httpx.post(f"{root}/anmelden", data=asked)]
    for answer in answers:
        assert answer.status_code == 500
        assert "Es liegt an uns" in answer.text
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    said = "".join(capfd.readouterr())
    (first, *_) = [json.loads(line) for line in said.splitlines() if "page.failed" in line]
    assert (first["route"], first["way"][-1].split()[-1]) == ("/abmelden/{token}", "find_visitor_of")
    for word in (token, *token.split(".")[1:4], "joerg", "Müller", "127.0.0.1:", "Traceback"):
        assert word not in said.replace(f'"port": {port}', ""), word


def test_no_page_waits_for_an_acknowledgement_of_the_network() -> None:
    """Without TCP_NODELAY head and body of an answer are 40 ms apart; connections inherit it from the listening socket."""
    with _listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_named(workspace: Workspace) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InstallationError, match="cannot be served at"),
        serving(workspace.app, "127.0.0.1", taken.getsockname()[1]),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360, 320])
def test_ren_19_every_plain_page_in_a_browser(visit: Open, width: int) -> None:
    for path in PLAIN_PAGES:
        for lang in ("de-DE", "en-GB"):
            page = visit(path, width=width, lang=lang, dark=width == 360, status=404 if "gibt" in path else 200)
            assert overflow(page) <= 0, path
            assert axe(page) == [], path
            picture(page, f"plain{path.replace('/', '-')}-{width}-{lang[:2]}")


@pytest.mark.slow
def test_ren_19_keyboard_reaches_the_content_first(visit: Open) -> None:
    page = visit("/impressum")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hreflang") == "en"


@pytest.mark.slow
def test_ren_19_pages_are_valid_html(quick: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    assert html_faults({f"page{number}": quick.get(path).text for number, path in enumerate(PLAIN_PAGES)}, folder) == []
