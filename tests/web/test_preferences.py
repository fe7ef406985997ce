"""Preferences: what a forwarded letter can never show, and what its own reader decides about lists, rhythm, topics, language, home."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest

from om_campaigns.compose.links import Door, make_token
from om_campaigns.reader.preferences import LINKS_A_DAY
from om_campaigns.reader.tokens import make_form_key
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture
from tests.web.postbox import letters, token_of
from tests.web.test_subscribe import link_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow  # every test talks to a real server

JOERG = "joerg@hwk-tal.example"


def ask_for_link(workspace: Workspace, client: httpx.Client, address: str = JOERG, organisation: str = "hwk-tal") -> httpx.Response:
    token = token_of(workspace, Door.preferences, address, organisation)
    key = make_form_key(workspace.app, Door.preferences, token, workspace.now)
    return client.post(f"/einstellungen/{token}", data={"formular": key})


def mailed_link(workspace: Workspace, client: httpx.Client) -> str:
    assert ask_for_link(workspace, client).status_code == 200
    workspace.tick()
    return link_in(letters(workspace, "joerg@")[-1], "verwalten")


def save(workspace: Workspace, client: httpx.Client, link: str, page: str = "", **chosen: object) -> httpx.Response:
    """Sends the form with these changes, from the page as it was opened or as it is now."""
    key = make_form_key(workspace.app, "verwalten", link.rpartition("/")[2], workspace.now)
    shown = dict(re.findall(r'name="(gezeigt-\w+)" value="([^"]*)"', page or client.get(link).text))
    usual = {"reihen": ["wir-gedanke", "monatsbrief", "hilfen"], "takt": "as_it_comes", "themen": [], "sprache": "de"}
    return client.post(link, data={**usual, **shown, "formular": key, **chosen})


@pytest.mark.usefixtures("database")
def test_fwd_03_the_link_of_a_letter_shows_nothing_that_is_stored(workspace: Workspace, client: httpx.Client) -> None:
    before = workspace.dump()
    page = client.get(f"/einstellungen/{token_of(workspace, Door.preferences, JOERG, 'hwk-tal')}").text
    assert "j…@hwk-tal.example" in page
    for told in ("joerg@", "Jörg", "Müller", "Monatsbrief"):
        assert told not in page
    assert workspace.dump() == before


@pytest.mark.usefixtures("database")
def test_fwd_03_the_second_mail_goes_to_the_stored_address_and_opens_for_a_day(workspace: Workspace, client: httpx.Client) -> None:
    answer = ask_for_link(workspace, client)
    assert "joerg@" not in answer.text
    workspace.tick()
    (letter,) = letters(workspace)
    assert letter["To"] == JOERG
    assert (letter["Auto-Submitted"], letter["List-Id"]) == ("auto-generated", None)
    assert workspace.ask("SELECT kind, state, envelope_to FROM message") == [("service", "sent", "")]
    link = link_in(letter, "verwalten")
    page = client.get(link)
    assert JOERG in page.text
    assert "Jörg Müller" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    workspace.now += timedelta(days=1, minutes=1)
    assert client.get(link).status_code == 404
    assert save(workspace, client, link).status_code == 404
    assert JOERG not in client.get(link).text


@pytest.mark.usefixtures("database")
def test_sec_11_only_so_many_links_a_day(workspace: Workspace, client: httpx.Client) -> None:
    assert len({ask_for_link(workspace, client).text for _ in range(LINKS_A_DAY + 2)}) == 1
    workspace.tick()
    assert len(letters(workspace)) == LINKS_A_DAY


@pytest.mark.usefixtures("database")
def test_sec_11_as_many_links_a_day_when_all_are_asked_for_at_once(workspace: Workspace, client: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask_for_link, workspace, client) for _ in range(6)]
        assert [each.result().status_code for each in asked] == [200] * 6
    assert workspace.count("notice") == LINKS_A_DAY


def test_a_link_that_opens_nothing_any_more_is_not_sent(workspace: Workspace, client: httpx.Client) -> None:
    """Sending was halted for longer than the link would have been good for."""
    assert om(workspace.folder, "halt", "--reason", "Probe").code == 0
    assert ask_for_link(workspace, client).status_code == 200
    workspace.now += timedelta(hours=26)
    assert om(workspace.folder, "unhalt").code == 0
    workspace.tick()
    assert letters(workspace) == []
    assert client.get(mailed_link(workspace, client)).status_code == 200


def test_sec_08_no_other_token_manages(workspace: Workspace, client: httpx.Client) -> None:
    genuine = mailed_link(workspace, client).rpartition("/")[2]
    key, signature, *parts = genuine.split(".")
    ours = workspace.app.keyring
    later = str(int(parts[3]) + 100_000)
    for forged in (
        token_of(workspace, Door.preferences, JOERG, "hwk-tal"),
        make_token(ours, Door.preferences, *parts),
        make_token(ours, "verwalten", *parts[:3]),
        make_token(ours, "verwalten", *parts[:3], later),
        make_token(ours, "verwalten", *parts[:3], "x"),
        ".".join((key, signature, *parts[:3], later)),
        genuine[:-1],
        genuine + "1",
    ):
        assert client.get(f"/verwalten/{forged}").status_code == 404, forged
        assert client.post(f"/einstellungen/{forged}", data={}).status_code in (400, 404)
    assert workspace.count("notice") == 1


@pytest.mark.usefixtures("database")
def test_nothing_changes_without_a_form_of_ours_or_twice(workspace: Workspace, client: httpx.Client) -> None:
    link = mailed_link(workspace, client)
    before = workspace.dump()
    assert client.post(link, data={"takt": "monthly"}).status_code == 400
    assert save(workspace, client, link, takt="never").status_code == 400
    assert save(workspace, client, link).status_code == 200  # as it was
    assert workspace.dump() == before
    assert save(workspace, client, link, takt="monthly", themen=["health"], reihen=["hilfen"]).status_code == 200
    after = workspace.dump()
    assert save(workspace, client, link, takt="monthly", themen=["health"], reihen=["hilfen"]).status_code == 200
    assert workspace.dump() == after


@pytest.mark.usefixtures("database")
def test_a_page_that_was_open_for_too_long_keeps_what_was_ticked(workspace: Workspace, client: httpx.Client) -> None:
    """Whoever presses once more gets what they chose, not what was stored before."""
    workspace.people(person("Jörg Müller", "ihk-berg", email=JOERG, primary=""))
    link = mailed_link(workspace, client)
    stored = re.findall(r'name="(\w+)" value="([\w-]+)" checked', client.get(link).text)
    ((other,),) = workspace.ask("SELECT s.id FROM seat s JOIN organisation o ON o.id = s.organisation_id WHERE o.slug = 'ihk-berg'"
                                " AND s.person_id = (SELECT id FROM person WHERE full_name = 'Jörg Müller')")  # fmt: skip
    before = workspace.dump()
    ticked = [("reihen", "hilfen"), ("takt", "monthly"), ("themen", "health"), ("sprache", "en"), ("haus", str(other)), ("weg", "ja")]
    answer = save(workspace, client, link, formular="alt", reihen=["hilfen"], takt="monthly", themen=["health"], sprache="en",
                  haus=str(other), weg="ja")  # fmt: skip
    assert answer.status_code == 400
    assert re.findall(r'name="(\w+)" value="([\w-]+)" checked', answer.text) == ticked
    assert stored != ticked
    nothing = client.post(link, data={})  # no form of ours: what is stored
    assert re.findall(r'name="(\w+)" value="([\w-]+)" checked', nothing.text) == stored
    assert workspace.dump() == before


@pytest.mark.usefixtures("database")
def test_leaving_and_joining_lists_joining_is_a_consent_with_proof(workspace: Workspace, client: httpx.Client) -> None:
    link = mailed_link(workspace, client)
    save(workspace, client, link, reihen=["hilfen"])
    assert workspace.ask("SELECT scope_kind, scope FROM suppression ORDER BY scope") == [
        ("mailing_list", "monatsbrief"),
        ("mailing_list", "wir-gedanke"),
    ]
    page = save(workspace, client, link, reihen=["hilfen", "monatsbrief", "gibt-es-nicht"]).text
    assert page.count("checked") == 2 + 1 + 1  # two lists, the rhythm, the language
    assert workspace.ask("SELECT scope FROM suppression") == [("wir-gedanke",)]
    told = workspace.ask("SELECT new FROM change WHERE field = 'suppressed' AND old = 'mailing_list monatsbrief'")
    assert told == [("lifted by a new subscription",)]
    (proof,) = om(workspace.folder, "person", "proof", JOERG, "--format", "json").json
    assert (proof["mailing_lists"], proof["mail_id"]) == (["monatsbrief"], letters(workspace)[0]["Message-ID"])
    sent = workspace.transport.letters[0][1].partition(b"MIME-Version: 1.0\r\n")
    assert proof["mail_hash"] == hashlib.sha256(sent[2]).hexdigest()  # LAW-05: what the mail said, not how its text is filed
    assert "„Monatsbrief“" in proof["consent_text"]
    save(workspace, client, link, reihen=["hilfen"])
    (proof,) = om(workspace.folder, "person", "proof", JOERG, "--format", "json").json
    assert [(each["mailing_list"], each["through"]) for each in proof["withdrawn"]] == [("monatsbrief", "page")]


@pytest.mark.usefixtures("database")
def test_uns_09_one_list_ticked_after_leaving_a_whole_house_brings_back_that_list_alone(workspace: Workspace, client: httpx.Client) -> None:
    link = mailed_link(workspace, client)
    workspace.do(
        "INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at)"
        " SELECT hmac, key_id, 'organisation', (SELECT public_id FROM organisation WHERE slug = 'hwk-tal'), 'opt_out', :at"
        f" FROM address WHERE address = '{JOERG}'",
        at=workspace.bound(workspace.now),
    )
    for _ in range(2):
        page = save(workspace, client, link, reihen=["monatsbrief"]).text
        assert page.count("checked") == 1 + 1 + 1  # the list, the rhythm, the language
        assert workspace.ask("SELECT scope_kind, reopened FROM suppression") == [("organisation", " monatsbrief ")]


def comes(workspace: Workspace, client: httpx.Client, link: str) -> list[str]:
    assert client.get(link).status_code == 200
    return re.findall(r'name="reihen" value="([\w-]+)" checked', client.get(link).text)


@pytest.mark.usefixtures("database")
def test_uns_09_whoever_left_one_house_keeps_every_list_of_the_other(workspace: Workspace, client: httpx.Client) -> None:
    workspace.people(person("Jörg Müller", "ihk-berg", email=JOERG, primary="no"))
    assert ask_for_link(workspace, client, organisation="ihk-berg").status_code == 200
    workspace.tick()
    other = link_in(letters(workspace, "joerg@")[-1], "verwalten")
    token = token_of(workspace, Door.unsubscribe, JOERG, "hwk-tal")
    client.post(
        f"/abmelden/{token}",
        data={"formular": make_form_key(workspace.app, Door.unsubscribe, token, workspace.now), "wunsch": "this_house"},
    )
    link = mailed_link(workspace, client)
    assert (comes(workspace, client, link), len(comes(workspace, client, other))) == ([], 3)
    save(workspace, client, link, reihen=["monatsbrief"])
    assert comes(workspace, client, link) == ["monatsbrief"]
    assert len(comes(workspace, client, other)) == 3


@pytest.mark.usefixtures("database")
def test_uns_09_a_list_made_later_does_not_come_to_whoever_left_everything_but_one(workspace: Workspace, client: httpx.Client) -> None:
    link, token = mailed_link(workspace, client), token_of(workspace, Door.unsubscribe, JOERG, "hwk-tal")
    everything = {"formular": make_form_key(workspace.app, Door.unsubscribe, token, workspace.now), "wunsch": "everything"}
    client.post(f"/abmelden/{token}", data=everything)
    save(workspace, client, link, reihen=["monatsbrief"])
    workspace.do(
        "INSERT INTO mailing_list (slug, name_de, name_en, description_de, description_en) VALUES ('neu', 'Neue Reihe', '', '', '')"
    )
    assert comes(workspace, client, link) == ["monatsbrief"]
    client.post(f"/abmelden/{token}", data=everything)
    assert comes(workspace, client, link) == []
    assert workspace.ask("SELECT scope_kind, reopened FROM suppression") == [("all", None)]
    said = workspace.ask("SELECT field, old, new FROM change WHERE field IN ('suppressed', 'reopened') ORDER BY id")
    once, again = ("suppressed", None, "all"), ("reopened", "monatsbrief", None)
    assert said == [once, ("reopened", "all", "monatsbrief"), again, once]
    (proof,) = om(workspace.folder, "person", "proof", JOERG, "--format", "json").json
    assert [each["mailing_list"] for each in proof["withdrawn"]] == ["monatsbrief"]


@pytest.mark.parametrize("door", [Door.one_click, Door.unsubscribe])
@pytest.mark.usefixtures("database")
def test_uns_09_law_05_an_open_page_brings_nobody_back_who_left_meanwhile(workspace: Workspace, client: httpx.Client, door: Door) -> None:
    """The lists still stand ticked on it: that is what was shown, and no consent."""
    link = mailed_link(workspace, client)
    opened, token = client.get(link).text, token_of(workspace, door, JOERG, "hwk-tal")
    if door is Door.one_click:
        client.post(f"/one-click/{token}", data={"List-Unsubscribe": "One-Click"})
    else:
        key = make_form_key(workspace.app, door, token, workspace.now)
        client.post(f"/{door}/{token}", data={"formular": key, "wunsch": "everything"})
    left = workspace.dump()["suppression"]
    assert left
    page = save(workspace, client, link, opened, sprache="en", takt="monthly").text
    assert 'value="wir-gedanke" checked' not in page
    assert workspace.dump()["suppression"] == left
    assert (workspace.count("opt_in"), workspace.ask("SELECT rhythm FROM preference")) == (0, [("monthly",)])


@pytest.mark.usefixtures("database")
def test_two_open_pages_of_preferences_undo_nothing_of_each_other(workspace: Workspace, client: httpx.Client) -> None:
    link = mailed_link(workspace, client)
    opened = client.get(link).text
    save(workspace, client, link, opened, takt="monthly", themen=["health"], reihen=["wir-gedanke", "hilfen"])
    save(workspace, client, link, opened, themen=["climate"], reihen=["wir-gedanke", "monatsbrief"])
    assert workspace.ask("SELECT rhythm FROM preference") == [("monthly",)]
    assert workspace.ask("SELECT topic FROM preference_topic ORDER BY topic") == [("climate",), ("health",)]
    assert workspace.ask("SELECT scope FROM suppression ORDER BY scope") == [("hilfen",), ("monatsbrief",)]


@pytest.mark.usefixtures("database")
def test_lists_left_at_once_are_one_errand_for_staff(workspace: Workspace, client: httpx.Client) -> None:
    """Whoever receives the packs of a house leaves several lists with one press: one task, which names them."""
    workspace.houses(house("hwk-tal", "05", name="Handwerkskammer Tal", routes="forward_pack", adviser_headcount="5"))
    workspace.segment("berater", "adviser_count >= 1", "organisations")
    passing_on = 'routes = ["forward_pack"]\nsender = "om"'
    workspace.campaign("pakete", "b1 day = 0", audience=passing_on, segment="berater", texts=False)
    workspace.text("pakete", "b1.de", "{{ contact.greeting }},\n\nein Gedanke für {{ org.name }}.")
    workspace.publish("pakete")
    workspace.tick(local("2027-01-04"))
    link = mailed_link(workspace, client)
    save(workspace, client, link, reihen=[])
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["kind"], task["organisation"]) == ("receiver_left", "hwk-tal")
    assert sorted(task["detail"]["scope"].split(", ")) == ["hilfen", "monatsbrief", "wir-gedanke"]
    before = workspace.dump()
    save(workspace, client, link, reihen=[])
    assert workspace.dump()["task"] == before["task"]
    assert workspace.count("suppression") == 3


@pytest.mark.usefixtures("database")
def test_topics_leave_out_what_is_not_theirs_and_keep_what_is_for_everybody(workspace: Workspace, client: httpx.Client) -> None:
    for step, topic in (("a1", 'topics = ["health"]'), ("a2", 'topics = ["climate"]'), ("a3", "")):
        workspace.text("reihe", f"{step}.de", head=topic)
    workspace.publish()
    save(workspace, client, mailed_link(workspace, client), themen=["climate", "leadership", "nonsense"])
    workspace.walk(local("2027-02-10"))
    assert [(each.step, each.status, each.reason) for each in workspace.ledger(to="joerg@")] == [
        ("a1", "skipped", "not_my_topic"),
        ("a2", "sent", ""),
        ("a3", "sent", ""),
    ]
    assert [each.step for each in workspace.ledger(to="mira@", status="sent")] == ["a1", "a2", "a3"]
    assert "the reader chose other topics" in om(workspace.folder, "why", "Jörg Müller", "reihe", now="2027-02-11T09:00").out


@pytest.mark.usefixtures("database")
def test_language_home_and_having_left(workspace: Workspace, client: httpx.Client) -> None:
    workspace.people(
        person("Jörg Müller", "hwk-tal", email=JOERG, primary="yes"), person("Jörg Müller", "ihk-berg", email=JOERG, primary="no")
    )
    link = mailed_link(workspace, client)
    seats = dict(
        workspace.ask(
            "SELECT o.slug, s.id FROM seat s JOIN organisation o ON o.id = s.organisation_id"
            " JOIN person p ON p.id = s.person_id WHERE p.full_name LIKE 'J%'"
        )
    )
    page = save(workspace, client, link, sprache="en", haus=str(seats["ihk-berg"]), weg="ja")
    assert "Your preferences" in client.get(link).text
    assert page.status_code == 200
    assert workspace.ask(
        "SELECT o.slug FROM seat s JOIN organisation o ON o.id = s.organisation_id WHERE s.is_primary_home"
        " AND s.person_id = (SELECT id FROM person WHERE full_name LIKE 'J%')"
    ) == [("ihk-berg",)]
    assert {(row["kind"], row["organisation"]) for row in om(workspace.folder, "todo", "list", "--format", "json").json} == {
        ("home_left", "hwk-tal")
    }
    changes = workspace.ask("SELECT field, old, new, origin FROM change WHERE entity = 'person' AND actor = 'page' ORDER BY id")
    assert changes == [("language", None, "en", "answer"), ("home", "Handwerkskammer Tal", "IHK Berg", "answer")]
    other = workspace.ask("SELECT s.id FROM seat s JOIN person p ON p.id = s.person_id WHERE p.full_name LIKE 'Mira%'")[0][0]
    save(workspace, client, link, sprache="en", haus=str(other))  # somebody else's seat
    assert workspace.ask("SELECT count(*) FROM seat WHERE is_primary_home") == [(2,)]


@pytest.mark.usefixtures("database")
def test_an_address_without_a_person_is_not_asked_for_a_language_that_is_kept_nowhere(workspace: Workspace, client: httpx.Client) -> None:
    workspace.people(person("", "ihk-berg", email="info@ihk-berg.example"))
    ask_for_link(workspace, client, "info@ihk-berg.example", "ihk-berg")
    workspace.tick()
    link = link_in(letters(workspace, "info@")[-1], "verwalten")
    assert 'name="takt"' in client.get(link).text
    assert 'name="sprache"' not in client.get(link).text
    before = workspace.dump()
    assert save(workspace, client, link, sprache="de").status_code == 200
    assert workspace.dump() == before


@pytest.mark.usefixtures("database")
def test_the_same_form_sent_six_times_at_once_is_stored_once(workspace: Workspace, client: httpx.Client) -> None:
    """By an impatient reader, or by a program that follows every button: the first preference of an address has no row to wait for."""
    link = mailed_link(workspace, client)
    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(save, workspace, client, link, takt="monthly", themen=["health"], reihen=["hilfen"]) for _ in range(6)]
        assert [each.result().status_code for each in sent] == [200] * 6
    assert workspace.ask("SELECT rhythm FROM preference") == [("monthly",)]
    assert workspace.ask("SELECT topic FROM preference_topic") == [("health",)]
    assert workspace.ask("SELECT count(*) FROM change WHERE field IN ('rhythm', 'topics')") == [(2,)]


@pytest.fixture
def letter(workspace: Workspace, client: httpx.Client) -> EmailMessage:
    ask_for_link(workspace, client)
    workspace.tick()
    return letters(workspace)[-1]


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_pages_are_sound(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client, visit: Open, lang: str, tmp_path: Path
) -> None:
    paths = {"offer": f"/einstellungen/{token_of(workspace, Door.preferences, JOERG, 'hwk-tal')}", "manage": link_in(letter, "verwalten")}
    for name, path in paths.items():
        for width, dark in ((1280, False), (360, False), (320, True)):
            page = visit(f"{path}?lang={lang}", width=width, dark=dark)
            assert axe(page) == [], name
            assert overflow(page) <= 0
            picture(page, f"preferences-{name}-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    pages = {name: client.get(f"{path}?lang={lang}").text for name, path in paths.items()}
    assert html_faults({**pages, "saved": save(workspace, client, paths["manage"]).text}, folder) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_ren_19_a_person_changes_their_rhythm_by_keyboard(
    workspace: Workspace, letter: EmailMessage, visit: Open, client: httpx.Client, scripts: bool
) -> None:
    page = visit(link_in(letter, "verwalten"), width=360, scripts=scripts)
    page.focus("#takt-1")
    page.keyboard.press("ArrowDown")
    while page.locator("button:focus").count() == 0:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Gespeichert")
    assert workspace.ask("SELECT rhythm FROM preference") == [("monthly",)]


def test_a_notice_looks_like_the_house(letter: EmailMessage, browser: Browser) -> None:
    part = letter.get_body(("html",))
    assert part is not None
    html = str(part.get_content())
    assert "Handwerkskammer Tal" in html
    assert "<img" not in html
    for width in (760, 360):
        page = browser.new_page(viewport={"width": width, "height": 700})
        page.set_content(html)
        assert overflow(page) <= 0
        picture(page, f"notice-{width}")
        page.close()
