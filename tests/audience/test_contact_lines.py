"""Contact lines: what everybody may see is what a house agreed to, with its day and its origin; a person's own address is theirs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from om_campaigns.audience.contact_lines import Line, forget_person, load_of_house, load_public
from om_campaigns.audience.intake import Counts
from om_campaigns.store import read, write
from tests.audience.intake_help import HOUSES, LISTS, Office

HEAD = "organisation;name;regions;topics;phone;email;url;hours;agreed_on;agreed_by;source;until\n"
LINE = "hwk-sued;Nachfolge;;succession;0345 67890;nachfolge@hwk.example;;Mo–Do;2026-12-01;Leitung;Mail vom 1. Dezember;\n"
GERMAN = (
    "Haus;Anlaufstelle;Regionen;Themen;Telefon;E-Mail;Erreichbar;Freigegeben am;Freigegeben von;Quelle\n"
    "Handwerkskammer Süd;Nachfolge;;Nachfolge;0345 67890;nachfolge@hwk.example;Mo–Do;1.12.2026;Leitung;Mail vom 1. Dezember\n"
)
TODAY = date(2027, 1, 4)
PERSON = "person;name;email;organisation;roles\nP1;Anna Müller;anna@hwk.example;hwk-sued;adviser\n"
ANNAS = "hwk-sued;Sprechstunde;;;;anna@hwk.example;;;2026-12-01;{by};Mail;\n"


@pytest.fixture
def office(engine: Engine, tmp_path: Path) -> Office:
    found = Office(engine, tmp_path)
    found.take({"organisations.csv": HOUSES, "mailing_lists.csv": LISTS})
    return found


def public(office: Office, today: date = TODAY, language: str = "de") -> list[Line]:
    with read(office.engine) as session:
        return load_public(session, today, language)


@pytest.mark.parametrize(("name", "content"), [("contact_lines.csv", HEAD + LINE), ("anlaufstellen.csv", GERMAN), ("liste.csv", GERMAN)])
def test_german_and_english_columns_say_the_same_and_twice_changes_nothing(office: Office, name: str, content: str) -> None:
    report = office.take({name: content})
    assert (report.rejected, report.other["contact_lines"]) == ([], Counts(new=1))
    assert public(office) == [
        Line(
            house="Handwerkskammer Süd",
            name="Nachfolge",
            phone="0345 67890",
            email="nachfolge@hwk.example",
            url="",
            hours="Mo–Do",
            regions=("09",),
            topics=("succession",),
            agreed_on=date(2026, 12, 1),
        )
    ]
    before = office.ask("SELECT * FROM contact_line"), office.ask("SELECT * FROM change")
    assert office.take({name: content}).other["contact_lines"] == Counts(unchanged=1)
    assert (office.ask("SELECT * FROM contact_line"), office.ask("SELECT * FROM change")) == before
    assert office.ask("SELECT origin, source, agreed_by FROM contact_line") == [("file", "Mail vom 1. Dezember", "Leitung")]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("hwk-sued;X;;;0345 67890;;;;;Leitung;Mail;", 9, "agreed_on is missing: when and how did the house agree"),
        ("hwk-sued;X;;;0345 67890;;;;2026-12-01;Leitung;;", 11, "source is missing: when and how did the house agree"),
        ("hwk-sued;X;;;;;;Mo;2026-12-01;Leitung;Mail;", 0, "nobody can be reached: give phone, email or url"),
        ("hwk-sued;X;;;ruf an;;;;2026-12-01;Leitung;Mail;", 5, "'ruf an' is not a telephone number"),
        ("hwk-sued;X;;;;;javascript:alert(1);;2026-12-01;Leitung;Mail;", 7, "is not an address of the form https://"),
        ("niemand;X;;;0345 67890;;;;2026-12-01;Leitung;Mail;", 1, "unknown organisation 'niemand'"),
        ("hwk-sued;Nachfolge;;;0345 67890;;;;2026-12-01;Leitung;Mail;", 2, "stands in line 2 of contact_lines.csv already"),
    ],
)
def test_a_line_without_its_proof_or_a_way_to_reach_somebody_is_not_taken(office: Office, row: str, column: int, reason: str) -> None:
    report = office.take({"contact_lines.csv": HEAD + LINE + row + "\n"})
    ((line, found, told),) = [(each.line, each.column, each.reason) for each in report.rejected]
    assert (line, found) == (3, column)
    assert reason in told
    assert len(public(office)) == 1


def test_a_persons_own_address_is_shown_only_where_that_person_agreed(office: Office) -> None:
    office.take({"people.csv": PERSON})
    report = office.take({"contact_lines.csv": HEAD + ANNAS.format(by="Leitung")})
    assert ["this is a person's own address" in each.reason for each in report.rejected] == [True]
    assert public(office) == []
    assert office.take({"contact_lines.csv": HEAD + ANNAS.format(by="anna  MÜLLER")}).rejected == []
    assert [each.email for each in public(office)] == ["anna@hwk.example"]


def test_a_line_is_hidden_once_its_address_turns_out_to_be_a_persons(office: Office) -> None:
    office.take({"contact_lines.csv": HEAD + ANNAS.format(by="Leitung")})
    assert len(public(office)) == 1
    office.take({"people.csv": PERSON})
    assert public(office) == []
    ((house,),) = office.ask("SELECT id FROM organisation WHERE slug = 'hwk-sued'")
    with read(office.engine) as session:
        assert [each["agreed"] for each in load_of_house(session, house)] == [False]


def test_a_line_holds_from_its_day_to_its_end_while_its_house_is_active(office: Office) -> None:
    office.take({"contact_lines.csv": HEAD + LINE.replace("Dezember;", "Dezember;2027-01-31")})
    assert [len(public(office, day)) for day in (date(2026, 11, 30), date(2026, 12, 1), date(2027, 1, 31), date(2027, 2, 1))] == [
        0,
        1,
        1,
        0,
    ]
    office.take({"organisations.csv": "slug;status\nhwk-sued;left\n"})
    assert public(office) == []


def test_a_later_file_changes_what_it_names_and_clears_with_a_dash(office: Office) -> None:
    office.take({"contact_lines.csv": HEAD + LINE})
    office.take({"contact_lines.csv": "organisation;name;email;regions;hours\nhwk-sued;Nachfolge;-;09162,DE;Di\n"})
    (line,) = public(office)
    assert (line.phone, line.email, line.hours, line.regions) == ("0345 67890", "", "Di", ("09162", "DE"))
    report = office.take({"contact_lines.csv": "organisation;name;phone\nhwk-sued;Nachfolge;-\n"})
    assert ["nobody can be reached" in each.reason for each in report.rejected] == [True]
    fields = [field for (field,) in office.ask("SELECT field FROM change WHERE entity = 'contact_line' ORDER BY field")]
    assert fields == ["created", "email", "email_key", "hours", "regions"]


def test_english_words_are_shown_where_there_are_some(office: Office) -> None:
    office.take({"contact_lines.csv": HEAD.replace("\n", ";name_en;hours_en\n") + LINE.replace("\n", ";Succession;\n")})
    assert [(each.name, each.hours) for each in public(office, language="en")] == [("Succession", "Mo–Do")]


def test_law_21_whoever_is_erased_stands_in_no_line_and_no_change_of_one(office: Office) -> None:
    office.take({"people.csv": PERSON})
    theirs = LINE.replace("Leitung", "Anna Müller")
    office.take({"contact_lines.csv": HEAD + ANNAS.format(by="Anna Müller") + theirs})
    office.take({"contact_lines.csv": HEAD + ANNAS.format(by="Anna Müller").replace("anna@", "a.mueller@") + theirs})
    office.take({"contact_lines.csv": HEAD + ANNAS.format(by="Anna Müller") + theirs})
    with write(office.engine) as session:
        assert forget_person(session, {"Anna Müller"}, ["anna@hwk.example"]) == 2
    for table in ("contact_line", "change", "contact_line_topic"):
        assert not [row for row in office.ask(f"SELECT * FROM {table}") if "anna" in repr(row).lower() or "mueller" in repr(row)], table
    assert office.ask("SELECT name, agreed_by FROM contact_line") == [("Nachfolge", "")]
