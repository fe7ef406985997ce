"""Rows of two databases that are the same thing: recognised by what they are, never by their numbers.

Both began as one; since then each has given numbers of its own to what came later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError


@dataclass
class Counterparts:
    """Number there → number here, for whatever both databases know."""

    campaigns: dict[int, int] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    latest_versions: dict[int, int] = field(default_factory=dict)
    """Campaign here → its latest version."""
    houses: dict[int, int] = field(default_factory=dict)
    addresses: dict[int, int] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)
    seats: dict[int, int] = field(default_factory=dict)

    def recipient(self, kind: RecipientKind, number: int) -> int | None:
        """Of a person or a house."""
        return (self.people if kind is RecipientKind.person else self.houses).get(number)


def find_counterparts(there: Session, here: Session, name: str) -> Counterparts:
    """Everything both databases know. Raises InputError where they never were one: no campaign of one is in the other."""
    found = Counterparts()
    found.campaigns = _join(*(_column(each, Campaign, "public_id", "name") for each in (there, here)))
    if not found.campaigns:
        raise InputError(
            f"{name} is no later state of this database: they have no campaign in common", hint="name the database moved aside"
        )
    found.houses = _join(*(_column(each, Organisation, "public_id", "slug") for each in (there, here)))
    found.addresses = _join(*(_column(each, Address, "ref", "hmac") for each in (there, here)))
    found.people = _join(*(_column(each, Person, "public_id") for each in (there, here)))
    _match_by_address(there, here, found)
    _match_seats(there, here, found)
    versions, campaigns = ([*each.execute(select(table_of(CampaignVersion)))] for each in (there, here)), select(Campaign)
    old, new = versions
    mine = {(row.campaign_id, row.number, row.structure_hash): row.id for row in new}
    for row in old:
        number = mine.get((found.campaigns.get(row.campaign_id, 0), row.number, row.structure_hash))
        if number is not None:
            found.versions[row.id] = number
    found.latest_versions = {each.id: each.latest_version_id or 0 for each in here.execute(campaigns).scalars()}
    return found


def _column(session: Session, model: type, *names: str) -> dict[int, tuple[str, ...]]:
    table = table_of(model)
    return {row[0]: tuple(row[1:]) for row in session.execute(select(table.c.id, *(table.c[name] for name in names)))}


def _join(there: dict[int, tuple[str, ...]], here: dict[int, tuple[str, ...]]) -> dict[int, int]:
    """By the first name that both know; the later ones are for what was made anew under the same name."""
    found: dict[int, int] = {}
    for at in range(len(next(iter(there.values()), ()))):
        mine = {names[at]: number for number, names in here.items()}
        for number, names in there.items():
            if number not in found and names[at] in mine:
                found[number] = mine[names[at]]
    return found


def _match_by_address(there: Session, here: Session, found: Counterparts) -> None:
    """Somebody who was imported anew is who is read at the same address, where only one person is."""
    mine: dict[int, list[int]] = {}
    person = table_of(Person)
    for number, address in here.execute(select(person.c.id, person.c.main_address_id)):
        if address is not None:
            mine.setdefault(address, []).append(number)
    taken = set(found.people.values())
    for number, address in there.execute(select(person.c.id, person.c.main_address_id)):
        if number not in found.people and len(same := mine.get(found.addresses.get(address, 0), [])) == 1 and same[0] not in taken:
            found.people[number] = same[0]


def _match_seats(there: Session, here: Session, found: Counterparts) -> None:
    seat = table_of(Seat)
    names = (seat.c.id, seat.c.person_id, seat.c.organisation_id, seat.c.address_id)
    mine = {(row.organisation_id, row.person_id or -row.address_id): row.id for row in here.execute(select(*names))}
    for row in there.execute(select(*names)):
        who = found.people.get(row.person_id) if row.person_id else -found.addresses.get(row.address_id, 0)
        number = mine.get((found.houses.get(row.organisation_id, 0), who or 0))
        if number is not None:
            found.seats[row.id] = number
