"""Preferences of an address: shown and changed only through a link that its own mailbox got (FWD-03)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.consent import has_basis, is_suppressed
from om_campaigns.audience.models import (
    Address,
    Organisation,
    Person,
    PreferenceTopic,
    Seat,
)
from om_campaigns.audience.opt_ins import OptIn
from om_campaigns.audience.seats import holds_on, person_of
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import TOPIC_NAMES, TOPICS, Origin, Rhythm, Sender
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.links import read_token
from om_campaigns.delivery.models import Message, Notice
from om_campaigns.reader import leaving, opting_in
from om_campaigns.reader.leaving import Channel, Leaver
from om_campaigns.reader.subscribing import Offer, consent_text
from om_campaigns.reader.tokens import Visitor, find_lists, find_visitor_of
from om_campaigns.seen import merge_fields, merge_ticks
from om_campaigns.service_letters import MANAGE, MANAGE_LIFE

LINKS_A_DAY = 3
PURPOSE = "preferences"
RHYTHMS = {each.value: each for each in Rhythm}
LANGUAGES = ("de", "en")


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


FIELDS = ("reihen", "takt", "themen", "sprache", "haus")
"""The fields of the form in which something stored is shown; ticks parted by blanks."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form sent: of ``FIELDS`` what was chosen, and what was ``shown`` when the page was opened.

    Only what differs from what was shown is a decision; above all, a list that still stands ticked on an old page is no consent.
    """

    fields: Mapping[str, str]
    shown: Mapping[str, str]
    left_home: bool

    def over(self, known: Settings) -> Settings:
        """What is stored, with what was decided in its place."""
        stored = spell(known)
        wanted = merge_fields(self.shown, self.fields, stored)
        lists, topics = (merge_ticks(*(each[name].split() for each in (self.shown, self.fields, stored))) for name in ("reihen", "themen"))
        is_home = wanted["haus"] in {str(each.seat_id) for each in known.homes}
        return replace(
            known,
            lists=[(slug, name, slug in lists) for slug, name, _ in known.lists],
            rhythm=RHYTHMS[wanted["takt"]],
            topics=[(topic, name, topic in topics) for topic, name, _ in known.topics],
            language=wanted["sprache"] if known.language and wanted["sprache"] in LANGUAGES else known.language,
            homes=[replace(each, is_primary=str(each.seat_id) == wanted["haus"]) for each in known.homes] if is_home else known.homes,
            left_home=self.left_home,
        )


def spell(known: Settings) -> dict[str, str]:
    """What is stored, as the ``FIELDS`` of the form show it."""
    return {
        "reihen": " ".join(slug for slug, _, comes in known.lists if comes),
        "takt": known.rhythm.value,
        "themen": " ".join(topic for topic, _, is_chosen in known.topics if is_chosen),
        "sprache": known.language,
        "haus": next((str(each.seat_id) for each in known.homes if each.is_primary), ""),
    }


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
    age = timedelta(minutes=int(now.timestamp() // 60) - int(parts[3]))
    return visitor if timedelta() <= age <= MANAGE_LIFE else None


def load_preferences(session: Session, visitor: Visitor, language: str, today: date) -> Settings:
    """Everything the page shows."""
    address = session.get_one(Address, visitor.address_id)
    person = _person(session, visitor.address_id, today)
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
        homes=_homes(session, person, today),
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


def _person(session: Session, address_id: int, today: date) -> Person | None:
    number = person_of(session, address_id, today)
    return session.get(Person, number) if number else None


def _homes(session: Session, person: Person | None, today: date) -> list[Home]:
    if person is None:
        return []
    seat, organisation = table_of(Seat), table_of(Organisation)
    query = (
        select(seat.c.id, organisation.c.name, seat.c.is_primary_home)
        .join(organisation, organisation.c.id == seat.c.organisation_id)
        .where(seat.c.person_id == person.id, holds_on(today))
        .order_by(organisation.c.name)
    )
    return [Home(row.id, row.name, row.is_primary_home) for row in session.execute(query)]


def save_preferences(app: App, visitor: Visitor, chosen: Chosen, language: str, path: str, now: datetime) -> None:
    """Store what was decided; doing it twice changes nothing more. Lists, topics and homes that are not there are ignored.

    Whoever left meanwhile, with a press in the mail program or in another window, stays out: an old page brings back nothing (UNS-09).
    """
    today = app.today(now)
    with store.write(app.engine) as session:
        leaving.hold_address(session, visitor.address_id)
        before = load_preferences(session, visitor, language, today)
        wanted = chosen.over(before)
        pairs = list(zip(before.lists, wanted.lists, strict=True))
        left = [slug for (slug, _, comes), (_, _, is_wanted) in pairs if comes and not is_wanted]
        leavers = [Leaver(visitor.address_id, visitor.organisation_id, slug) for slug in left]
        leaving.record_leaving_lists(session, leavers, Channel.page, now, today)
        for (slug, name, comes), (_, _, is_wanted) in pairs:
            if is_wanted and not comes:
                _join(app, session, visitor, before, slug, name, language, path, now)
        leaving.record_rhythm(session, visitor.address_id, visitor.organisation_id, wanted.rhythm, Channel.page, now, today)
        _save_topics(session, visitor, before, wanted, now, today)
        _save_person(session, visitor, before, wanted, now, today)


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


def _save_topics(session: Session, visitor: Visitor, before: Settings, wanted: Settings, now: datetime, today: date) -> None:
    if wanted.topics == before.topics:
        return
    table, chosen = table_of(PreferenceTopic), sorted(topic for topic, _, is_chosen in wanted.topics if is_chosen)
    session.execute(delete(table).where(table.c.address_id == visitor.address_id))
    session.add_all(PreferenceTopic(address_id=visitor.address_id, topic=topic) for topic in chosen)
    record_change(session, "address", visitor.address_id, "topics", None, ",".join(chosen), now, Channel.page.value, Origin.answer)
    leaving.record_preference(session, visitor.address_id, visitor.organisation_id, now, today, topics=",".join(chosen))


def _save_person(session: Session, visitor: Visitor, before: Settings, wanted: Settings, now: datetime, today: date) -> None:
    person = _person(session, visitor.address_id, today)
    if person is None:
        return
    number = person.id
    if wanted.language != before.language:
        record_change(session, "person", number, "language", person.language, wanted.language, now, Channel.page.value, Origin.answer)
        person.language = wanted.language
    home = next((each for each in wanted.homes if each.is_primary), None)
    if home is not None and wanted.homes != before.homes:
        seat = table_of(Seat)
        old = next((each.name for each in before.homes if each.is_primary), None)
        session.execute(update(seat).where(seat.c.person_id == number).values(is_primary_home=seat.c.id == home.seat_id))
        record_change(session, "person", number, "home", old, home.name, now, Channel.page.value, Origin.answer)
    if wanted.left_home:
        open_task(
            session,
            TaskKind.home_left,
            digest("home_left", str(visitor.address_id), str(visitor.organisation_id)),
            now,
            organisation_id=visitor.organisation_id,
            address_id=visitor.address_id,
        )
    session.flush()
