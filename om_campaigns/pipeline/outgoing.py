"""From what is owed to letters ready for the wire: edition, personal values, links, headers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from om_campaigns.audience.addresses import Keyring, mask
from om_campaigns.audience.consent import CONSENTS
from om_campaigns.audience.models import Address, Basis, Person, Seat, SeatRole
from om_campaigns.audience.vocabulary import PASSING_ON, ROLE_STRENGTH, Role, Route, Sender
from om_campaigns.campaign.corrections import is_correction
from om_campaigns.campaign.matching import is_waiting
from om_campaigns.campaign.models import Dispatch, Reason
from om_campaigns.columns import new_ref, table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.edition import Edition, MissingValueError, Purpose, fill
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.links import Links, make_answer_link, make_leave_address, make_links, make_pack_link, make_return_path
from om_campaigns.compose.markdown import fix_spaces
from om_campaigns.compose.message import Attachment, Head, Letter, Mailbox
from om_campaigns.compose.neutral import find_archived
from om_campaigns.compose.wording import load_wording
from om_campaigns.delivery.models import Part
from om_campaigns.delivery.sender import Due, Held, Prepared
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.pipeline.packing import (
    PackRow,
    load_packs,
    local_date,
    make_attachments,
    make_values,
    pack_key,
    plan_parts,
    require_forwardable,
)
from om_campaigns.settings import NO_PAGES, SenderSettings

PORTAL = "portal"
"""Below the base URL: where a house decides how it gets its letters."""

GREETINGS = {"de": "Guten Tag", "en": "Hello"}
CORRECTED = {"de": "Korrektur: ", "en": "Correction: "}
"""Before the subject of a correction."""

LETTERS_KEPT = 256


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


@dataclass
class Composer:
    """Turns due dispatches into prepared letters; one per run, so editions and houses are read once."""

    library: Library
    houses: Houses
    keyring: Keyring
    sender: SenderSettings
    base_url: str
    zone: str
    takes_mail: bool = False
    """Mail comes in here, so one may also leave by writing one."""
    _letters: OrderedDict[tuple[str, bool], Letter] = field(default_factory=OrderedDict)
    _pages: dict[tuple[int, str, str], str] = field(default_factory=dict)

    def __call__(self, session: Session, dues: Sequence[Due], now: datetime) -> list[Prepared | Held]:
        """One answer per due dispatch: a letter, or why it is held back (domain rule 9)."""
        self.library.session = self.houses.session = session  # so that no session stays open for the length of a run
        recipients = load_recipients(session, [(due.address_id, due.seat_id) for due in dues])
        packs = load_packs(session, [due.id for due in dues])
        return [answer for due in dues for answer in self._prepare(due, recipients[due.address_id, due.seat_id], packs.get(due.id), now)]

    def _prepare(self, due: Due, recipient: Recipient, pack: PackRow | None, now: datetime) -> Sequence[Prepared | Held]:
        key = key_of_row(due)
        try:
            if pack is not None:
                return self.pack_letters(key, due.route, pack, recipient, now, due=due)
            return [self.letter(key, self.library.edition(key), recipient, due=due)]
        except MissingValueError as error:
            return [Held(due.id, Reason.missing_value, ", ".join(error.paths))]
        except ProblemsError as error:
            return [Held(due.id, Reason.broken_text, str(error.problems[0]))]
        except InputError as error:
            return [Held(due.id, Reason.missing_value, str(error))]

    def pack_letters(
        self,
        key: LetterKey,
        route: Route,
        pack: PackRow,
        recipient: Recipient,
        now: datetime,
        *,
        due: Due | None = None,
        inert: bool = False,
    ) -> list[Prepared]:
        """The mails of a pack that have not been served yet: cover and ready mail, or the one to a house's list."""
        text = self.library.edition(pack_key(key))
        day = local_date(now, self.houses.zone(key.organisation_id, self.zone))
        values = make_values(pack, text, self.houses, day, text.language)
        letters = []
        for each in plan_parts(key, route, self.houses):
            if due is not None and due.is_served(each.part):
                continue
            attachments = make_attachments(self.library, pack_key(key), each.formats)
            if each.key.purpose is Purpose.pack:
                require_forwardable(self.library, each.key)
            edition = self.library.edition(each.key)
            is_cover = each.key.purpose is Purpose.cover
            extra = Extra(each.part, values if is_cover else {}, tuple(attachments), self._ideas(key), pack.ref if is_cover else "")
            letters.append(self.letter(each.key, edition, recipient, due=due, inert=inert, extra=extra))
        return letters

    def _ideas(self, key: LetterKey) -> tuple[str, ...]:
        """What a step is about, whichever of its texts a mail is made from."""
        return tuple(self.library.step_file(pack_key(key)).ideas)

    def letter(
        self,
        key: LetterKey,
        edition: Edition,
        recipient: Recipient,
        *,
        due: Due | None = None,
        inert: bool = False,
        extra: Extra | None = None,
    ) -> Prepared:
        """A letter for one recipient; ``inert`` tokens are for tests and previews and open nothing (MSG-26).

        Raises MissingValueError when the recipient lacks a value the text prints.
        """
        extra = extra or PLAIN
        earlier = due.earlier_of(extra.part) if due else None
        ref = earlier.ref if earlier else new_ref()
        message_id = earlier.message_id if earlier else f"<{ref}@{self.sender.domain}>"
        mailing_list = self.library.source(key.version_id).definition.mailing_list
        links = self.links(recipient, key.organisation_id, mailing_list, letter=self._page_of(key), inert=inert)
        values = {**self.values(key, edition, recipient), **extra.values}
        further = self.pack_link(recipient, key.organisation_id, extra.pack_ref, inert=inert) | self.answer_link(
            key, edition, recipient, inert=inert
        )
        filled = fill(edition, {**values, **links.slots, **further})
        letter = self._letter(edition, is_correction=due is not None and is_correction(due.occasion))
        head = self._head(
            key, recipient, extra.part, ref, message_id, mailing_list,
            links.one_click, self.leave_by_mail(recipient, key.organisation_id, mailing_list, inert=inert),
        )  # fmt: skip
        ideas = extra.ideas or self.library.step_file(key).ideas
        used = {use.path for use in edition.slots}

        def write(at: datetime) -> bytes:
            return letter.write(head(at), filled, extra.attachments)

        return Prepared(
            dispatch_ids=(due.id,) if due else (),
            part=extra.part,
            campaign_id=key.campaign_id,
            address_id=recipient.address_id,
            ref=ref,
            message_id=message_id,
            envelope_from=make_return_path(self.keyring, ref, self.sender.domain),
            envelope_to=recipient.address,
            edition_id=edition.id,
            slot_values={path: value for path, value in values.items() if path in used},
            needs_smtputf8=not recipient.address.isascii(),
            zone=self.houses.zone(key.organisation_id, self.zone),
            ideas=",".join(ideas),
            items=f"{self.library.source(key.version_id).name}/{key.step}",
            write=write,
        )

    def values(self, key: LetterKey, edition: Edition, recipient: Recipient) -> dict[str, str]:
        """The personal values of one letter, with the honest reason why it comes."""
        source = self.library.source(key.version_id)
        words = load_wording(source.files, edition.language)
        mine = recipient.subscribed & {source.definition.mailing_list, "*"}
        house = self.houses.organisation(key.organisation_id)["name"]
        reason = words["why_subscribed"] if mine else words["why_house"] % {"house": fix_spaces(house)}
        return {**slot_values(recipient, edition.language), "contact.reason": reason}

    def links(self, recipient: Recipient, organisation_id: int, mailing_list: str, *, letter: str = "", inert: bool = False) -> Links:
        """The links of one letter: for the body, and the one click of its header (UNS-06)."""
        return make_links(
            self.base_url or NO_PAGES,
            self.keyring,
            recipient.address_ref,
            self.houses.public_id(organisation_id),
            mailing_list,
            letter=letter,
            inert=inert,
        )

    def _page_of(self, key: LetterKey) -> str:
        """Where a letter is read in the browser; the same for all its readers (FWD-04)."""
        step = (key.campaign_id, key.step, key.language)
        if step not in self._pages:
            self._pages[step] = find_archived(self.library, key)
        return self._pages[step]

    def leave_by_mail(self, recipient: Recipient, organisation_id: int, mailing_list: str, *, inert: bool) -> str:
        """The ``mailto:`` by which one leaves (UNS-11); '' where no mail comes in."""
        if not self.takes_mail:
            return ""
        house = self.houses.public_id(organisation_id)
        address = make_leave_address(self.keyring, recipient.address_ref, house, mailing_list, self.sender.domain, inert=inert)
        return f"mailto:{address}?subject=Abmelden"

    def answer_link(self, key: LetterKey, edition: Edition, recipient: Recipient, *, inert: bool) -> dict[str, str]:
        """Where the question of a letter is answered; nothing for a letter that asks nothing."""
        if not any(use.path == "links.answer" for use in edition.slots):
            return {}
        house, name = self.houses.public_id(key.organisation_id), self.library.source(key.version_id).name
        link = make_answer_link(self.base_url or NO_PAGES, self.keyring, recipient.address_ref, house, name, key.step, inert=inert)
        return {"links.answer": link}

    def pack_link(self, recipient: Recipient, organisation_id: int, pack_ref: str, *, inert: bool) -> dict[str, str]:
        """Where the pack of a cover can be fetched; nothing for any other letter."""
        if not pack_ref:
            return {}
        house = self.houses.public_id(organisation_id)
        return {"links.pack": make_pack_link(self.base_url or NO_PAGES, self.keyring, recipient.address_ref, house, pack_ref, inert=inert)}

    def _letter(self, edition: Edition, *, is_correction: bool) -> Letter:
        key = (edition.id, is_correction)
        found = self._letters.get(key)
        if found is None:
            found = self._letters[key] = Letter(_as_correction(edition) if is_correction else edition)
            while len(self._letters) > LETTERS_KEPT:
                self._letters.popitem(last=False)
        self._letters.move_to_end(key)
        return found

    def _head(
        self,
        key: LetterKey,
        recipient: Recipient,
        part: Part,
        ref: str,
        message_id: str,
        mailing_list: str,
        one_click: str,
        leave_by_mail: str,
    ) -> HeadMaker:
        own = f"{self.sender.local_part}@{self.sender.domain}"
        answers = self.sender.reply_to or own
        org = self.houses.organisation(key.organisation_id)
        if key.purpose is Purpose.pack:
            return self._pack_head(key, recipient, part, ref, message_id, mailing_list)
        if key.sender is Sender.home:
            contact = self.houses.contact_of(key.organisation_id)
            speaker = Mailbox(f"{org['slug']}@{self.sender.domain}", f"OM für {org['name']}")
            reply_to: Mailbox | None = Mailbox(contact.email, contact.name) if contact else Mailbox(answers, self.sender.name)
        else:
            speaker = Mailbox(own, self.sender.name)
            reply_to = Mailbox(answers, self.sender.name) if answers != own else None
        source = self.library.source(key.version_id)
        fixed = {
            "message_id": message_id,
            "sender": speaker,
            "to": Mailbox(recipient.address, recipient.full_name),
            "reply_to": reply_to,
            "list_id": (self.houses.mailing_list_name(mailing_list, "de"), f"{mailing_list}.{self.sender.list_domain}"),
            "one_click_url": one_click,
            "unsubscribe_mailto": leave_by_mail,
            "list_help": f"mailto:{answers}",
            "list_owner": f"mailto:{answers}",
            "list_archive": f"{self.base_url}/archiv/{mailing_list}" if self.base_url else "",
            "feedback_id": f"{source.name}.{key.step}:{org['slug']}:{source.definition.kind}:{self.sender.feedback_sender_id}",
            "bulk": True,
            "auto_generated": False,
            "seed": ref,
        }
        return HeadMaker(fixed)

    def _pack_head(self, key: LetterKey, recipient: Recipient, part: Part, ref: str, message_id: str, mailing_list: str) -> HeadMaker:
        """The ready mail has nothing one would have to delete before forwarding it: no list, no name, no unsubscribing (FWD-01).

        A house's own list gets the list's name and a way out through the house, never a one-click button: one reader would stop
        it for all. Who answers for the list finds help in the portal (UNS-12).
        """
        own = f"{self.sender.local_part}@{self.sender.domain}"
        fixed: dict[str, object] = {
            "message_id": message_id,
            "sender": Mailbox(own, self.sender.name),
            "to": Mailbox(recipient.address),
            "seed": ref,
        }
        if part is Part.mail:
            owner = self.houses.contact_of(key.organisation_id)
            leave = f"mailto:{owner.email}" if owner else f"mailto:{self.sender.reply_to or own}"
            name = self.houses.mailing_list_name(mailing_list, "de")
            fixed |= {
                "list_id": (name, f"{mailing_list}.{self.sender.list_domain}"),
                "unsubscribe_mailto": leave,
                "list_help": f"{self.base_url}/{PORTAL}" if self.base_url else "",
                "reply_to": Mailbox(owner.email, owner.name) if owner else None,
                "bulk": True,
            }
        return HeadMaker(fixed)


@dataclass(frozen=True, slots=True)
class Extra:
    """What a mail of a pack has beyond an ordinary letter."""

    part: Part = Part.mail
    values: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    ideas: tuple[str, ...] = ()
    pack_ref: str = ""
    """For covers: whose page the link opens."""


PLAIN = Extra()


@dataclass(frozen=True, slots=True)
class HeadMaker:
    """A head without its date: the date is the hand-over (MSG-03)."""

    fixed: Mapping[str, object]

    def __call__(self, at: datetime) -> Head:
        return Head(date=at, **self.fixed)  # type: ignore[arg-type]


def _as_correction(edition: Edition) -> Edition:
    first, *others = edition.subject.chunks
    return replace(edition, subject=replace(edition.subject, chunks=(CORRECTED[edition.language] + first, *others)))


def key_of_row(row: Any) -> LetterKey:
    """The edition that a dispatch (a row, or a ``Due``) needs."""
    return LetterKey(
        row.campaign_id, row.version_id, row.step, row.variant, row.language, row.organisation_id, Sender(row.sender), row.due_day
    )


def open_keys(session: Session, library: Library, *, campaign_id: int | None = None) -> Iterator[LetterKey]:
    """The distinct editions that open dispatches need, however many recipients they have."""
    dispatch = table_of(Dispatch)
    campaign = dispatch.c.campaign_id + 0  # leaves SQLite only the index of what waits, not the whole history
    wanted = [is_waiting(dispatch), *([campaign == campaign_id] if campaign_id is not None else [])]
    yield from keys_where(session, library, campaign, *wanted)


def keys_where(session: Session, library: Library, campaign: ColumnElement[int], *conditions: ColumnElement[bool]) -> Iterator[LetterKey]:
    """The distinct editions of the dispatches that meet these conditions; ``campaign`` is how their campaign is read."""
    dispatch = table_of(Dispatch)
    names = ("version_id", "step", "variant", "language", "organisation_id", "sender", "due_day")
    query = select(campaign, *[dispatch.c[name] for name in names], dispatch.c.route).where(*conditions).distinct()
    for *row, route in session.execute(query):
        yield from keys_of_parts(LetterKey(*row), route, library)


def keys_of_parts(key: LetterKey, route: Route, library: Library) -> list[LetterKey]:
    """The editions one dispatch needs: one for a letter, that of the pack and its cover for a pack."""
    if not carries_pack(key, route, library):
        return [key]
    return list(dict.fromkeys([pack_key(key), *(each.key for each in plan_parts(key, route, library.houses))]))


def carries_pack(key: LetterKey, route: Route, library: Library) -> bool:
    """Passed on through the house, or a letter of OM that is the cover of a pack."""
    return route in PASSING_ON or (key.sender is Sender.om and library.pack_text(key))
