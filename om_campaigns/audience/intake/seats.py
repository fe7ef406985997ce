"""From matched rows to stored people, seats and roles: what is new is collected, what differs is changed and logged."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from om_campaigns.audience import bulk
from om_campaigns.audience.changes import PartnerChanges
from om_campaigns.audience.intake.people import People, StoredPerson, StoredSeat
from om_campaigns.audience.intake.people_rows import Place, Staged
from om_campaigns.audience.vocabulary import PersonStatus

_PERSON = ("id", "public_id", "staff_key", "full_name", "name_key", "main_address_id", "language", "salutation", "status", "origin")
_SEAT = ("id", "person_id", "organisation_id", "address_id", "is_primary_home", "strength", "since", "until")

Row = tuple[Staged, int]


class Seats:
    """Turns the rows of each person into changes of ``person``, ``seat`` and ``seat_role``; ``write`` stores them."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.run = people.run
        self.today = self.run.today.isoformat()
        self.partners = PartnerChanges(self.run.connection, "seat")
        self.new_people: list[tuple[Any, ...]] = []
        self.new_seats: list[tuple[Any, ...]] = []
        self.new_roles: list[tuple[int, str]] = []
        self.added_seats: list[int] = []
        """Seats that came later than their person, and role addresses; the first seats are part of a person's creation."""
        self.gone_roles: list[tuple[int, str]] = []
        self.person_updates: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        self.seat_updates: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        self.next_seat = bulk.first_free_id(self.run.connection, "seat")
        self.changed: set[int] = set()

    def settle(self) -> None:
        """Work out everything for the rows that were taken. Refs are put in when the new people are written."""
        first_new = self.people.first_new
        for person, rows in self.people.rows.items():
            rows.sort(key=lambda row: (row[0].sheet.table.file, row[0].line))
            if person >= first_new:
                self._new_person(person, rows)
            else:
                self._known_person(self.people.persons[person], rows)
        for (address, house), (row, _address) in self.people.role_rows.items():
            seat = self.people.role_seat_at.get((address, house))
            if seat is None:
                self.added_seats.append(self._new_seat(None, address, row.place, primary=False))
            elif self._change_seat(self.people.seats[seat], {}, row.place, self.people.addresses.texts.get(address, "")):
                self.changed.add(-seat)

    def _new_person(self, person: int, rows: list[Row]) -> None:
        row, merged, status = rows[0][0], _merged(rows), _status(rows) or PersonStatus.active.value
        home = next((place for place, (each, _address) in enumerate(rows) if each.place.values.get("primary")), 0)
        main = rows[home][1]
        self.new_people.append(
            (person, _staff_key(rows), row.name, row.name_key, main, merged.get("language"), merged.get("salutation"), status)
        )
        for place, (each, address) in enumerate(rows):
            self._new_seat(person, None if address == main else address, each.place, primary=place == home)

    def _new_seat(self, person: int | None, address: int | None, place: Place, *, primary: bool) -> int:
        seat, values = self.next_seat, place.values
        self.next_seat += 1
        until = values.get("until")
        if until is None and values.get("status") == PersonStatus.left:
            until = self.today
        self.new_seats.append((seat, person, place.house, address, primary, place.strength, values.get("since"), until))
        for role in place.roles or ():
            self.new_roles.append((seat, role))
        return seat

    def _known_person(self, person: StoredPerson, rows: list[Row]) -> None:
        seats = {row.place.house: self.people.seat_at.get((person.id, row.place.house)) for row, _address in rows}
        home = self._home(person, rows)
        main = next((address for row, address in rows if row.place.house == home), person.main_address_id or rows[0][1])
        changed = self._change_person(person, rows, main)
        for row, address in rows:
            own = None if address == main else address
            seat = seats[row.place.house]
            if seat is None:
                self.added_seats.append(self._new_seat(person.id, own, row.place, primary=row.place.house == home))
                self.run.change_log.show_created("seat", row.name, row.place.slug)
                changed = True
            else:
                stored = self.people.seats[seat]
                changed |= self._change_seat(stored, {"address_id": own, "is_primary_home": stored.house == home}, row.place, row.name)
        named = set(seats.values())
        for each in (self.people.seats[seat] for seat in person.seats if seat not in named):
            changed |= self._change_seat(each, {"is_primary_home": each.house == home}, None, person.full_name)
        if changed:
            self.changed.add(person.id)

    def _home(self, person: StoredPerson, rows: list[Row]) -> int:
        """The house of the one primary home: as marked in the file, else as stored, else the first."""
        for row, _address in rows:
            if row.place.values.get("primary"):
                return row.place.house
        stored = (self.people.seats[seat] for seat in person.seats)
        return next((seat.house for seat in stored if seat.is_primary_home), rows[0][0].place.house)

    def _change_person(self, person: StoredPerson, rows: list[Row], main: int) -> bool:
        row, merged = rows[0][0], _merged(rows)
        stated: dict[str, Any] = {"full_name": row.name, "main_address_id": main}
        stated |= {column: merged[column] for column in ("language", "salutation") if column in merged}
        if staff_key := _staff_key(rows):
            stated["staff_key"] = staff_key
        if status := self._new_status(person, rows):
            stated["status"] = status
        different = self._note_differences("person", person, row.name, stated)
        if "full_name" in different:
            different["name_key"] = row.name_key
        _collect(self.person_updates, person.id, different)
        return bool(different)

    def _new_status(self, person: StoredPerson, rows: list[Row]) -> str | None:
        """``left`` closes seats; the person has left only when no other open seat is stored."""
        status = _status(rows)
        if status != PersonStatus.left:
            return status
        named = {row.place.house for row, _address in rows}
        others = (self.people.seats[seat] for seat in person.seats)
        return None if any(seat.house not in named and (seat.until or "9") > self.today for seat in others) else status

    def _change_seat(self, seat: StoredSeat, stated: dict[str, Any], place: Place | None, name: str) -> bool:
        if place is not None:
            values = place.values
            stated |= {column: values[column] for column in ("since", "until") if column in values}
            if values.get("status") == PersonStatus.left and "until" not in values and seat.until is None:
                stated["until"] = self.today
            if values.get("status") == PersonStatus.active and "until" not in values and seat.until and seat.until <= self.today:
                stated["until"] = None
        different = self._note_differences("seat", seat, name, stated)
        changed = bool(different)
        if place is not None and place.roles is not None and self._takes_roles(seat, place.roles):
            changed = True
            self.gone_roles += [(seat.id, role) for role in seat.roles if role not in place.roles]
            self.new_roles += [(seat.id, role) for role in place.roles if role not in seat.roles]
            different["strength"] = place.strength
            self.run.change_log.record("seat", seat.id, name, "roles", sorted(seat.roles), sorted(place.roles))
        _collect(self.seat_updates, seat.id, different)
        return changed

    def _takes_roles(self, seat: StoredSeat, roles: Collection[str]) -> bool:
        """The roles differ, and the house has not chosen its deputies since the file was written."""
        return set(roles) != set(seat.roles) and not self.partners.holds(seat.id, "roles", sorted(roles))

    def _note_differences(self, entity: str, stored: StoredPerson | StoredSeat, name: str, stated: dict[str, Any]) -> dict[str, Any]:
        """The values that differ from what is stored, put into the change log: addresses by their text."""
        different = {column: value for column, value in stated.items() if getattr(stored, column) != value}
        texts = self.people.addresses.texts
        for column, new in different.items():
            old, field = getattr(stored, column), column
            if column.endswith("address_id"):
                field, old, new = column.removesuffix("_id"), texts.get(old), texts.get(new)
            self.run.change_log.record(entity, stored.id, name, field, old, new)
        return different

    def write(self) -> None:
        """Store people, then seats, then roles; addresses must be stored already."""
        connection, change_log, origin = self.run.connection, self.run.change_log, self.run.change_log.origin.value
        refs = bulk.new_refs(len(self.new_people))
        bulk.insert_rows(
            connection,
            "person",
            _PERSON,
            (
                (each, ref, staff_key, name, key, main, language, salutation, status, origin)
                for (each, staff_key, name, key, main, language, salutation, status), ref in zip(self.new_people, refs, strict=True)
            ),
        )
        self.people.tables_done()
        change_log.record_created("person", self.people.first_new, len(self.new_people))
        for columns, updates in self.person_updates.items():
            bulk.update_rows(connection, "person", columns, updates)
        bulk.insert_rows(connection, "seat", _SEAT, self.new_seats)
        if self.new_seats:
            bulk.keep_ids(connection, "seat", self.next_seat - 1)
            for seat in self.added_seats:
                change_log.record_created("seat", seat, 1)
        for columns, updates in self.seat_updates.items():
            bulk.update_rows(connection, "seat", columns, updates)
        bulk.delete_rows(connection, "seat_role", ("seat_id", "role"), self.gone_roles)
        bulk.insert_rows(connection, "seat_role", ("seat_id", "role"), self.new_roles)


def _merged(rows: list[Row]) -> dict[str, Any]:
    """Language and salutation as the first row that has them says (others cannot contradict it)."""
    if len(rows) == 1:
        return rows[0][0].place.values
    merged: dict[str, Any] = {}
    for row, _address in reversed(rows):
        merged |= {column: row.place.values[column] for column in ("language", "salutation") if column in row.place.values}
    return merged


def _staff_key(rows: list[Row]) -> str | None:
    return next((row.staff_key for row, _address in rows if row.staff_key), None)


def _status(rows: list[Row]) -> str | None:
    """The status all rows of a person amount to: active wins over paused; left only if every row says so."""
    given = [row.place.values.get("status") for row, _address in rows]
    for status in (PersonStatus.active, PersonStatus.paused):
        if status in given:
            return status.value
    return PersonStatus.left.value if given and all(status == PersonStatus.left for status in given) else None


def _collect(updates: dict[tuple[str, ...], list[tuple[Any, ...]]], row_id: int, different: dict[str, Any]) -> None:
    if different:
        updates.setdefault(tuple(different), []).append((*different.values(), row_id))
