"""Answers to the one question of a step: recorded once, then what was said stands in the house's data, with its origin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import find_receivers
from om_campaigns.audience.addresses import NormalAddress, find_unsafe, is_address, normalise
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.german import fold
from om_campaigns.audience.models import (
    Network,
    NetworkOrganisation,
    Organisation,
    OrganisationInterest,
    Response,
    Seat,
    SeatRole,
    Touch,
)
from om_campaigns.audience.registration import take_address, take_person
from om_campaigns.audience.seats import people_of, person_of
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, AddressKind, NetworkKind, Origin, ResponseKind, Role, Sender
from om_campaigns.campaign.corrections import MARK
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.columns import digest, dump_json, table_of
from om_campaigns.compose.frontmatter import AnswerTarget, StepFile, parse_step
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.links import Door, read_token
from om_campaigns.delivery.rate_limits import hide, take_turn
from om_campaigns.errors import ProblemsError
from om_campaigns.keyring import Keyring
from om_campaigns.letters.owed_editions import open_library
from om_campaigns.reader.tokens import Visitor, find_visitor_of

ACTOR = "answer page"


@dataclass(frozen=True, slots=True)
class Said:
    """What a house said through one letter. Only the field of its target is filled."""

    campaign_id: int
    campaign: str
    occasion: str
    step: str
    organisation_id: int
    address_id: int
    target: AnswerTarget
    name: str = ""
    """Of a person, or of a house that is not among those one could choose."""
    email: NormalAddress | None = None
    chosen: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    """Everything one could have chosen: what was not ticked is taken back, and nothing else."""
    texts: tuple[tuple[str, str], ...] = ()
    """(question, answer)."""
    day: date = field(kw_only=True)
    """The civil day on which it was said: who sat in the house then."""

    def detail(self) -> dict[str, Any]:
        """For the record; a person who is named stands in their own row, and here is added which (``person``)."""
        if self.target is AnswerTarget.distributor:
            return {"target": self.target.value}
        if self.target is AnswerTarget.note:
            return {"target": self.target.value, "texts": [list(each) for each in self.texts]}
        proposed = {"proposed": self.name} if self.name and self.target is AnswerTarget.contacts_wanted else {}
        return {"target": self.target.value, "chosen": list(self.chosen)} | proposed

    def key_after(self, response_id: int) -> str:
        """Under which it is recorded after that response: the same twice in a row is one answer, the same again later is another."""
        named = [self.name, self.email.normal_key if self.email else ""]
        of = (*self.letter(), str(self.organisation_id), str(self.address_id))
        return digest(*of, dump_json([self.detail(), named]), str(response_id))

    def letter(self) -> tuple[str, ...]:
        """What was answered. The first pass has no name of its own."""
        return (self.campaign, self.step, self.occasion) if self.occasion else (self.campaign, self.step)


def record_answer(session: Session, keyring: Keyring, said: Said, now: datetime) -> bool:
    """Record what was said and let it take effect; False when it is what the house said last to this step on this occasion."""
    one_at_a_time = select(col(Organisation.id)).where(col(Organisation.id) == said.organisation_id)
    session.execute(one_at_a_time.with_for_update(key_share=True))
    response = table_of(Response)
    mine = (
        response.c.kind == ResponseKind.answer,
        response.c.organisation_id == said.organisation_id,
        response.c.campaign_id == said.campaign_id,
        response.c.step == said.step,
        response.c.occasion == said.occasion,
    )
    last = session.execute(select(response.c.id, response.c.source_key).where(*mine).order_by(response.c.id.desc()).limit(2)).all()
    before = [row.id for row in last] + [0, 0]
    if last and last[0].source_key == said.key_after(before[1]):
        return False
    key = said.key_after(before[0])
    is_new = store.add_new(
        session,
        response,
        kind=ResponseKind.answer,
        source_key=key,
        at=now,
        organisation_id=said.organisation_id,
        person_id=person_of(session, said.address_id, said.day),
        campaign_id=said.campaign_id,
        occasion=said.occasion,
        step=said.step,
        detail=said.detail(),
    )
    if is_new:
        if more := _EFFECTS[said.target](session, keyring, said, now):
            session.execute(update(response).where(*mine, response.c.source_key == key).values(detail=said.detail() | more))
        session.flush()
    return is_new


def _name_distributor(session: Session, keyring: Keyring, said: Said, now: datetime) -> dict[str, Any]:
    """Who was named is noted, and people of OM ask them; until then nobody writes to them (BGH I ZR 208/12) and they act for nobody.

    Whoever holds the letter can send this form. A role that came with it would open the portal of the house, and its packs, to a
    stranger (SEC-14). Only who stands for the house already has the role at once. Nobody is made the person behind an office's address,
    or one that several share: people of OM see who was named.
    """
    given = said.email
    if given is None:
        return {}
    address = take_address(session, keyring, given)
    address_id, people = address.id, people_of(session, address.id, said.day)
    if not people and address.kind is AddressKind.personal:
        people = [take_person(session, said.name, address_id, now, ACTOR)]
    number = people[0] if len(people) == 1 else None
    named = f"person {number}" if number else f"address {address_id}"
    if address_id in {each.address_id for each in find_receivers(session, said.organisation_id, said.day)}:
        seat = session.execute(
            select(Seat).where(col(Seat.person_id) == number, col(Seat.organisation_id) == said.organisation_id)
        ).scalar_one_or_none()
        if number and seat is not None and store.add_new(session, table_of(SeatRole), seat_id=seat.id, role=Role.distributor):
            seat.strength = min(seat.strength, ROLE_STRENGTH[Role.distributor])
            record_change(session, "organisation", said.organisation_id, "distributor", None, named, now, ACTOR, Origin.answer)
    else:
        record_change(session, "organisation", said.organisation_id, "distributor_named", None, named, now, ACTOR, Origin.answer)
    _ask_people(session, TaskKind.distributor_named, said, now, address_id=address_id, **({} if number else {"name": said.name}))
    return {"person": number} if number else {}


def _set_interests(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    table = table_of(OrganisationInterest)
    mine = table.c.organisation_id == said.organisation_id
    old = set(session.execute(select(table.c.topic).where(mine)).scalars())
    new = (old - set(said.offered)) | set(said.chosen)
    if new == old:
        return
    session.execute(delete(table).where(mine, table.c.topic.in_(old - new)))
    session.add_all(OrganisationInterest(organisation_id=said.organisation_id, topic=topic) for topic in sorted(new - old))
    record_change(
        session, "organisation", said.organisation_id, "interests", ",".join(sorted(old)), ",".join(sorted(new)), now, ACTOR, Origin.answer
    )


def _name_networks(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    """A network that is known by this name, else a new one of the kind ``other``."""
    known = {fold(row.name): row for row in session.execute(select(Network)).scalars()}
    for name in said.chosen:
        network = known.get(fold(name))
        if network is None:
            network = known[fold(name)] = Network(
                slug=_slug(name, {each.slug for each in known.values()}), name=name, kind=NetworkKind.other
            )
            session.add(network)
            session.flush()
        if store.add_new(session, table_of(NetworkOrganisation), network_id=network.id, organisation_id=said.organisation_id):
            record_change(session, "organisation", said.organisation_id, "network", None, network.slug, now, ACTOR, Origin.answer)


def _want_contacts(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    """Houses that are known by slug; one that was proposed by the name it was given."""
    wanted = {"houses": ",".join(said.chosen)} | ({"proposed": said.name} if said.name else {})
    named = ",".join((*said.chosen, *([said.name] if said.name else [])))
    record_change(session, "organisation", said.organisation_id, "contacts_wanted", None, named, now, ACTOR, Origin.answer)
    _ask_people(session, TaskKind.contacts_wanted, said, now, address_id=said.address_id, **wanted)


def _keep_note(_session: Session, _keyring: Keyring, _said: Said, _now: datetime) -> None:
    """A note stands in the record itself; nothing follows from it but reading it."""


_EFFECTS: Mapping[AnswerTarget, Callable[[Session, Keyring, Said, datetime], dict[str, Any] | None]] = {
    AnswerTarget.distributor: _name_distributor,
    AnswerTarget.interests: _set_interests,
    AnswerTarget.networks: _name_networks,
    AnswerTarget.contacts_wanted: _want_contacts,
    AnswerTarget.note: _keep_note,
}
"""What an answer does; what it gives is added to the record."""


def _ask_people(session: Session, kind: TaskKind, said: Said, now: datetime, *, address_id: int | None, **detail: str) -> None:
    key = digest(kind.value, *said.letter(), str(said.organisation_id), str(address_id), dump_json(detail))
    open_task(
        session,
        kind,
        key,
        now,
        organisation_id=said.organisation_id,
        address_id=address_id,
        letter=f"{said.campaign}/{said.step}",
        **detail,
    )


def _slug(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "netz"
    return next(each for each in (stem, *(f"{stem}-{number}" for number in range(2, 1000))) if each not in taken)


MAX_LINE, MAX_TEXT, MOST_HOUSES = 120, 2000, 60
OWN_LABELS = {AnswerTarget.networks: 3, AnswerTarget.contacts_wanted: 1}
"""Lines whose label is the page's own."""

MOST_A_DAY = 20
"""Answers to one letter (SEC-11): second thoughts fit in, a program that goes on and on does not."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks. ``options``: (value, label) to tick; ``lines``: texts to fill in, each with its label ('' where the page has one:
    networks, and a house that is not among those to tick).
    """

    visitor: Visitor
    campaign_id: int
    campaign: str
    step: str
    language: str
    """That of the words below, which come from the letter."""
    title: str
    text: str
    help: str
    target: AnswerTarget
    options: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """What came from the form."""

    name: str
    email: str
    chosen: tuple[str, ...]
    texts: tuple[str, ...]


def find_question(app: App, session: Session, token: str, language: str = "") -> Question | None:
    """The question behind the link of a letter; None for every other text, and where the step asks nothing (any more).

    A campaign that was stopped sends no more, but whoever has its letter may still answer.
    """
    parts = read_token(app.keyring, Door.answer, token) or ("", "", "", "")
    ref, organisation, name, step = parts if len(parts) == 4 else ("", "", "", "")
    campaign = table_of(Campaign)
    row = session.execute(
        select(campaign.c.id, campaign.c.mailing_list, campaign.c.latest_version_id).where(
            campaign.c.name == name, campaign.c.latest_version_id.is_not(None)
        )
    ).one_or_none()
    visitor = find_visitor_of(session, ref, organisation, row.mailing_list if row else "")
    if row is None or visitor is None:
        return None
    library = open_library(app, session, counts=False)
    version_id, language = row.latest_version_id, language or visitor.language or app.settings.language
    variant, sender = _letter_sent(session, row.id, step, visitor.address_id)
    key = LetterKey(row.id, version_id, step, variant, language, visitor.organisation_id, sender, 0)
    return _read(library, key, visitor, name)


def _letter_sent(session: Session, campaign_id: int, step: str, address_id: int) -> tuple[str, Sender]:
    """Variant and sender of the latest letter of a step to an address."""
    dispatch, touch = table_of(Dispatch), table_of(Touch)
    same = [dispatch.c[name] == touch.c[name] for name in ("campaign_id", "occasion", "step", "recipient_kind", "recipient_id")]
    query = (
        select(dispatch.c.variant, dispatch.c.sender)
        .join_from(touch, dispatch, and_(*same))
        .where(touch.c.address_id == address_id, touch.c.campaign_id + 0 == campaign_id, touch.c.step == step)
    )
    row = session.execute(query.order_by(dispatch.c.id.desc()).limit(1)).first()
    return (row.variant, row.sender) if row else ("", Sender.om)


def _read(library: Library, key: LetterKey, visitor: Visitor, name: str) -> Question | None:
    files = library.source(key.version_id).files
    stem = f"campaigns/{name}/{key.step}."
    stems = dict.fromkeys((f"{stem}{key.variant}." if key.variant else stem, stem))
    for path in (f"{start}{each}.md" for start in stems for each in (key.language, "de", "en")):
        head, _ = parse_step(files[path], path) if path in files else (None, [])
        if head is None or head.answer is None:
            continue
        asked = head.answer
        options = asked.choices
        if asked.target is AnswerTarget.contacts_wanted:
            options = tuple(library.houses.neighbours(visitor.organisation_id)[:MOST_HOUSES])
        notes = asked.questions or (asked.question,) if asked.target is AnswerTarget.note else ()
        lines = notes or ("",) * OWN_LABELS.get(asked.target, 0)
        title, language = _title(library, key, head), path.rsplit(".", 2)[-2]
        said = (asked.question, asked.help, asked.target)
        return Question(visitor, key.campaign_id, name, key.step, language, title, *said, options, lines)
    return None


def _title(library: Library, key: LetterKey, head: StepFile) -> str:
    """The subject of the letter, as its house reads it; that of the campaign where it names the reader."""
    if "{" not in head.subject:
        return head.subject
    try:
        subject = library.edition(key).subject
    except ProblemsError:
        return library.source(key.version_id).definition.title
    return "".join(subject.chunks) if not subject.holes else library.source(key.version_id).definition.title


def find_faults(question: Question, typed: Typed) -> list[str]:
    """Names of the fields that are wrong."""
    target = question.target
    if target is AnswerTarget.distributor:
        name_is_good = 0 < len(typed.name) <= MAX_LINE and not find_unsafe(typed.name) and "@" not in typed.name
        return [*([] if name_is_good else ["name"]), *([] if is_address(typed.email) else ["email"])]
    texts = [text for text in typed.texts if text]
    is_ticked = set(typed.chosen) <= {value for value, _ in question.options}
    most = MAX_TEXT if target is AnswerTarget.note else MAX_LINE
    is_sound = all(len(text) <= most and (target is AnswerTarget.note or not find_unsafe(text)) for text in texts)
    if target is AnswerTarget.interests:
        return [] if is_ticked else ["auswahl"]
    if target is AnswerTarget.contacts_wanted and is_sound:
        return [] if is_ticked and (typed.chosen or texts) else ["auswahl" if question.options else "text-1"]
    return [] if texts and is_sound else ["text-1"]


def count_answer(app: App, question: Question, now: datetime) -> bool:
    """Count that somebody answers this letter; False where that was done too often today. Whoever it was forwarded to can do so."""
    subject = hide(app, f"{question.visitor.address_ref} {question.visitor.organisation_ref} {question.campaign}/{question.step}")
    with store.write(app.engine) as session:
        return take_turn(session, "answers", subject, MOST_A_DAY, timedelta(days=1), now)


def answer(app: App, question: Question, typed: Typed, now: datetime) -> bool:
    """Record an answer; False when the very same was given before. ``find_faults`` comes first."""
    target = question.target
    texts = zip(question.lines, typed.texts, strict=False) if target is AnswerTarget.note else ()
    lines = tuple(dict.fromkeys(" ".join(text.split()) for text in typed.texts if text))
    with store.write(app.engine) as session:
        said = Said(
            campaign_id=question.campaign_id,
            campaign=question.campaign,
            occasion=_latest_occasion(session, question),
            step=question.step,
            organisation_id=question.visitor.organisation_id,
            address_id=question.visitor.address_id,
            target=target,
            day=app.today(now),
            name=" ".join(lines) if target is AnswerTarget.contacts_wanted else typed.name,
            email=normalise(typed.email) if target is AnswerTarget.distributor else None,
            chosen=lines if target is AnswerTarget.networks else typed.chosen,
            offered=tuple(value for value, _ in question.options),
            texts=tuple((asked, text) for asked, text in texts if text),
        )
        return record_answer(session, app.keyring, said, now)


def _latest_occasion(session: Session, question: Question) -> str:
    """The occasion of the latest letter with this question to this address, '' where none left; a correction is no other occasion."""
    touch = table_of(Touch)
    query = (
        select(touch.c.occasion)
        .where(
            touch.c.campaign_id == question.campaign_id, touch.c.step == question.step, touch.c.address_id == question.visitor.address_id
        )
        .order_by(touch.c.at.desc())
        .limit(1)
    )
    return (session.execute(query).scalar_one_or_none() or "").partition(MARK)[0]
