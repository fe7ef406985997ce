"""Preferences of an address: shown and changed only through a link that its own mailbox got (FWD-03)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.consent import has_basis, is_suppressed
from om_campaigns.audience.models import (
    Address,
    Organisation,
    Person,
    PreferenceTopic,
    Seat,
)
from om_campaigns.audience.vocabulary import TOPIC_NAMES, TOPICS, Rhythm, Sender
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.links import read_token
from om_campaigns.delivery.models import Message, Notice
from om_campaigns.feedback import leaving, opting_in
from om_campaigns.feedback.leaving import Channel, Leaver
from om_campaigns.feedback.models import OptIn, TaskKind
from om_campaigns.feedback.tasks import open_task
from om_campaigns.pipeline.notices import MANAGE
from om_campaigns.pipeline.recipient.doors import Visitor, find_lists, find_visitor_of
from om_campaigns.pipeline.recipient.subscribing import Offer, consent_text

VALID_MINUTES = 24 * 60
LINKS_A_DAY = 3
PURPOSE = "preferences"
RHYTHMS = {each.value: each for each in Rhythm}


@dataclass(frozen=True, slots=True)
class Home:
    """A house somebody sits in."""

    seat_id: int
    name: str
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What is stored of an address and its reader. ``topics`` empty: everything. ``language`` '': that of the house, as there is no one
    person behind the address who has their own.
    """

    address: str
    name: str
    language: str
    rhythm: Rhythm
    lists: list[tuple[str, str, bool]]
    """Slug, name, whether it comes."""
    topics: list[tuple[str, str, bool]]
    homes: list[Home]
    left_home: bool = False
    """Only ever ticked, never stored: staff look at it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was sent by the form."""

    lists: frozenset[str]
    rhythm: Rhythm
    topics: frozenset[str]
    language: str
    home: int
    left_home: bool

    def over(self, known: Settings) -> Settings:
        """What is stored, with what was chosen in its place: how the page comes back that was open for too long."""
        return replace(
            known,
            lists=[(slug, name, slug in self.lists) for slug, name, _ in known.lists],
            rhythm=self.rhythm,
            topics=[(topic, name, topic in self.topics) for topic, name, _ in known.topics],
            language=self.language if known.language else "",
            homes=[replace(each, is_primary=each.seat_id == self.home) for each in known.homes],
            left_home=self.left_home,
        )


def ask_for_link(app: App, visitor: Visitor, language: str, now: datetime) -> None:
    """Owe the mail with the link, three times a day at most; whether it was owed already shows nowhere."""
    notice, since = table_of(Notice), now.replace(hour=0, minute=0, second=0, microsecond=0)
    with store.write(app.engine) as session:
        address = leaving.hold_address(session, visitor.address_id)
        asked = select(func.count()).where(
            notice.c.purpose == PURPOSE, notice.c.address_id == visitor.address_id, notice.c.made_at >= since
        )
        if session.execute(asked).scalar_one() >= LINKS_A_DAY:
            return
        session.add(
            Notice(
                purpose=PURPOSE,
                address=address.address,
                address_id=visitor.address_id,
                organisation_id=visitor.organisation_id,
                language=language,
                detail={"mailing_list": visitor.mailing_list},
                made_at=now,
                due_at=now,
            )
        )


def find_manager(app: App, session: Session, token: str, now: datetime) -> Visitor | None:
    """Whose preferences a mailed link opens; None for everything else, and after a day."""
    parts = read_token(app.keyring, MANAGE, token) or ("", "", "", "0")
    if len(parts) != 4 or not parts[3].isdecimal():
        parts = ("", "", "", "0")
    visitor = find_visitor_of(session, *parts[:3])
    age = int(now.timestamp() // 60) - int(parts[3])
    return visitor if 0 <= age <= VALID_MINUTES else None


def load_preferences(session: Session, visitor: Visitor, language: str) -> Settings:
    """Everything the page shows."""
    address = session.get_one(Address, visitor.address_id)
    person = _person(session, visitor.address_id)
    chosen = table_of(PreferenceTopic)
    topics = set(session.execute(select(chosen.c.topic).where(chosen.c.address_id == visitor.address_id)).scalars())
    return Settings(
        address=address.address,
        name=person.full_name if person else "",
        language=(person.language or visitor.language or language) if person else "",
        rhythm=leaving.find_rhythm(session, visitor.address_id),
        lists=[
            (slug, english if language == "en" else german, _comes(session, visitor, slug)) for slug, german, english in find_lists(session)
        ],
        topics=[(topic, TOPIC_NAMES[topic][language], topic in topics) for topic in TOPICS],
        homes=_homes(session, person),
    )


def _comes(session: Session, visitor: Visitor, slug: str) -> bool:
    """There is a basis for this list, in whosever name, and nothing stands against it."""
    address, organisation = table_of(Address), table_of(Organisation)
    basis = or_(*(has_basis(address.c.id, organisation, slug, sender) for sender in Sender))
    query = (
        select(address.c.id)
        .join(organisation, organisation.c.id == visitor.organisation_id)
        .where(address.c.id == visitor.address_id, basis, ~is_suppressed(address, organisation, slug))
    )
    return session.execute(query).first() is not None


def _person(session: Session, address_id: int) -> Person | None:
    number = leaving.person_of(session, address_id)
    return session.get(Person, number) if number else None


def _homes(session: Session, person: Person | None) -> list[Home]:
    if person is None:
        return []
    seat, organisation = table_of(Seat), table_of(Organisation)
    query = (
        select(seat.c.id, organisation.c.name, seat.c.is_primary_home)
        .join(organisation, organisation.c.id == seat.c.organisation_id)
        .where(seat.c.person_id == person.id, seat.c.until.is_(None))
        .order_by(organisation.c.name)
    )
    return [Home(row.id, row.name, row.is_primary_home) for row in session.execute(query)]


def save_preferences(app: App, visitor: Visitor, chosen: Chosen, language: str, path: str, now: datetime) -> None:
    """Store what was chosen; doing it twice changes nothing more. Lists, topics and homes that are not there are ignored."""
    with store.write(app.engine) as session:
        leaving.hold_address(session, visitor.address_id)
        before = load_preferences(session, visitor, language)
        left = [slug for slug, _, comes in before.lists if comes and slug not in chosen.lists]
        leavers = [Leaver(visitor.address_id, visitor.organisation_id, slug) for slug in left]
        leaving.record_leaving_lists(session, leavers, Channel.page, now, app.today(now))
        for slug, name, comes in before.lists:
            if not comes and slug in chosen.lists:
                _join(app, session, visitor, before, slug, name, language, path, now)
        leaving.record_rhythm(session, visitor.address_id, visitor.organisation_id, chosen.rhythm, Channel.page, now)
        _save_topics(session, visitor, before, chosen, now)
        _save_person(session, visitor, before, chosen, now)


def _join(
    app: App, session: Session, visitor: Visitor, before: Settings, slug: str, name: str, language: str, path: str, now: datetime
) -> None:
    """Joining a list here is a consent: the mailbox has proved itself by the link (LAW-05)."""
    address = session.get_one(Address, visitor.address_id)
    text = consent_text(app, language, Offer([(slug, name)], [], visitor.organisation_id, ""))
    mail_id, mail_sent_at, mail_hash = _latest_mail(session, visitor)
    opt_in = OptIn(
        address=address.address,
        normal_key=address.normal_key,
        full_name=before.name,
        language=language,
        organisation_id=visitor.organisation_id,
        mailing_lists=[slug],
        consent_text=text,
        form_url=f"{app.settings.web.base_url}/{path}",
        asked_at=now,
        mail_id=mail_id,
        mail_sent_at=mail_sent_at,
        mail_hash=mail_hash,
    )
    session.add(opt_in)
    session.flush()
    opting_in.confirm(session, app.keyring, opt_in, now)


def _latest_mail(session: Session, visitor: Visitor) -> tuple[str, datetime | None, str]:
    """The mail whose link was used: it proves that the mailbox is theirs."""
    notice, message = table_of(Notice), table_of(Message)
    row = session.execute(
        select(message.c.message_id, message.c.sent_at, notice.c.body_hash)
        .join(notice, notice.c.message_id == message.c.id)
        .where(notice.c.purpose == PURPOSE, notice.c.address_id == visitor.address_id, message.c.sent_at.is_not(None))
        .order_by(message.c.sent_at.desc())
        .limit(1)
    ).one_or_none()
    return (row.message_id, row.sent_at, row.body_hash) if row else ("", None, "")


def _save_topics(session: Session, visitor: Visitor, before: Settings, chosen: Chosen, now: datetime) -> None:
    wanted = {topic for topic, _, _ in before.topics} & chosen.topics
    if wanted == {topic for topic, _, is_chosen in before.topics if is_chosen}:
        return
    table = table_of(PreferenceTopic)
    session.execute(delete(table).where(table.c.address_id == visitor.address_id))
    session.add_all(PreferenceTopic(address_id=visitor.address_id, topic=topic) for topic in sorted(wanted))
    leaving.note_change(session, "address", visitor.address_id, "topics", None, ",".join(sorted(wanted)), now, Channel.page.value)
    leaving.record_preference(session, visitor.address_id, visitor.organisation_id, now, topics=",".join(sorted(wanted)))


def _save_person(session: Session, visitor: Visitor, before: Settings, chosen: Chosen, now: datetime) -> None:
    person = _person(session, visitor.address_id)
    if person is None:
        return
    number = person.id or 0
    if chosen.language in ("de", "en") and chosen.language != before.language:
        leaving.note_change(session, "person", number, "language", person.language, chosen.language, now, Channel.page.value)
        person.language = chosen.language
    home = next((each for each in before.homes if each.seat_id == chosen.home), None)
    if home is not None and not home.is_primary:
        seat = table_of(Seat)
        old = next((each.name for each in before.homes if each.is_primary), None)
        session.execute(update(seat).where(seat.c.person_id == number).values(is_primary_home=seat.c.id == home.seat_id))
        leaving.note_change(session, "person", number, "home", old, home.name, now, Channel.page.value)
    if chosen.left_home:
        open_task(
            session,
            TaskKind.home_left,
            digest("home_left", str(visitor.address_id), str(visitor.organisation_id)),
            now,
            organisation_id=visitor.organisation_id,
            address_id=visitor.address_id,
        )
    session.flush()
