"""Letting a restored database send again: what left since the backup is taken over, the whole plan is shown, and somebody says how many.

Everything is worked out in a transaction that is undone, shown, and done again as it was shown; nothing is taken over before the answer.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

from sqlalchemy import Engine, text
from sqlmodel import Session

from om_campaigns import engines, migrations, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import note_instance
from om_campaigns.campaign.permissions import record_permission
from om_campaigns.campaign.unseen import look_again
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.identity import Mirror, find_difference, read_mirror, settle_down, write_mirror
from om_campaigns.operate.answered_since import Answers, take_answers
from om_campaigns.operate.counterparts import find_counterparts
from om_campaigns.operate.logged_since import Matched, read_mail_log, take_log
from om_campaigns.operate.sent_since import Taken, find_since, settle_hands, take_letters
from om_campaigns.operate.stopped_since import Stops, take_stops
from om_campaigns.staff.entering import Entering, confirm_entries, foresee_entries, require_figure
from om_campaigns.store import Mode
from om_campaigns.tick import TickResult, look_in

SQLITE_HEAD = b"SQLite format 3\0"
ZIP_HEAD, GZIP_HEAD = b"PK\x03\x04", b"\x1f\x8b"
"""What files of these kinds begin with."""


@dataclass
class Confirmation:
    """What confirming does. ``before`` and ``after`` are the plans without and with what was taken over from ``source``.

    ``entering``: who would newly enter which campaign with the next tick, before somebody said how many may.
    """

    why: str
    after: TickResult
    entering: Sequence[Entering] = ()
    before: TickResult | None = None
    source: str = ""
    taken: Taken | None = None
    stops: Stops | None = None
    answers: Answers | None = None
    matched: Matched | None = None
    is_halted: bool = False


def look_at_restored(app: App, now: datetime, actor: str, source: str = "", *, enters: int | None = None) -> Confirmation:
    """What would happen; nothing is changed. Raises what ``confirm_restored`` raises."""
    with store.undone(app.engine) as session:
        why = _find_why(session, app)
        before = look_in(session, app, now, now) if source else None
    with store.undone(app.engine) as session:
        found = _take_over(session, app, now, actor, source, why, enters)
        found.before, found.after = before, look_in(session, app, now, now)
    return found


def confirm_restored(app: App, now: datetime, actor: str, expect: str, source: str = "", *, enters: int | None = None) -> Confirmation:
    """Take over what ``source`` says left since the backup, and let this database send again: the plan with the checksum ``expect``.

    ``enters`` is how many would newly enter in all, and lets exactly those in; without it, those who are too many for a day are held.
    Raises RefusedError in rehearsal, where nothing has to be confirmed, and where the plan has become another one; FigureNeededError
    where others would enter than was said; InputError for a source that is neither a later state of this database nor a log.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        why = _find_why(session, app)
        found = _take_over(session, app, now, actor, source, why, enters)
        looking = session.begin_nested()
        found.after = look_in(session, app, now, now)
        looking.rollback()
        session.expire_all()
        if found.after.checksum != expect:
            raise RefusedError(
                f"the plan has changed: its checksum is {found.after.checksum}, not {expect}; nothing was confirmed",
                hint="look at it again, then confirm it",
            )
        row = store.instance(session)
        found.is_halted = row.halted_at is not None
        write_mirror(app.workspace, Mirror("", max(row.send_counter, read_mirror(app.workspace).send_counter)))
        settle_down(app, session)
        record_permission(session, PermissionKind.restore, who=actor, at=now, hash=expect, figure=found.after.letters)
        note_instance(session, "confirmed", why, "sends again", now, actor)
    return found


def _find_why(session: Session, app: App) -> str:
    row = store.instance(session)
    if row.mode is not Mode.live:
        raise RefusedError("this database is in rehearsal: there is nothing to confirm")
    why = find_difference(app.engine, app.workspace, row)
    if not why:
        raise RefusedError("this is the database that sent last: there is nothing to confirm")
    return why


def _take_over(session: Session, app: App, now: datetime, actor: str, source: str, why: str, enters: int | None) -> Confirmation:
    """What was said and sent since, and the permission for those who enter."""
    found = _take_source(session, app, now, actor, source, why) if source else Confirmation(why, TickResult())
    look_again(session)
    found.entering = foresee_entries(session, app, now)
    if enters is not None:
        require_figure(found.entering, enters)
        confirm_entries(session, PermissionKind.restore, found.entering, actor, now)
        session.flush()
    return found


def _take_source(session: Session, app: App, now: datetime, actor: str, source: str, why: str) -> Confirmation:
    found = Confirmation(why, TickResult(), source=source)
    with _open_source(app, source) as engine:
        if engine is None:
            with _open_log(Path(source)) as lines:
                found.matched = take_log(session, app, read_mail_log(lines, app.settings.zone_info, now))
            return found
        with store.undone(engine) as there:
            settle_hands(there, now)
            same, since = find_counterparts(there, session, source), find_since(session)
            found.stops = take_stops(there, session, same, now, actor)
            found.taken = take_letters(there, session, same, since, now)
            found.answers = take_answers(there, session, same, since)
    session.flush()
    return found


def _open_log(path: Path) -> TextIO:
    """A log as text, packed or not. Raises InputError for a backup, which is neither a log nor a database."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == ZIP_HEAD:
        raise InputError(f"{path} is a backup", hint="restore it into a folder of its own, then name the database there")
    if head[:2] == GZIP_HEAD:
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8", errors="replace"))
    return path.open(encoding="utf-8", errors="replace")


@contextmanager
def _open_source(app: App, source: str) -> Iterator[Engine | None]:
    """The other database: a file of SQLite, an address, or a schema of this server; None for a log. Raises InputError."""
    engine: Engine | None = None
    if source.startswith(("postgresql:", "postgresql+psycopg:", "sqlite:")):
        engine = engines.open_engine(source, root=app.workspace)
    elif Path(source).is_file():
        with Path(source).open("rb") as file:
            if file.read(len(SQLITE_HEAD)) == SQLITE_HEAD:
                engine = engines.open_engine(f"sqlite:///{Path(source).resolve()}")
    elif app.engine.dialect.name == "postgresql" and _has_schema(app.engine, source):
        url = app.engine.url.update_query_dict({"options": f"-csearch_path={source}"})
        engine = engines.open_engine(url.render_as_string(hide_password=False))
    else:
        raise InputError(f"{source}: there is no such file or database", hint="name the database moved aside, or a mail server's log")
    try:
        if engine is not None and migrations.current(engine) != migrations.head():
            raise InputError(f"{source} is of another version of this program", hint="'db upgrade' it first, in a workspace of its own")
        yield engine
    finally:
        if engine is not None:
            engine.dispose()


def _has_schema(engine: Engine, name: str) -> bool:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT 1 FROM information_schema.schemata WHERE schema_name = :name"), {"name": name})
        return found.first() is not None
