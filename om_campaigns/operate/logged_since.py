"""What left since a backup, read out of the mail server's log: matched exactly or listed, never guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import case, delete, func, select, update
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.models import Address, Organisation, Person, Touch
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.entry_brake import confirm_entry
from om_campaigns.campaign.models import Campaign, Dispatch, Permission
from om_campaigns.campaign.owed import is_owed
from om_campaigns.campaign.releases import running_campaigns
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, PermissionKind
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import Library
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Part, make_ref
from om_campaigns.delivery.outcomes import TOUCH_COLUMNS, make_day
from om_campaigns.letters.owed_editions import key_of_row, open_library
from om_campaigns.letters.packing import pack_key
from om_campaigns.planning import plan_in
from om_campaigns.staff.entering import foresee_entries
from om_campaigns.store import add_new
from om_campaigns.tick import release_held

ISO = re.compile(r"\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s?(Z|[+-]\d{2}:?\d{2})?")
GERMAN = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?)\b")
SYSLOG = re.compile(r"^(?:<\d+>)?([A-Z][a-zäö]{2}) {1,2}(\d{1,2}) (\d{2}:\d{2}:\d{2})\b")
MONTHS = {
    name: number
    for names in (
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"),
    )
    for number, name in enumerate(names, 1)
}
POSTFIX = re.compile(r"\bpostfix[\w-]*/(?:[\w-]+/)*[\w-]+\[\d+\]: (?:([0-9A-Fa-f]{6,}|[0-9A-Za-z]{10,}): )?(.*)")
MESSAGE_ID = re.compile(r"\b(?:resent-)?message-id=(<[^<>\s]+>)")
TO = re.compile(r"\bto=<([^<>\s]*)>")
ADDRESS = re.compile(r"[^\s<>,;:=\"'()]+@[^\s<>,;:=\"'()]+")


@dataclass(frozen=True, slots=True)
class Logged:
    """A mail that left: ``address`` in its normal key; ``message_id`` in angle brackets, '' where the log does not say."""

    line: int
    at: datetime
    address: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line without a time and an address; ``column`` counts from 1."""

    line: int
    column: int
    text: str


@dataclass
class MailLog:
    """Everything a log names, in the order of its time, and the lines that say nothing that can be read."""

    mails: list[Logged]
    unreadable: list[Unreadable]


def read_mail_log(lines: Iterable[str], zone: ZoneInfo, now: datetime) -> MailLog:
    """Read a log. A time without an offset is local time in ``zone``; one without a year (syslog) is the last such day before ``now``."""
    mails: list[Logged] = []
    unreadable: list[Unreadable] = []
    names: dict[str, str] = {}
    by_queue: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(lines, 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        at, end = _read_time(text, zone, now)
        if said := POSTFIX.search(text):
            queue, rest = said.groups()
            if queue and (named := MESSAGE_ID.search(rest)):
                names[queue] = named[1]
            elif queue and at and "status=" in rest and (to := TO.search(rest)):
                address = _read_address(to[1])
                if address and (queue, address) not in by_queue:
                    by_queue[queue, address] = len(mails)
                    mails.append(Logged(number, at, address))
            continue
        found = ADDRESS.search(text, end)
        address = _read_address(found[0]) if found else ""
        if at is None or not address:
            place = 0 if at is None else found.start() if found else len(text) - len(text[end:].lstrip())
            unreadable.append(Unreadable(number, place + 1, text))
            continue
        named = MESSAGE_ID.search(text)
        mails.append(Logged(number, at, address, named[1] if named else ""))
    for (queue, _), place in by_queue.items():
        mails[place] = replace(mails[place], message_id=names.get(queue, ""))
    return MailLog(sorted(mails, key=lambda each: (each.at, each.line)), unreadable)


def _read_time(text: str, zone: ZoneInfo, now: datetime) -> tuple[datetime | None, int]:
    """The time of a line and where it ends; None where there is none."""
    try:
        if found := ISO.search(text):
            day, clock_time, offset = found.groups()
            moment = datetime.fromisoformat(f"{day}T{clock_time.replace(',', '.')}{(offset or '').replace('Z', '+00:00')}")
        elif found := GERMAN.search(text):
            moment = datetime.fromisoformat(f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}T{found[4]:0>5}")
        elif (found := SYSLOG.match(text)) and found[1] in MONTHS:
            moment = _with_year(MONTHS[found[1]], int(found[2]), found[3], zone, now)
        else:
            return None, 0
    except ValueError:
        return None, 0
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC), found.end()


def _with_year(month: int, day: int, clock_time: str, zone: ZoneInfo, now: datetime) -> datetime:
    year = now.astimezone(zone).year
    moment = datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{clock_time}").replace(tzinfo=zone)
    return moment if moment <= now else moment.replace(year=year - 1)


def _read_address(text: str) -> str:
    try:
        return normalise(text.strip(".")).normal_key
    except ValueError:
        return ""


ROUND = timedelta(hours=1)
"""Lines of so long after the first that is not matched yet are compared to the same plan."""

NEAR = timedelta(minutes=10)
"""How far the time of a log may lie from the one that is recorded here."""

ATTEMPTS = 5
"""Names of a letter that are tried: it gets another one after each kill between claim and hand-over."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A mail of the log that no letter matches, and why."""

    mail: Logged
    why: str


@dataclass
class Matched:
    """What the log says left: letters by campaign and step, mails that belong to them, and what was left over."""

    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    mails: int = 0
    leftovers: list[Leftover] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass
class _Walk:
    """One walk along a log in one transaction."""

    session: Session
    app: App
    found: Matched
    library: Library
    houses: Houses
    served: dict[str, datetime] = field(default_factory=dict)
    """Address → when letters to it were last counted as sent."""
    names: set[str] = field(default_factory=set)
    """Message-IDs of letters that are counted."""

    def take(self, mails: list[Logged]) -> None:
        pending = self._known(mails)
        while pending:
            start = pending[0].at
            plan_in(self.session, self.app, start, start)
            by_address, by_name = self._load_due(start)
            left = []
            for mail in pending:
                is_near = mail.at <= start + ROUND
                if not (is_near and self._match(mail, by_address, by_name)):
                    left.append(mail)
            if left and left[0] is pending[0]:
                self.found.leftovers.append(Leftover(left.pop(0), "no letter was due to it"))
            pending = left
        self.found.leftovers.sort(key=lambda each: (each.mail.at, each.mail.line))

    def _known(self, mails: list[Logged]) -> list[Logged]:
        """Without those of addresses that are not here, of messages that are recorded, and of other senders."""
        address, message = table_of(Address), table_of(Message)
        here = set(self.session.execute(select(address.c.normal_key)).scalars())
        done = (MessageState.sent, MessageState.failed)
        recorded = set(self.session.execute(select(message.c.message_id).where(message.c.state.in_(done))).scalars())
        own, before = f"@{self.app.settings.sender.domain}>", self._load_sent(mails)
        known = []
        for mail in mails:
            if mail.message_id in recorded or (not mail.message_id and _take_nearest(before.get(mail.address, []), mail.at)):
                self.found.mails += 1
            elif mail.message_id and not mail.message_id.endswith(own):
                self.found.leftovers.append(Leftover(mail, "of another sender"))
            elif mail.address not in here:
                self.found.leftovers.append(Leftover(mail, "no such address here"))
            else:
                known.append(mail)
        return known

    def _load_sent(self, mails: list[Logged]) -> dict[str, list[datetime]]:
        """When mails left that are recorded here, by address: a log may begin before the backup."""
        message, address = table_of(Message), table_of(Address)
        query = select(address.c.normal_key, message.c.sent_at).join_from(message, address, address.c.id == message.c.address_id)
        found: dict[str, list[datetime]] = {}
        for name, at in self.session.execute(query.where(message.c.sent_at >= mails[0].at - NEAR)) if mails else ():
            found.setdefault(name, []).append(at)
        return found

    def _load_due(self, now: datetime) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """What is owed by now, by the key of its address and by the Message-IDs its mails would have, or have had."""
        dispatch, campaign, address, person, house = (table_of(each) for each in (Dispatch, Campaign, Address, Person, Organisation))
        of_person = select(person.c.public_id).where(person.c.id == dispatch.c.recipient_id).scalar_subquery()
        of_house = select(house.c.public_id).where(house.c.id == dispatch.c.recipient_id).scalar_subquery()
        recipient = case((dispatch.c.recipient_kind == RecipientKind.person, of_person), else_=of_house)
        query = (
            select(dispatch, campaign.c.name.label("campaign"), address.c.normal_key, recipient.label("recipient"))
            .join_from(dispatch, campaign, campaign.c.id == dispatch.c.campaign_id)
            .join(address, address.c.id == dispatch.c.address_id)
            .where(is_owed(dispatch, now), campaign.c.status == CampaignStatus.running)
            .order_by(dispatch.c.due_at, dispatch.c.id)
        )
        by_address: dict[str, list[Any]] = {}
        by_name: dict[str, Any] = {}
        for row in self.session.execute(query).all():
            by_address.setdefault(row.normal_key, []).append(row)
            by_name |= dict.fromkeys(self._names_of(row), row)
        by_name |= self._load_stored()
        return by_address, by_name

    def _names_of(self, row: Any) -> list[str]:
        key = {"campaign": row.campaign, "occasion": row.occasion, "step": row.step, "recipient": row.recipient}
        refs = (
            make_ref(secret, **key, part=part, attempt=attempt)
            for secret in self.app.keyring.secrets.values()
            for part in Part
            for attempt in range(ATTEMPTS)
        )
        return [f"<{ref}@{self.app.settings.sender.domain}>" for ref in refs]

    def _load_stored(self) -> dict[str, Any]:
        """Messages that were made before the backup and had not left: they keep the name they have."""
        dispatch, message, served, campaign = (table_of(each) for each in (Dispatch, Message, MessageDispatch, Campaign))
        query = (
            select(dispatch, campaign.c.name.label("campaign"), message.c.message_id)
            .join_from(dispatch, served, served.c.dispatch_id == dispatch.c.id)
            .join(message, message.c.id == served.c.message_id)
            .join(campaign, campaign.c.id == dispatch.c.campaign_id)
            .where(message.c.state.in_((MessageState.retry, MessageState.uncertain, MessageState.dropped)))
        )
        return {row.message_id: row for row in self.session.execute(query).all()}

    def _match(self, mail: Logged, by_address: dict[str, list[Any]], by_name: dict[str, Any]) -> bool:
        if mail.message_id:
            if mail.message_id in self.names:
                self.found.mails += 1
                return True
            rows = [by_name[mail.message_id]] if mail.message_id in by_name else []
            if rows:
                self.names |= {name for name, row in by_name.items() if row.id == rows[0].id}
        else:
            rows = by_address.pop(mail.address, [])
            if not rows and mail.address in self.served and mail.at <= self.served[mail.address] + ROUND:
                self.found.mails += 1  # a second mail of the same letters, or the second of several letters
                return True
        for row in rows:
            self._count(row, mail)
        return bool(rows)

    def _count(self, row: Any, mail: Logged) -> None:
        """Store a letter as sent at that time, with its touch."""
        dispatch, touch, message, served = (table_of(each) for each in (Dispatch, Touch, Message, MessageDispatch))
        sent = {"status": DispatchStatus.sent, "reason": "", "detail": "", "sent_at": mail.at, "attempts": row.attempts + 1}
        self.session.execute(update(dispatch).where(dispatch.c.id == row.id).values(**sent))
        mine = select(served.c.message_id).where(served.c.dispatch_id == row.id)
        open_states = (MessageState.retry, MessageState.uncertain)
        left = update(message).where(message.c.id.in_(mine), message.c.state.in_(open_states))
        self.session.execute(left.values(state=MessageState.sent, sent_at=mail.at))
        key = key_of_row(row)
        zone = self.houses.zone(row.organisation_id, self.app.settings.zone)
        said = {"at": mail.at, "day": make_day(mail.at, zone), "items": f"{row.campaign}/{row.step}", "certain": True}
        said["ideas"] = ",".join(self.library.step_file(pack_key(key)).ideas)
        if not add_new(self.session, touch, **{name: getattr(row, name) for name in TOUCH_COLUMNS}, **said):
            same = [touch.c[name] == getattr(row, name) for name in TOUCH_COLUMNS[:5]]
            self.session.execute(update(touch).where(*same).values(certain=True))
        self.found.letters[row.campaign, row.step] += 1
        self.found.mails += 1
        self.served[mail.address] = mail.at


def _take_nearest(moments: list[datetime], at: datetime) -> bool:
    """Take away the moment that is nearest; False where none is near."""
    nearest = min(moments, key=lambda each: abs(each - at), default=None)
    if nearest is None or abs(nearest - at) > NEAR:
        return False
    moments.remove(nearest)
    return True


def take_log(session: Session, app: App, log: MailLog) -> Matched:
    """Count as sent what the log says left, in the caller's transaction; who enters and what is planned on the way stays."""
    found = Matched(unreadable=log.unreadable)
    if log.mails:
        found.first_at, found.last_at = log.mails[0].at, log.mails[-1].at
    release_held(session)
    houses = Houses(session, app.today(app.now()))
    with _brake_released(session, app, log):
        _Walk(session, app, found, open_library(app, session, houses), houses).take(log.mails)
    return found


@contextmanager
def _brake_released(session: Session, app: App, log: MailLog) -> Iterator[None]:
    """Those whose letters left had been let in: the brake on entering does not hold them back a second time, for this walk only."""
    permission, start = table_of(Permission), log.mails[0].at if log.mails else app.now()
    foreseen = {each.campaign: each.number.total for each in foresee_entries(session, app, start)}
    readers = len({each.address for each in log.mails})
    latest = int(session.execute(select(func.coalesce(func.max(permission.c.id), 0))).scalar_one())
    for campaign in running_campaigns(session):
        confirm_entry(session, PermissionKind.restore, campaign, foreseen.get(campaign.name, 0) + readers, "mail log", start)
    yield
    session.flush()
    session.execute(delete(permission).where(permission.c.id > latest, permission.c.what == PermissionKind.restore))
