"""Answers: the letter asks one thing, a page takes it, and what was said decides what comes next (A1, A2, A3, A5, A6 of the samples)."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from threading import Barrier

import httpx2 as httpx
import pytest
from sqlalchemy import text

from om_campaigns.audience.access import find_acting, find_address, find_receivers
from om_campaigns.audience.addresses import normalise
from om_campaigns.compose.frontmatter import AnswerTarget
from om_campaigns.compose.links import Door, make_token
from om_campaigns.reader.answers import MOST_A_DAY, Said, record_answer
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.store import read, write
from tests.cli.shell import om
from tests.journeys.workspace import LOOK, SQLITE, Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture
from tests.web.postbox import BASE_URL, letters, path_of

pytestmark = pytest.mark.slow  # every test talks to a real server

STEPS = {"a1": "distributor", "a2": "contacts_wanted", "a3": "interests", "a5": "networks", "a6": "note"}


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    """The starter's own series, for one new house with neighbours; no caps, so that it is quick to walk."""
    made = Workspace(
        tmp_path / "ws",
        database=request.getfixturevalue("database") if "database" in request.fixturenames else SQLITE,
        settings=f'[web]\nbase_url = "{BASE_URL}"\n[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n'
        "[caps]\nper_week = 9\nper_month = 30",
    )
    made.houses(
        *(
            house(slug, "05315", name=name)
            for slug, name in (("hwk-tal", "Handwerkskammer Tal"), ("ihk-berg", "IHK Berg"), ("aok", "Kasse"), ("bau", "Innung Bau"))
        )
    )
    made.houses(house("fern", "09", name="Fernes Haus"))
    made.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example"))
    made.segment("alle", "'contact' in roles")
    steps = [f"{name} day = {number * 7}" for number, name in enumerate(STEPS)]
    steps += ["b1 day = 35\nwhen = \"'refer' in interests\"", "b2 day = 36\nwhen = \"'use' in interests\""]
    made.campaign("wir-gedanke", *steps, texts=False, head='title = "Wir-Gedanke"')
    for name in STEPS:
        (source,) = (each for each in LOOK.glob(f"campaigns/wir-gedanke/{name}*.de.md") if "bundesweit" not in each.name)
        shutil.copyfile(source, made.folder / f"templates/campaigns/wir-gedanke/{name}.de.md")
    for name in ("b1", "b2"):
        made.text("wir-gedanke", f"{name}.de")
    made.campaign("erinnerung", "e1 day = 20", head="exit_when = \"answered('wir-gedanke/a1')\"")
    made.publish()
    return made


def walk(workspace: Workspace, day: str = "2027-02-03") -> dict[str, EmailMessage]:
    """Every letter of the series by its step."""
    workspace.walk(local(day))
    subjects = {mail.step: number for number, mail in enumerate(workspace.ledger("wir-gedanke", status="sent"))}
    found = [each for each in letters(workspace, "joerg@") if "erinnerung" not in str(each["Subject"])]
    return {step: found[number] for step, number in subjects.items()}


def answer(workspace: Workspace, client: httpx.Client, letter: EmailMessage, **said: object) -> httpx.Response:
    path = path_of(letter, "antwort")
    key = make_form_key(workspace.app, "antwort", path.rpartition("/")[2], workspace.now)
    return client.post(path, data={"formular": key, **said})


def test_every_question_of_the_starter_opens_from_its_letter_and_changes_nothing(workspace: Workspace, client: httpx.Client) -> None:
    sent = walk(workspace)
    before = workspace.dump()
    for step in STEPS:
        page = client.get(path_of(sent[step], "antwort"))
        assert page.status_code == 200, step
        assert "Handwerkskammer Tal" in page.text
        assert "joerg@" not in page.text  # FWD-03
        assert client.post(path_of(sent[step], "antwort"), data={"name": "X", "auswahl": "use"}).status_code == 400
    assert workspace.dump() == before


@pytest.mark.usefixtures("database")
def test_a1_names_the_distributor_who_is_not_written_to_until_they_agree(workspace: Workspace, client: httpx.Client) -> None:
    first = walk(workspace, "2027-01-06")["a1"]
    for _ in range(2):
        assert "Danke" in answer(workspace, client, first, name="Vera Teil", email="vera@hwk-tal.example").text
    assert workspace.ask("SELECT full_name, origin FROM person ORDER BY id DESC LIMIT 1") == [("Vera Teil", "answer")]
    assert workspace.ask("SELECT count(*) FROM basis b JOIN address a ON a.id = b.address_id WHERE a.address LIKE 'vera%'") == [(0,)]
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["kind"], task["address"]) == ("distributor_named", "vera@hwk-tal.example")
    assert workspace.ask("SELECT field, origin, actor FROM change WHERE entity = 'organisation' AND origin = 'answer'") == [
        ("distributor_named", "answer", "answer page")
    ]
    assert workspace.count("response") == 1
    workspace.walk(local("2027-02-10"))
    assert {each.to for each in workspace.ledger(status="sent")} == {"joerg@hwk-tal.example"}


@pytest.mark.parametrize("named", ["eve@stranger.example", "clara@ihk-berg.example"])
@pytest.mark.usefixtures("database")
def test_sec_14_who_is_named_in_a1_acts_for_nobody_until_staff_give_the_role(
    workspace: Workspace, client: httpx.Client, named: str
) -> None:
    """Whoever holds a forwarded letter can name themselves, or somebody of another house: no portal opens, no pack turns aside."""
    first = walk(workspace, "2027-01-06")["a1"]
    workspace.people(person("Clara Berg", "ihk-berg", email="clara@ihk-berg.example", roles="contact"))
    assert answer(workspace, client, first, name="Clara Berg", email=named).status_code == 200
    with read(workspace.app.engine) as session:
        (house_id,) = session.execute(text("SELECT id FROM organisation WHERE slug = 'hwk-tal'")).one()
        number = find_address(session, named) or 0
        acting = find_acting(session, number, workspace.now.date())
        assert house_id not in (acting.houses if acting else ())
        assert number not in {each.address_id for each in find_receivers(session, house_id, workspace.now.date())}
    workspace.people(person("Clara Berg", "hwk-tal", email=named, roles="distributor", primary=""))
    with read(workspace.app.engine) as session:
        acting = find_acting(session, number, workspace.now.date())
        assert acting is not None
        assert house_id in acting.own


def test_nobody_is_made_the_person_behind_the_address_of_an_office(workspace: Workspace, client: httpx.Client) -> None:
    """Whoever holds a forwarded letter may type any name; people of OM see it, and the portal calls nobody by it."""
    first = walk(workspace, "2027-01-06")["a1"]
    workspace.people(person("", "aok", email="info@aok.example", roles="contact"))
    people = workspace.count("person")
    assert answer(workspace, client, first, name="Herr Quatsch", email="info@aok.example").status_code == 200
    assert workspace.count("person") == people
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["address"], task["detail"]["name"]) == ("info@aok.example", "Herr Quatsch")
    with read(workspace.app.engine) as session:
        acting = find_acting(session, find_address(session, "info@aok.example") or 0, workspace.now.date())
    assert acting is not None
    assert acting.name == ""


@pytest.mark.usefixtures("database")
def test_several_houses_name_the_same_new_person_at_once(workspace: Workspace) -> None:
    """One address and one person, and nobody meets a fault."""
    houses = [row[0] for row in workspace.ask("SELECT id FROM organisation ORDER BY id")]
    ((campaign,),) = workspace.ask("SELECT id FROM campaign WHERE name = 'wir-gedanke'")
    ((joerg,),) = workspace.ask("SELECT id FROM address")
    gate = Barrier(len(houses))

    def name(house_id: int) -> bool:
        said = Said(
            campaign,
            "wir-gedanke",
            "",
            "a1",
            house_id,
            joerg,
            AnswerTarget.distributor,
            "Vera Teil",
            normalise("vera@neu.example"),
            day=workspace.app.today(workspace.now),
        )
        gate.wait()
        with write(workspace.app.engine) as session:
            return record_answer(session, workspace.app.keyring, said, workspace.now)

    with ThreadPoolExecutor(len(houses)) as pool:
        assert all(pool.map(name, houses)), "each house has answered, also those of one reader who sits in several"
    assert workspace.ask("SELECT count(*) FROM person WHERE full_name = 'Vera Teil'") == [(1,)]


def test_sec_11_one_letter_is_not_answered_without_end(workspace: Workspace, client: httpx.Client) -> None:
    first = walk(workspace, "2027-01-06")["a1"]
    told = [answer(workspace, client, first, name="Vera Teil", email=f"x{each}@neu.example").status_code for each in range(MOST_A_DAY + 2)]
    assert told == [200] * MOST_A_DAY + [429] * 2
    page = answer(workspace, client, first, name="Vera Teil", email="vera@neu.example").text
    assert 'value="vera@neu.example"' in page
    assert workspace.ask("SELECT count(*) FROM person WHERE full_name = 'Vera Teil'") == [(MOST_A_DAY,)]
    workspace.now += timedelta(days=1)
    assert answer(workspace, client, first, name="Vera Teil", email="vera@neu.example").status_code == 200


@pytest.mark.usefixtures("database")
def test_the_same_answer_on_a_later_occasion_is_an_answer(workspace: Workspace, client: httpx.Client) -> None:
    """The house came in again a year later and says the same: it has answered, and whoever asks for the last half year must see it."""
    third = walk(workspace, "2027-01-20")["a3"]
    answer(workspace, client, third, auswahl=["use"])
    for occasion in ("r2", "r2+c1"):  # a correction is no other occasion
        workspace.do(f"UPDATE touch SET occasion = '{occasion}' WHERE step = 'a3'")
        workspace.now = local("2028-02-03")
        for _ in range(2):
            assert answer(workspace, client, third, auswahl=["use"]).status_code == 200
    assert workspace.ask("SELECT occasion FROM response WHERE kind = 'answer' ORDER BY id") == [("",), ("r2",)]


def test_a1_who_stands_for_the_house_already_gets_the_role_at_once(workspace: Workspace, client: httpx.Client) -> None:
    first = walk(workspace, "2027-01-06")["a1"]
    answer(workspace, client, first, name="Jörg Müller", email="JOERG@hwk-tal.example")
    assert workspace.ask("SELECT count(*) FROM person") == [(1,)]
    assert {row[0] for row in workspace.ask("SELECT role FROM seat_role")} == {"contact", "distributor"}


def test_an_answer_is_a_goal(workspace: Workspace, client: httpx.Client) -> None:
    first = walk(workspace, "2027-01-06")["a1"]
    answer(workspace, client, first, name="Vera Teil", email="vera@hwk-tal.example")
    workspace.walk(local("2027-02-10"))
    assert workspace.ledger("erinnerung", status="sent") == []
    assert workspace.ask("SELECT state, reason FROM enrolment e JOIN campaign c ON c.id = e.campaign_id WHERE c.name = 'erinnerung'") == [
        ("exited", "exit_condition")
    ]


def test_a2_marks_houses_of_the_region_to_be_introduced_to(workspace: Workspace, client: httpx.Client) -> None:
    second = walk(workspace, "2027-01-13")["a2"]
    page = client.get(path_of(second, "antwort")).text
    assert "IHK Berg" in page
    assert "Fernes Haus" not in page
    assert answer(workspace, client, second, auswahl=["fern"]).status_code == 400
    assert "Die Redaktion stellt den Kontakt her" in answer(workspace, client, second, auswahl=["ihk-berg", "aok"]).text
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["kind"], task["organisation"], task["detail"]["houses"]) == ("contacts_wanted", "hwk-tal", "ihk-berg,aok")


def test_a2_asks_as_the_letter_of_that_house_does(workspace: Workspace, client: httpx.Client) -> None:
    """Its subject with the region filled in; where too few are near, the houses of the next larger region, as the letter names them."""
    workspace.take(regions="ags;name\n05315;Stadt Tal\n")
    workspace.houses(house("aok", "05382", name="Kasse"))
    second = walk(workspace, "2027-01-13")["a2"]
    page = client.get(path_of(second, "antwort")).text
    assert "{{" not in page
    assert str(second["Subject"]).split(":")[0] in page
    named = second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert all(name in page for name in ("IHK Berg", "Innung Bau", "Kasse"))
    assert "Fernes Haus" not in page
    assert "Nordrhein-Westfalen" in " ".join(named.split())


@pytest.mark.usefixtures("database")
def test_a2_proposes_a_house_where_few_are_near_as_the_letter_asks(workspace: Workspace, client: httpx.Client) -> None:
    workspace.houses(house("aok", "09", name="Kasse"))
    second = walk(workspace, "2027-01-13")["a2"]
    named = " ".join(second.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "Neben Ihnen: IHK Berg und Innung Bau" in named
    assert "Ein Haus vorschlagen" in named
    page = client.get(path_of(second, "antwort")).text
    assert [name in page for name in ("IHK Berg", "Innung Bau", "Kasse", "Ein Haus, das hier noch fehlt")] == [True, True, False, True]
    for _ in range(2):
        assert answer(workspace, client, second, auswahl=["bau"], **{"text-1": "  Kasse   am Fluss "}).status_code == 200
    (task,) = om(workspace.folder, "todo", "list", "--format", "json").json
    assert (task["kind"], task["detail"]["houses"], task["detail"]["proposed"]) == ("contacts_wanted", "bau", "Kasse am Fluss")
    (row,) = om(workspace.folder, "answer", "list", "--format", "json").json
    assert row["said"] == ["bau", "Kasse am Fluss"]
    assert workspace.ask("SELECT new FROM change WHERE field = 'contacts_wanted'") == [("bau,Kasse am Fluss",)]


def test_a2_the_first_house_of_all_can_still_answer(workspace: Workspace, client: httpx.Client) -> None:
    """Nobody to tick: the page asks for a name, and says at that field when it is missing."""
    workspace.take(organisations="slug;status\nihk-berg;left\naok;left\nbau;left\nfern;left\n")
    second = walk(workspace, "2027-01-13")["a2"]
    page = client.get(path_of(second, "antwort")).text
    assert ("Ihre Auswahl" in page, 'id="text-1"' in page) == (False, True)
    empty = answer(workspace, client, second)
    assert (empty.status_code, 'href="#text-1"' in empty.text) == (400, True)
    assert answer(workspace, client, second, **{"text-1": "Kasse am Fluss"}).status_code == 200
    assert om(workspace.folder, "answer", "list", "--format", "json").json[0]["said"] == ["Kasse am Fluss"]


def test_a3_afterwards_only_material_that_fits(workspace: Workspace, client: httpx.Client) -> None:
    third = walk(workspace, "2027-01-20")["a3"]
    assert answer(workspace, client, third, auswahl=["use"]).status_code == 200
    assert answer(workspace, client, third, auswahl=["refer", "shape"]).status_code == 200  # a second thought counts
    assert workspace.ask("SELECT topic FROM organisation_interest ORDER BY topic") == [("refer",), ("shape",)]
    assert workspace.ask("SELECT old, new FROM change WHERE field = 'interests' ORDER BY id") == [("", "use"), ("use", "refer,shape")]
    workspace.walk(local("2027-02-20"))
    later = {each.step: each.status for each in workspace.ledger("wir-gedanke") if each.step in ("b1", "b2")}
    assert later == {"b1": "sent", "b2": "skipped"}


def test_nothing_ticked_is_thanked_for_and_promises_no_choice(workspace: Workspace, client: httpx.Client) -> None:
    third = walk(workspace, "2027-01-20")["a3"]
    said = answer(workspace, client, third, auswahl=[]).text
    assert "Sie haben nichts angekreuzt" in said
    assert "richten wir uns danach" not in said


@pytest.mark.usefixtures("database")
def test_a3_the_last_answer_counts_even_if_it_was_given_before(workspace: Workspace, client: httpx.Client) -> None:
    third = walk(workspace, "2027-01-20")["a3"]
    for chosen in ("use", "use", "shape", "shape", "use", "use"):
        assert "Ab jetzt richten wir uns danach" in answer(workspace, client, third, auswahl=[chosen]).text
        assert workspace.ask("SELECT topic FROM organisation_interest") == [(chosen,)]
    assert workspace.count("response") == 3


def test_a5_names_networks_known_or_new(workspace: Workspace, client: httpx.Client) -> None:
    workspace.do("INSERT INTO network (slug, name, kind) VALUES ('fachkraefte', 'Fachkräftebündnis', 'om')")
    fifth = walk(workspace, "2027-01-27")["a5"]
    said = {"text-1": "Fachkräftebündnis", "text-2": "Arbeitskreis  Gesundheit", "text-3": ""}
    for _ in range(2):
        assert answer(workspace, client, fifth, **said).status_code == 200
    assert workspace.ask(
        "SELECT n.slug, n.name, n.kind FROM network_organisation m JOIN network n ON n.id = m.network_id ORDER BY n.slug"
    ) == [("arbeitskreis-gesundheit", "Arbeitskreis Gesundheit", "other"), ("fachkraefte", "Fachkräftebündnis", "om")]


def test_a6_keeps_the_words_with_the_record_and_forgets_them_with_the_person(workspace: Workspace, client: httpx.Client) -> None:
    sixth = walk(workspace)["a6"]
    assert client.get(path_of(sixth, "antwort")).text.count("<textarea") == 3
    assert answer(workspace, client, sixth, **{"text-2": "Ja, mit der Kasse.\nEin Anruf."}).status_code == 200
    ((detail,),) = workspace.ask("SELECT detail FROM response")
    assert "Ja, mit der Kasse.\\nEin Anruf." in detail
    assert om(workspace.folder, "person", "erase", "joerg@hwk-tal.example", "--yes").code == 0
    assert workspace.ask("SELECT detail FROM response") == [("{}",)]


@pytest.mark.usefixtures("database")
@pytest.mark.usefixtures("database")
def test_a_letter_of_a_campaign_that_was_stopped_can_still_be_answered(workspace: Workspace, client: httpx.Client) -> None:
    letter = walk(workspace)["a6"]
    assert om(workspace.folder, "campaign", "stop", "wir-gedanke", "--yes").code == 0
    assert client.get(path_of(letter, "antwort")).status_code == 200
    assert answer(workspace, client, letter, **{"text-1": "Eine Liste der Häuser."}).status_code == 200
    assert workspace.ask("SELECT step FROM response WHERE kind <> 'preference'") == [("a6",)]


def test_staff_see_what_was_answered_by_whom_and_to_which_step(workspace: Workspace, client: httpx.Client) -> None:
    assert "nobody has answered yet" in om(workspace.folder, "answer", "list").out
    letters = walk(workspace)
    answer(workspace, client, letters["a1"], name="Vera Teil", email="vera@hwk-tal.example")
    answer(workspace, client, letters["a3"], auswahl=["refer", "shape"])
    answer(workspace, client, letters["a6"], **{"text-2": "Ja, mit der Kasse."})
    last, second, first = listed = om(workspace.folder, "answer", "list", "--format", "json").json
    assert [(row["step"], row["target"]) for row in listed] == [("a6", "note"), ("a3", "interests"), ("a1", "distributor")]
    assert {(row["house"], row["campaign"], row["by"]) for row in listed} == {("hwk-tal", "wir-gedanke", "Jörg Müller")}
    assert all(row["at"] for row in listed)
    assert first["said"] == ["Vera Teil (vera@hwk-tal.example)"]
    assert second["said"] == ["refer", "shape"]
    assert last["said"][0].endswith(": Ja, mit der Kasse.")
    table = om(workspace.folder, "answer", "list", "--house", "hwk-tal", "--campaign", "wir-gedanke").out
    assert "Vera Teil" in table
    assert "joerg@" not in table
    assert om(workspace.folder, "answer", "list", "--house", "ihk-berg", "--format", "json").json == []


@pytest.mark.usefixtures("database")
def test_law_21_whoever_is_erased_stands_in_no_answer(workspace: Workspace, client: httpx.Client) -> None:
    letters = walk(workspace, "2027-01-20")
    answer(workspace, client, letters["a1"], name="Vera Teil", email="vera@hwk-tal.example")
    answer(workspace, client, letters["a3"], auswahl=["use"])

    def said() -> list[tuple[str, list[str]]]:
        return [(row["by"], row["said"]) for row in om(workspace.folder, "answer", "list", "--format", "json").json]

    assert om(workspace.folder, "person", "erase", "vera@hwk-tal.example", "--yes").code == 0
    assert said() == [("Jörg Müller", ["use"]), ("Jörg Müller", [])]
    assert om(workspace.folder, "person", "erase", "joerg@hwk-tal.example", "--yes").code == 0
    assert said() == [("", []), ("", [])]


def test_sec_08_forged_links_and_other_houses(workspace: Workspace, client: httpx.Client) -> None:
    genuine = path_of(walk(workspace, "2027-01-06")["a1"], "antwort").rpartition("/")[2]
    key, signature, *parts = genuine.split(".")
    ((other,),) = workspace.ask("SELECT public_id FROM organisation WHERE slug = 'ihk-berg'")
    ours = workspace.app.keyring
    for forged in (
        genuine[:-1],
        genuine + "x",
        ".".join((key, signature, parts[0], other, *parts[2:])),
        ".".join((key, signature, *parts[:3], "a2")),
        make_token(ours, "inert-antwort", *parts),
        make_token(ours, Door.unsubscribe, *parts),
        make_token(ours, Door.answer, *parts[:3]),
        make_token(ours, Door.answer, *parts[:3], "gibt-es-nicht"),
        make_token(ours, Door.answer, *parts[:2], "gibt-es-nicht", "a1"),
    ):
        assert client.get(f"/antwort/{forged}").status_code == 404, forged
        assert client.post(f"/antwort/{forged}", data={"name": "X"}).status_code == 404, forged


@pytest.mark.parametrize(
    ("step", "said", "told"),
    [
        ("a1", {"name": "", "email": "vera@hwk-tal.example"}, "Namen der Person"),
        ("a1", {"name": "Vera", "email": "vera@"}, "vollständige E-Mail-Adresse"),
        ("a2", {}, "Bitte kreuzen Sie etwas an"),
        ("a2", {"auswahl": ["ihk-berg"], "text-1": "A\x1bB"}, "Bitte schreiben Sie etwas"),
        ("a3", {"auswahl": ["nonsense"]}, "Bitte kreuzen Sie etwas an"),
        ("a5", {"text-1": " "}, "Bitte schreiben Sie etwas"),
        ("a5", {"text-1": "A\x1bB"}, "Bitte schreiben Sie etwas"),
        ("a6", {"text-1": "x" * 2001}, "Bitte schreiben Sie etwas"),
    ],
)
def test_what_is_missing_is_said_and_nothing_recorded(
    workspace: Workspace, client: httpx.Client, step: str, said: dict[str, object], told: str
) -> None:
    letter = walk(workspace)[step]
    page = answer(workspace, client, letter, **said)
    assert (page.status_code, told in page.text) == (400, True)
    assert workspace.count("response") == 0


def test_wcag_3_1_2_the_letters_words_keep_their_language_on_an_english_page(workspace: Workspace, visit: Open) -> None:
    path = path_of(walk(workspace, "2027-01-20")["a3"], "antwort")
    told = "node => node.closest('[lang]').lang"
    page = visit(f"{path}?lang=en")
    words = {name: page.eval_on_selector(name, told) for name in ("h1", ".eyebrow", ".choice label span", "legend", "button")}
    assert words == {"h1": "de", ".eyebrow": "de", ".choice label span": "de", "legend": "en", "button": "en"}
    assert visit(f"{path}?lang=de").query_selector("main [lang]") is None


def test_a_preview_of_the_letter_answers_nothing(workspace: Workspace, client: httpx.Client) -> None:
    from om_campaigns.staff.preview import preview

    (shown,) = preview(workspace.app, "wir-gedanke/a1", workspace.now)
    assert "/antwort/" in shown.text
    path = shown.text[shown.text.index("/antwort/") :].split()[0]
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_pages_are_sound(workspace: Workspace, client: httpx.Client, visit: Open, lang: str, tmp_path: Path) -> None:
    paths = {step: f"{path_of(letter, 'antwort')}?lang={lang}" for step, letter in walk(workspace).items() if step in STEPS}
    for step, path in paths.items():
        for width in (1280, 360):
            page = visit(path, width=width, dark=step == "a3" and width == 360)
            assert axe(page) == [], step
            assert overflow(page) <= 0
            picture(page, f"answer-{step}-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    assert html_faults({step: client.get(path).text for step, path in paths.items()}, folder) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_ren_19_a_person_answers_by_keyboard(workspace: Workspace, visit: Open, scripts: bool) -> None:
    page = visit(path_of(walk(workspace, "2027-01-20")["a3"], "antwort"), width=360, scripts=scripts)
    page.focus("#auswahl-4")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Ab jetzt richten wir uns danach")
    assert workspace.ask("SELECT topic FROM organisation_interest") == [("refer",)]
