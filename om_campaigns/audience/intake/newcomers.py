"""Newcomers: people whom neither the database nor another row can know. In a first import that is nearly everybody.

Nothing has to be decided about them. So they are laid out in a temporary table, beside the places and grounds that many of
them share, and the database deals them out to its own tables. All other rows go the long way through ``matching``,
``seating`` and ``grounds``; a newcomer would become the same there, only more slowly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.grounds import SILENT
from om_campaigns.audience.intake.matching import People
from om_campaigns.audience.intake.people import Place, Staged
from om_campaigns.audience.intake.report import MAX_DIFFERENCES
from om_campaigns.audience.intake.run import Run
from om_campaigns.audience.vocabulary import AddressKind, PersonStatus

_TABLES = {
    "newcomer": "n INTEGER PRIMARY KEY, ref TEXT, staff_key TEXT, full_name TEXT, name_key TEXT, place BIGINT, grounds BIGINT",
    "place": "place BIGINT, house INTEGER, strength INTEGER, since DATE, until DATE, language TEXT, salutation TEXT, status TEXT",
    "place_role": "place BIGINT, role TEXT",
    "place_ground": "grounds BIGINT, kind TEXT, mailing_list TEXT, collector INTEGER, obtained_on DATE, source TEXT, text_version TEXT, "
    "proof_ref TEXT",
}


def take_newcomers(run: Run, people: People, rows: list[Staged]) -> list[Staged]:
    """Store the newcomers among the rows that could be read; returns the others."""
    newcomers, others = _part(people, rows)
    if newcomers:
        address = people.book.take_new([row.address for row in newcomers], AddressKind.personal)
        _lay_out(run, newcomers)  # temporary tables: everybody else can still write
        people.book.write()
        _deal_out(run, address, people.reserve(len(newcomers)), len(newcomers))
        _report(run, newcomers)
    return others


def _part(people: People, rows: list[Staged]) -> tuple[list[Staged], list[Staged]]:
    """A newcomer has a number and an address that nobody else has, and a name under which nobody can be meant.

    That is a name which the house does not know yet, and no row without a number has there; others with numbers are namesakes.
    """
    numbers = Counter([row.staff_key for row in rows])
    numbers.update(people.by_staff_key.keys())
    numbers[None] = 0
    addresses = Counter([row.address.normal_key for row in rows])
    addresses.update(people.book.ids.keys())
    meant = {(row.place.house, row.name_key) for row in rows if not row.staff_key} | people.by_house.keys()
    newcomers: list[Staged] = []
    others: list[Staged] = []
    for row in rows:
        _sheet, _line, staff_key, _name, name_key, address, place, _grounds = row
        is_new = numbers[staff_key] == 1 and addresses[address.normal_key] == 1 and (place.house, name_key) not in meant
        (newcomers if is_new else others).append(row)
    return newcomers, others


def _lay_out(run: Run, newcomers: list[Staged]) -> None:
    """Fill the temporary tables. A place and its grounds are objects that rows share, so ``id`` tells them apart."""
    connection, today = run.connection, run.today.isoformat()
    places = {id(row.place): row.place for row in newcomers}
    grounds = {id(row.grounds): row.grounds for row in newcomers}
    for name, columns in _TABLES.items():
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} ({columns})")
    _fill(
        run,
        "newcomer",
        (
            (n, ref, staff_key, name, name_key, id(place), id(stated))
            for n, ((_sheet, _line, staff_key, name, name_key, _address, place, stated), ref) in enumerate(
                zip(newcomers, bulk.new_refs(len(newcomers)), strict=True)
            )
        ),
    )
    _fill(run, "place", ((number, *_place(place, today)) for number, place in places.items()))
    _fill(run, "place_role", ((number, role) for number, place in places.items() for role in place.roles or ()))
    stated = ((number, ground) for number, each in grounds.items() for ground in each)
    _fill(run, "place_ground", ((number, kind, names, house or None, *proof) for number, (kind, names, house, *proof) in stated))


def _fill(run: Run, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    bulk.insert_rows(run.connection, table, [column.split()[0] for column in _TABLES[table].split(", ")], rows)


def _place(place: Place, today: str) -> tuple[Any, ...]:
    values = place.values
    status = values.get("status") or PersonStatus.active.value
    until = values.get("until") or (today if status == PersonStatus.left else None)
    return place.house, place.strength, values.get("since"), until, values.get("language"), values.get("salutation"), status


def _deal_out(run: Run, address: int, person: int, count: int) -> None:
    """Make persons, seats with roles, and bases; ``address`` and ``person`` are the ids of the first newcomer."""
    connection, origin = run.connection, run.journal.origin.value
    seat = bulk.first_free_id(connection, "seat")

    def deal(table: str, columns: str, query: str) -> None:
        bulk.insert_from(connection, table, columns.split(", "), f"SELECT {query} ORDER BY n", (), count)

    deal(
        "person",
        "id, public_id, staff_key, full_name, name_key, main_address_id, language, salutation, status, origin",
        f"{person} + n, ref, staff_key, full_name, name_key, {address} + n, language, salutation, status, '{origin}' "
        "FROM newcomer JOIN place USING (place)",
    )
    deal(
        "seat",
        "id, person_id, organisation_id, is_primary_home, strength, since, until",
        f"{seat} + n, {person} + n, house, TRUE, strength, since, until FROM newcomer JOIN place USING (place)",
    )
    deal("seat_role", "seat_id, role", f"{seat} + n, role FROM newcomer JOIN place_role USING (place)")
    deal(
        "basis",
        "address_id, kind, mailing_list, collector_id, obtained_on, source, text_version, proof_ref, origin",
        f"{address} + n, kind, mailing_list, collector, obtained_on, source, text_version, proof_ref, '{origin}' "
        "FROM newcomer JOIN place_ground USING (grounds)",
    )
    for table, first in (("person", person), ("seat", seat)):
        bulk.keep_ids(connection, table, first + count - 1)
    run.journal.record_created("person", person, count)
    for table in _TABLES:
        connection.exec_driver_sql(f"DROP TABLE {table}")


def _report(run: Run, newcomers: list[Staged]) -> None:
    report = run.report
    report.people.new += len(newcomers)
    report.people_total += len(newcomers)
    stated = {id(row.grounds): row.grounds for row in newcomers}
    silent = {number for number, grounds in stated.items() if all(ground.kind in SILENT for ground in grounds)}
    report.without_basis += sum(id(row.grounds) in silent for row in newcomers)
    for row in newcomers[:MAX_DIFFERENCES]:
        run.journal.show_created("person", row.name, row.place.slug)
