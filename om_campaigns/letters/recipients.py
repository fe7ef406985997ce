"""Who a letter is for: what its text may say about them, and what its head says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.addresses import mask
from om_campaigns.audience.consent import CONSENTS
from om_campaigns.audience.models import Address, Basis, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, Role, Sender
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.edition import Purpose
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.message import Head, Mailbox
from om_campaigns.delivery.models import Part
from om_campaigns.settings import SenderSettings

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


PORTAL = "portal"
"""Below the base URL: where a house decides how it gets its letters."""


@dataclass(frozen=True, slots=True)
class HeadMaker:
    """A head without its date: the date is the hand-over (MSG-03)."""

    fixed: Mapping[str, object]

    def __call__(self, at: datetime) -> Head:
        return Head(date=at, **self.fixed)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Marks:
    """What tells one letter from every other: its ref, its Message-ID, and the ways out that are its reader's own."""

    ref: str
    message_id: str
    one_click: str
    leave_by_mail: str


@dataclass(frozen=True, slots=True)
class Heads:
    """Makes the heads of all letters of one sender."""

    library: Library
    houses: Houses
    sender: SenderSettings
    base_url: str

    def make(self, key: LetterKey, recipient: Recipient, part: Part, mailing_list: str, marks: Marks) -> HeadMaker:
        """The head of a letter, or that of a mail of a pack."""
        if key.purpose is Purpose.pack:
            return HeadMaker(self._of_pack(key, recipient, part, mailing_list, marks))
        return HeadMaker(self._of_letter(key, recipient, mailing_list, marks))

    @property
    def _own(self) -> str:
        return f"{self.sender.local_part}@{self.sender.domain}"

    @property
    def _answers(self) -> str:
        return self.sender.reply_to or self._own

    def _of_letter(self, key: LetterKey, recipient: Recipient, mailing_list: str, marks: Marks) -> Mapping[str, object]:
        own, answers, source = self._own, self._answers, self.library.source(key.version_id)
        house = self.houses.organisation(key.organisation_id)
        if key.sender is Sender.home:
            contact = self.houses.contact_of(key.organisation_id)
            speaker = Mailbox(f"{house['slug']}@{self.sender.domain}", f"OM für {house['name']}")
            reply_to: Mailbox | None = Mailbox(contact.email, contact.name) if contact else Mailbox(answers, self.sender.name)
        else:
            speaker = Mailbox(own, self.sender.name)
            reply_to = Mailbox(answers, self.sender.name) if answers != own else None
        return {
            "message_id": marks.message_id,
            "sender": speaker,
            "to": Mailbox(recipient.address, recipient.full_name),
            "reply_to": reply_to,
            "list_id": self._list_id(mailing_list),
            "one_click_url": marks.one_click,
            "unsubscribe_mailto": marks.leave_by_mail,
            "list_help": f"mailto:{answers}",
            "list_owner": f"mailto:{answers}",
            "list_archive": f"{self.base_url}/archiv/{mailing_list}" if self.base_url else "",
            "feedback_id": f"{source.name}.{key.step}:{house['slug']}:{source.definition.kind}:{self.sender.feedback_sender_id}",
            "bulk": True,
            "auto_generated": False,
            "seed": marks.ref,
        }

    def _of_pack(self, key: LetterKey, recipient: Recipient, part: Part, mailing_list: str, marks: Marks) -> Mapping[str, object]:
        """The ready mail has nothing one would have to delete before forwarding it: no list, no name, no unsubscribing (FWD-01).

        A house's own list gets the list's name and a way out through the house, never a one-click button: one reader would stop
        it for all. Who answers for the list finds help in the portal (UNS-12).
        """
        plain: Mapping[str, object] = {
            "message_id": marks.message_id,
            "sender": Mailbox(self._own, self.sender.name),
            "to": Mailbox(recipient.address),
            "seed": marks.ref,
        }
        if part is not Part.mail:
            return plain
        owner = self.houses.contact_of(key.organisation_id)
        leave = f"mailto:{owner.email if owner else self._answers}"
        return {
            **plain,
            "list_id": self._list_id(mailing_list),
            "unsubscribe_mailto": leave,
            "list_help": f"{self.base_url}/{PORTAL}" if self.base_url else "",
            "reply_to": Mailbox(owner.email, owner.name) if owner else None,
            "bulk": True,
        }

    def _list_id(self, mailing_list: str) -> tuple[str, str]:
        return self.houses.mailing_list_name(mailing_list, "de"), f"{mailing_list}.{self.sender.list_domain}"
