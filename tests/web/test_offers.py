"""What the form offers really comes; without a house the page says what is next; leaving can be undone; a damaged link leads out."""

from __future__ import annotations

import re
import shutil
import time
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest

from om_campaigns.audience.tasks import TaskKind
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.compose.links import Door
from om_campaigns.reader.leaving_page import Wish
from om_campaigns.reader.subscribing import find_served
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.staff.why import explain_recipient
from tests.cli.shell import om
from tests.journeys.workspace import LOOK, PEOPLE_COLUMNS, Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, offer_series, overflow, picture
from tests.web.postbox import BASE_URL, letters, token_of
from tests.web.test_subscribe import confirm, link_in, mail_of

pytestmark = pytest.mark.slow

LISTS = ("wir-gedanke", "monatsbrief", "hilfen")


def ask(workspace: Workspace, client: httpx.Client, path: str, *lists: str, **more: str) -> httpx.Response:
    data = {"name": "Rosa Lindner", "email": "rosa@neu.example", "einverstanden": "ja", "reihen": list(lists), **more}
    return client.post(path, data={"formular": make_form_key(workspace.app, "anmelden", path, workspace.now), **data})


def offered(client: httpx.Client, path: str) -> list[str]:
    return re.findall(r'name="reihen" value="([\w-]+)"', client.get(path).text)


@pytest.fixture
def starter(tmp_path: Path, database: str) -> Workspace:
    settings = f'[web]\nbase_url = "{BASE_URL}"\n[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n'
    made = Workspace(tmp_path / "starter", database=database, settings=settings)
    for name in ("templates", "audiences"):
        shutil.copytree(LOOK.parent / name, made.folder / name, dirs_exist_ok=True)
    made.take()
    made.publish()
    return made


class TestStarter:
    @pytest.fixture
    def workspace(self, starter: Workspace) -> Workspace:
        return starter

    @pytest.mark.parametrize("slug", ["hwk-westerfurt", "beraterverband-klarsee"])
    def test_whoever_subscribes_and_confirms_gets_letters(self, workspace: Workspace, client: httpx.Client, slug: str) -> None:
        """Form, mail, button, tick, letter: of everything that is ticked, in a chamber and in an association."""
        page = client.get(f"/anmelden/haus/{slug}").text
        assert "Fünf OM-Gedanken" in page
        assert "6 Briefe, alle zwei Wochen einer, dann ist Schluss." in page
        assert "ein Gedanke, ein Satz, eine Handlung" in page
        assert "Monatsbrief" not in page, "no campaign of the starter sends it"
        (first,) = re.findall(r"Der erste kommt am (\d+)\. Januar 2027\.", page)
        assert "Bitte sehen Sie in Ihr Postfach" in ask(workspace, client, f"/anmelden/haus/{slug}", "fuenf-gedanken").text
        said = confirm(workspace, client, link_in(mail_of(workspace))).text
        assert "Sie sind angemeldet" in said
        assert "6 Briefe" in said
        workspace.walk(local("2027-03-31"), pause=timedelta(days=7))
        assert [each.step for each in workspace.ledger("fuenf-gedanken", to="rosa@neu.example", status="sent")] == [
            f"b{number}" for number in range(1, 7)
        ]
        assert workspace.sent("fuenf-gedanken", to="rosa@neu.example")[0][1].startswith(f"2027-01-{int(first):02}")

    def test_what_is_offered_is_what_why_would_say(self, workspace: Workspace, client: httpx.Client) -> None:
        """For every house that is active: somebody who subscribes there to everything enters exactly what was offered there."""
        served = find_served(workspace.app, workspace.now)
        houses = dict(workspace.ask("SELECT id, slug FROM organisation WHERE status = 'active' ORDER BY id"))
        rows = "".join(
            person(f"Neu {slug}", slug, email=f"neu-{slug}@neu.example", roles="adviser", basis="consent_doi") for slug in houses.values()
        )
        workspace.take(neue=(PEOPLE_COLUMNS + rows))
        for number, slug in houses.items():
            ((found,),) = workspace.ask(
                "SELECT p.id FROM person p JOIN seat s ON s.person_id = p.id WHERE p.full_name = :name", name=f"Neu {slug}"
            )
            answer = explain_recipient(workspace.app, "fuenf-gedanken", workspace.now, person_id=found)
            assert (answer.would_enter or answer.is_enrolled) is (number in served["fuenf-gedanken"].houses), slug
        assert set(served) == {"fuenf-gedanken"}


def test_only_what_a_running_campaign_serves_is_offered(workspace: Workspace, client: httpx.Client) -> None:
    assert "nichts zu bestellen" in client.get("/anmelden").text
    offer_series(workspace, *LISTS)
    assert offered(client, "/anmelden") == ["hilfen", "monatsbrief", "wir-gedanke"]
    assert om(workspace.folder, "campaign", "pause", "serie-hilfen").code == 0
    assert offered(client, "/anmelden") == ["monatsbrief", "wir-gedanke"]
    assert "nichts zu bestellen" in client.get("/anmelden/hilfen").text
    answer = ask(workspace, client, "/anmelden", "hilfen")
    assert (answer.status_code, workspace.count("opt_in")) == (400, 0)
    assert workspace.ask("SELECT count(*) FROM campaign WHERE status = :paused", paused=CampaignStatus.paused.value) == [(1,)]


def test_a_series_of_some_houses_is_offered_with_their_names_and_taken_for_no_other(workspace: Workspace, client: httpx.Client) -> None:
    workspace.segment("nur-tal", "'adviser' in roles and slug == 'hwk-tal'")
    offer_series(workspace, "monatsbrief")
    workspace.campaign("serie-tal", "s1 day = 400", segment="nur-tal", head='mailing_list = "hilfen"')
    workspace.publish("serie-tal")
    assert offered(client, "/anmelden/haus/hwk-tal") == ["hilfen", "monatsbrief"]
    assert "monatsbrief" not in offered(client, "/anmelden/haus/ihk-berg"), "one series is not ticked but named"
    assert "„Monatsbrief“ bestellen" in client.get("/anmelden/haus/ihk-berg").text
    assert "Nur bei: Handwerkskammer Tal" in client.get("/anmelden").text
    answer = ask(workspace, client, "/anmelden", "hilfen", "monatsbrief", haus="ihk-berg")
    assert answer.status_code == 400
    assert answer.text.count("kommt bei diesem Haus nicht") == 2
    assert ask(workspace, client, "/anmelden", "monatsbrief", haus="ihk-berg").status_code == 200
    assert workspace.count("opt_in") == 1


def test_houses_that_leave_are_noticed_at_once(workspace: Workspace, client: httpx.Client) -> None:
    offer_series(workspace, "monatsbrief")
    assert "Handwerkskammer Tal" in client.get("/anmelden").text
    workspace.houses(house("hwk-tal", "05", name="Handwerkskammer Tal", status="paused"))
    assert "Handwerkskammer Tal" not in client.get("/anmelden").text


@pytest.mark.usefixtures("database")
def test_looking_at_the_form_writes_nothing(workspace: Workspace, client: httpx.Client) -> None:
    offer_series(workspace, *LISTS)
    before = workspace.dump()
    for path in ("/anmelden", "/anmelden/monatsbrief", "/anmelden/haus/hwk-tal"):
        assert client.get(path).status_code == 200
    assert workspace.dump() == before


@pytest.mark.usefixtures("database")
def test_without_a_house_the_page_says_what_happens_next(workspace: Workspace, client: httpx.Client) -> None:
    offer_series(workspace, *LISTS)
    assert ask(workspace, client, "/anmelden", "monatsbrief").status_code == 200
    link = link_in(mail_of(workspace))
    page = confirm(workspace, client, link).text
    assert "Noch kommt nichts" in page
    assert "Sie sind angemeldet" not in page
    key = make_form_key(workspace.app, "bestaetigen", link.rpartition("/")[2], workspace.now)
    for _ in range(2):
        assert (
            "Wir suchen „Handwerkskammer Tal“" in client.post(link, data={"formular": key, "organisation": " Handwerkskammer  Tal "}).text
        )
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["kind"], task["detail"]["says"]) == (TaskKind.home_missing.value, "Handwerkskammer Tal")
    workspace.people(person("Rosa Lindner", "hwk-tal", email="rosa@neu.example", roles="adviser", basis=""))
    assert "Sie sind angemeldet" in client.get(link).text
    workspace.tick(workspace.now + timedelta(days=1))
    assert workspace.ask("SELECT count(*) FROM enrolment e JOIN campaign c ON c.id = e.campaign_id WHERE c.name = 'serie-monatsbrief'") == [
        (1,)
    ]


@pytest.mark.usefixtures("database")
def test_who_sits_in_the_house_in_another_role_gets_what_they_subscribed_to(workspace: Workspace, client: httpx.Client) -> None:
    offer_series(workspace, *LISTS)
    ask(workspace, client, "/anmelden/haus/hwk-tal", "monatsbrief", email="joerg@hwk-tal.example", name="Jörg Müller")
    confirm(workspace, client, link_in(mail_of(workspace, "joerg@")))
    workspace.tick(workspace.now + timedelta(days=1))
    (found,) = workspace.ask(
        "SELECT a.address FROM enrolment e JOIN campaign c ON c.id = e.campaign_id JOIN address a ON a.id = e.address_id"
        " WHERE c.name = 'serie-monatsbrief'"
    )
    assert found == ("joerg@hwk-tal.example",)


# --- taking back ----------------------------------------------------------------------------------------------------------

KEPT = ("suppression", "basis", "preference", "dispatch", "enrolment", "pack", "task")


def leave(workspace: Workspace, client: httpx.Client, token: str, wish: Wish) -> httpx.Response:
    key = make_form_key(workspace.app, Door.unsubscribe, token, workspace.now)
    return client.post(f"/abmelden/{token}", data={"formular": key, "wunsch": wish.value})


def take_back(client: httpx.Client, token: str, page: str, **more: str) -> httpx.Response:
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    return client.post(f"/abmelden/{token}", data={**fields, **more})


def kept(workspace: Workspace) -> dict[str, list[str]]:
    return {name: rows for name, rows in workspace.dump().items() if name in KEPT}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("wish", list(Wish))
def test_what_was_decided_on_the_page_can_be_taken_back_there(workspace: Workspace, client: httpx.Client, wish: Wish) -> None:
    """Everything is as it was, twice, and both decisions stay written down."""
    workspace.do("UPDATE basis SET kind = 'consent_written'")
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    before, changes = kept(workspace), workspace.count("change")
    page = leave(workspace, client, token, wish).text
    assert kept(workspace) != before
    workspace.now += timedelta(hours=20)
    for _ in range(2):
        answer = take_back(client, token, page)
        assert (answer.status_code, "Zurückgenommen" in answer.text or "Taken back" in answer.text) == (200, True)
        after = kept(workspace)
        assert {**after, "preference": []} == {**before, "preference": []}
        assert [row for row in after["preference"] if "as_it_comes" not in row] == before["preference"]
    assert workspace.count("change") == changes + 2


@pytest.mark.usefixtures("database")
def test_only_what_this_page_did_is_taken_back(workspace: Workspace, client: httpx.Client) -> None:
    """Whoever holds a forwarded letter undoes nothing that its reader decided, and finds out nothing about it."""
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    leave(workspace, client, token, Wish.this_list)
    workspace.now += timedelta(days=3)
    before = kept(workspace)
    page = leave(workspace, client, token, Wish.this_list).text
    assert take_back(client, token, page).status_code == 200
    assert kept(workspace) == before
    assert take_back(client, token, page, am="2027-01-04T08:00:00+00:00").status_code == 400
    assert take_back(client, token, page, wunsch="everything").status_code == 400
    workspace.now += timedelta(days=30)
    assert take_back(client, token, page).status_code == 200
    workspace.now += timedelta(days=1)
    assert take_back(client, token, page).status_code == 400, "after 30 days"
    assert kept(workspace) == before


@pytest.mark.usefixtures("database")
def test_lists_that_were_subscribed_to_again_are_so_again(workspace: Workspace, client: httpx.Client) -> None:
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    leave(workspace, client, token, Wish.everything)
    workspace.do("UPDATE suppression SET reopened = ' hilfen monatsbrief '")
    workspace.now += timedelta(days=1)
    page = leave(workspace, client, token, Wish.everything).text
    assert workspace.ask("SELECT reopened FROM suppression") == [(None,)]
    take_back(client, token, page)
    assert workspace.ask("SELECT reopened FROM suppression") == [(" hilfen monatsbrief ",)]


def test_after_taking_back_the_series_goes_on(workspace: Workspace, client: httpx.Client) -> None:
    workspace.publish("reihe")
    workspace.walk(local("2027-01-06"))
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    page = leave(workspace, client, token, Wish.this_list).text
    workspace.tick(workspace.now + timedelta(hours=1))
    take_back(client, token, page)
    workspace.walk(local("2027-01-31"))
    assert [each.step for each in workspace.ledger("reihe", to="mira@ihk-berg.example", status="sent")] == ["a1", "a2", "a3"]


# --- damaged links --------------------------------------------------------------------------------------------------------

DAMAGED = (
    "/abmelden",
    "/abmelden/",
    "/abmelden/k1.abc",
    "/abmelden/" + "x" * 900,
    "/abmelden/a/b",
    "/einstellungen/k1.abc",
    "/one-click/x",
)


@pytest.mark.parametrize("path", DAMAGED)
def test_a_damaged_link_still_leads_out(client: httpx.Client, path: str) -> None:
    answer = client.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert "Abmelden geht trotzdem" in answer.text
    assert "mailto:redaktion@om-mail.example?subject=Abmelden" in answer.text


@pytest.mark.usefixtures("database")
def test_a_new_link_goes_to_the_address_itself_and_only_to_readers(workspace: Workspace, client: httpx.Client) -> None:
    answers = []
    for typed in ("Mira@ihk-berg.example", "niemand@neu.example", "mira@ihk-berg.example "):
        key = make_form_key(workspace.app, "neuer-link", "", workspace.now)
        answers.append(client.post("/abmelden", data={"formular": key, "adresse": typed}))
    assert {(each.status_code, each.text) for each in answers} == {(200, answers[0].text)}
    until = time.monotonic() + 60
    while len(found := letters(workspace)) < 2 and time.monotonic() < until:  # an errand of the pages, which nobody waits for
        time.sleep(0.2)
    assert [each["To"] for each in found] == ["mira@ihk-berg.example"] * 2
    link = re.search(r"/abmelden/[\w.-]+", found[0].get_body(("plain",)).get_content())  # type: ignore[union-attr]
    assert link is not None
    page = client.get(link[0])
    assert page.status_code == 200
    token = link[0].rpartition("/")[2]
    leave(workspace, client, token, Wish.everything)
    assert workspace.ask("SELECT scope_kind FROM suppression") == [("all",)]


def test_what_is_no_address_is_said_at_its_field(workspace: Workspace, client: httpx.Client) -> None:
    key = make_form_key(workspace.app, "neuer-link", "", workspace.now)
    answer = client.post("/abmelden", data={"formular": key, "adresse": "mira"})
    assert answer.status_code == 422
    assert "vollständige E-Mail-Adresse" in answer.text
    assert 'value="mira"' in answer.text
    assert client.post("/abmelden", data={"adresse": "mira@ihk-berg.example"}).status_code == 422
    assert workspace.count("notice") == 0


# --- how it looks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_every_page_of_the_way_is_sound(workspace: Workspace, client: httpx.Client, visit: Open, lang: str, tmp_path: Path) -> None:
    offer_series(workspace, *LISTS)
    ask(workspace, client, "/anmelden", "monatsbrief")
    without = link_in(mail_of(workspace))
    confirm(workspace, client, without)
    ask(workspace, client, "/anmelden/haus/hwk-tal", "monatsbrief", email="otto@neu.example")
    within = link_in(mail_of(workspace, "otto@"))
    confirm(workspace, client, within)
    shown = {"form": "/anmelden", "house": "/anmelden/haus/hwk-tal", "confirmed": within, "without": without, "broken": "/abmelden/x"}
    for name, path in shown.items():
        for width, dark in ((1200, False), (360, False), (360, True)):
            page = visit(f"{path}?lang={lang}", width=width, dark=dark, status=404 if name == "broken" else 200)
            assert axe(page) == [], name
            assert overflow(page) <= 0
            picture(page, f"offers-{name}-{width}-{'dark' if dark else 'light'}-{lang}")
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    page = visit(f"/abmelden/{token}?lang={lang}", width=360)
    assert axe(page) == []
    page.locator("button").first.click()
    assert axe(page) == []
    picture(page, f"offers-left-{lang}")
    page.locator("button").first.click()
    page.wait_for_selector("text=Zurückgenommen" if lang == "de" else "text=Taken back")
    assert axe(page) == []
    picture(page, f"offers-back-{lang}")
    pages = {name: client.get(f"{path}?lang={lang}").text for name, path in shown.items()}
    left = leave(workspace, client, token, Wish.this_list).text
    assert html_faults({**pages, "left": left, "back": take_back(client, token, left).text}, tmp_path) == []
