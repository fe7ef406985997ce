"""From what is owed to letters ready for the wire: edition, personal values, links, headers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import count

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.corrections import is_correction
from om_campaigns.campaign.matching import is_waiting
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.columns import new_ref, table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.edition import Edition, MissingValueError, Purpose, fill
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.links import Links, make_answer_link, make_leave_address, make_links, make_pack_link, make_return_path
from om_campaigns.compose.message import Attachment, Letter
from om_campaigns.compose.public_version import find_archived
from om_campaigns.compose.typesetting import fix_spaces
from om_campaigns.compose.wording import load_wording
from om_campaigns.delivery.handover import Held, Prepared
from om_campaigns.delivery.models import Part, make_ref
from om_campaigns.delivery.send_queue import Due
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.keyring import Keyring
from om_campaigns.letters.owed_editions import key_of_row, open_keys, open_library
from om_campaigns.letters.packing import (
    PackRow,
    load_packs,
    make_attachments,
    make_values,
    pack_key,
    plan_parts,
    record_revisions,
    require_forwardable,
)
from om_campaigns.letters.recipients import Heads, Marks, Recipient, load_recipients, slot_values
from om_campaigns.settings import NO_PAGES, SenderSettings

CORRECTED = {"de": "Korrektur: ", "en": "Correction: "}
"""Before the subject of a correction."""

LETTERS_KEPT = 256


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

    @cached_property
    def _heads(self) -> Heads:
        return Heads(self.library, self.houses, self.sender, self.base_url)

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
        day = self.houses.today(key.organisation_id, now, self.zone)
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
        ref = earlier.ref if earlier else self._new_ref(due, extra.part) if due else new_ref()
        message_id = earlier.message_id if earlier else f"<{ref}@{self.sender.domain}>"
        mailing_list = self.library.source(key.version_id).definition.mailing_list
        links = self.links(recipient, key.organisation_id, mailing_list, letter=self._page_of(key), inert=inert)
        values = {**self.values(key, edition, recipient), **extra.values}
        further = self.pack_link(recipient, key.organisation_id, extra.pack_ref, inert=inert) | self.answer_link(
            key, edition, recipient, inert=inert
        )
        filled = fill(edition, {**values, **links.slots, **further})
        letter = self._letter(edition, is_correction=due is not None and is_correction(due.occasion))
        leave_by_mail = self.leave_by_mail(recipient, key.organisation_id, mailing_list, inert=inert)
        head = self._heads.make(key, recipient, extra.part, mailing_list, Marks(ref, message_id, links.one_click, leave_by_mail))
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

    def _new_ref(self, due: Due, part: Part) -> str:
        """Derived from what the letter is; the first name that none of its messages has had."""
        names = (
            make_ref(
                self.keyring.secret(self.keyring.current),
                campaign=due.campaign,
                occasion=due.occasion,
                step=due.step,
                recipient=due.recipient,
                part=part,
                attempt=attempt,
            )
            for attempt in count()
        )
        return next(name for name in names if name not in due.refs)

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


def _as_correction(edition: Edition) -> Edition:
    first, *others = edition.subject.chunks
    return replace(edition, subject=replace(edition.subject, chunks=(CORRECTED[edition.language] + first, *others)))


def compose_open(app: App, now: datetime) -> int:
    """Make and store every edition that open letters need; a text that cannot be composed is met again at the hand-over."""
    with store.read(app.engine) as session:
        library = open_library(app, session, opens=True)
        for key in open_keys(session, library):
            with suppress(ProblemsError, InputError):
                library.edition(key)
        packs = list(_waiting_packs(session, library))
        if not (library.made or packs):
            return 0
        with store.write(app.engine) as writing:
            made = library.record_made(writing, now)
            record_revisions(writing, library, packs, now)
            return made


def _waiting_packs(session: Session, library: Library) -> Iterator[tuple[int, LetterKey]]:
    """Packs that wait for their hand-over and can be composed, each with the edition it would pass on."""
    pack, dispatch = table_of(Pack), table_of(Dispatch)
    query = select(pack.c.id.label("pack_id"), dispatch).join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
    for row in session.execute(query.where(is_waiting(dispatch))):
        key = pack_key(key_of_row(row))
        with suppress(ProblemsError, InputError):
            library.edition(key)
            yield row.pack_id, key


def make_composer(app: App, session: Session, *, counts: bool = False) -> Composer:
    """The composer of one run, reading through ``session``. ``counts``: of what really leaves; what we look at counts nowhere."""
    houses = Houses(session, app.today(app.now()))
    return Composer(
        open_library(app, session, houses, counts=counts),
        houses,
        app.keyring,
        app.settings.sender,
        app.settings.web.base_url,
        app.settings.zone,
        takes_mail=app.settings.inbox.takes_mail,
    )
