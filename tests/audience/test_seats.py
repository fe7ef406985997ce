"""seats: who sits in a house on a day, and who is read at an address, is one answer on both databases."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.dialects import sqlite

from om_campaigns import store
from om_campaigns.audience.models import Address, Organisation, OrganisationType, Person, Seat, SeatRole
from om_campaigns.audience.seats import (
    ADDRESS,
    HOUSE,
    PERSON,
    RECEIVING_ROLES,
    SEAT,
    adviser_count,
    has_role,
    people_at,
    people_of,
    person_of,
    seats_at,
    select_sitting,
)
from om_campaigns.audience.vocabulary import Level, PersonStatus, Role

TODAY = date(2027, 1, 5)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)

# seat: person, address of its own, since, until, roles
SEATS: dict[int, tuple[int | None, int | None, date | None, date | None, tuple[Role, ...]]] = {
    1: (1, None, None, None, (Role.contact,)),
    2: (2, None, None, TODAY, (Role.adviser,)),
    3: (3, None, None, YESTERDAY, (Role.contact, Role.adviser)),
    4: (4, None, TOMORROW, None, (Role.contact,)),
    5: (5, 50, TODAY, date(2028, 1, 5), (Role.deputy, Role.adviser)),
    6: (None, 60, None, None, (Role.distributor, Role.adviser)),
    7: (7, None, None, None, (Role.adviser,)),  # erased
    8: (8, None, None, None, (Role.contact,)),  # pauses
    9: (9, 50, None, YESTERDAY, (Role.adviser,)),
    10: (10, None, None, None, (Role.contact,)),  # without any address
}
STATUS = {7: PersonStatus.erased, 8: PersonStatus.paused}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """One house with everybody of ``SEATS``; person n has the main address n, but 10 has none and 7 that of 1."""
    with store.write(engine) as session:
        session.add(OrganisationType(code="guild", name="Innung", group="chambers"))
        session.flush()
        session.add(Organisation(id=1, slug="haus", name="Haus", name_key="haus", org_type="guild", level=Level.local))
        for number in (*range(1, 10), 50, 60):
            key = f"a{number}@haus.example"
            session.add(Address(id=number, address=key, normal_key=key, domain="haus.example", hmac=key, key_id="k"))
        session.flush()
        for number in range(1, 11):
            main = {7: 1, 10: None}.get(number, number)
            status = STATUS.get(number, PersonStatus.active)
            session.add(Person(id=number, full_name=f"P{number}", name_key=f"p{number}", main_address_id=main, status=status))
        session.flush()
        for number, (person, address, since, until, _) in SEATS.items():
            session.add(Seat(id=number, person_id=person, organisation_id=1, address_id=address, since=since, until=until))
        session.flush()
        session.add_all(SeatRole(seat_id=number, role=role) for number, (*_, roles) in SEATS.items() for role in roles)
    return engine


def test_a_seat_holds_from_its_first_to_its_last_day_and_an_office_sits_there_too(filled: Engine) -> None:
    with store.read(filled) as session:
        rows = session.execute(select_sitting(TODAY, SEAT.c.id, ADDRESS.c.id).order_by(SEAT.c.id)).all()
        assert [tuple(row) for row in rows] == [(1, 1), (2, 2), (5, 50), (6, 60), (10, None)]
        receiving = select_sitting(TODAY, SEAT.c.id).where(has_role(RECEIVING_ROLES))
        assert set(session.execute(receiving).scalars()) == {1, 5, 6, 10}
        next_day = set(session.execute(select_sitting(TOMORROW, SEAT.c.id)).scalars())
        assert next_day == {1, 4, 5, 6, 10}


def test_advisers_are_counted_without_those_who_left_or_were_erased(filled: Engine) -> None:
    """2 (last day today), 5 (begins today) and the office; not 3 and 9 (ended) nor 7 (erased)."""
    with store.read(filled) as session:
        assert session.execute(select(adviser_count(HOUSE, TODAY)).select_from(HOUSE)).scalar_one() == 3


def test_who_is_read_at_an_address(filled: Engine) -> None:
    with store.read(filled) as session:
        at = {number: sorted(session.execute(seats_at(number)).scalars()) for number in (1, 5, 50, 60)}
        assert at == {1: [1, 7], 5: [], 50: [5, 9], 60: [6]}
        assert people_of(session, 1, TODAY) == [1], "not 7, who was erased"
        assert people_of(session, 50, TODAY) == [5], "not 9, whose seat has ended"
        assert people_of(session, 50, YESTERDAY) == [9], "and not yet 5"
        assert sorted(session.execute(people_at(50)).scalars()) == [5, 9]
        assert person_of(session, 60, TODAY) is None


def test_what_is_asked_about_one_address_reads_no_whole_table(sqlite_engine: Engine) -> None:
    """Every question starts from the address, in an index."""
    with store.read(sqlite_engine) as session:
        sitting = select_sitting(TODAY, SEAT.c.id).where(SEAT.c.id.in_(seats_at(1)), has_role(RECEIVING_ROLES))
        known = select(PERSON.c.language).where(PERSON.c.id.in_(people_at(1)))
        for query in (seats_at(1), people_at(1, TODAY), sitting, known):
            text = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
            plan = [row[3] for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
            assert not [step for step in plan if step.startswith("SCAN") and "SUBQUERY" not in step], plan
