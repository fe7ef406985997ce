"""Double opt-in: nothing without the mailbox's own word, everything provable, nobody found out, nobody bombed."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from om_campaigns.compose.links import Door
from om_campaigns.delivery.rate_limits import network_of
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.reader.opting_in import PER_ADDRESS, PER_NETWORK
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.service_letters import send_at_once
from om_campaigns.web.application import make_application
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, local
from tests.web.conftest import Open, axe, html_faults, offer_series, overflow, picture
from tests.web.postbox import body, letters, token_of

pytestmark = pytest.mark.slow  # every test talks to a real server


@pytest.fixture(autouse=True)
def _offered(workspace: Workspace) -> None:
    offer_series(workspace, "wir-gedanke", "monatsbrief", "hilfen")


NEW = {"name": "Rosa Lindner", "email": "rosa@neu.example", "einverstanden": "ja", "reihen": ["wir-gedanke", "monatsbrief"]}


def ask(workspace: Workspace, client: httpx.Client, path: str = "/anmelden/haus/hwk-tal", **more: object) -> httpx.Response:
    key = make_form_key(workspace.app, "anmelden", path, workspace.now)
    return client.post(path, data={**NEW, "formular": key, **more})


def mail_of(workspace: Workspace, to: str = "rosa@") -> EmailMessage:
    workspace.tick()
    return letters(workspace, to)[-1]


def link_in(letter: EmailMessage, door: str = "bestaetigen") -> str:
    found = re.search(rf"/{door}/[\w.-]+", body(letter))
    assert found, body(letter)
    return found[0]


def confirm(workspace: Workspace, client: httpx.Client, link: str) -> httpx.Response:
    key = make_form_key(workspace.app, "bestaetigen", link.rpartition("/")[2], workspace.now)
    return client.post(link, data={"formular": key})


def bases(workspace: Workspace) -> list[tuple[object, ...]]:
    return workspace.ask(
        "SELECT b.kind, b.mailing_list FROM basis b JOIN address a ON a.id = b.address_id"
        " WHERE a.address LIKE 'rosa%' AND b.withdrawn_at IS NULL ORDER BY b.mailing_list"
    )


def test_the_mail_leaves_by_itself_where_only_the_pages_are_served(workspace: Workspace) -> None:
    """Known or not, the answer is the same and comes first (SEC-09)."""
    web = make_application(workspace.app)
    web.state.site.errands.delay = (0, 0)
    client: httpx.Client = TestClient(web, follow_redirects=False)  # type: ignore[assignment]
    for email in ("rosa@neu.example", "joerg@hwk-tal.example"):
        assert ask(workspace, client, email=email).status_code == 200
    token = token_of(workspace, Door.preferences, "mira@ihk-berg.example", "ihk-berg")
    key = make_form_key(workspace.app, Door.preferences, token, workspace.now)
    assert client.post(f"/einstellungen/{token}", data={"formular": key}).status_code == 200
    web.state.site.errands.finish(10)
    assert [each["To"] for each in letters(workspace)] == ["rosa@neu.example", "joerg@hwk-tal.example", "mira@ihk-berg.example"]
    assert om(workspace.folder, "halt", "--reason", "probe").code == 0
    ask(workspace, client, email="vera@neu.example")
    web.state.site.errands.finish(10)
    assert letters(workspace, "vera@") == []


@pytest.mark.usefixtures("database")
def test_law_05_law_06_from_the_form_to_the_first_letter(workspace: Workspace, client: httpx.Client) -> None:
    assert "Bitte sehen Sie in Ihr Postfach" in ask(workspace, client).text
    assert workspace.ask("SELECT count(*) FROM address WHERE address LIKE 'rosa%'") == [(0,)]
    letter = mail_of(workspace)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Unsubscribe"] is None  # MSG-18
    assert "Handwerkskammer Tal" in body(letter)
    links = [link.rpartition("/")[0].rpartition("/")[2] or link for link in re.findall(r"https?://\S+", body(letter))]
    assert links == ["bestaetigen", "seiten-fehlen.invalid"]  # one that acts, and the page on data protection
    link = link_in(letter)
    before = workspace.dump()
    assert "Ja, bestätigen" in client.get(link).text
    assert client.post(link, data={}).status_code == 200  # a scanner's POST has no key
    assert workspace.dump() == before
    assert "Sie sind angemeldet" in confirm(workspace, client, link).text
    after = workspace.dump()
    assert "Sie sind angemeldet" in confirm(workspace, client, link).text
    assert workspace.dump() == after
    assert bases(workspace) == [("consent_doi", "monatsbrief"), ("consent_doi", "wir-gedanke")]
    workspace.segment("neue", "'adviser' in roles")
    workspace.campaign("willkommen", "w1 day = 0", segment="neue")
    workspace.publish()
    workspace.walk(local("2027-01-10"))
    assert [(each.to, each.organisation) for each in workspace.ledger("willkommen", status="sent")] == [("rosa@neu.example", "hwk-tal")]
    assert "weil Sie sich dafür angemeldet haben" in re.sub(r"\s+", " ", body(letters(workspace, "rosa@")[-1]))


def test_law_05_the_proof_can_be_printed_at_any_time(workspace: Workspace, client: httpx.Client) -> None:
    ask(workspace, client)
    link = link_in(mail_of(workspace))
    workspace.now += timedelta(minutes=5)
    confirm(workspace, client, link)
    (told,) = om(workspace.folder, "person", "proof", "Rosa@NEU.example", "--format", "json").json
    assert told["mailing_lists"] == ["monatsbrief", "wir-gedanke"]
    assert told["organisation"] == "Handwerkskammer Tal"
    assert "Ich kann das jederzeit widerrufen" in told["consent_text"]
    assert (told["asked_at"], told["confirmed_at"]) == ("2027-01-04T08:00:00Z", "2027-01-04T08:05:00Z")
    assert told["mail_id"] == mail_of(workspace)["Message-ID"]
    assert len(told["mail_hash"]) == 64
    assert told["withdrawn"] == []
    assert "agreed to" in om(workspace.folder, "person", "proof", "rosa@neu.example").out
    assert "no consent was given" in om(workspace.folder, "person", "proof", "nobody@neu.example").out
    assert om(workspace.folder, "person", "proof", "nobody").code == 2


@pytest.mark.usefixtures("database")
def test_law_06_the_link_ends_after_14_days_and_the_data_after_30(workspace: Workspace, client: httpx.Client) -> None:
    ask(workspace, client)
    link = link_in(mail_of(workspace))
    workspace.now += timedelta(days=14, minutes=1)
    assert client.get(link).status_code == 404
    assert confirm(workspace, client, link).status_code == 404
    forget_old_values(workspace.app, workspace.now)
    assert workspace.count("opt_in") == 1
    workspace.now += timedelta(days=16)
    forget_old_values(workspace.app, workspace.now)
    assert workspace.count("opt_in") == 0
    assert workspace.ask("SELECT address FROM notice") == [("",)]
    assert workspace.ask("SELECT envelope_to FROM message WHERE kind = 'service'") == [("",)]


@pytest.mark.usefixtures("database")
def test_law_07_a_proof_lives_three_years_beyond_the_year_it_last_served(workspace: Workspace, client: httpx.Client) -> None:
    ask(workspace, client)
    confirm(workspace, client, link_in(mail_of(workspace)))
    forget_old_values(workspace.app, local("2040-01-01"))
    assert workspace.count("opt_in") == 1  # still the basis of what is sent
    workspace.do("UPDATE basis SET withdrawn_at = :at WHERE kind = 'consent_doi'", at=workspace.bound(local("2027-06-01")))
    forget_old_values(workspace.app, local("2030-12-31"))
    assert workspace.count("opt_in") == 1
    forget_old_values(workspace.app, local("2031-01-02"))
    assert workspace.count("opt_in") == 0


@pytest.mark.usefixtures("database")
def test_law_07_a_proof_is_kept_for_three_years_after_it_last_served(workspace: Workspace, client: httpx.Client) -> None:
    """Also where its basis is gone, because the person was erased, or has a newer proof."""
    ask(workspace, client)
    confirm(workspace, client, link_in(mail_of(workspace)))
    workspace.now = local("2030-06-01")
    ask(workspace, client)
    confirm(workspace, client, link_in(mail_of(workspace)))
    workspace.now = local("2031-02-01")
    forget_old_values(workspace.app, workspace.now)
    assert workspace.count("opt_in") == 2
    erased = om(workspace.folder, "person", "erase", "rosa@neu.example", "--yes", "--format", "json", now="2031-02-01").json
    assert {each["what"]: each["number"] for each in erased["stays"]}["proofs of consent"] == 2
    for day, left in (("2031-02-02", 2), ("2033-12-31", 2), ("2034-01-02", 1), ("2034-12-31", 1), ("2035-01-02", 0)):
        forget_old_values(workspace.app, local(day))
        assert workspace.count("opt_in") == left, day


@pytest.mark.parametrize(
    ("kind", "scope"), [("all", "''"), ("organisation", "(SELECT public_id FROM organisation WHERE slug = 'hwk-tal')")]
)
@pytest.mark.usefixtures("database")
def test_uns_09_subscribing_again_reopens_what_one_left_oneself_and_no_more(
    workspace: Workspace, client: httpx.Client, kind: str, scope: str
) -> None:
    ask(workspace, client)
    confirm(workspace, client, link_in(mail_of(workspace)))
    workspace.do(
        "INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at)"
        f" SELECT hmac, key_id, '{kind}', {scope}, 'opt_out', :at FROM address WHERE address LIKE 'rosa%'",
        at=workspace.bound(workspace.now),
    )
    ask(workspace, client, reihen=["wir-gedanke"])
    confirm(workspace, client, link_in(mail_of(workspace)))
    assert workspace.ask("SELECT scope_kind, reopened FROM suppression") == [(kind, " wir-gedanke ")]
    assert workspace.ask("SELECT old, new FROM change WHERE field = 'reopened'") == [
        (f"{kind} {workspace.ask(f'SELECT {scope}')[0][0]}".strip(), "wir-gedanke")
    ]


@pytest.mark.usefixtures("database")
def test_a_mail_that_leaves_between_two_ticks_leaves_held_letters_as_they_are(workspace: Workspace) -> None:
    """Why a letter is held is what staff look for; a visitor's form must not wipe it away."""
    workspace.publish()
    workspace.tick(local("2027-01-05"))
    workspace.do("UPDATE dispatch SET status = 'held', reason = 'missing_value', detail = 'contact.full_name', sent_at = NULL")
    held = workspace.dump()["dispatch"]
    assert held
    send_at_once(workspace.app)
    assert workspace.dump()["dispatch"] == held
    workspace.tick()
    assert workspace.ask("SELECT count(*) FROM dispatch WHERE status = 'held'") == [(0,)]


@pytest.mark.usefixtures("database")
def test_who_objected_is_not_even_asked(workspace: Workspace, client: httpx.Client) -> None:
    workspace.do(
        "INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at)"
        " SELECT hmac, key_id, 'all', '', 'objection', :at FROM address WHERE address LIKE 'joerg%'",
        at=workspace.bound(workspace.now),
    )
    assert ask(workspace, client, email="joerg@hwk-tal.example").status_code == 200
    workspace.tick()
    assert letters(workspace) == []


def test_without_a_house_people_are_asked_to_find_one(workspace: Workspace, client: httpx.Client) -> None:
    assert ask(workspace, client, "/anmelden/monatsbrief").status_code == 200
    confirm(workspace, client, link_in(mail_of(workspace)))
    (row,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (row["kind"], row["address"], row["detail"]) == ("home_missing", "rosa@neu.example", {"name": "Rosa Lindner"})
    assert bases(workspace) == [("consent_doi", "monatsbrief")]


@pytest.mark.usefixtures("database")
def test_sec_11_sign_up_bombing_ends_and_nobody_is_told(workspace: Workspace, client: httpx.Client) -> None:
    answers = {ask(workspace, client).text for _ in range(PER_ADDRESS + 2)}
    assert len(answers) == 1
    workspace.tick()
    assert len(letters(workspace, "rosa@")) == PER_ADDRESS
    for number in range(PER_NETWORK):
        ask(workspace, client, email=f"a{number}@b{number}.example")
    workspace.tick()
    assert len(letters(workspace)) <= PER_NETWORK
    workspace.now += timedelta(days=1)
    ask(workspace, client)
    workspace.tick()
    assert len(letters(workspace, "rosa@")) == PER_ADDRESS + 1


def test_sec_11_a_robot_that_fills_in_everything_gets_the_same_answer_and_no_mail(workspace: Workspace, client: httpx.Client) -> None:
    honest = ask(workspace, client).text
    assert ask(workspace, client, email="x@y.example", website="https://spam.example").text == honest
    workspace.tick()
    assert len(letters(workspace)) == 1


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::9", "2001:db8:1::/48"),
        ("x", ""),
    ],
)
def test_law_05_only_networks_are_counted(host: str, network: str) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "Bitte schreiben Sie Ihren Namen"),
        ({"name": "Gewinn https://spam.example"}, "Bitte schreiben Sie Ihren Namen"),
        ({"name": "A\r\nBcc: x@y.example"}, "Bitte schreiben Sie Ihren Namen"),
        ({"email": "rosa@"}, "Bitte schreiben Sie eine vollständige E-Mail-Adresse"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "Bitte schreiben Sie eine vollständige E-Mail-Adresse"),
        ({"reihen": []}, "mindestens eine Reihe"),
        ({"reihen": ["gibt-es-nicht"]}, "mindestens eine Reihe"),
        ({"einverstanden": ""}, "dass Sie einverstanden sind"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(
    workspace: Workspace, client: httpx.Client, wrong: dict[str, object], told: str
) -> None:
    answer = ask(workspace, client, **wrong)
    assert answer.status_code == 400
    assert answer.text.count(told) == 2  # in the summary and at the field
    assert 'value="Rosa Lindner"' in answer.text or "name" in wrong
    assert "hreflang" not in answer.text, "a click on the other language would lose what was typed"
    assert workspace.count("opt_in") == 0


def test_a_form_that_is_not_ours_changes_nothing(workspace: Workspace, client: httpx.Client) -> None:
    assert client.post("/anmelden", data=NEW).status_code == 400
    assert ask(workspace, client, formular="x").status_code == 400
    for path in ("/anmelden/gibt-es-nicht", "/anmelden/haus/gibt-es-nicht", "/bestaetigen/x", "/bestaetigen/k1.a.b"):
        assert client.get(path).status_code == 404
    assert workspace.count("opt_in") == 0


@pytest.fixture
def shown(workspace: Workspace, client: httpx.Client) -> dict[str, str]:
    """Every page of the way, by name."""
    ask(workspace, client)
    return {"form": "/anmelden", "list": "/anmelden/monatsbrief", "house": "/anmelden/haus/hwk-tal", "look": link_in(mail_of(workspace))}


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_pages_are_sound(shown: dict[str, str], client: httpx.Client, visit: Open, lang: str, tmp_path: Path) -> None:
    for name, path in shown.items():
        for width in (1280, 360, 320):
            page = visit(f"{path}?lang={lang}", width=width)
            assert axe(page) == [], name
            assert overflow(page) <= 0
            picture(page, f"subscribe-{name}-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    pages = {name: client.get(f"{path}?lang={lang}").text for name, path in shown.items()}
    assert html_faults({**pages, "wrong": client.post("/anmelden", data={}).text}, folder) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_ren_19_a_person_subscribes_without_a_mouse(workspace: Workspace, visit: Open, client: httpx.Client, scripts: bool) -> None:
    page = visit("/anmelden/haus/hwk-tal", width=360, scripts=scripts)
    page.focus("#name")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Da fehlt noch etwas")
    if scripts:
        assert page.evaluate("document.activeElement.className") == "faults"
        assert axe(page) == []
        picture(page, "subscribe-faults-360")
    page.focus("#reihen-2")
    page.keyboard.press("Space")
    page.focus("#email")
    page.keyboard.type("rosa@neu.example")
    page.keyboard.press("Tab")
    page.keyboard.type("Rosa Lindner")
    while page.locator("#einverstanden-ja:focus").count() == 0:
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Bitte sehen Sie in Ihr Postfach")
    page = visit(link_in(mail_of(workspace)), scripts=scripts)
    page.get_by_role("button", name="Ja, bestätigen").press("Enter")
    page.wait_for_selector("text=Sie sind angemeldet")
    assert len(bases(workspace)) == 1
