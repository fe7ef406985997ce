"""Mail that comes in: each known by its hash, then its effect, in one transaction; never an answer to anybody (UNS-11, MSG-19).

A signed address decides whom a mail is about, not who it says to be from. What is no unsubscribing is kept for people.
"""

from __future__ import annotations

import mailbox
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlmodel import Field, Session, SQLModel

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.models import MailingList
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import SuppressionScope
from om_campaigns.columns import Instant, by_value, digest, one_of, table_of
from om_campaigns.columns import key as unique_key
from om_campaigns.compose.links import read_leave_addresses
from om_campaigns.errors import InputError, InstallationError, RefusedError
from om_campaigns.feedback.mails import Mail, MailKind, read_mail
from om_campaigns.identity import find_refusal
from om_campaigns.private_files import make_private_folder, write_private
from om_campaigns.reader.leaving import Channel, Leaver, record_leaving
from om_campaigns.reader.tokens import Visitor, find_visitor_of
from om_campaigns.store import Mode


class InboundMail(SQLModel, table=True):
    """A mail that came in, known by the hash of its head: the same one twice has its effect once (BNC-03). Keeps nothing of it."""

    __tablename__ = "inbound_mail"
    __table_args__ = (one_of("kind", MailKind),)

    id: int = Field(default=None, primary_key=True)
    digest: str = unique_key(unique=True)
    kind: MailKind = Field(sa_type=by_value(MailKind), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)


AT_ONCE = 500
"""Mails taken in one go; what is more waits for the next."""

KEPT = 1024 * 1024
"""Octets of a mail that are read at all, and kept for people; its head ends well before."""


def open_maildir(path: Path) -> mailbox.Maildir:
    """Raises InstallationError where there is none."""
    if not (path / "new").is_dir():
        raise InstallationError(f"{path} is no Maildir", hint="set [inbox] source to the folder the mail server delivers into")
    return mailbox.Maildir(path, factory=None, create=False)


def read_waiting(maildir: mailbox.Maildir) -> Iterator[tuple[str, bytes]]:
    """The key and as much of each waiting mail as is ever looked at, the oldest names first. They stay until ``discard``."""
    for key in sorted(maildir.keys())[:AT_ONCE]:
        try:
            with maildir.get_file(key) as file:
                content = file.read(KEPT)
        except KeyError:
            continue  # another reader took it
        yield key, content


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Put a mail that people may want to read into a folder that only we may open."""
    make_private_folder(folder)
    path = folder / f"{name[:20]}.eml"
    write_private(path, content[:KEPT])
    return path


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
        maildir = open_maildir(app.workspace / path)
    except (InstallationError, RefusedError, OSError) as error:
        events.inbox_missing(str(error))
        return []
    taken = []
    for key, content in read_waiting(maildir):
        try:
            taken.append(take(app, key, content, now))
        except InstallationError:
            raise  # the database: the mail stays where it is
        except Exception:
            events.mail_failed(keep(app.inbox, digest(key), content).name)
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
        return file.read(KEPT)


def _read_whole(stream: BinaryIO) -> bytes:
    """As much as is ever looked at; the rest is read too, because a mail server takes a pipe that closes early for a fault."""
    content = stream.read(KEPT)
    while stream.read(KEPT):
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
        kept = "" if leavers else str(keep(app.inbox, mail.digest, content))
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
