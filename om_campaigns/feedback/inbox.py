"""Mail that comes in: each known by its hash, then its effect, in one transaction; never an answer to anybody (UNS-11, MSG-19).

A signed address decides whom a mail is about, not who it says to be from. What is no unsubscribing is kept for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.models import MailingList
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import SuppressionScope
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.links import read_leave_addresses
from om_campaigns.errors import InputError, InstallationError, RefusedError
from om_campaigns.feedback import mailbox
from om_campaigns.feedback.inbound import InboundMail
from om_campaigns.feedback.mails import Mail, MailKind, read_mail
from om_campaigns.identity import find_refusal
from om_campaigns.reader.leaving import Channel, Leaver, record_leaving
from om_campaigns.reader.tokens import Visitor, find_visitor_of
from om_campaigns.store import Mode


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one mail. ``is_new`` is false where it was taken before; ``left``: how many addresses it stopped mail to."""

    name: str
    kind: MailKind
    is_new: bool
    left: int = 0
    kept: str = ""
    """Where people find it; '' where nobody has to read it."""


def collect(app: App, now: datetime) -> list[Taken]:
    """Take what lies in the Maildir, also while sending is halted. One that is missing is told and stops nothing.

    A mail is removed from it only after its effect is recorded, so a kill in between changes nothing.
    """
    path = app.settings.inbox.maildir
    if path is None or (app.is_clock_given and app.mode is Mode.live):
        return []
    try:
        _require_ours(app)
        maildir = mailbox.open_maildir(app.workspace / path)
    except (InstallationError, RefusedError, OSError) as error:
        events.inbox_missing(str(error))
        return []
    taken = []
    for key, content in mailbox.read_waiting(maildir):
        try:
            taken.append(take(app, key, content, now))
        except InstallationError:
            raise  # the database: the mail stays where it is
        except Exception:
            events.mail_failed(mailbox.keep(app.inbox, digest(key), content).name)
        maildir.discard(key)
    return taken


def read_files(names: Iterable[str], standard_input: Callable[[], BinaryIO]) -> Iterator[tuple[str, bytes]]:
    """Mails by their files, ``-`` from standard input. Raises InputError for one that cannot be read."""
    for name in names:
        try:
            content = _read_whole(standard_input()) if name == "-" else _read_start(Path(name))
        except OSError as error:
            raise InputError(f"{name}: {error.strerror}") from None
        yield name, content


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(mailbox.KEPT)


def _read_whole(stream: BinaryIO) -> bytes:
    """As much as is ever looked at; the rest is read too, because a mail server takes a pipe that closes early for a fault."""
    content = stream.read(mailbox.KEPT)
    while stream.read(mailbox.KEPT):
        pass
    return content


def take_all(app: App, mails: Iterable[tuple[str, bytes]], now: datetime) -> list[Taken]:
    """Take these mails. Raises RefusedError in live mode for a given clock, because leaving is dated with the real time, and for
    a copy of the database that sends.
    """
    require_real_clock(app)
    _require_ours(app)
    return [take(app, name, content, now) for name, content in mails]


def _require_ours(app: App) -> None:
    """Raises RefusedError for a copy of a live database: what it took would be missing where letters leave."""
    with store.read(app.engine) as session:
        why = find_refusal(app, session)
    if why:
        raise RefusedError(f"{why}: it takes no mail", hint="mail belongs to the database that sends; see 'om-campaigns doctor'")


def take(app: App, name: str, content: bytes, now: datetime) -> Taken:
    """One mail and its effect; the same mail again has none."""
    mail = read_mail(content)
    with store.write(app.engine) as session:
        leavers = [] if mail.automatic else _find_leavers(app, session, mail)
        kind = MailKind.automatic if mail.automatic else MailKind.unsubscribe if leavers else MailKind.unclear
        kept = "" if leavers else str(mailbox.keep(app.inbox, mail.digest, content))
        if not store.add_new(session, table_of(InboundMail), digest=mail.digest, kind=kind, at=now):
            return Taken(name, kind, is_new=False, kept=kept)
        stopped = [each.address_id for each in leavers if each is not None and _leave(app, session, each, now)]
        if kind is MailKind.unclear:
            open_task(session, TaskKind.mail_unclear, digest("mail", app.today(now).isoformat()), now)
    events.mail_taken(kind.value, mail.digest[:20])
    for address_id in stopped:
        events.address_suppressed(address_id, Channel.mail.value)
    return Taken(name, kind, is_new=True, left=len(stopped), kept=kept)


def _find_leavers(app: App, session: Session, mail: Mail) -> list[Visitor | None]:
    """Whom the genuine addresses in a mail name; None for somebody who was erased since."""
    slugs = session.execute(select(table_of(MailingList).c.slug)).scalars()
    return [find_visitor_of(session, *each) for each in read_leave_addresses(app.keyring, mail.words, slugs)]


def _leave(app: App, session: Session, visitor: Visitor, now: datetime) -> bool:
    leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
    return record_leaving(session, leaver, SuppressionScope.mailing_list, Channel.mail, now, app.today(now))
