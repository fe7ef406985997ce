"""Who is who: every row of a file of people finds its person, or makes one.

A staff key decides; else the same address and name; else the same name in the same house, who then has another address
– so one human is never written to twice. The same address under another name is another person who shares it.

Rows without a staff key that share a name with an address or a house are about one person. Where such rows contradict each
other, none of them is taken: the first would change what the others are recognised by, and the same file would say something
else the second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from om_campaigns.audience import bulk
from om_campaigns.audience.intake.addresses_and_bases import Addresses
from om_campaigns.audience.intake.import_run import CellError, Run
from om_campaigns.audience.intake.people_rows import Staged
from om_campaigns.audience.vocabulary import AddressKind

Refused = tuple[Staged, CellError]

SEVERAL = -1
"""Stands for 'more than one person' where a name must decide alone."""


@dataclass(slots=True)
class StoredPerson:
    """A person as the database has them, under the names of its columns."""

    id: int
    staff_key: str | None
    full_name: str
    main_address_id: int | None
    language: str | None
    salutation: str | None
    status: str
    seats: list[int] = field(default_factory=list)


@dataclass(slots=True)
class StoredSeat:
    """A seat as the database has it, under the names of its columns; dates are ISO text."""

    id: int
    person: int | None
    house: int
    address_id: int | None
    is_primary_home: bool
    since: str | None
    until: str | None
    roles: tuple[str, ...] = ()


class People:
    """Everybody who is stored, by all that can identify them, and the rows of this import by person."""

    def __init__(self, run: Run, addresses: Addresses) -> None:
        self.run = run
        self.addresses = addresses
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
            if person.main_address_id:
                self._put(self.by_address, (person.main_address_id, name_key), each)
        sql = "SELECT id, person_id, organisation_id, address_id, is_primary_home, since, until FROM seat ORDER BY id"
        for each, person_id, house, address, primary, since, until in bulk.load_rows(connection, sql):
            seat = self.seats[each] = StoredSeat(each, person_id, house, address, bool(primary), bulk.as_day(since), bulk.as_day(until))
            if person_id is None:
                self.role_seat_at[seat.address_id or 0, house] = each
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

    def take(self, rows: Iterable[Staged]) -> list[Refused]:
        """Give every row to its person; returns the rows that are not taken, and why. The sure ones come first."""
        refused: list[Refused] = []
        unsure: list[Staged] = []
        for row in rows:
            if row.name and not row.staff_key:
                unsure.append(row)
                continue
            try:
                if row.name:
                    self._take_numbered(row)
                else:
                    self._take_role_address(row)
            except CellError as error:
                refused.append((row, error))
        for group in self._group(unsure):
            refused += self._take_group(group)
        return refused

    def _take_role_address(self, row: Staged) -> None:
        address, house = self.addresses.take(row.address, AddressKind.role), row.place.house
        if earlier := self.role_rows.get((address, house)):
            raise CellError("email", f"the same role address stands in {_where(row, earlier[0])} already")
        self.role_rows[address, house] = row, address

    def _take_numbered(self, row: Staged) -> None:
        person = self._find_numbered(row)
        others = [other for other, _address in self.rows.get(person, ())] if person is not None else []
        if others and (fault := _find_double(row, others) or _find_clash(row, others)):
            raise fault
        self._assign(person, row)

    def _find_numbered(self, row: Staged) -> int | None:
        """By number; else somebody without a number (or with the same) who has this name and this address or house."""
        if row.staff_key and (found := self.by_staff_key.get(row.staff_key)) is not None:
            return found
        for each in self._look_up(row):
            if each is not None and each != SEVERAL and self.staff_key_of.get(each, row.staff_key) == row.staff_key:
                return each
        return None

    def _look_up(self, row: Staged) -> tuple[int | None, int | None]:
        """Who has this name at this address, and who has it in this house."""
        address = self.addresses.ids.get(row.address.normal_key)
        at_address = self.by_address.get((address, row.name_key)) if address is not None else None
        return at_address, self.by_house.get((row.place.house, row.name_key))

    def _assign(self, person: int | None, row: Staged) -> int:
        if person is None:
            person = self.next_person
            self.next_person += 1
        address = self.addresses.take(row.address, AddressKind.personal)
        self.rows.setdefault(person, []).append((row, address))
        self._learn(person, row, address)
        return person

    def _learn(self, person: int, row: Staged, address: int) -> None:
        self._put(self.by_address, (address, row.name_key), person)
        self._put(self.by_house, (row.place.house, row.name_key), person)
        if row.staff_key:
            self.by_staff_key[row.staff_key] = person
            self.staff_key_of[person] = row.staff_key

    def _group(self, rows: list[Staged]) -> Iterable[list[Staged]]:
        """The rows by person: those that share a name with an address or a house, however long the chain."""
        groups: dict[int, list[Staged]] = {}
        group_of: dict[tuple[Any, str], int] = {}
        for number, row in enumerate(rows):
            links = list(self._links(row))
            joined = {group_of[link] for link in links if link in group_of}
            into = max(joined, key=lambda each: len(groups[each]), default=number)
            for other in joined - {into}:
                moved = groups.pop(other)
                groups[into] += moved
                group_of.update((link, into) for each in moved for link in self._links(each))
            groups.setdefault(into, []).append(row)
            group_of.update((link, into) for link in links)
        return groups.values()

    def _links(self, row: Staged) -> Iterator[tuple[Any, str]]:
        """By what a row without a number is recognised, and as whom; not where several people of this name are known there."""
        for known, what in zip(self._look_up(row), (row.address.normal_key, row.place.house), strict=True):
            if known != SEVERAL:
                yield what, row.name_key
                if known is not None:
                    yield known, ""

    def _take_group(self, rows: list[Staged]) -> list[Refused]:
        """All rows about one person, or none but for doubles; returns those that are not taken."""
        rows.sort(key=lambda row: (row.sheet.table.file, row.line))
        found = [self._look_up(row) for row in rows]
        persons = {each for pair in found for each in pair} - {None, SEVERAL}
        if len(persons) > 1 or any(SEVERAL in pair and not persons.intersection(pair) for pair in found):
            several = "several people of this name have this house or address; give the number of the person"
            return [(row, CellError("name", several)) for row in rows]
        person = next(iter(persons), None)
        earlier = [row for row, _address in self.rows.get(person, ())] if person is not None else []
        taken: list[Staged] = []
        doubles: list[Refused] = []
        clashes: list[Refused] = []
        for row in rows:
            if double := _find_double(row, earlier + taken):
                doubles.append((row, double))
            elif clash := _find_clash(row, earlier + taken):
                clashes.append((row, clash))
            else:
                taken.append(row)
        if clashes:
            reason = "{} contradicts this row about the same person; none of these rows is taken"
            return doubles + clashes + [(row, CellError("", reason.format(_where(row, clashes[0][0])))) for row in taken]
        for row in taken:
            person = self._assign(person, row)
        return doubles

    def tables_done(self) -> None:
        """Let the database go on counting after the people made here."""
        if self.next_person > self.first_new:
            bulk.keep_ids(self.run.connection, "person", self.next_person - 1)

    def all_rows(self) -> chain[tuple[Staged, int]]:
        """Every row that was taken, with its address id."""
        return chain(chain.from_iterable(self.rows.values()), self.role_rows.values())


def _where(row: Staged, other: Staged) -> str:
    return f"line {other.line}" if row.sheet is other.sheet else f"line {other.line} of {other.sheet.table.file}"


def _find_double(row: Staged, others: Iterable[Staged]) -> CellError | None:
    """The same person, house and address once more."""
    for other in others:
        if other.place.house == row.place.house and other.address.normal_key == row.address.normal_key:
            return CellError("email", f"the same person in the same house stands in {_where(row, other)} already")
    return None


def _find_clash(row: Staged, others: Iterable[Staged]) -> CellError | None:
    """What a row says about its person against what others say."""
    for other in others:
        if row.place.house == other.place.house:
            stands = f"the same person in the same house stands in {_where(row, other)}"
            return CellError("email", f"{stands} with another address; if they are two, number them")
        if row.place.values.get("primary") and other.place.values.get("primary"):
            return CellError("primary", f"a second primary home; the first stands in {_where(row, other)}")
        if row.name_key != other.name_key:
            return CellError("name", f"the same person is called '{other.name}' in {_where(row, other)}")
        for column in ("language", "salutation"):
            own, theirs = row.place.values.get(column), other.place.values.get(column)
            if own and theirs and own != theirs:
                return CellError(column, f"the same person has '{theirs}' in {_where(row, other)}")
    return None
