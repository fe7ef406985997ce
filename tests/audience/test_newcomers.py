"""intake of newcomers: whom nobody can know goes in the short way, and becomes exactly what the long way would have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from om_campaigns.audience import intake
from om_campaigns.audience.intake import Counts, ImportReport
from tests.audience.intake_help import HOUSES, LISTS, Office

pytestmark = pytest.mark.slow

HEAD = "person;name;email;organisation;roles;language;since;status;basis;mailing_list;obtained_on;source\n"
ROWS = (
    "P1;Anna Müller;anna@x.example;dach;contact,adviser;en;1.2.2020;;DOI;wir-gedanke,monatsbrief;1.3.2026;Messe",
    "P2;Bo Li;bo@x.example;hwk-sued;;;;;;;;",
    "P3;Bo Li;li@x.example;hwk-sued;Berater;;;left;keine;;;",
)
"""Three newcomers; two of them are namesakes in one house."""

AS_PEOPLE_SEE_IT = (
    "SELECT address, normal_key, domain, kind, hmac, key_id, bounce_state FROM address",
    "SELECT staff_key, full_name, name_key, address, language, salutation, status, origin"
    " FROM person LEFT JOIN address ON address.id = main_address_id",
    "SELECT staff_key, full_name, slug, address, is_primary_home, strength, since, until, role FROM seat"
    " JOIN organisation ON organisation.id = organisation_id LEFT JOIN seat_role ON seat_id = seat.id"
    " LEFT JOIN person ON person.id = person_id LEFT JOIN address ON address.id = address_id",
    "SELECT address, basis.kind, mailing_list, collector_id, obtained_on, source, text_version, proof_ref, withdrawn_at, origin"
    " FROM basis JOIN address ON address.id = address_id",
    "SELECT entity, field, old, new, origin, actor, count(*) FROM change GROUP BY entity, field, old, new, origin, actor",
)


def look(office: Office) -> list[list[tuple[Any, ...]]]:
    """All that an import writes but ids and refs."""
    return [sorted(office.ask(sql), key=repr) for sql in AS_PEOPLE_SEE_IT]


def say(report: ImportReport) -> tuple[Any, ...]:
    changes = sorted(map(repr, report.changes))
    return report.people, report.without_basis, report.people_total, report.rejected, sorted(report.notes), changes


def take_the_long_way(office: Office, content: str, monkeypatch: pytest.MonkeyPatch) -> ImportReport:
    with monkeypatch.context() as patch:
        patch.setattr(intake, "take_newcomers", lambda _run, _people, rows: rows)
        return office.people(content)


def make_office(engine: Engine, folder: Path) -> Office:
    office = Office(engine, folder)
    office.take({"organisations.csv": HOUSES, "mailing_lists.csv": LISTS})
    return office


def empty(office: Office) -> None:
    for table in ("basis", "seat_role", "seat", "person", "address", "change"):
        office.do(f"DELETE FROM {table}")


def test_newcomers_are_stored_as_the_long_way_stores_them(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office, content = make_office(engine, tmp_path), HEAD + "\n".join(ROWS)
    empty(office)
    said, found = say(office.people(content)), look(office)
    assert said[:3] == (Counts(new=3), 2, 3)
    assert say(office.people(content))[0] == Counts(unchanged=3)
    assert look(office) == found
    empty(office)
    assert (say(take_the_long_way(office, content, monkeypatch)), look(office)) == (said, found)


@pytest.mark.parametrize(
    "other",
    [
        "P1;Anna Müller;zweite@x.example;ihk-nord;;;;;;;;",
        ";Anna Müller;zweite@x.example;dach;;;;;;;;",
        ";Anna Müller;anna@x.example;ihk-nord;;;;;;;;",
        ";;anna@x.example;dach;;;;;;;;",
        "P9;Otto Zag;anna@x.example;dach;;;;;;;;",
    ],
    ids=["same number", "same name in the house", "same name and address", "role address", "shared address"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["after it", "before it"])
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "in the file"])
def test_who_can_be_meant_by_another_row_goes_the_long_way(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, *, is_first: bool, is_stored: bool
) -> None:
    office = make_office(sqlite_engine, tmp_path)
    rows = [other, *ROWS] if is_first else [*ROWS, other]
    files = [rows[:1], rows[1:]] if is_stored else [rows]
    outcomes = []
    for take in (office.people, lambda content: take_the_long_way(office, content, monkeypatch)):
        empty(office)
        outcomes.append(([say(take(HEAD + "\n".join(each))) for each in files], look(office)))
    assert outcomes[0] == outcomes[1]


PERSON = st.tuples(
    st.sampled_from(["", *(f"P{number}" for number in range(12))]),
    st.sampled_from(["Anna Müller", "Bo Li", "Carla Zú", "", "=x"]),
    st.sampled_from([*(f"{letter}@x.example" for letter in "abcdefghijkl"), "bad"]),
    st.sampled_from(["dach", "hwk-sued", "ihk-nord", "nowhere"]),
    st.sampled_from(["", "Berater", "contact,press", "-"]),
    st.sampled_from(["", "de", "en"]),
    st.sampled_from(["", "1.2.2020", "-"]),
    st.sampled_from(["", "aktiv", "paused", "left"]),
    st.sampled_from([";;;", "DOI;wir-gedanke,monatsbrief;1.3.2026;Messe", "keine;;;", "employer_internal;*;2026-05-01;Haus"]),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(PERSON, max_size=8), min_size=1, max_size=2))
def test_the_short_way_is_the_long_way(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[list[tuple[str, ...]]]
) -> None:
    office = make_office(sqlite_engine, tmp_path)
    contents = [HEAD + "".join(";".join(row) + "\n" for row in rows) for rows in files]
    outcomes = []
    for take in (office.people, lambda content: take_the_long_way(office, content, monkeypatch)):
        empty(office)
        outcomes.append(([say(take(content)) for content in contents], look(office)))
    assert outcomes[0] == outcomes[1]
