"""Leaving: RFC 8058 to the letter, a page for people, scanners that change nothing, packs that go on to the deputy."""

from __future__ import annotations

import itertools
import random
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx2 as httpx
import pytest

from om_campaigns.compose.links import Door, make_token
from om_campaigns.planning import plan_all
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.web.server import serving
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture
from tests.web.postbox import BASE_URL, body, letters, one_click_path, path_of, token_of

pytestmark = pytest.mark.slow  # every test talks to a real server

CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def letter(workspace: Workspace) -> EmailMessage:
    """The first letter, as it arrived at the contact of the Handwerkskammer."""
    workspace.write(
        "config.toml",
        f'format = 1\n[web]\nbase_url = "{BASE_URL}"\n[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n'
        f'[database]\nurl = "{workspace.app.settings.database.url.get_secret_value()}"\n',
    )
    workspace.app = open_app(workspace.folder, clock=lambda: workspace.now, rehearsal_transport=lambda: workspace.transport)
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    workspace.tick(local("2027-01-05"))
    return letters(workspace, "joerg@")[0]


def suppressions(workspace: Workspace) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in workspace.ask("SELECT scope_kind, scope, reason FROM suppression ORDER BY id")]


# --- one click ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_uns_03_one_click_by_post_in_both_encodings(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client, encoding: str
) -> None:
    path = one_click_path(letter)
    sent = {"data": CLICK} if encoding == "urlencoded" else {"files": {"List-Unsubscribe": (None, "One-Click")}}
    for _ in range(2):  # repeat = same answer
        answer = client.post(path, **sent)  # type: ignore[arg-type]
        assert (answer.status_code, answer.content) == (204, b"")
        assert "location" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert suppressions(workspace) == [("mailing_list", "wir-gedanke", "opt_out")]
    assert workspace.ask("SELECT field, new, origin, actor FROM change WHERE entity = 'address' AND field = 'suppressed'") == [
        ("suppressed", "mailing_list wir-gedanke", "answer", "one_click")
    ]


@pytest.mark.usefixtures("database")
def test_uns_08_it_takes_effect_at_once_and_uns_09_an_import_never_undoes_it(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client
) -> None:
    client.post(one_click_path(letter), data=CLICK)
    workspace.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example", basis="consent_written"))
    workspace.walk(local("2027-02-15"))
    assert [each.step for each in workspace.ledger(to="joerg@", status="sent")] == ["a1"]
    assert {each.reason for each in workspace.ledger(to="joerg@", status="skipped")} == {"suppressed"}
    assert [each.step for each in workspace.ledger(to="mira@", status="sent")] == ["a1", "a2", "a3"]


def test_uns_04_get_head_and_options_change_nothing(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    before = workspace.dump()
    for path in (one_click_path(letter), path_of(letter, "abmelden")):
        assert client.get(path).status_code in (200, 303)
        assert client.head(path).status_code in (200, 303)
        assert client.options(path).status_code in (204, 405)
    assert workspace.dump() == before


def test_uns_03_a_post_without_the_word_changes_nothing(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    for sent in ({}, {"data": {"List-Unsubscribe": "one-click"}}, {"content": b"List-Unsubscribe=One-Click"}):
        assert client.post(one_click_path(letter), **sent).status_code == 404  # type: ignore[arg-type]
    assert suppressions(workspace) == []


def test_uns_07_web_mail_may_post_from_the_browser_of_its_reader(letter: EmailMessage, client: httpx.Client) -> None:
    path = one_click_path(letter)
    asked = client.options(path, headers={"origin": "https://webmail.example", "access-control-request-method": "POST"})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
    assert client.post(path, data=CLICK).headers["access-control-allow-origin"] == "*"
    assert client.options("/one-click/anything").headers == asked.headers | {"date": client.options("/one-click/anything").headers["date"]}


def test_uns_06_the_token_of_the_body_is_no_one_click(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    in_body = path_of(letter, "abmelden").rpartition("/")[2]
    assert client.post(f"/one-click/{in_body}", data=CLICK).status_code == 404
    assert client.post(f"/abmelden/{in_body}", data=CLICK).status_code == 400
    assert suppressions(workspace) == []


def test_uns_10_an_old_key_still_opens(workspace: Workspace, letter: EmailMessage) -> None:
    path = one_click_path(letter)
    keys = (workspace.folder / "keys.toml").read_text(encoding="utf-8").replace('current = "k1"', 'current = "k2"')
    (workspace.folder / "keys.toml").write_text(keys + f'k2 = "{"A" * 43}="\n', encoding="utf-8")
    with serving(open_app(workspace.folder), "127.0.0.1", 0) as port:
        assert httpx.post(f"http://127.0.0.1:{port}{path}", data=CLICK).status_code == 204
    assert len(suppressions(workspace)) == 1


def test_sec_08_forged_tokens_get_one_generic_answer(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    """Bit flips, truncation, another audience, another house, an unknown key, a swapped payload (UNS-13)."""
    genuine = one_click_path(letter).rpartition("/")[2]
    key, signature, address, organisation, mailing_list = genuine.split(".")
    ours = workspace.app.keyring
    ((other,),) = workspace.ask("SELECT public_id FROM organisation WHERE slug = 'ihk-berg'")
    ((stranger,),) = workspace.ask("SELECT ref FROM address WHERE address LIKE 'mira%'")
    chance = random.Random(1)
    flipped = [genuine[:at] + chr(ord(genuine[at]) ^ 1) + genuine[at + 1 :] for at in chance.sample(range(len(genuine)), 25)]
    forged = [
        *(each for each in flipped if "/" not in each and "?" not in each and "#" not in each),
        *(genuine[:length] for length in (0, 5, 30, len(genuine) - 1)),
        genuine + "x",
        make_token(ours, Door.unsubscribe, address, organisation, mailing_list),
        make_token(ours, "inert-one-click", address, organisation, mailing_list),
        ".".join((key, signature, address, other, mailing_list)),
        ".".join((key, signature, stranger, organisation, mailing_list)),
        ".".join(("k9", signature, address, organisation, mailing_list)),
        make_token(ours, Door.one_click, "a" * 16, organisation, mailing_list),
        make_token(ours, Door.one_click, address, organisation, "gibt-es-nicht"),
        make_token(ours, Door.one_click, address),
        "ä" * 40,
        "%00",
        "x" * 500,
    ]
    answers = {
        (answer.status_code, answer.content)
        for token in forged
        for answer in [client.post(f"/one-click/{token or '%20'}", data=CLICK)]
        if answer.status_code != 405
    }
    assert answers == {(404, b"")} or {status for status, _ in answers} == {404}
    pages = {client.get(f"/abmelden/{token or '%20'}").content for token in forged if "unsubscribe" not in token and token != forged[-9]}
    assert len([page for page in pages if b"wunsch" not in page]) == 1
    assert suppressions(workspace) == []


def test_uns_13_known_and_unknown_take_equal_time(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    parts = path_of(letter, "abmelden").rpartition("/")[2].split(".")[2:]
    gone = make_token(workspace.app.keyring, Door.unsubscribe, "a" * 16, *parts[1:])
    forged = gone[:-1] + "x"
    taken: dict[str, list[float]] = {gone: [], forged: []}
    for number in range(400):
        for token in (gone, forged) if number % 2 else (forged, gone):
            began = time.perf_counter()
            client.get(f"/abmelden/{token}")
            taken[token].append(time.perf_counter() - began)
    one, other = (statistics.median(times) for times in taken.values())
    assert abs(one - other) / max(one, other) < 0.1


# --- the page -------------------------------------------------------------------------------------------------------------


def choose(workspace: Workspace, client: httpx.Client, path: str, wish: str) -> httpx.Response:
    key = make_form_key(workspace.app, Door.unsubscribe, path.rpartition("/")[2], workspace.now)
    return client.post(path, data={"formular": key, "wunsch": wish})


def test_a_page_that_was_open_for_too_long_keeps_what_was_ticked(letter: EmailMessage, client: httpx.Client) -> None:
    """Nobody who wanted to read more slowly may leave by pressing once more."""
    path = path_of(letter, "abmelden")
    for ticked, kept in (("monthly", "monthly"), ("everything", "everything"), ("erfunden", "this_list")):
        answer = client.post(path, data={"formular": "alt", "wunsch": ticked})
        assert answer.status_code == 400
        assert re.findall(r'value="(\w+)" checked', answer.text) == [kept]


def test_uns_05_the_page_shows_a_masked_address_and_one_button(letter: EmailMessage, client: httpx.Client) -> None:
    page = client.get(path_of(letter, "abmelden")).text
    assert "j…@hwk-tal.example" in page
    for told in ("joerg@", "Jörg", "Müller"):
        assert told not in page
    assert page.count("<button") == 1
    assert "„Wir-Gedanke“" in page
    assert "Handwerkskammer Tal" in page


def test_uns_05_fwd_04_an_english_reader_leaves_or_slows_down_in_english(workspace: Workspace, client: httpx.Client) -> None:
    """From the foot of the mail to the last page: masked, in the language that is stored, with a slower rhythm to choose."""
    workspace.text("reihe", "a1.en", "Hello {{ contact.full_name }},\n\na step.")
    workspace.publish()
    workspace.tick(local("2027-01-05"))
    (mail,) = letters(workspace, "mira@")
    for part in ("plain", "html"):
        foot = str(mail.get_body((part,)).get_content()).partition("This e-mail was sent to")[2]  # type: ignore[union-attr]
        assert "m…@ihk-berg.example" in foot
        assert "mira@" not in foot
        for words in ("Was it forwarded to you?", "Change rhythm", "Unsubscribe", "Privacy"):
            assert words in foot, (part, words)
    token = token_of(workspace, Door.unsubscribe, "mira@ihk-berg.example", "ihk-berg")
    page = client.get(f"/abmelden/{token}").text
    assert '<html lang="en">' in page
    for words in ("m…@ihk-berg.example", "Less often: at most one letter a month", "Even less often: at most one letter a quarter"):
        assert words in page
    assert "mira@" not in page
    assert "Hilfen" not in page
    done = choose(workspace, client, f"/abmelden/{token}", "monthly").text
    assert "m…@ihk-berg.example receives at most one letter a month from now on." in done
    assert workspace.ask("SELECT rhythm FROM preference") == [("monthly",)]


def test_uns_05_a_scanner_that_posts_the_link_has_no_key(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    path = path_of(letter, "abmelden")
    stale = make_form_key(workspace.app, Door.unsubscribe, path.rpartition("/")[2], workspace.now - timedelta(days=2))
    for data in ({}, {"wunsch": "everything"}, {"wunsch": "everything", "formular": stale}, {"wunsch": "x", "formular": stale}):
        answer = client.post(path, data=data)
        assert answer.status_code == 400
        assert "Bitte noch einmal bestätigen" in answer.text
    assert suppressions(workspace) == []


@pytest.mark.parametrize(
    ("wish", "scope"),
    [("this_list", ("mailing_list", "wir-gedanke")), ("this_house", ("organisation", "")), ("everything", ("all", ""))],
)
@pytest.mark.usefixtures("database")
def test_uns_09_list_house_or_everything(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client, wish: str, scope: tuple[str, str]
) -> None:
    for _ in range(2):
        answer = choose(workspace, client, path_of(letter, "abmelden"), wish)
        assert answer.status_code == 200
        assert "Abgemeldet" in answer.text
    ((kind, named, reason),) = suppressions(workspace)
    ((house_id,),) = workspace.ask("SELECT public_id FROM organisation WHERE slug = 'hwk-tal'")
    assert (kind, named, reason) == (scope[0], house_id if wish == "this_house" else scope[1], "opt_out")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("wish", ["this_list", "monthly"])
def test_the_same_wish_sent_six_times_at_once_is_one(workspace: Workspace, letter: EmailMessage, client: httpx.Client, wish: str) -> None:
    path = path_of(letter, "abmelden")
    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(choose, workspace, client, path, wish) for _ in range(6)]
        assert [each.result().status_code for each in sent] == [200] * 6
    assert len(suppressions(workspace)) + workspace.count("preference") == 1
    assert workspace.ask("SELECT count(*) FROM change WHERE field IN ('rhythm', 'suppressed') AND entity = 'address'") == [(1,)]


def test_law_08_what_was_agreed_to_is_written_down_as_withdrawn(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    workspace.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example", basis="consent_written"))
    choose(workspace, client, path_of(letter, "abmelden"), "everything")
    assert workspace.ask(
        "SELECT count(*) FROM basis b JOIN address a ON a.id = b.address_id WHERE a.address LIKE 'joerg%'"
        " AND b.kind = 'consent_written' AND b.withdrawn_at IS NULL"
    ) == [(0,)]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("wish", "days"), [("monthly", 28), ("quarterly", 84)])
def test_a_slower_rhythm_delays_and_drops_nothing(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client, wish: str, days: int
) -> None:
    assert choose(workspace, client, path_of(letter, "abmelden"), wish).status_code == 200
    assert choose(workspace, client, path_of(letter, "abmelden"), wish).status_code == 200
    workspace.walk(local("2027-01-05") + timedelta(days=3 * days + 20))
    slow = workspace.ask("SELECT t.day FROM touch t JOIN address a ON a.id = t.address_id WHERE a.address LIKE 'joerg%' ORDER BY t.day")
    assert len(slow) == 3
    assert all(later[0] - earlier[0] >= days for earlier, later in itertools.pairwise(slow))
    assert len(workspace.sent("reihe", to="mira@")) == 3
    assert workspace.ask("SELECT kind, detail FROM response") == [("preference", f'{{"rhythm":"{wish}"}}')]
    assert suppressions(workspace) == []


@pytest.mark.usefixtures("database")
def test_fwd_03_the_link_of_a_letter_slows_down_and_never_speeds_up(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client, tmp_path: Path
) -> None:
    """Whoever a letter was forwarded to could ask for more of them otherwise."""
    path = path_of(letter, "abmelden")
    fresh, said = client.get(path).text, choose(workspace, client, path, "monthly").text
    assert re.findall('value="(monthly|quarterly)"', fresh) == ["monthly", "quarterly"]
    assert choose(workspace, client, path, "quarterly").status_code == 200
    assert blind(client.get(path).text) == blind(fresh), "nor find out how often its reader wants to read"
    before = workspace.dump()
    assert blind(choose(workspace, client, path, "monthly").text) == blind(said)
    assert choose(workspace, client, path, "quarterly").status_code == 200
    assert workspace.dump() == before
    assert workspace.ask("SELECT rhythm FROM preference") == [("quarterly",)]
    pages = {"page": fresh, "done": said, "english": client.get(f"{path}?lang=en").text}
    assert html_faults(pages, tmp_path) == []
    (preferences,) = re.findall('href="(/einstellungen/[^"]+)"', said)
    assert client.get(preferences).status_code == 200


def blind(page: str) -> str:
    """A page without what is signed anew each minute."""
    return re.sub('name="formular" value="[^"]+"', "", page)


def test_fwd_03_what_is_forwarded_carries_nothing_that_acts_alone(workspace: Workspace, letter: EmailMessage, client: httpx.Client) -> None:
    """A stranger clicks everything in a forwarded letter, and lets a browser load it: the reader's state is untouched."""
    before = workspace.dump()
    for part in body(letter).split():
        if BASE_URL in part:
            client.get(part[part.index(BASE_URL) + len(BASE_URL) :].rstrip(".,)>"))
    assert workspace.dump() == before


# --- packs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def passing(tmp_path: Path) -> Workspace:
    """A house that passes a series on, with a contact and a deputy; the first pack has left, the second is owed."""
    office = Workspace(tmp_path / "ws", settings="[caps]\nper_week = 9\nper_month = 9\n")
    office.houses(house("amt", "05", routes="forward_pack", adviser_headcount="5"))
    office.people(
        person("Anna Kontakt", "amt", email="anna@amt.example"), person("Vera Treu", "amt", email="vera@amt.example", roles="deputy")
    )
    office.segment("berater", "status == 'active' and adviser_count >= 1", "organisations")
    passing_on = 'routes = ["forward_pack"]\nsender = "om"'
    office.campaign("reihe", "b1 day = 0", "b2 day = 14", "b3 day = 28", audience=passing_on, segment="berater", texts=False)
    for step in ("b1", "b2", "b3"):
        office.text("reihe", f"{step}.de", "{{ contact.greeting }},\n\nein Gedanke für {{ org.name }}.")
    office.publish()
    office.tick(local("2027-01-04"))
    office.tick(local("2027-01-05"))
    assert {each.to for each in office.ledger(status="sent")} == {"anna@amt.example"}
    return office


def test_on_a_cover_it_stops_the_person_moves_packs_to_the_deputy_and_asks_people(passing: Workspace) -> None:
    passing.tick(local("2027-01-16"))
    with serving(passing.app, "127.0.0.1", 0) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        path = f"/abmelden/{token_of(passing, Door.unsubscribe, 'anna@amt.example', 'amt')}"
        assert "gehen sie an Ihre Stellvertretung" in client.get(path).text
        choose(passing, client, path, "this_list")
        choose(passing, client, path, "this_list")
    passing.walk(local("2027-02-10"))
    assert [(each.step, each.to) for each in passing.ledger(status="sent")] == [
        ("b1", "anna@amt.example"),
        ("b1", "vera@amt.example"),
        ("b2", "vera@amt.example"),
        ("b3", "vera@amt.example"),
    ], "the pack that lay with her, and all that follow"
    (row,) = om(passing.folder, "todo", "list", "--format", "json").json
    assert (row["kind"], row["organisation"], row["address"]) == ("receiver_left", "amt", "anna@amt.example")
    assert (row["detail"]["packs_moved"], row["detail"]["packs_left"]) == (1, 0)
    assert om(passing.folder, "todo", "close", str(row["number"])).out == f"task {row['number']} is closed\n"
    assert om(passing.folder, "todo", "close", str(row["number"])).out == f"task {row['number']} was closed before\n"
    assert "Nothing waits for anybody." in om(passing.folder, "todo").out
    assert om(passing.folder, "todo", "list", "--all", "--format", "json").json[0]["closed_by"]
    assert om(passing.folder, "todo", "close", "99").code == 2


def test_a_pack_that_is_owed_already_moves_too(passing: Workspace) -> None:
    plan_all(passing.app, local("2027-01-18"), local("2027-01-20"))
    assert [(each.step, each.to) for each in passing.ledger(status="planned")] == [("b2", "anna@amt.example")]
    with serving(passing.app, "127.0.0.1", 0) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        path = f"/abmelden/{token_of(passing, Door.unsubscribe, 'anna@amt.example', 'amt')}"
        choose(passing, client, path, "everything")
    passing.walk(local("2027-01-25"))
    assert [(each.step, each.to) for each in passing.ledger(status="sent")][-1] == ("b2", "vera@amt.example")


# --- in a browser ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("width", [1280, 360])
def test_ren_19_a_person_leaves_by_keyboard_alone(
    workspace: Workspace, letter: EmailMessage, visit: Open, scripts: bool, width: int
) -> None:
    page = visit(path_of(letter, "abmelden"), width=width, scripts=scripts)
    for _ in range(2):
        page.keyboard.press("Tab")  # past "skip" to the choices: one stop for the group
    while page.locator("button:focus").count() == 0:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Abgemeldet")
    assert suppressions(workspace) == [("mailing_list", "wir-gedanke", "opt_out")]
    if scripts:
        assert axe(page) == []
        assert overflow(page) <= 0
    picture(page, f"unsubscribed-{width}")


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_page_is_sound(letter: EmailMessage, visit: Open, client: httpx.Client, lang: str, tmp_path: Path) -> None:
    path = f"{path_of(letter, 'abmelden')}?lang={lang}"
    for width, dark in ((1280, False), (360, False), (320, True)):
        page = visit(path, width=width, dark=dark)
        assert axe(page) == []
        assert overflow(page) <= 0
        picture(page, f"unsubscribe-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    assert html_faults({"shown": client.get(path).text, "again": client.post(path, data={}).text}, folder) == []


def test_uns_04_a_scanner_with_a_whole_browser_changes_nothing(workspace: Workspace, letter: EmailMessage, visit: Open) -> None:
    before = workspace.dump()
    visit(path_of(letter, "abmelden"), scripts=True).wait_for_timeout(1000)
    visit(one_click_path(letter), scripts=True).wait_for_timeout(1000)
    assert workspace.dump() == before


def test_law_21_erasing_forgets_what_was_chosen_and_keeps_what_was_left(
    workspace: Workspace, letter: EmailMessage, client: httpx.Client
) -> None:
    choose(workspace, client, path_of(letter, "abmelden"), "monthly")
    client.post(one_click_path(letter), data=CLICK)
    assert om(workspace.folder, "person", "erase", "joerg@hwk-tal.example", "--yes").code == 0
    assert workspace.ask("SELECT count(*) FROM preference") == [(0,)]
    assert workspace.ask("SELECT detail FROM response") == [("{}",)]
    assert ("mailing_list", "wir-gedanke", "opt_out") in suppressions(workspace)
    assert client.get(path_of(letter, "abmelden")).status_code == 404
    assert client.post(one_click_path(letter), data=CLICK).status_code == 404
