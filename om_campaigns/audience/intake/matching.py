"""Who is who: every row of a file of people finds its person, or makes one.

A staff key decides; else the same address and name; else the same name in the same house, who then has another address
– so one human is never written to twice. The same address under another name is another person who shares it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from om_campaigns.audience.intake import bulk
from om_campaigns.audience.intake.addressbook import Addressbook
from om_campaigns.audience.intake.people import Staged
from om_campaigns.audience.intake.report import CellError
from om_campaigns.audience.intake.run import Run
from om_campaigns.audience.vocabulary import AddressKind

SEVERAL = -1
"""Stands for 'more than one person' where a name must decide alone."""


@dataclass(slots=True)
class StoredPerson:
    """A person as the database has them."""

    id: int
    staff_key: str | None
    full_name: str
    main_address: int | None
    language: str | None
    salutation: str | None
    status: str
    seats: list[int] = field(default_factory=list)


@dataclass(slots=True)
class StoredSeat:
    """A seat as the database has it; dates are ISO text."""

    id: int
    person: int | None
    house: int
    address: int | None
    primary: bool
    since: str | None
    until: str | None
    roles: tuple[str, ...] = ()


class People:
    """Everybody who is stored, by all that can identify them, and the rows of this import by person."""

    def __init__(self, run: Run, book: Addressbook) -> None:
        self.run = run
        self.book = book
        self.persons: dict[int, StoredPerson] = {}
        self.seats: dict[int, StoredSeat] = {}
        self.seat_at: dict[tuple[int, int], int] = {}
        self.role_seat_at: dict[tuple[int, int], int] = {}
        self.by_staff_key: dict[str, int] = {}
        self.by_address: dict[tuple[int, str], int] = {}
        self.by_house: dict[tuple[int, str], int] = {}
        self.staff_key_of: dict[int, str] = {}
        self._load()
        self.first_new = self.next_person = bulk.first_free_id(run.connection, "person")
        self.rows: dict[int, list[tuple[Staged, int]]] = {}
        self.role_rows: dict[tuple[int, int], tuple[Staged, int]] = {}
        self._lines: dict[tuple[int, int], Staged] = {}

    def _load(self) -> None:
        connection, names = self.run.connection, dict[int, str]()
        sql = (
            "SELECT id, staff_key, full_name, name_key, main_address_id, language, salutation, status FROM person WHERE status <> 'erased'"
        )
        for each, staff_key, full_name, name_key, *others in bulk.load_rows(connection, sql):
            person = self.persons[each] = StoredPerson(each, staff_key, full_name, *others)
            names[each] = name_key
            if staff_key:
                self.by_staff_key[staff_key] = each
                self.staff_key_of[each] = staff_key
            if person.main_address:
                self._put(self.by_address, (person.main_address, name_key), each)
        sql = "SELECT id, person_id, organisation_id, address_id, is_primary_home, since, until FROM seat ORDER BY id"
        for each, person_id, house, address, primary, since, until in bulk.load_rows(connection, sql):
            seat = self.seats[each] = StoredSeat(each, person_id, house, address, bool(primary), bulk.as_day(since), bulk.as_day(until))
            if person_id is None:
                self.role_seat_at[seat.address or 0, house] = each
            elif person_id in self.persons:
                self.persons[person_id].seats.append(each)
                self.seat_at[person_id, house] = each
                self._put(self.by_house, (house, names[person_id]), person_id)
                if address:
                    self._put(self.by_address, (address, names[person_id]), person_id)
        for each, role in bulk.load_rows(connection, "SELECT seat_id, role FROM seat_role"):
            self.seats[each].roles += (role,)

    @staticmethod
    def _put(index: dict[tuple[int, str], int], key: tuple[int, str], person: int) -> None:
        if index.setdefault(key, person) != person:
            index[key] = SEVERAL

    def add(self, row: Staged) -> None:
        """Give a row to its person. Raises CellError for a row that contradicts an earlier one of this import."""
        house = row.place.house
        if not row.name:
            address = self.book.take(row.address, AddressKind.role)
            earlier = self.role_rows.get((address, house))
            if earlier:
                raise CellError("email", f"the same role address stands in {_where(row, earlier[0])} already")
            self.role_rows[address, house] = row, address
            return
        known = self.book.ids.get(row.address.normal_key)
        person = self._find(row, known)
        if person is None:
            person = self.next_person
            self.next_person += 1
            address = known if known is not None else self.book.take(row.address, AddressKind.personal)
            if known is not None:
                self.book.take(row.address, AddressKind.personal)
            self.rows[person] = [(row, address)]
        else:
            self._check(person, row)
            address = self.book.take(row.address, AddressKind.personal)
            self.rows.setdefault(person, []).append((row, address))
        self._lines[person, house] = row
        self._learn(person, row, address)

    def _learn(self, person: int, row: Staged, address: int) -> None:
        name_key = row.name_key
        by_address, by_house = (address, name_key), (row.place.house, name_key)
        if self.by_address.setdefault(by_address, person) != person:
            self.by_address[by_address] = SEVERAL
        if self.by_house.setdefault(by_house, person) != person:
            self.by_house[by_house] = SEVERAL
        if row.staff_key:
            self.by_staff_key[row.staff_key] = person
            self.staff_key_of[person] = row.staff_key

    def _find(self, row: Staged, address: int | None) -> int | None:
        if row.staff_key and (found := self.by_staff_key.get(row.staff_key)) is not None:
            return found
        several = False
        for found in (
            self.by_address.get((address, row.name_key)) if address is not None else None,
            self.by_house.get((row.place.house, row.name_key)),
        ):
            if found == SEVERAL:
                several = True  # namesakes at one address may still sit in different houses
            elif found is not None and (row.staff_key is None or self.staff_key_of.get(found, row.staff_key) == row.staff_key):
                return found
        if several and row.staff_key is None:
            raise CellError("name", "several people of this name have this house or address; give the number of the person")
        return None

    def _check(self, person: int, row: Staged) -> None:
        if earlier := self._lines.get((person, row.place.house)):
            if earlier.address.normal_key == row.address.normal_key:
                raise CellError("email", f"the same person in the same house stands in {_where(row, earlier)} already")
            reason = (
                f"the same person in the same house stands in {_where(row, earlier)} with another address; if they are two, number them"
            )
            raise CellError("email", reason)
        for other, _address in self.rows.get(person, ()):
            if row.place.values.get("primary") and other.place.values.get("primary"):
                raise CellError("primary", f"a second primary home; the first stands in {_where(row, other)}")
            if row.name_key != other.name_key:
                raise CellError("name", f"the same person is called '{other.name}' in {_where(row, other)}")
            for column in ("language", "salutation"):
                mine, theirs = row.place.values.get(column), other.place.values.get(column)
                if mine and theirs and mine != theirs:
                    raise CellError(column, f"the same person has '{theirs}' in {_where(row, other)}")

    def tables_done(self) -> None:
        """Let the database go on counting after the people made here."""
        if self.next_person > self.first_new:
            bulk.keep_ids(self.run.connection, "person", self.next_person - 1)

    def all_rows(self) -> chain[tuple[Staged, int]]:
        """Every row that was taken, with its address id."""
        return chain(chain.from_iterable(self.rows.values()), self.role_rows.values())


def _where(row: Staged, other: Staged) -> str:
    return f"line {other.line}" if row.sheet is other.sheet else f"line {other.line} of {other.sheet.table.file}"
