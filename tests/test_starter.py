"""The starter workspace keeps what it promises: counts, references, fictional addresses, and texts that only say what is true.

The facts are read with ``csv`` and ``tomllib`` alone, so they hold whatever the importer forgives; at the end the product
itself must take everything without a word of complaint. This is the only test that looks at the starter's texts.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from om_campaigns.audience.intake import import_files
from om_campaigns.audience.segments import load_segments, subjects
from om_campaigns.audience.vocabulary import (
    LAENDER,
    NATIONWIDE,
    ORGANISATION_TYPES,
    TOPICS,
    BasisKind,
    ChangeKind,
    DataRole,
    ForwardPolicy,
    Idea,
    Level,
    NetworkKind,
    OrganisationStatus,
    PackDelivery,
    PersonStatus,
    Relay,
    Role,
    Route,
    ToolkitStatus,
)
from om_campaigns.campaign.reading import Known, parse_campaign
from om_campaigns.compose.building import make_edition
from om_campaigns.compose.contexts import join_names
from om_campaigns.compose.edition import EditionInput, show_text
from om_campaigns.compose.step_checks import check_looks, check_step
from om_campaigns.keyring import Keyring

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
AUDIENCES = ROOT / "audiences"
CAMPAIGNS = TEMPLATES / "campaigns"
DEMO_DAY = date(2027, 1, 4)
"""The Monday the demo begins on; everything in the files lies before it."""
WRITTEN = "2026-11-24"
"""When the tables were written; nobody can have given a basis later."""
SHARED_ADDRESSES = {"info@pz-elbwiesen.example": {"Jens Gläser", "Doreen Mütze"}}
ORDER: list[str] = list(Level)
BLOCK = re.compile(r"^::: (\w+) \{#([\w-]+) (locked|editable|optional)\}$", re.MULTILINE)


def rows(name: str) -> list[dict[str, str]]:
    """Rows of a CSV file; every row must have exactly the cells of the header."""
    with (AUDIENCES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter=";", strict=True))
    assert all(None not in row and None not in row.values() for row in found), f"{name}.csv: a row has too many or too few cells"
    return found


def words(cell: str) -> list[str]:
    return [word for word in cell.split(",") if word]


ORGANISATIONS = {row["slug"]: row for row in rows("organisations")}
PEOPLE = rows("people")
PERSONS = {row["person"]: row["name"] for row in PEOPLE if row["person"]}
MAILING_LISTS = {row["slug"] for row in rows("mailing_lists")}
STEPS = sorted(CAMPAIGNS.glob("*/*.md"))
EACH_STEP = pytest.mark.parametrize("path", STEPS, ids=lambda path: f"{path.parent.name}/{path.name}")


def is_new(slug: str) -> bool:
    """Joined in the 90 days before the demo begins (S01)."""
    return 0 <= (DEMO_DAY - date.fromisoformat(ORGANISATIONS[slug]["joined_on"])).days <= 90


def head_and_body(path: Path) -> tuple[dict[str, Any], str]:
    _, head, body = path.read_text(encoding="utf-8").split("+++\n", 2)
    return tomllib.loads(head), body


def campaign(name: str) -> dict[str, Any]:
    return tomllib.loads((CAMPAIGNS / name / "campaign.toml").read_text(encoding="utf-8"))


# Counts


def test_the_starter_has_the_promised_size() -> None:
    versions = {(row["code"], row["version"]) for row in rows("toolkits")}
    assert 28 <= len(ORGANISATIONS) == len(rows("organisations")) <= 34
    assert len(PERSONS) == 150 == len({row["name"] for row in PEOPLE if row["name"]})
    assert len(rows("networks")) == 6
    assert {code for code, _ in versions} == {"BZ", "EIN", "ALT"}
    assert versions >= {("BZ", "2.0"), ("BZ", "2.1"), ("EIN", "1.3"), ("EIN", "2.0")}
    assert {"wir-gedanke", "fuenf-gedanken", "monatsbrief", "hilfen-update", "gespraechskarte"} == MAILING_LISTS


def test_every_type_level_and_status_a_newcomer_should_meet_is_there() -> None:
    houses = ORGANISATIONS.values()
    assert {house["type"] for house in houses} == set(ORGANISATION_TYPES)
    assert {house["level"] for house in houses} == set(Level)
    assert Counter(house["status"] for house in houses) == {"active": len(ORGANISATIONS) - 2, "paused": 1, "left": 1}
    assert {route for house in houses for route in words(house["routes"])} == set(Route)
    assert {role for row in PEOPLE for role in words(row["roles"])} == set(Role)
    assert {region[:2] for house in houses for region in words(house["regions"])} >= {"DE", "03", "05", "07", "08", "09", "14"}


# References


def test_every_word_is_one_the_vocabulary_knows() -> None:
    regions = {NATIONWIDE, *LAENDER, *(row["ags"] for row in rows("regions"))}
    for slug, house in ORGANISATIONS.items():
        assert house["type"] in ORGANISATION_TYPES, slug
        assert house["level"] in set(Level), slug
        assert house["status"] in set(OrganisationStatus), slug
        assert house["regions"], slug
        assert set(words(house["regions"])) <= regions, slug
        assert set(words(house["routes"])) <= set(Route), slug
        assert house["forward_policy"] in set(ForwardPolicy), slug
        assert house["data_role"] in {"", *DataRole}, slug
        assert house["relay"] in {"", *Relay}, slug
        assert house["pack_delivery"] in {"", *PackDelivery}, slug
        assert set(words(house["interests"])) <= set(TOPICS), slug
        assert house["holiday_land"] in {"", *LAENDER}, slug
        assert house["brand"] in {"", "hwk-westerfurt", "krankenkasse-auental", "beraterverband-klarsee"}, slug
    for row in PEOPLE:
        assert set(words(row["roles"])) <= set(Role), row
        assert row["status"] in set(PersonStatus), row
        assert row["basis"] in {"", *BasisKind}, row
        assert row["language"] in {"", "de", "en"}, row
    for row in rows("toolkits"):
        assert row["status"] in set(ToolkitStatus), row
        assert row["change_kind"] in set(ChangeKind), row
        assert set(words(row["topics"])) <= set(TOPICS), row


def test_every_reference_between_files_resolves() -> None:
    for slug, house in ORGANISATIONS.items():
        assert house["parent"] in {"", *ORGANISATIONS}, slug
        assert set(words(house["also_in"])) <= set(ORGANISATIONS) - {slug, house["parent"]}, slug
    for row in PEOPLE:
        assert row["organisation"] in ORGANISATIONS, row
        assert row["mailing_list"] in {"", "*", *MAILING_LISTS}, row
        assert row["collected_by"] in {"", "om", *ORGANISATIONS}, row
        assert bool(row["basis"]) == bool(row["obtained_on"]) == bool(row["source"]) == bool(row["collected_by"]), row
        assert row["obtained_on"] <= WRITTEN, "a basis of tomorrow is none: the tables are imported whole from the day they were written"
    for row in rows("networks"):
        assert row["kind"] in set(NetworkKind), row
        assert row["coordinator"] in words(row["organisations"]), row
        assert set(words(row["organisations"])) <= set(ORGANISATIONS), row
        assert set(words(row["people"])) <= set(PERSONS), row
    versions = {(row["code"], row["version"]) for row in rows("toolkits")}
    uses = [(row["organisation"], row["toolkit"]) for row in rows("toolkit_uses")]
    assert all((row["toolkit"], row["version"]) in versions and row["organisation"] in ORGANISATIONS for row in rows("toolkit_uses"))
    assert len(uses) == len(set(uses))
    for row in rows("contact_lines"):
        assert ORGANISATIONS[row["organisation"]]["status"] == "active", row
        assert all(row[name] for name in ("agreed_on", "agreed_by", "source")), row
        taken = {ORGANISATIONS[row["organisation"]]["list_address"], *(each["email"] for each in PEOPLE if each["name"])} - {""}
        assert row["email"] not in taken, row
        assert set(words(row["topics"])) <= set(TOPICS), row


def test_the_tree_has_no_cycle_and_never_goes_up_a_level() -> None:
    for slug, house in ORGANISATIONS.items():
        line = [slug]
        while parent := ORGANISATIONS[line[-1]]["parent"]:
            assert parent not in line, line
            line.append(parent)
        if house["parent"]:
            assert ORDER.index(ORGANISATIONS[house["parent"]]["level"]) <= ORDER.index(house["level"]), slug


def test_one_human_has_one_key_and_one_primary_home() -> None:
    names: dict[str, set[str]] = {row["person"]: set() for row in PEOPLE if row["person"]}
    homes = Counter(row["person"] for row in PEOPLE if row["person"] and row["primary"] == "yes")
    for row in PEOPLE:
        assert bool(row["person"]) == bool(row["name"]), row
        if row["person"]:
            names[row["person"]].add(row["name"])
    assert all(len(found) == 1 for found in names.values())
    assert set(homes.values()) == {1}
    assert len(homes) == 150
    seats = [(row["person"] or row["email"], row["organisation"]) for row in PEOPLE]
    assert len(seats) == len(set(seats))


# Fictional, and free of surprises for a strict importer


def test_every_address_is_fictional_and_no_two_people_share_one_unless_declared() -> None:
    owners: dict[str, set[str]] = {}
    for row in PEOPLE:
        owners.setdefault(row["email"].casefold(), set()).add(row["name"])
    for house in ORGANISATIONS.values():
        if house["list_address"]:
            owners.setdefault(house["list_address"].casefold(), set()).add(f"list of {house['slug']}")
    assert all(re.fullmatch(r"[^@\s]+@[^@\s]+\.example", address) for address in owners)
    assert {address: names for address, names in owners.items() if len(names) > 1} == SHARED_ADDRESSES


@pytest.mark.parametrize("file", sorted(AUDIENCES.glob("*.csv")), ids=lambda path: path.name)
def test_no_cell_needs_an_importers_mercy(file: Path) -> None:
    for row in rows(file.stem):
        for column, cell in row.items():
            assert cell == cell.strip(), (column, cell)
            assert not re.search(r"[\r\n\u2028\u2029\u00a0]", cell), (column, cell)
            assert not cell.startswith(("=", "+", "-", "@")), (column, cell)
            if cell and column.endswith(("_on", "_as_of", "since", "until")):
                assert date.fromisoformat(cell) < DEMO_DAY, (column, cell)


def test_no_region_key_is_a_real_one() -> None:
    """Real keys of these Länder: the second digit group never goes up to 8 there, or there is no district of that number."""
    taken = {"03": "1234", "05": "13579", "07": "123", "08": "1234", "09": "1234567", "14": "567"}
    for row in rows("regions"):
        assert row["ags"][:2] in taken, row
        assert row["ags"][2] not in taken[row["ags"][:2]], row
        assert len(row["ags"]) in (3, 5), row


# Who is reached


def test_newly_joined_houses_have_contacts_in_several_laender() -> None:
    contacts = [
        row for row in PEOPLE if "contact" in words(row["roles"]) and row["organisation"] in ORGANISATIONS and is_new(row["organisation"])
    ]
    mailable = [row for row in contacts if row["basis"] == "membership_or_service_duty" and row["collected_by"] == "om"]
    laender = {region[:2] for row in mailable for region in words(ORGANISATIONS[row["organisation"]]["regions"])}
    assert 12 <= len(mailable) <= 16
    assert len(contacts) > len(mailable), "one contact without a basis shows what the summary says about it"
    assert laender >= {"03", "05", "08", "09", "14", "DE"}
    assert any("en" in (row["language"], ORGANISATIONS[row["organisation"]]["language"]) for row in mailable)
    assert any(not is_new(slug) for slug in ORGANISATIONS)


def test_at_least_25_free_advisers_have_subscribed_themselves() -> None:
    free = [
        row
        for row in PEOPLE
        if "adviser" in words(row["roles"])
        and row["primary"] == "yes"
        and ORGANISATIONS[row["organisation"]]["type"] == "professional_association"
        and (row["basis"], row["mailing_list"]) == ("consent_doi", "fuenf-gedanken")
    ]
    assert len({row["person"] for row in free}) >= 25
    assert all(row["text_version"] and row["proof_ref"] for row in free)
    assert len({row["proof_ref"] for row in free}) == len(free)
    for row in free:
        house = ORGANISATIONS[row["organisation"]]
        assert house["data_role"], "LAW-18: before mail goes out in a house's name its data role is settled"
        if row["collected_by"] != "om":
            assert row["collected_by"] == row["organisation"]
            assert house["data_role"] in ("joint", "processor")


def test_houses_with_direct_mail_have_a_data_role() -> None:
    """LAW-18."""
    for slug, house in ORGANISATIONS.items():
        if "direct_email" in words(house["routes"]):
            assert house["data_role"], slug


def test_one_om_network_has_been_idle_for_more_than_120_days() -> None:
    limit = DEMO_DAY - timedelta(days=120)
    idle = [row["slug"] for row in rows("networks") if row["kind"] == "om" and date.fromisoformat(row["last_activity_on"]) < limit]
    assert idle == ["om-netzwerk-lechmoos"]
    assert Counter(row["kind"] for row in rows("networks")) == {"om": 3, "other": 3}


def test_some_houses_use_a_version_that_is_no_longer_current() -> None:
    status = {(row["code"], row["version"]): row["status"] for row in rows("toolkits")}
    outdated = {row["organisation"] for row in rows("toolkit_uses") if status[row["toolkit"], row["version"]] != "current"}
    current = {row["organisation"] for row in rows("toolkit_uses")} - outdated
    assert len(outdated) >= 8
    assert len(current) >= 3
    assert {row["code"] for row in rows("toolkits") if row["status"] == "current"} == {"BZ", "EIN"}, "ALT is withdrawn"


# Campaigns and texts


@pytest.mark.parametrize(
    ("name", "days", "sender", "texts"),
    [
        ("wir-gedanke", [0, 7, 21, 42, 63, 90], ["om"], {"a1.en", "a2.bundesweit.de", "a4.pack.de"}),
        ("fuenf-gedanken", [0, 14, 28, 42, 56, 70], ["home", "home", "om"], set()),
        ("hilfen-update", [0, 21], ["om"], {"hinweis.en", "hinweis.pack.de", "hinweis.pack.en", "erinnerung.en"}),
        ("gespraechskarte", [0], ["om", "om"], set()),
    ],
)
def test_a_campaign_has_its_steps_window_and_texts(name: str, days: list[int], sender: list[str], texts: set[str]) -> None:
    found = campaign(name)
    assert [step["day"] for step in found["step"]] == days
    assert found["window"] == {"days": ["tue", "wed", "thu"], "from": "09:00", "to": "12:00"}
    assert found["mailing_list"] in MAILING_LISTS
    assert [entry["sender"] for entry in found["audience"]] == sender
    assert all((AUDIENCES / "segments" / f"{entry['segment']}.toml").is_file() for entry in found["audience"])
    assert "then" not in found
    fitting = {f"{step['name']}.passend.de" for step in found["step"] if step.get("variants", [{}])[0].get("name") == "passend"}
    plain = {f"{step['name']}.de" for step in found["step"] if f"{step['name']}.passend.de" not in fitting}
    assert {path.stem for path in (CAMPAIGNS / name).glob("*.md")} == plain | fitting | texts


@EACH_STEP
def test_a_step_names_an_idea_and_one_thing_to_do(path: Path) -> None:
    """R2, R8, REN-13."""
    head, body = head_and_body(path)
    assert head["ideas"]
    assert set(head["ideas"]) <= set(Idea)
    assert head["call_to_action"]["text"]
    assert head["call_to_action"]["how"] in ("answer", "reply", "link", "offline")
    assert 40 <= len(head["preheader"]) <= 110, len(head["preheader"])
    assert len(head["subject"]) <= 80
    assert ("due" in head) == ("step.due_date" in body)
    assert ("toolkits" in head) or "{{ toolkit" not in body


@EACH_STEP
def test_a_text_promises_no_letter_that_does_not_exist_yet_and_a_pack_only_where_there_is_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    step, *_ = path.name.split(".")
    if not list(path.parent.glob(f"{step}.pack.*.md")):
        assert "pack." not in text
        assert not re.search(r"\bPaket|Kennwort", text)
    assert not re.search(r"Monatsbrief|beigefügt|liegt .* bei\b|enclose|monthly letter", text)


@EACH_STEP
def test_a_text_is_set_with_care(path: Path) -> None:
    """Quotation marks and dashes as the language writes them, a greeting that also fits who has no name (R24), about a hundred
    words; the card fills a page.
    """
    head, body = head_and_body(path)
    language = path.stem.rsplit(".", 1)[-1]
    texts = "\n".join((head["subject"], head["preheader"], body))
    said = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#?\}|^:::.*$", "", texts, flags=re.MULTILINE)
    opening, closing = "„“" if language == "de" else "“”"
    assert body.startswith("{{ contact.greeting }},\n")
    assert "contact.full_name" not in body
    assert said.count(opening) == said.count(closing)
    assert not re.search(r"[\"'`´‚‘’»«]", said), "straight or foreign quotation marks"
    assert not re.search(r" - |—", said), "a dash between words is an en dash with blanks"
    assert not re.search(r"\w(?::|\*|_)innen\b|\w/-?innen\b", said), "both forms or a neutral word, no signs inside words"
    assert "!" not in said
    assert 75 <= words_of_one_reader(texts) <= (260 if path.parent.name == "gespraechskarte" else 150)


@pytest.mark.parametrize(
    ("neighbours", "told", "not_told"),
    [
        ([], ["Noch sind Sie hier die Ersten", "Ein Haus vorschlagen"], ["Darunter", "Neben Ihnen", "Zwei Häuser"]),
        (["Haus A", "Haus B"], ["Neben Ihnen: Haus A und Haus B", "Ein Haus vorschlagen"], ["Darunter", "Zwei Häuser"]),
        (["Haus A", "Haus B", "Haus C"], ["Darunter: Haus A, Haus B und Haus C", "Zwei Häuser markieren"], ["noch kurz"]),
    ],
)
def test_the_second_letter_asks_for_what_the_number_of_neighbours_allows(
    neighbours: list[str], told: list[str], not_told: list[str]
) -> None:
    """R6: with fewer than three neighbours nobody is asked to mark two of them."""
    text = made("campaigns/wir-gedanke/a2.de.md", region={"neighbours": neighbours, "neighbour_examples": join_names(neighbours[:3], "de")})
    assert all(each in text for each in told)
    assert not any(each in text for each in not_told)


def test_the_second_thought_names_people_of_other_houses_or_says_who_knows_them() -> None:
    contacts = [
        {"house": "IHK Morgental", "name": "Ines Moll", "email": ""},
        {"house": "Kasse", "name": "Kai Sorge", "email": "info@kasse.example"},
    ]
    text = made("campaigns/fuenf-gedanken/b2.de.md", region={"contacts": contacts})
    assert "- *Ines Moll*, IHK Morgental\n- *Kai Sorge*, Kasse (info@kasse.example)" in text
    assert "Wer hilft in meiner Region <https://om.example/wer-hilft>" in " ".join(text.split())
    assert "kennt Ihre Ansprechperson im Haus" in made("campaigns/fuenf-gedanken/b2.de.md", region={"contacts": []})


def made(path: str, region: dict[str, Any]) -> str:
    """The plain text of a starter letter for somebody without a name."""
    files = {
        each.relative_to(TEMPLATES).as_posix(): each.read_text(encoding="utf-8")
        for each in TEMPLATES.rglob("*")
        if each.suffix in (".md", ".toml", ".mjml", ".txt")
    }
    context = {
        "org": {"name": "Haus am Wald", "short_name": "Haus", "slug": "haus", "level": "local", "type": "guild", "type_name": "Innung"},
        "campaign": {"name": "reihe", "title": "Reihe", "mailing_list": "reihe", "mailing_list_name": "Reihe"},
        "step": {
            "name": "s",
            "subject": "",
            "ideas": [],
            "idea_names": [],
            "position": 1,
            "count": 1,
            "due_date": "",
            "call_to_action": "",
        },
        "region": {
            "ags": "DE",
            "name": "Deutschland",
            "partner_count": 4,
            "neighbours": [],
            "neighbour_examples": "",
            "page": "https://om.example/wer-hilft",
            **region,
        },
        "om": {"name": "OM", "imprint": "OM", "imprint_url": "", "privacy_url": "", "contact": {"name": "OM", "email": "om@om.example"}},
        "toolkits": [],
        "sender": "om",
    }
    edition = make_edition(EditionInput(files, path, "de", "om", context))
    values = dict.fromkeys(("links.unsubscribe", "links.preferences", "links.web", "links.answer"), "https://om.example/x")
    values |= {"contact.masked_email": "i…@haus.example", "contact.reason": "Grund"}
    nameless = {"contact.greeting": "Guten Tag"}
    text = show_text(edition, values | nameless)
    assert "\nGuten Tag,\n" in text
    return text


def words_of_one_reader(text: str) -> int:
    """Words of the first branch of every condition, inserted values not counted."""
    one = re.sub(r"\{% el(?:se|if).*?(?=\{% endif)", "", text, flags=re.DOTALL)
    return len(re.findall(r"\w+", re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?\}|^:::.*$", "", one, flags=re.MULTILINE)))


@EACH_STEP
def test_the_adviser_series_has_its_three_blocks(path: Path) -> None:
    """R18: what OM offers, what you can say, what you can do, in this order."""
    _, body = head_and_body(path)
    blocks = BLOCK.findall(body)
    if campaign(path.parent.name).get("pattern") == "offers_say_do" or ".pack." in path.name:
        policy = "optional" if path.name == "b2.de.md" else "editable"  # the one that docs/how-to/own-words.md leaves out
        assert blocks == [("offers", "offers", "locked"), ("say", "say", "editable"), ("do", "do", policy)]
        assert body.count("\n:::\n") == 3
    else:
        assert [block[0] for block in blocks] == (["say", "say", "do"] if path.parent.name == "gespraechskarte" else [])


def test_the_announcement_says_exactly_what_the_toolkit_list_says() -> None:
    """R20: numbers of versions in the text are those of the registry."""
    toolkits = rows("toolkits")
    for language, key in (("de", "name"), ("en", "name_en")):
        head, body = head_and_body(CAMPAIGNS / "hilfen-update" / f"hinweis.{language}.md")
        for row in toolkits:
            assert row[key] in body, row
            if row["status"] == "current":
                assert f"{row[key]} {row['version']}" in head["subject"], row
                assert f"→ {row['version']}**" in body, row
        if language == "de":
            assert all(row["changes"].split(",")[0] in body.replace("neues", "Neues") for row in toolkits if row["status"] == "current")


# The monthly letter: a stock of texts, ready for its first issue

STOCK = TEMPLATES / "monatsbrief"
OUTLINE = tomllib.loads((STOCK / "gliederung.toml").read_text(encoding="utf-8"))


def words_in(path: Path) -> int:
    return len(re.findall(r"\w+", path.read_text(encoding="utf-8")))


def test_the_outline_of_the_monthly_letter_has_its_sections_and_rules() -> None:
    sections = {section["name"]: section for section in OUTLINE["section"]}
    assert list(sections) == ["thought", "changes", "regions", "other_networks", "say_do", "dates", "pass_on"]
    assert [section["if_empty"] for section in sections.values()] == ["rotate", "omit", "archive", "prompt", "rotate", "omit", "cover"]
    assert all(section["title"] and section["title_en"] and section["select"] for section in sections.values())
    assert OUTLINE["mailing_list"] in MAILING_LISTS
    assert all((AUDIENCES / "segments" / f"{name}.toml").is_file() for name in OUTLINE["segments"])


def test_sections_that_are_never_empty_have_a_text_for_each_idea_of_the_promised_length() -> None:
    """R10: the same idea in other words than the series uses."""
    limits = {section["name"]: section.get("max_words") for section in OUTLINE["section"]}
    series = "\n".join(path.read_text(encoding="utf-8") for path in (CAMPAIGNS / "fuenf-gedanken").glob("*.md"))
    for idea in Idea:
        thought, say_do = STOCK / f"gedanke.{idea}.de.md", STOCK / f"sagen-und-tun.{idea}.de.md"
        assert 60 <= words_in(thought) <= limits["thought"], thought.name
        assert words_in(say_do) <= limits["say_do"], say_do.name
        said = re.findall(r"„([^“]+)“", say_do.read_text(encoding="utf-8"))
        assert len(said) == 1
        assert said[0] not in series
    cases = list(STOCK.glob("fall.*.de.md"))
    assert cases
    assert all(words_in(path) <= limits["regions"] for path in cases)
    assert words_in(STOCK / "andere-netzwerke.de.md") <= 40


# The product's own opinion


def test_an_import_takes_every_row_and_a_second_one_changes_nothing(sqlite_engine: Engine) -> None:
    now = datetime(2027, 1, 4, 8, tzinfo=UTC)
    keyring = Keyring("k", {"k": b"k" * 32})
    with Session(sqlite_engine) as session:
        first = import_files(session, None, AUDIENCES, keyring=keyring, now=now, today=now.date(), actor="test")
        second = import_files(session, None, AUDIENCES, keyring=keyring, now=now, today=now.date(), actor="test")
        assert not first.rejected
        assert not second.rejected
        assert first.organisations.new == len(ORGANISATIONS)
        assert (second.organisations.new, second.organisations.changed) == (0, 0)
        assert (second.people.new, second.people.changed) == (0, 0)
        segments = load_segments(AUDIENCES / "segments")
        numbers = {path.parent.name: 0 for path in STEPS}
        for name in numbers:
            for entry in campaign(name)["audience"]:
                query = subjects(segments[entry["segment"]], today=DEMO_DAY, campaigns=dict.fromkeys(numbers, 0))
                numbers[name] += len(session.execute(query).all())
        assert numbers["wir-gedanke"] >= 12
        assert numbers["fuenf-gedanken"] >= 25
        assert numbers["hilfen-update"] >= 8


def test_check_finds_nothing_in_campaigns_texts_and_looks() -> None:
    templates = ROOT / "templates"
    files = {
        path.relative_to(templates).as_posix(): path.read_text(encoding="utf-8")
        for path in templates.rglob("*")
        if path.suffix in (".md", ".toml", ".mjml", ".txt")
    }
    names = sorted(path.name for path in CAMPAIGNS.iterdir())
    known = Known(load_segments(AUDIENCES / "segments"), MAILING_LISTS, names)
    problems = check_looks(files)
    for name in names:
        texts = [path.name for path in STEPS if path.parent.name == name]
        file = f"campaigns/{name}/campaign.toml"
        definition, found = parse_campaign(files[file], name=name, file=file, texts=texts, known=known)
        problems += found
        for text in texts:
            problems += check_step(files, f"campaigns/{name}/{text}", definition.pattern if definition else None)
    assert problems == []
