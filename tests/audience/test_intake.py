"""intake: files of an office become an audience; every row whole or not at all, the same file twice changes nothing."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from om_campaigns.audience.addresses import hash_address
from om_campaigns.audience.intake import BasisGrant, Counts, Rejected
from om_campaigns.audience.intake.organisations import find_cycles
from om_campaigns.audience.vocabulary import BasisKind
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.keyring import Keyring
from om_campaigns.store import read
from tests.audience.intake_help import HOUSES, KEYS, LISTS, Office

HEAD = "person;name;email;organisation;roles;primary;status;until;basis;mailing_list;collected_by;obtained_on;source\n"
ANNA = "P1;Anna Müller;anna@hwk.example;hwk-sued;Ansprechpartnerin,Berater/-in;ja;;;Mitgliedschaft;*;om;31.12.26;Liste\n"


@pytest.fixture
def office(engine: Engine, tmp_path: Path) -> Office:
    found = Office(engine, tmp_path)
    found.take({"organisations.csv": HOUSES, "mailing_lists.csv": LISTS})
    return found


def reasons(rejected: list[Rejected]) -> list[tuple[int, int]]:
    return [(each.line, each.column) for each in rejected]


def test_houses_stand_in_their_tree_with_german_words(office: Office) -> None:
    assert office.ask(
        "SELECT o.slug, o.org_type, o.level, p.slug FROM organisation o LEFT JOIN organisation p ON p.id = o.parent_id ORDER BY o.slug"
    ) == [
        ("dach", "trade_association", "umbrella", None),
        ("hwk-sued", "chamber_hwk", "regional", "dach"),
        ("ihk-nord", "chamber_ihk", "regional", "dach"),
    ]
    assert office.ask("SELECT ags FROM organisation_region ORDER BY ags") == [("05",), ("05315",), ("09",), ("DE",)]
    assert office.ask("SELECT route, position FROM organisation_route ORDER BY position DESC")[0] == ("forward_pack", 1)


def test_a_person_gets_address_seat_roles_and_basis(office: Office) -> None:
    report = office.people(HEAD + ANNA)
    assert (report.people, report.rejected, report.without_basis, report.people_total) == (Counts(new=1), [], 0, 1)
    assert office.ask("SELECT full_name, name_key, staff_key, normal_key, hmac FROM person JOIN address a ON a.id = main_address_id") == [
        ("Anna Müller", "anna müller", "P1", "anna@hwk.example", hash_address(KEYS, "anna@hwk.example"))
    ]
    assert office.ask("SELECT is_primary_home, strength, address_id FROM seat") == [(True, 0, None)]
    assert office.ask("SELECT role FROM seat_role ORDER BY role") == [("adviser",), ("contact",)]
    kind, mailing_list, obtained_on = office.ask("SELECT kind, mailing_list, obtained_on FROM basis")[0]
    assert (kind, mailing_list, str(obtained_on)) == ("membership_or_service_duty", "*", "2026-12-31")


def test_law_01_a_basis_of_tomorrow_is_none(office: Office) -> None:
    report = office.people(HEAD + ANNA.replace("31.12.26", "01.12.28"))
    assert [(each.line, "future" in each.reason) for each in report.rejected] == [(2, True)]
    assert office.ask("SELECT count(*) FROM basis") == [(0,)]


def test_every_fault_of_a_row_is_named_in_the_order_of_its_cells(office: Office) -> None:
    row = "=1;=SUM(1);nobody;nowhere;Zauberer;vielleicht;;;DOI;;;31.12.28;\n"
    report = office.people(HEAD + row + ANNA + "P2;;;dach;;;;;;;;;\n")
    assert reasons(report.rejected) == [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (2, 12), (2, 13), (4, 2), (4, 3)]
    assert report.people == Counts(new=1)


def test_law_01_a_row_proves_its_basis_like_the_option(office: Office) -> None:
    """A row that names a basis names its day and its source; granted for all rows, the option's hold for those that name none."""
    rows = ("A B;a@x.example;dach;DOI;;\n", "C D;c@x.example;dach;DOI;1.2.2026;-\n", "E F;e@x.example;dach;DOI;nie;Messe\n")
    report = office.people("name;email;organisation;basis;obtained_on;source\n" + "".join(rows))
    assert reasons(report.rejected) == [(2, 5), (2, 6), (3, 6), (4, 5)]
    assert report.rejected[2].reason == "source: source is missing: a basis without proof is none (LAW-01)"
    assert office.ask("SELECT count(*) FROM person") == [(0,)]
    report = office.people("name;email;organisation;basis\nA B;a@x.example;dach;DOI\n")
    assert reasons(report.rejected) == [(2, 0), (2, 0)]
    assert [each.reason.split(":")[0] for each in report.rejected] == ["obtained_on is missing", "source is missing"]


def test_the_same_files_again_change_nothing(office: Office) -> None:
    content = (
        HEAD + ANNA + ";;info@hwk.example;hwk-sued;Presse;;;;;;;;\n"
        ";Bo Li;bo@x.example;ihk-nord;;;;;;;;;\n;Bo Li;bo2@x.example;hwk-sued;Leitung;;;;;;;;\n"
    )
    office.people(content)
    before = office.everything()
    report = office.take({"organisations.csv": HOUSES, "mailing_lists.csv": LISTS, "people.csv": content})
    assert office.everything() == before
    assert report.organisations == Counts(unchanged=3)
    assert report.people == Counts(unchanged=4)
    assert report.changes == []


def test_law_01_rows_without_a_basis_are_counted_and_stored_without(office: Office) -> None:
    report = office.people(
        "name;email;organisation;basis;obtained_on;source\nA B;a@x.example;dach;;;\nC D;c@x.example;dach;keine;;\n"
        "E F;e@x.example;dach;intern;1.3.2026;Haus\n"
    )
    assert (report.people.new, report.without_basis, report.people_total) == (3, 3, 3)
    assert office.ask("SELECT kind FROM basis") == [("employer_internal",)]
    assert "3 of 3 have no basis" in report.notes[0]


def test_a_granted_basis_serves_rows_that_state_none(office: Office) -> None:
    grant = BasisGrant(BasisKind.consent_written, "wir-gedanke", "dach", "Messe", date(2026, 5, 1))
    own = "C D;c@x.example;dach;DOI;2.3.2026;Formular\n"
    report = office.people("name;email;organisation;basis;obtained_on;source\nA B;a@x.example;dach;;;\n" + own, basis=grant)
    assert report.without_basis == 0
    found = office.ask(
        "SELECT b.kind, mailing_list, slug, source FROM basis b LEFT JOIN organisation o ON o.id = collector_id ORDER BY b.kind"
    )
    assert found == [("consent_doi", "*", None, "Formular"), ("consent_written", "wir-gedanke", "dach", "Messe")]


def test_a_grant_for_an_unknown_list_or_house_is_an_error(office: Office) -> None:
    with pytest.raises(InputError, match="did you mean 'monatsbrief'"):
        office.people(HEAD + ANNA, basis=BasisGrant(BasisKind.consent_doi, "monatsbreif"))
    with pytest.raises(InputError, match="unknown organisation"):
        office.people(HEAD + ANNA, basis=BasisGrant(BasisKind.consent_doi, "*", "nobody"))


def test_matching_staff_key_then_address_and_name_then_name_in_house(office: Office) -> None:
    office.people(
        "person;name;email;organisation\nP1;Anna Müller;anna@x.example;dach\n;Bo Li;bo@x.example;dach\n;Cy Ra;cy@x.example;dach\n"
    )
    ids = dict(office.ask("SELECT full_name, id FROM person"))
    report = office.people(
        "person;name;email;organisation\n"
        "P1;Anna Maier;neu@x.example;dach\n"  # the key decides: new name and address
        ";BO  LI;bo@x.example;ihk-nord\n"  # same address and name: a second seat
        ";Cy Ra;cyra@x.example;dach\n"  # same name in the same house: another address
        ";Di Vo;cy@x.example;dach\n"  # same address, another name: another person
    )
    assert report.rejected == []
    assert report.people == Counts(new=1, changed=3)
    found = office.ask("SELECT p.id, full_name, normal_key FROM person p JOIN address a ON a.id = main_address_id ORDER BY p.id")
    assert found[:3] == [
        (ids["Anna Müller"], "Anna Maier", "neu@x.example"),
        (ids["Bo Li"], "BO LI", "bo@x.example"),
        (ids["Cy Ra"], "Cy Ra", "cyra@x.example"),
    ]
    assert found[3][1:] == ("Di Vo", "cy@x.example")
    assert office.ask("SELECT count(*) FROM seat WHERE is_primary_home") == [(4,)]


def test_a_staff_key_is_adopted_by_somebody_known_without_one(office: Office) -> None:
    office.people("name;email;organisation\nBo Li;bo@x.example;dach\n")
    report = office.people("person;name;email;organisation\nP7;Bo Li;bo@x.example;dach\n")
    assert report.people == Counts(changed=1)
    assert office.ask("SELECT staff_key FROM person") == [("P7",)]


def test_two_seats_have_one_primary_home_and_their_own_addresses(office: Office) -> None:
    office.people("name;email;organisation;primary\nBo Li;bo@x.example;dach;\nBo Li;bo@x.example;ihk-nord;ja\n")
    assert office.ask("SELECT slug FROM seat JOIN organisation o ON o.id = organisation_id WHERE is_primary_home") == [("ihk-nord",)]
    office.people("person;name;email;organisation;primary\nP1;Bo Li;bo@x.example;dach;ja\nP1;Bo Li;bo@ihk.example;ihk-nord;nein\n")
    assert office.ask(
        "SELECT slug, is_primary_home, normal_key FROM seat s JOIN organisation o ON o.id = organisation_id "
        "LEFT JOIN address a ON a.id = address_id ORDER BY slug"
    ) == [("dach", True, None), ("ihk-nord", False, "bo@ihk.example")]


def test_every_change_is_logged_with_origin_and_actor(office: Office) -> None:
    office.people(HEAD + ANNA)
    report = office.people(HEAD + ANNA.replace("anna@", "a.mueller@").replace("Berater/-in", "Presse").replace("Liste", "Neue Liste"))
    assert report.people == Counts(changed=1)
    found = office.ask("SELECT entity, field, old, new, origin, actor FROM change WHERE field <> 'created' ORDER BY id")
    assert ("person", "main_address", "anna@hwk.example", "a.mueller@hwk.example", "file", "test") in found
    assert ("seat", "roles", "adviser,contact", "contact,press", "file", "test") in found
    assert {each.field for each in report.changes} == {"main_address", "roles"}
    assert office.ask("SELECT entity, count(*) FROM change WHERE field = 'created' GROUP BY entity ORDER BY entity") == [
        ("organisation", 3),
        ("person", 1),
    ]


def test_somebody_who_left_keeps_the_seat_until_today(office: Office) -> None:
    office.people(HEAD + ANNA)
    office.people(HEAD + ANNA.replace(";ja;;;", ";ja;ausgeschieden;;"))
    assert [
        (status, str(until)) for status, until in office.ask("SELECT status, until FROM person JOIN seat ON person_id = person.id")
    ] == [("left", "2027-01-04")]
    office.people(HEAD + ANNA.replace(";ja;;;", ";ja;aktiv;;"))
    assert office.ask("SELECT status, until FROM person JOIN seat ON person_id = person.id") == [("active", None)]


def test_who_leaves_one_house_stays_in_the_other(office: Office) -> None:
    office.people("name;email;organisation\nBo Li;bo@x.example;dach\nBo Li;bo@x.example;ihk-nord\n")
    office.people("name;email;organisation;status\nBo Li;bo@x.example;dach;left\n")
    assert office.ask("SELECT status FROM person") == [("active",)]
    assert office.ask("SELECT count(*) FROM seat WHERE until IS NULL") == [(1,)]


def test_a_dash_clears_and_an_empty_cell_says_nothing(office: Office) -> None:
    office.take({"organisations.csv": "slug;holiday_land;brand\ndach;BY;dachmarke\n"})
    office.take({"organisations.csv": "slug;holiday_land;brand\ndach;;-\n"})
    assert office.ask("SELECT holiday_land, brand FROM organisation WHERE slug = 'dach'") == [("09", None)]


def suppress(office: Office, hashed: str) -> None:
    columns = "hmac, key_id, scope_kind, scope, reason, at"
    office.do(f"INSERT INTO suppression ({columns}) VALUES ('{hashed}', 'k1', 'all', '', 'objection', '2027-01-02 00:00:00')")


def test_law_09_suppression_and_withdrawal_survive_a_new_import_and_a_new_key(office: Office) -> None:
    office.people(HEAD + ANNA)
    office.do("UPDATE basis SET withdrawn_at = '2027-01-02 00:00:00'")
    hashed = hash_address(KEYS, "anna@hwk.example")
    suppress(office, hashed)
    newer = Keyring("k2", {"k1": KEYS.secrets["k1"], "k2": b"2" * 32})
    for _ in range(2):
        report = office.people(HEAD + ANNA.replace("Liste", "Andere"), keyring=newer)
        assert office.ask("SELECT count(*) FROM basis WHERE withdrawn_at IS NULL") == [(0,)]
        assert report.without_basis == 1
        assert sorted(office.ask("SELECT key_id, hmac FROM suppression")) == [
            ("k1", hashed),
            ("k2", hash_address(newer, "anna@hwk.example")),
        ]
        assert office.ask("SELECT key_id, hmac FROM address") == [("k2", hash_address(newer, "anna@hwk.example"))]


def test_law_09_a_suppression_of_an_erased_address_meets_it_again(office: Office) -> None:
    hashed = hash_address(KEYS, "anna@hwk.example")
    suppress(office, hashed)
    newer = Keyring("k2", {"k1": KEYS.secrets["k1"], "k2": b"2" * 32})
    office.people(HEAD + ANNA, keyring=newer)
    assert office.ask("SELECT count(*) FROM suppression s JOIN address a ON a.hmac = s.hmac AND a.key_id = s.key_id") == [(1,)]


def test_the_erased_come_back_as_somebody_new(office: Office) -> None:
    from om_campaigns.audience.consent import erase_person
    from om_campaigns.audience.models import Person
    from om_campaigns.store import write
    from tests.audience.intake_help import NOW

    office.people(HEAD + ANNA)
    old = office.ask("SELECT id FROM person")[0][0]
    with write(office.engine) as session:
        person = session.get(Person, old)
        assert person is not None
        erase_person(session, person, NOW, actor="test", batch="b")
    assert office.people(HEAD + ANNA).people == Counts(new=1)
    assert office.ask(f"SELECT full_name, status FROM person WHERE id = {old}") == [("", "erased")]


BAD = {
    "P2;;x@x.example;dach": 2,  # a key without a name
    ";A B;;dach": 3,
    ";A B;not an address;dach": 3,
    ";A B;a@x.example;": 4,
    ";A B;a@x.example;nowhere": 4,
    '"";"A\r\nB";a@x.example;dach': 2,
    ";A\u2028B;a@x.example;dach": 2,
    ";A\u202eB;a@x.example;dach": 2,
    ";A%0d%0aBcc: x;a@x.example;dach": 2,
    ";=HYPERLINK(1);a@x.example;dach": 2,
    ";@SUM(1);a@x.example;dach": 2,
    ";＝1+1;a@x.example;dach": 2,
    ";A B;=a@x.example;dach": 3,
    f";{'A' * 201};a@x.example;dach": 2,
    ";A B;a@x.example;dach;Zauberer": 5,
    ";A B;a@x.example;dach;;vielleicht": 6,
    ";A B;a@x.example;dach;;;;31.02.2027": 8,
    ";A B;a@x.example;dach;;;;;DOI;unbekannt;;2026-01-01;s": 10,
    ";A B;a@x.example;dach;;;;;DOI;*;niemand;2026-01-01;s": 11,
    ";A B;a@x.example;dach;;;;;DOI;*;om;2026-13-01;s": 12,
    ";A B;a@x.example;dach;;;;;DOI;*;om;2026-01-01;s;zuviel": 0,
}


@pytest.mark.parametrize("row", BAD)
def test_sec_01_sec_06_a_bad_row_is_named_and_the_good_go_in(office: Office, row: str) -> None:
    report = office.people(HEAD + row + "\r\n" + ANNA)
    assert reasons(report.rejected) == [(2, BAD[row])]
    assert report.rejected[0].file == "people.csv"
    assert office.ask("SELECT full_name FROM person") == [("Anna Müller",)]
    assert office.ask("SELECT count(*) FROM address") == [(1,)]


def test_line_numbers_stay_right_after_a_refused_cell_of_three_lines(office: Office) -> None:
    report = office.people('name;email;organisation\r\n"A\r\nB\r\nC";a@x.example;dach\r\nD E;;dach\r\n')
    assert reasons(report.rejected) == [(2, 1), (5, 2)]


def test_doubles_within_a_file_are_refused_and_named(office: Office) -> None:
    report = office.people(
        "name;email;organisation;primary\n"
        "A B;a@x.example;dach;ja\n"
        "a b;A@x.example;dach;\n"  # the same seat
        ";info@x.example;dach;\n;info@x.example;dach;\n"
    )
    assert [(each.line, "line" in each.reason) for each in report.rejected] == [(3, True), (5, True)]
    assert office.ask("SELECT count(*) FROM seat") == [(2,)]


def test_of_rows_that_contradict_each_other_about_one_person_none_is_taken(office: Office) -> None:
    """Whichever were taken, the file would say something else the second time."""
    report = office.people(
        "name;email;organisation;primary\n"
        "A B;a@x.example;dach;ja\n"
        "C D;c@x.example;dach;ja\n"
        "A B;second@x.example;dach;\n"  # a second address in one house
        "A B;a@x.example;ihk-nord;ja\n"  # a second primary home
    )
    assert [each.line for each in report.rejected] == [2, 4, 5]
    assert "line 4 contradicts this row" in report.rejected[0].reason
    assert "if they are two, number them" in report.rejected[1].reason
    assert office.ask("SELECT full_name FROM person") == [("C D",)]


def test_a_stored_person_stays_as_they_are_where_new_rows_contradict_each_other(office: Office) -> None:
    office.people("name;email;organisation;primary\nA B;b@x.example;hwk-sued;\n")
    report = office.people("name;email;organisation;primary\nA B;a@x.example;hwk-sued;ja\nA B;b@x.example;dach;ja\n")
    assert [each.line for each in report.rejected] == [2, 3]
    assert office.ask("SELECT address FROM address JOIN person ON main_address_id = address.id") == [("b@x.example",)]


def test_sec_03_a_name_with_signs_of_templates_is_refused_where_it_comes_in(office: Office) -> None:
    """It would look like a gap in every letter of a neighbour that names the house, and hold that back."""
    report = office.take({"organisations.csv": "slug;name;type;level\nx;Haus {{ 7*7 }};IHK;local\ny;Haus {Y};IHK;local\n"})
    assert [(each.line, "'{{', a sign of templates" in each.reason) for each in report.rejected] == [(2, True)]
    report = office.people("name;email;organisation\nA {% B;a@x.example;dach\nC {D};c@x.example;dach\n")
    assert [(each.line, "a sign of templates" in each.reason) for each in report.rejected] == [(2, True)]


def test_where_address_and_house_point_to_two_namesakes_a_number_must_decide(office: Office) -> None:
    office.people("name;email;organisation\nA B;b@x.example;dach\n")
    office.people("name;email;organisation\nA B;a@x.example;hwk-sued\n")
    report = office.people("name;email;organisation\nA B;a@x.example;dach\n")
    assert "give the number" in report.rejected[0].reason


def test_houses_with_unknown_parents_or_in_cycles_are_refused_with_all_who_hang_on_them(office: Office) -> None:
    report = office.take(
        {
            "organisations.csv": "slug;name;type;level;parent;zone;regions\n"
            "a;A;IHK;local;b;;\nb;B;IHK;local;a;;\nc;C;IHK;local;a;;\n"
            "d;D;IHK;local;nowhere;;\ne;E;IHK;local;dahc;;\n"
            "f;F;Zauberei;local;;;\ng;G;IHK;local;;Europe/Berlinn;\nh;H;IHK;local;;;99162\n"
            "i;I;IHK;local;dach;Europe/Vienna;09162\ni;I;IHK;local;;;\ndach;Dachverband;;;ihk-nord;;\nj;;IHK;local;;;\n"
        }
    )
    assert sorted((each.line, each.column) for each in report.rejected) == [
        (2, 5), (3, 5), (4, 5), (5, 5), (6, 5), (7, 3), (8, 6), (9, 7), (11, 1), (12, 5), (13, 2),
    ]  # fmt: skip
    assert "did you mean 'dach'" in next(each.reason for each in report.rejected if each.line == 6)
    assert office.ask("SELECT slug FROM organisation ORDER BY slug") == [("dach",), ("hwk-sued",), ("i",), ("ihk-nord",)]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), max_size=8))
def test_a_tree_without_the_edges_of_its_cycles_has_none(tree: dict[str, str]) -> None:
    cycles = find_cycles(tree)
    for cycle in cycles:
        for child, parent in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert tree[child] == parent
    assert find_cycles({child: parent for child, parent in tree.items() if not any(child in cycle for cycle in cycles)}) == []


def test_unknown_columns_are_an_error_with_a_hint(office: Office) -> None:
    with pytest.raises(ProblemsError, match="unknown column 'Vornme'; did you mean 'vorname'"):
        office.people("Vornme;Nachname;E-Mail;Organisation\n")
    with pytest.raises(ProblemsError, match="the column organisation is missing"):
        office.people("name;email\nA B;a@x.example\n")
    with pytest.raises(ProblemsError, match="which column 1 already is"):
        office.people("name;Bezeichnung;email;organisation\n")


def test_a_german_workbook_of_any_name_is_recognised_by_its_header(office: Office) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in (
        ["Anrede", "Vorname", "Nachname", "E-Mail-Adresse", "Kammer", "Funktion", "Seit"],
        ["Frau", "Zoë", "Ähren", "Zoe@X.example", "Handwerkskammer Süd", "Berater*in", date(2020, 1, 2)],
    ):
        book.active.append(line)
    path = office.folder / "Berater 2027.xlsx"
    book.save(path)
    from om_campaigns.audience.intake import import_files
    from om_campaigns.store import write
    from tests.audience.intake_help import NOW

    with write(office.engine) as session:
        report = import_files(session, [path], office.folder, keyring=KEYS, now=NOW, today=NOW.date(), actor="test")
    assert report.rejected == []
    assert office.ask("SELECT full_name, salutation, role FROM person, seat_role") == [("Zoë Ähren", "Frau", "adviser")]


def test_a_file_nobody_knows_is_an_error(office: Office) -> None:
    with pytest.raises(ProblemsError, match="neither its name nor its header"):
        office.take({"x.csv": "foo;bar\n1;2\n"})


def test_the_whole_folder_goes_in_in_the_right_order_twice(office: Office) -> None:
    files = {
        "regions.csv": "ags;name\n05315;Köln\n09162;München\n",
        "organisations.csv": HOUSES + "k;Kreis Köln;Wirtschaftsförderung;local;;Köln;\n",
        "people.csv": HEAD + ANNA,
        "networks.csv": "slug;name;kind;regions;coordinator;organisations;people\n"
        "owl;Netz OWL;anderes;NW;ihk-nord;hwk-sued,k;anna@hwk.example\n",
        "toolkits.csv": "code;name;version;topics;status\n"
        "BZ;Betriebszeit;2.9;Gesundheit;abgelöst\nBZ;Betriebszeit;2.10;Gesundheit;aktuell\n",
        "toolkit_uses.csv": "organisation;toolkit;version;since\nhwk-sued;bz;2.9;2026-01-01\n",
    }
    for name, content in files.items():
        office.write(name, content)
    report = office.take()
    assert report.rejected == []
    assert report.other["toolkit_versions"] == Counts(new=2)
    assert office.ask("SELECT version FROM toolkit_version ORDER BY sort_key") == [("2.9",), ("2.10",)]
    assert office.ask("SELECT count(*) FROM network_organisation, network_person") == [(2,)]
    before = office.everything()
    again = office.take()
    assert office.everything() == before
    assert {name: (counts.new, counts.changed) for name, counts in again.other.items()} == dict.fromkeys(again.other, (0, 0))
    changed = office.take({"toolkit_uses.csv": "organisation;toolkit;version\nhwk-sued;BZ;2.10\n"})
    assert changed.other["toolkit_uses"] == Counts(changed=1)
    assert office.ask("SELECT old, new FROM change WHERE field = 'uses BZ version' ORDER BY id") == [(None, "2.9"), ("2.9", "2.10")]


def test_a_dry_run_that_is_rolled_back_leaves_nothing(office: Office) -> None:
    from om_campaigns.audience.intake import import_files
    from tests.audience.intake_help import NOW

    before = office.everything()
    path = office.write("people.csv", HEAD + ANNA)
    with read(office.engine) as session:
        report = import_files(session, [path], office.folder, keyring=KEYS, now=NOW, today=NOW.date(), actor="test")
    assert report.people.new == 1
    assert [each.entity for each in report.changes] == ["person"]
    assert office.everything() == before


WHO = st.sampled_from(["P1", "P2", "P3"]).flatmap(lambda number: st.tuples(st.just(number), st.sampled_from(["Carla Zú", "Dora Ek", "=x"])))
"""People with a number, and people without; namesakes of both sorts in one house can only be told apart by staff."""

PERSON = st.tuples(
    WHO | st.tuples(st.just(""), st.sampled_from(["Anna Müller", "Bo Li", ""])),
    st.sampled_from(["a@x.example", "b@x.example", "c@x.example", "bad"]),
    st.sampled_from(["dach", "hwk-sued", "ihk-nord", "nowhere"]),
    st.sampled_from(["", "Berater", "contact,press"]),
    st.sampled_from(["", "ja", "nein"]),
    st.sampled_from(["", "aktiv", "left"]),
    st.sampled_from(["", "2027-06-01"]),
    st.sampled_from([";;", "DOI;1.3.2026;Messe", "DOI;;", "keine;;"]),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(PERSON, max_size=8), min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_any_files_keep_the_house_in_order(sqlite_engine: Engine, tmp_path: Path, files: list[list[tuple[Any, ...]]], seed: int) -> None:
    """Whatever comes: one primary home per person, strengths right, one human per house and name key once, twice = once."""
    office = Office(sqlite_engine, tmp_path)
    for table in ("basis", "seat_role", "seat", "person", "address", "change"):
        office.do(f"DELETE FROM {table}")
    office.take({"organisations.csv": HOUSES})
    for rows in files:
        random.Random(seed).shuffle(rows)
        content = "person;name;email;organisation;roles;primary;status;until;basis;obtained_on;source\n" + "".join(
            ";".join((*who, *row)) + "\n" for who, *row in rows
        )
        first = office.people(content)
        before = office.everything()
        second = office.people(content)
        assert (second.people.new, second.people.changed) == (0, 0)
        assert [each.line for each in second.rejected] == [each.line for each in first.rejected]
        assert office.everything() == before
    homes = office.ask("SELECT person_id, count(*) FROM seat WHERE is_primary_home AND person_id IS NOT NULL GROUP BY person_id")
    assert sorted(homes) == [(each, 1) for (each,) in sorted(office.ask("SELECT id FROM person"))]
    assert office.ask("SELECT person_id FROM seat WHERE person_id IS NULL AND is_primary_home") == []
