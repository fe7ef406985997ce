"""Read queries on both databases: the same rows from SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from om_campaigns import store
from om_campaigns.audience import finding
from om_campaigns.audience.consent import record_suppression
from om_campaigns.audience.intake import import_files
from om_campaigns.audience.models import Address
from om_campaigns.audience.segments import load_segments
from om_campaigns.audience.vocabulary import SuppressionReason
from om_campaigns.errors import InputError
from om_campaigns.keyring import Keyring
from om_campaigns.operate import standing
from om_campaigns.staff import show_campaigns, show_dispatches, show_organisations, show_people, show_segment
from tests.journeys.workspace import HOUSE_COLUMNS, LISTS, PEOPLE_COLUMNS, house, local, person

TODAY = date(2027, 1, 4)
KEYS = Keyring("k1", {"k1": b"x" * 32})


@pytest.fixture
def session(engine: Engine, tmp_path: Path) -> Iterator[Session]:
    """Two houses, one below the other; Jörg sits in both; a shared address; a desk without a person."""
    tables = {
        "mailing_lists": LISTS,
        "organisations": HOUSE_COLUMNS + house("dach", "05", level="state") + house("tal", "05315", parent="dach", routes=""),
        "people": PEOPLE_COLUMNS
        + person("Jörg Müller", "tal")
        + person("Jörg Müller", "dach", email="jörg.müller@tal.example", roles="adviser", primary="no")
        + person("Anna Tal", "tal", email="buero@tal.example", basis="")
        + person("Ute Tal", "tal", email="buero@tal.example", basis="")
        + person("", "dach", email="info@dach.example", roles="press"),
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text.replace("jörg.müller", "joerg"), encoding="utf-8")
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/alle.toml").write_text("format = 1\ntitle = 'x'\nselects = 'seats'\nwhere = 'level == \"regional\"'\n")
    with store.write(engine) as writing:
        report = import_files(writing, None, tmp_path, keyring=KEYS, now=local("2027-01-04"), today=date(2027, 1, 4), actor="test")
        assert not report.rejected, report.rejected
    with store.read(engine) as reading:
        reading.info["folder"] = tmp_path
        yield reading


def test_houses(session: Session) -> None:
    assert [(row["slug"], row["parent"], row["seats"]) for row in show_organisations.load_organisations(session, TODAY)] == [
        ("dach", None, 2),
        ("tal", "dach", 3),
    ]
    assert [row["slug"] for row in show_organisations.load_organisations(session, TODAY, region="053")] == ["tal"]
    found = show_organisations.load_organisation(session, finding.find_organisation(session, "tal"))
    assert (found["parents"], found["routes"], found["routes_from"]) == (["dach"], ["direct_email"], "dach")
    assert [seat["name"] for seat in found["seats"]] == ["Anna Tal", "Jörg Müller", "Ute Tal"]


def test_people(session: Session) -> None:
    rows, total = show_people.load_people(session, TODAY)
    assert (total, [row["name"] for row in rows]) == (3, ["Anna Tal", "Jörg Müller", "Ute Tal"])
    assert rows[1]["organisations"] == ["tal", "dach"]
    assert sorted(rows[1]["roles"]) == ["adviser", "contact"]
    assert show_people.load_people(session, TODAY, limit=1)[1] == 3
    assert [row["name"] for row in show_people.load_people(session, TODAY, text="BUERO@")[0]] == ["Anna Tal", "Ute Tal"]


def test_people_are_found_as_staff_type_them(session: Session) -> None:
    joerg = finding.find_person(session, "JÖRG MÜLLER")
    assert show_people.load_person(session, joerg)["name"] == "Jörg Müller"
    public_id = show_people.load_person(session, joerg)["id"]
    assert finding.find_person(session, public_id) == joerg
    with pytest.raises(InputError, match="is 2 people"):
        finding.find_person(session, "buero@tal.example")
    assert finding.find_person_or_organisation(session, "jörg müller") == (joerg, None)
    dach = finding.find_organisation(session, "dach")
    assert finding.find_person_or_organisation(session, "info@dach.example") == (None, dach)
    assert finding.find_person_or_organisation(session, "Haus dach") == (None, dach)
    with pytest.raises(InputError, match="no person and no organisation"):
        finding.find_person_or_organisation(session, "niemand")


def test_the_audience_in_numbers(session: Session) -> None:
    counts = standing.count_audience(session, TODAY)
    lists = {each["slug"]: each["mailable"] for each in counts.pop("mailing_lists")}
    assert counts == {
        "organisations": 2, "people": 3, "role_addresses": 1, "seats": 5, "addresses": 3, "suppressed": 0, "without_basis": 1,
    }  # fmt: skip
    assert set(lists.values()) == {2}


def test_a_suppressed_address_is_not_mailable(session: Session) -> None:
    address = session.exec(select(Address).where(Address.normal_key == "info@dach.example")).one()
    record_suppression(session, address, SuppressionReason.opt_out, local("2027-01-04"))
    counts = standing.count_audience(session, TODAY)
    assert (counts["suppressed"], {each["mailable"] for each in counts["mailing_lists"]}) == (1, {1})


def test_members_campaigns_ledger_and_status_page(session: Session) -> None:
    segment = load_segments(session.info["folder"] / "segments")["alle"]
    assert show_segment.count_members(session, segment, today=TODAY) == 3
    assert [row["name"] for row in show_segment.load_members(session, segment, today=TODAY, limit=2)] == [
        "Anna Tal",
        "Jörg Müller",
    ]
    assert show_campaigns.load_campaigns(session) == []
    assert show_dispatches.load_ledger(session, status="sent", person_id=1, limit=5) == ([], 0)
    found = standing.load_standing(session, TODAY, local("2027-01-04"))
    assert (found["halted_at"], found["owed"], found["attention"]) == (None, [], {"held": 0, "failed": 0, "uncertain": 0})
