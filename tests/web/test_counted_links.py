"""Counted links, from the letter to the figure: followed by people, tried by programs, forged, and told to staff (FWD-15, LAW-11)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from om_campaigns.partner.packs import write_pack
from om_campaigns.reader.counted_links import count_click, find_link
from om_campaigns.web.application import make_application
from om_campaigns.web.server import serving
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.test_cascade import taker
from tests.journeys.workspace import SQLITE, Workspace, house, local, person
from tests.web.postbox import BASE_URL, body, letters

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow  # every test writes letters to a crowd

BODY = "Guten Tag {{ contact.full_name }},\n\nmehr im [Leitfaden](https://haus.example/leitfaden?teil=1).\n"
TARGET = "https://haus.example/leitfaden?teil=1"
PERSON = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none", "sec-fetch-user": "?1"}
LINK = re.compile(rf"{re.escape(BASE_URL)}(/zu/[0-9a-f]{{20}}/haus\.example)")


def config(office: Workspace, database: str = SQLITE) -> None:
    office.write(
        "config.toml",
        f'format = 1\n[web]\nbase_url = "{BASE_URL}"\n[database]\nurl = "{database}"\n'
        '[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n',
    )
    office.app = open_app(office.folder, clock=lambda: office.now, rehearsal_transport=lambda: office.transport)


def crowd(slug: str, number: int) -> list[str]:
    return [person(f"Person {chr(97 + each)}", slug, email=f"p{each}@{slug}.example") for each in range(number)]


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A house of twelve readers, one of seven and one of four; a letter with one link went to all of them. Made once and copied."""
    return sent_to_all(tmp_path_factory.mktemp("ready"), SQLITE)


@pytest.fixture
def office(ready: Workspace, tmp_path: Path) -> Workspace:
    return ready.copy(tmp_path / "ws")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """The same on both databases."""
    if request.param == "sqlite":
        return request.getfixturevalue("office")  # type: ignore[no-any-return]
    return sent_to_all(tmp_path, request.getfixturevalue("empty_postgres"))


def sent_to_all(tmp_path: Path, database: str) -> Workspace:
    office = Workspace(tmp_path / "ws", database=database)
    config(office, database)
    office.houses(*(house(slug, "05", name=f"Haus {slug}") for slug in ("gross", "mittel", "klein")))
    office.people(*crowd("gross", 12), *crowd("mittel", 7), *crowd("klein", 4))
    office.segment("alle", "'contact' in roles")
    office.campaign("reihe", "a1 day = 0", head="count_links = true", texts=False)
    office.text("reihe", "a1.de", BODY)
    office.publish()
    office.tick(local("2027-01-05"))
    return office


def paths(office: Workspace, to: str) -> set[str]:
    return {match for letter in letters(office, to) for match in LINK.findall(body(letter))}


def clicks(office: Workspace) -> list[tuple[str, str, int]]:
    """House ('' for all the others), day, number."""
    return [
        (row[0] or "", str(row[1]), row[2])
        for row in office.ask(
            "SELECT o.slug, d.day, d.clicks FROM link_day d JOIN counted_link l ON l.id = d.link_id"
            " LEFT JOIN organisation o ON o.id = l.organisation_id ORDER BY 1, 2"
        )
    ]


def test_fwd_15_a_house_with_enough_readers_has_one_link_and_the_others_share_one(office: Workspace) -> None:
    [big] = paths(office, "@gross")
    [shared] = paths(office, "@mittel") | paths(office, "@klein")
    assert big != shared
    assert len(letters(office)) == 23
    for letter in letters(office):
        html = letter.get_body(("html",))
        assert html is not None
        assert LINK.findall(str(html.get_content())) == LINK.findall(body(letter))  # MSG-11
        assert TARGET not in body(letter)
    assert {row[0] for row in office.ask("SELECT target FROM counted_link")} == {TARGET}


def test_law_14_where_all_others_are_too_few_their_links_lead_straight_to_the_target(tmp_path: Path) -> None:
    office = Workspace(tmp_path / "ws")
    config(office)
    office.houses(house("gross", "05"), house("klein", "05"))
    office.people(*crowd("gross", 12), *crowd("klein", 9))
    office.segment("alle", "'contact' in roles")
    office.campaign("reihe", "a1 day = 0", head="count_links = true", texts=False)
    office.text("reihe", "a1.de", BODY)
    office.publish()
    office.tick(local("2027-01-05"))
    assert len(paths(office, "@gross")) == 1
    assert all(TARGET in body(letter) for letter in letters(office, "@klein"))
    office.people(person("Neu Nele", "gross"))  # comes late: the link of the house is open to its later readers
    office.tick(local("2027-01-06"))
    assert paths(office, "neu.nele@") == paths(office, "p1@gross")
    office.people(person("Neu Nils", "klein"))  # nine who have it and one who gets it: not ten at one time
    office.tick(local("2027-01-07"))
    assert TARGET in body(letters(office, "neu.nils@")[0])
    assert office.count("counted_link") == 1


def test_a_campaign_that_does_not_ask_and_a_house_without_pages_count_nothing(tmp_path: Path) -> None:
    office = Workspace(tmp_path / "ws")
    office.houses(house("gross", "05"))
    office.people(*crowd("gross", 12))
    office.segment("alle", "'contact' in roles")
    office.campaign("reihe", "a1 day = 0", head="count_links = true", texts=False)
    office.text("reihe", "a1.de", BODY)
    office.publish()
    office.tick(local("2027-01-05"))  # without base_url nobody could follow
    config(office)
    office.campaign("anders", "a1 day = 0", texts=False)
    office.text("anders", "a1.de", BODY)
    office.publish("anders")
    office.walk(local("2027-01-14"))
    assert len(letters(office)) == 24
    assert all(TARGET in body(letter) for letter in letters(office))
    assert office.count("counted_link") == 0


def test_the_plan_and_the_checksum_know_the_counted_links_before_they_are_made(office: Workspace) -> None:
    office.campaign("zwei", "a1 day = 0", head="count_links = true", texts=False)
    office.text("zwei", "a1.de", BODY.replace("leitfaden?teil=1", "zwei"))
    office.publish("zwei")
    at = "2027-01-12T09:00"
    planned = om(office.folder, "plan", "zwei", "--format", "json", now=at).json
    assert office.count("counted_link") == 2
    sent = om(office.folder, "send", "zwei", "--expect", planned["checksum"], now=at)
    assert sent.code == 0, sent.err
    assert office.count("counted_link") == 4


def test_previews_and_tests_lead_straight_to_the_target_and_count_nowhere(office: Workspace) -> None:
    """MSG-26: what we look at ourselves must not look like readers."""
    folder = office.folder / "preview"
    shown = om(office.folder, "preview", "reihe/a1", "--for", "p1@gross.example", "--write", str(folder), now="2027-01-05T10:00")
    assert shown.code == 0, shown.err
    written = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    assert "/zu/" not in written
    assert written.count("haus.example/leitfaden") == 4  # HTML, text, and both parts of the mail


@pytest.fixture
def client(office: Workspace) -> httpx.Client:
    web = make_application(office.app)
    web.state.site.errands.delay = (0.0, 0.0)
    return TestClient(web, follow_redirects=False)  # type: ignore[return-value]


def follow(client: httpx.Client, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    answer = client.request(method, path, headers=headers)
    client.app.state.site.errands.finish(10)  # type: ignore[attr-defined]
    return answer


def test_law_11_a_click_is_one_more_for_house_and_day_and_nothing_else(office: Workspace, client: httpx.Client) -> None:
    [path] = paths(office, "@gross")
    before = {name: rows for name, rows in office.dump().items() if name != "link_day"}
    for _ in range(3):
        answer = follow(client, path, PERSON | {"user-agent": "Somebody's Browser", "cookie": "a=b", "x-forwarded-for": "203.0.113.7"})
        assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
    office.now = local("2027-01-06", "23:30")
    follow(client, path, PERSON)
    assert clicks(office) == [("gross", "2027-01-05", 3), ("gross", "2027-01-06", 1)]
    assert {name: rows for name, rows in office.dump().items() if name != "link_day"} == before


NOBODY = {
    "a program": {},
    "a scanner with the name of a browser": {"user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0"},
    "fetched ahead": PERSON | {"sec-purpose": "prefetch;prerender"},
    "fetched ahead, the old way": PERSON | {"purpose": "prefetch"},
    "fetched ahead by an old Firefox": PERSON | {"x-moz": "prefetch"},
    "an image": PERSON | {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    "a frame": PERSON | {"sec-fetch-dest": "iframe"},
}


@pytest.mark.parametrize("headers", NOBODY.values(), ids=NOBODY)
def test_uns_04_programs_and_pages_fetched_ahead_are_led_on_and_not_counted(
    office: Workspace, client: httpx.Client, headers: dict[str, str]
) -> None:
    [path] = paths(office, "@gross")
    assert follow(client, path, headers).headers["location"] == TARGET
    assert clicks(office) == []


def test_head_is_led_on_and_not_counted(office: Workspace, client: httpx.Client) -> None:
    [path] = paths(office, "@gross")
    answer = follow(client, path, PERSON, "HEAD")
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, TARGET, b"")
    assert clicks(office) == []


FORGED = (
    "/zu/{other}/haus.example",
    "/zu/{ref}/evil.example",
    "/zu/{ref}/haus.example.evil.example",
    "/zu/{ref}/",
    "/zu/{ref}",
    "/zu/{ref}/https://evil.example",
    "/zu/{ref}/%0d%0aLocation:%20https://evil.example",
    "/zu/{upper}/haus.example",
    "/zu/{short}/haus.example",
    "/zu/https://evil.example/haus.example",
    "/zu/{ref}//evil.example",
)


@pytest.mark.parametrize("path", FORGED)
def test_sec_07_what_is_not_stored_is_no_page_whatever_is_asked(office: Workspace, client: httpx.Client, path: str) -> None:
    [known] = paths(office, "@gross")
    ref = known.split("/")[2]
    swapped = ref[:-1] + ("0" if ref[-1] != "0" else "1")
    asked = path.format(ref=ref, other=swapped, upper=ref.upper() if ref.upper() != ref else "A" * 20, short=ref[:-1])
    answer = follow(client, f"{asked}?ziel=https://evil.example&url=//evil.example", PERSON)
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text
    assert clicks(office) == []


def test_parallel_clicks_lose_none(either: Workspace) -> None:
    [path] = paths(either, "@gross")
    link = find_link(either.app, path.split("/")[2], "haus.example")
    assert link is not None
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda _: count_click(either.app, link.id, either.app.today(either.now)), range(200)))
    assert clicks(either) == [("gross", "2027-01-05", 200)]


def test_law_14_staff_see_figures_of_groups_only(either: Workspace) -> None:
    office = either
    [big], [shared] = paths(office, "@gross"), paths(office, "@klein")
    seen = lambda *more: om(office.folder, "link", "list", *more, now="2027-01-07T09:00")  # noqa: E731
    for path, number in ((big, 14), (shared, 3)):
        link = find_link(office.app, path.split("/")[2], "haus.example")
        assert link is not None
        for each in range(number):
            count_click(office.app, link.id, office.app.today(local("2027-01-05" if each < 11 else "2027-01-06")))
    [row] = seen("--format", "json").json  # three clicks of the others would be the difference: all are told together
    assert row == {
        "campaign": "reihe", "step": "a1", "passed_on": False, "target": TARGET, "house": "", "readers": 23, "clicks": 17,
    }  # fmt: skip
    assert find_difference(EXAMPLES["link list"], [row]) == ""
    days = seen("--by", "day", "--format", "json").json
    assert days == [{"campaign": "reihe", "step": "a1", "passed_on": False, "target": TARGET, "day": None, "clicks": 17}]
    for _ in range(9):
        count_click(office.app, find_link(office.app, shared.split("/")[2], "haus.example").id, office.app.today(office.now))  # type: ignore[union-attr]
    rows = seen("--format", "json").json
    assert [(each["house"], each["readers"], each["clicks"]) for each in rows] == [("gross", 12, 14), ("", 11, 12)]
    assert "gross" in seen().out
    assert seen("--format", "csv").out.startswith("campaign,step,passed_on,target,house,readers,clicks\n")
    assert seen("reihe/a9").out == "no link is counted: see 'count_links' of a campaign\n"
    assert seen("gibtsnicht").code == 2


def test_fewer_than_the_group_is_said_so(office: Workspace) -> None:
    [big] = paths(office, "@gross")
    count_click(office.app, find_link(office.app, big.split("/")[2], "haus.example").id, office.app.today(office.now))  # type: ignore[union-attr]
    assert "fewer than 10" in om(office.folder, "link", "list", now="2027-01-07T09:00").out


def test_fwd_15_packs_carry_the_link_of_the_house_where_enough_advisers_stand_behind(tmp_path: Path) -> None:
    office = Workspace(tmp_path / "ws")
    config(office)
    office.houses(taker("gross", adviser_headcount="40"), taker("klein", adviser_headcount="4"))
    office.people(person("Anna Gross", "gross"), person("Karl Klein", "klein"))
    office.segment("berater", "adviser_count >= 1", "organisations")
    routes = 'routes = ["forward_pack"]\nsender = "om"'
    office.campaign("reihe", "b1 day = 0", head="count_links = true", audience=routes, segment="berater", texts=False)
    office.text("reihe", "b1.de", BODY.replace(" {{ contact.full_name }}", ""))
    office.freeze()  # a text so short is more than one twentieth head and button
    office.tick(local("2027-01-05"))
    [path] = paths(office, "@gross")
    assert all(TARGET in body(each) for each in letters(office, "@klein") if each.get_content_type() == "multipart/alternative")
    (code,) = office.ask("SELECT code FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'gross'")[0]
    made = write_pack(office.app, code, tmp_path / "pack", local("2027-01-06"))
    texts = {each.name: each.read_text(encoding="utf-8") for each in made if each.suffix in (".txt", ".md", ".html")}
    assert all(BASE_URL + path in text and TARGET not in text for text in texts.values()), texts
    again = write_pack(office.app, code, tmp_path / "again", local("2027-01-07"))
    assert [each.read_bytes() for each in made] == [each.read_bytes() for each in again]
    assert office.count("pack_revision") == 2


def test_a_real_browser_is_counted_once_and_led_on(office: Workspace, browser: Browser) -> None:
    [path] = paths(office, "@gross")
    asked: list[str] = []
    with serving(office.app, "127.0.0.1", 0) as port:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):  # where it leads is not there; that it leads there counts
            page.goto(f"http://127.0.0.1:{port}{path}")
        page.close()
    assert asked == [f"http://127.0.0.1:{port}{path}", TARGET]
    assert clicks(office) == [("gross", "2027-01-05", 1)]
