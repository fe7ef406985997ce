"""contexts: what a letter says about a house and its neighbours comes from the audience, and is sensible."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Engine, update

from om_campaigns import store
from om_campaigns.audience.models import Address, Basis, Organisation, OrganisationRegion, OrganisationType, Person, Region, Seat, SeatRole
from om_campaigns.audience.vocabulary import AddressKind, BasisKind, Level, Origin, Role
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses, format_date, join_names


@pytest.fixture
def engine_with_houses(sqlite_engine: Engine) -> Engine:
    """An umbrella with one office in a county, and four strangers: one in the county, three in the Land."""
    with store.write(sqlite_engine) as session:
        session.add(OrganisationType(code="guild", name="Innung", group="chambers"))
        session.flush()
        places = {1: "05", 2: "05991", 3: "05991", 4: "05", 5: "05", 6: "05992"}
        for number, ags in places.items():
            session.add(
                Organisation(
                    id=number,
                    slug=f"haus-{number}",
                    name=f"Haus {number}",
                    name_key=f"haus {number}",
                    org_type="guild",
                    level=Level.local,
                    parent_id=1 if number == 2 else None,
                )
            )
            session.flush()
            session.add(OrganisationRegion(organisation_id=number, ags=ags))
    return sqlite_engine


def test_neighbours_are_strangers_of_the_smallest_region_that_has_some_r6(engine_with_houses: Engine) -> None:
    with store.read(engine_with_houses) as session:
        region = Houses(session, date(2027, 1, 5)).region(2, "de")
    assert region["name"] == "Nordrhein-Westfalen"
    assert region["partner_count"] == 6
    assert region["neighbours"] == ["Haus 3", "Haus 4", "Haus 5", "Haus 6"]
    assert region["neighbour_examples"] == "Haus 3, Haus 4 und Haus 5"


@pytest.mark.parametrize(
    ("moved", "name", "neighbours"),
    [
        ([], "Nordrhein-Westfalen", ["Haus 3", "Haus 4", "Haus 5", "Haus 6"]),
        ([5, 6], "Nordrhein-Westfalen", ["Haus 3", "Haus 4"]),  # few, but near
        ([3, 4, 5, 6], "Deutschland", ["Haus 3", "Haus 4", "Haus 5", "Haus 6"]),  # nobody in the whole Land
    ],
)
def test_the_country_is_named_only_where_nobody_is_in_the_land_r6(
    engine_with_houses: Engine, moved: list[int], name: str, neighbours: list[str]
) -> None:
    with store.write(engine_with_houses) as session:
        place = table_of(OrganisationRegion)
        session.execute(update(place).where(place.c.organisation_id.in_(moved)).values(ags="09"))
    with store.read(engine_with_houses) as session:
        region = Houses(session, date(2027, 1, 5)).region(2, "de")
    assert (region["name"], region["neighbours"]) == (name, neighbours)


@pytest.mark.parametrize(
    ("places", "home"),
    [(["05991"], "05991"), (["05991", "05992"], "05"), (["05992", "05993"], "05"), (["05", "09"], "DE"), (["DE"], "DE"), ([], "DE")],
)
def test_a_house_has_one_place_whoever_else_is_there_r6(engine_with_houses: Engine, places: list[str], home: str) -> None:
    """The smallest that has a name: of these counties only the first has one, and no district between them and the Land."""
    with store.write(engine_with_houses) as session:
        session.add(Region(ags="05991", name="Kreis Probe"))
        session.add(Organisation(id=9, slug="neu", name="Neu", name_key="neu", org_type="guild", level=Level.local))
        session.flush()
        session.add_all(OrganisationRegion(organisation_id=9, ags=ags) for ags in places)
    with store.read(engine_with_houses) as session:
        assert Houses(session, date(2027, 1, 5)).home_region(9) == home


def test_an_umbrella_is_not_introduced_to_its_own_office(engine_with_houses: Engine) -> None:
    with store.read(engine_with_houses) as session:
        assert "Haus 2" not in Houses(session, date(2027, 1, 5)).region(1, "en")["neighbours"]


def test_only_who_acts_for_a_house_is_introduced_and_only_an_office_with_its_address_r6(engine_with_houses: Engine) -> None:
    """A person's own address is nobody else's to give away; without a basis towards OM nobody is named at all."""
    people = {
        3: ("Anna Amt", "a.amt@haus-3.example", AddressKind.personal, BasisKind.membership_or_service_duty),
        4: ("Ole Office", "info@haus-4.example", AddressKind.role, BasisKind.membership_or_service_duty),
        5: ("Stille Person", "s@haus-5.example", AddressKind.personal, BasisKind.employer_internal),
    }
    with store.write(engine_with_houses) as session:
        for number, (name, email, kind, basis) in people.items():
            domain = f"haus-{number}.example"
            session.add(Address(id=number, address=email, normal_key=email, domain=domain, hmac=email, key_id="k", kind=kind))
            session.add(Person(id=number, full_name=name, name_key=name.casefold(), main_address_id=number))
            session.flush()
            session.add(Seat(id=number, person_id=number, organisation_id=number))
            session.add(Basis(address_id=number, kind=basis, mailing_list="*", origin=Origin.file))
            session.flush()
            session.add(SeatRole(seat_id=number, role=Role.contact))
    with store.read(engine_with_houses) as session:
        houses = Houses(session, date(2027, 1, 5))
        assert houses.region(2, "de")["contacts"] == []
        assert houses.region(2, "de", with_contacts=True)["contacts"] == [
            {"house": "Haus 3", "name": "Anna Amt", "email": ""},
            {"house": "Haus 4", "name": "Ole Office", "email": "info@haus-4.example"},
        ]


def test_names_and_dates_read_as_in_a_letter() -> None:
    assert (join_names([], "de"), join_names(["A"], "de"), join_names(["A", "B"], "en")) == ("", "A", "A and B")
    assert (format_date(date(2027, 3, 2), "de"), format_date(date(2027, 3, 2), "en")) == ("2. März 2027", "2 March 2027")
