"""Who a letter is for, and what its text may say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.addresses import mask
from om_campaigns.audience.consent import CONSENTS
from om_campaigns.audience.models import Address, Basis, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, Role
from om_campaigns.columns import table_of

GREETINGS = {"de": "Guten Tag", "en": "Hello"}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who a letter is for, as its slots and headers need it."""

    address_id: int
    address: str
    address_ref: str
    full_name: str
    role: str
    subscribed: frozenset[str] = frozenset()
    """Mailing lists (or ``*``) the person consented to themselves; others are written to because of their house."""


def load_recipients(session: Session, address_and_seat: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Recipient]:
    """Recipients by (address id, seat id); a seat without a person has no name."""
    address, seat, person, role = table_of(Address), table_of(Seat), table_of(Person), table_of(SeatRole)
    addresses = {
        row.id: row
        for row in session.execute(
            select(address.c.id, address.c.address, address.c.ref).where(address.c.id.in_({a for a, _ in address_and_seat}))
        )
    }
    seat_ids = {seat_id for _, seat_id in address_and_seat}
    names = dict(
        session.execute(
            select(seat.c.id, person.c.full_name).join_from(seat, person, person.c.id == seat.c.person_id).where(seat.c.id.in_(seat_ids))
        ).all()
    )
    roles: dict[int, Role] = {}
    for seat_id, found in session.execute(select(role.c.seat_id, role.c.role).where(role.c.seat_id.in_(seat_ids))):
        roles[seat_id] = min((roles.get(seat_id, found), found), key=ROLE_STRENGTH.__getitem__)
    subscribed: dict[int, set[str]] = {}
    basis = table_of(Basis)
    consents = select(basis.c.address_id, basis.c.mailing_list).where(
        basis.c.address_id.in_(set(addresses)), basis.c.kind.in_(CONSENTS), basis.c.withdrawn_at.is_(None)
    )
    for address_id, mailing_list in session.execute(consents):
        subscribed.setdefault(address_id, set()).add(mailing_list)
    return {
        (address_id, seat_id): Recipient(
            address_id,
            addresses[address_id].address,
            addresses[address_id].ref,
            names.get(seat_id, ""),
            str(roles.get(seat_id, "")),
            frozenset(subscribed.get(address_id, ())),
        )
        for address_id, seat_id in address_and_seat
        if address_id in addresses
    }


def slot_values(recipient: Recipient, language: str) -> dict[str, str]:
    """The personal values that are kept with a message; links are not among them, they are derived again."""
    return {
        "contact.full_name": recipient.full_name,
        "contact.first_name": recipient.full_name.split(" ", 1)[0] if recipient.full_name else "",
        "contact.greeting": f"{GREETINGS[language]} {recipient.full_name}".strip(),
        "contact.email": recipient.address,
        "contact.masked_email": mask(recipient.address),
        "contact.role": recipient.role,
    }
