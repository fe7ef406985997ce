"""Who sits in a house today is one answer: in letters, the cascade, the portal, segments, reports and the figures behind privacy.

A seat holds from ``since`` to ``until``, both included; an office's address is a contact like any other; whoever was erased counts nowhere.
"""

from __future__ import annotations

import email
from datetime import date
from email.message import EmailMessage
from email.policy import default

import pytest

from om_campaigns import store
from om_campaigns.audience.access import find_acting, find_receivers
from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.segments import Segment
from om_campaigns.compose.audience_size import load_adviser_counts
from om_campaigns.compose.contexts import Houses
from om_campaigns.reader.erasure import erase_person
from om_campaigns.staff.show_organisations import load_organisations
from om_campaigns.staff.show_people import load_people
from om_campaigns.staff.show_segment import load_members
from tests.journeys.test_cascade import BODY, PACKS, taker
from tests.journeys.workspace import SQLITE, Workspace, local, person

pytestmark = pytest.mark.slow

TODAY = date(2027, 1, 5)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """*tal* has a contact for one more year, one who left yesterday and one who comes tomorrow; the contact of *amt* is its info@."""
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("module_postgres")
    made = Workspace(tmp_path_factory.mktemp("sits"), database=database)
    made.houses(
        taker("dach", name="Dachverband", level="umbrella", routes="direct_email,forward_pack"),
        *(taker(slug, name=name, parent="dach", adviser_headcount="", routes="direct_email,forward_pack") for slug, name in OFFICES),
    )
    made.people(
        person("Doris Dach", "dach"),
        person("Alte Tal", "tal", until="2027-01-04"),
        person("Neue Tal", "tal"),
        person("Tina Tal", "tal", until="2028-01-05"),
        person("Bernd Tal", "tal", roles="adviser", until="2027-01-05"),
        person("Berta Tal", "tal", roles="adviser"),
        person("Emil Tal", "tal", roles="adviser"),
        person("", "amt", email="info@amt.example"),
        person("Anton Amt", "amt", roles="adviser"),
    )
    made.do("UPDATE seat SET since = '2027-01-06' WHERE person_id = (SELECT id FROM person WHERE full_name = 'Neue Tal')")
    ((emil,),) = made.ask("SELECT id FROM person WHERE full_name = 'Emil Tal'")
    erase_person(made.app, emil, made.now, "test")
    made.segment("berater", "'adviser' in roles")
    made.segment("haeuser", "adviser_count >= 1", "organisations")
    made.campaign("brief", "b1 day = 0", audience='routes = ["direct_email"]\nsender = "home"', segment="berater")
    made.campaign("reihe", "r1 day = 0", audience=PACKS, segment="haeuser", texts=False)
    made.text("reihe", "r1.de", BODY)
    made.publish()
    made.tick(local("2027-01-05"))
    return made


OFFICES = (("tal", "Kammer Tal"), ("amt", "Amt West"))


def letter_to(office: Workspace, address: str) -> EmailMessage:
    mails = [email.message_from_bytes(content, policy=default) for _, content in office.transport.letters]
    return next(mail for mail in mails if address in str(mail["To"]))  # type: ignore[return-value]


def test_a_letter_names_the_contact_whose_seat_ends_next_year(office: Workspace) -> None:
    mail = letter_to(office, "bernd.tal@")
    words = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Tina Tal" in words
    assert "Doris Dach" not in words
    assert "tina.tal@tal.example" in str(mail["Reply-To"])


def test_a_letter_names_the_office_where_that_is_the_contact(office: Workspace) -> None:
    mail = letter_to(office, "anton.amt@")
    words = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "info@amt.example" in words
    assert "Amt West" in words
    assert "Doris Dach" not in words
    assert str(mail["Reply-To"]) == "Amt West <info@amt.example>"


def test_packs_go_to_who_sits_there_today(office: Workspace) -> None:
    packs = office.ask(
        "SELECT o.slug, a.address FROM dispatch d JOIN organisation o ON o.id = d.organisation_id JOIN address a ON a.id = d.address_id"
        " WHERE d.step = 'r1' ORDER BY 1"
    )
    assert packs == [("amt", "info@amt.example"), ("dach", "doris.dach@dach.example"), ("tal", "tina.tal@tal.example")]


@pytest.mark.parametrize(
    ("address", "day", "may"),
    [
        ("tina.tal@tal.example", date(2027, 1, 5), True),
        ("tina.tal@tal.example", date(2028, 1, 5), True),
        ("tina.tal@tal.example", date(2028, 1, 6), False),
        ("alte.tal@tal.example", date(2027, 1, 4), True),
        ("alte.tal@tal.example", TODAY, False),
        ("neue.tal@tal.example", TODAY, False),
        ("neue.tal@tal.example", date(2027, 1, 6), True),
        ("info@amt.example", TODAY, True),
    ],
)
def test_the_portal_opens_to_who_sits_there_today(office: Workspace, address: str, day: date, may: bool) -> None:
    with store.read(office.app.engine) as session:
        ((address_id,),) = office.ask("SELECT id FROM address WHERE address = :address", address=address)
        assert (find_acting(session, address_id, day) is not None) is may


def test_portal_reports_segments_and_privacy_figures_count_the_same_people(office: Workspace) -> None:
    """In tal Bernd, whose last day it is, and Berta advise; not Emil, who was erased."""
    with store.read(office.app.engine) as session:
        ids = dict(office.ask("SELECT slug, id FROM organisation"))
        assert [each.name for each in find_receivers(session, ids["tal"], TODAY)] == ["Tina Tal"]
        assert [each.name for each in find_receivers(session, ids["amt"], TODAY)] == ["info@amt.example"]
        assert load_adviser_counts(session, TODAY)[ids["tal"]] == 2
        assert load_adviser_counts(session, date(2027, 1, 6))[ids["tal"]] == 1
        rule = Segment("x", "x", "", Selects.organisations, "adviser_count == 2 and has_role('contact')", "", 1, 1)
        assert [row["organisation"] for row in load_members(session, rule, today=TODAY)] == ["tal"]
        assert {row["slug"]: row["seats"] for row in load_organisations(session, TODAY)} == {"dach": 1, "tal": 3, "amt": 2}
        rows, _ = load_people(session, TODAY, organisation_id=ids["tal"], role="contact")
        assert [row["name"] for row in rows] == ["Tina Tal"]


def test_a_letter_introduces_neighbours_by_who_sits_there(office: Workspace) -> None:
    with store.read(office.app.engine) as session:
        ids = dict(office.ask("SELECT slug, id FROM organisation"))
        named = Houses(session, TODAY).region(ids["amt"], "de", with_contacts=True)["contacts"]
        assert named == [{"house": "Kammer Tal", "name": "Tina Tal", "email": ""}]
        named = Houses(session, TODAY).region(ids["tal"], "de", with_contacts=True)["contacts"]
        assert named == [{"house": "Amt West", "name": "Amt West", "email": "info@amt.example"}]
