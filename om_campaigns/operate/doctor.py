"""The installation, looked at from all sides: what is well, what is not, and what to do. Sends and changes nothing."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError

from om_campaigns import engines, migrations, store
from om_campaigns.clock import Clock
from om_campaigns.columns import table_of
from om_campaigns.errors import OmError
from om_campaigns.feedback.inbox import open_maildir
from om_campaigns.identity import find_difference
from om_campaigns.keyring import KEYS_NAME, load_keyring
from om_campaigns.letters.pages import find_example, find_fault
from om_campaigns.private_files import find_open_to_others
from om_campaigns.settings import CONFIG_NAME, Settings, find_imprint_gap, load_settings
from om_campaigns.store import Instance, Mode
from om_campaigns.transport import NoConnectionError, Trouble
from om_campaigns.wiring import open_app

LOW_DISK, FULL_DISK = 1_000_000_000, 100_000_000
CLOCK_SECONDS = 5


class Level(StrEnum):
    ok = "ok"
    warn = "warn"
    fail = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``hint`` says what to do where it is not well."""

    level: Level
    topic: str
    text: str
    hint: str = ""


SPOKEN = {
    "sender": ("domain", "list_domain", "reply_to", "imprint", "imprint_url", "privacy_url"),
    "privacy": ("contact", "notes", "notes_en"),
}
"""Settings that stand before readers, by section; of ``[web] base_url`` the pages are asked."""

TROUBLES = {
    Trouble.unreachable: "check [smtp] host and port, and the firewall",
    Trouble.tls_failed: "check [smtp] tls (port 587: starttls, 465: tls) and the server's certificate",
    Trouble.auth_failed: "check [smtp] username and password_file",
    Trouble.turned_away: "ask whoever runs the mail server whether this machine may submit mail",
}


def examine(workspace: Path, clock: Clock) -> list[Finding]:
    """Everything ``doctor`` looks at, in order; what depends on something broken is left out."""
    found = [_python()]
    try:
        settings = load_settings(workspace)
    except OmError as error:
        return [*found, Finding(Level.fail, "config", str(error), error.hint)]
    found.append(Finding(Level.ok, "config", f"{workspace / 'config.toml'} is read, mode {settings.mode.value}"))
    found.append(_keys(workspace))
    found.append(_rights(workspace, settings))
    found += _database(workspace, settings)
    found.append(_disk(workspace))
    found.append(_clock(workspace, clock))
    found.append(_mail_server(workspace, settings))
    found += _pages(workspace, settings)
    found += _words(settings)
    found += _inbox(workspace, settings)
    return found


def _python() -> Finding:
    return Finding(Level.ok, "python", f"{sys.version.split()[0]} on {sys.platform}")


def _keys(workspace: Path) -> Finding:
    try:
        load_keyring(workspace / KEYS_NAME)
    except OmError as error:
        return Finding(Level.fail, "keys", str(error), error.hint)
    return Finding(Level.ok, "keys", f"{KEYS_NAME} is there and private; is there a copy in a safe place?")


def _rights(workspace: Path, settings: Settings) -> Finding:
    """Whether other users of this machine may read addresses, letters or passwords."""
    paths = [workspace / name for name in (CONFIG_NAME, "outbox", "inbox", "locks")]
    paths += [each for pattern in ("before-*", "*.backup.db", "*.zip") for each in workspace.glob(pattern)]
    url = make_url(settings.database.url.get_secret_value())
    if url.get_backend_name() == "sqlite" and url.database:
        database = workspace / url.database
        paths += [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
    if settings.smtp.password_file is not None:
        paths.append(settings.smtp.password_file)
    if opened := find_open_to_others(paths):
        names = " ".join(shlex.quote(str(each)) for each in opened)
        return Finding(Level.warn, "rights", f"other users of this machine may read {names}", f"chmod go-rwx {names}")
    return Finding(Level.ok, "rights", "only their owner reads config, database, letters and backups")


def _database(workspace: Path, settings: Settings) -> list[Finding]:
    try:
        engine = engines.open_engine(settings.database.url.get_secret_value(), root=workspace)
    except OmError as error:
        return [Finding(Level.fail, "database", str(error), error.hint)]
    kind = engine.dialect.name
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SELECT sqlite_version()" if kind == "sqlite" else "SHOW server_version")).scalar_one()
        found = [Finding(Level.ok, "database", f"{kind} {version} answers")]
        try:
            migrations.require_current(engine)
            found.append(Finding(Level.ok, "migrations", f"revision {migrations.head()}"))
            found += _halted(engine) + _copied(engine, workspace)
        except OmError as error:
            found.append(Finding(Level.fail, "migrations", str(error), error.hint))
        return found
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        return [Finding(Level.fail, "database", f"{kind} does not answer: {reason}", "check [database] url, and whether the server runs")]
    finally:
        engine.dispose()


def _halted(engine: Engine) -> list[Finding]:
    with store.read(engine) as session:
        row = session.execute(select(table_of(Instance))).one_or_none()
    if row is None or row.halted_at is None:
        return []
    told = f"sending is halted since {row.halted_at:%Y-%m-%d %H:%M} UTC by {row.halted_by}"
    return [Finding(Level.warn, "halt", told, "'om-campaigns unhalt' lets it go on")]


def _copied(engine: Engine, workspace: Path) -> list[Finding]:
    with store.read(engine) as session:
        row = session.get(Instance, 1)
        why = find_difference(engine, workspace, row) if row is not None and row.mode is Mode.live else ""
    return (
        [
            Finding(
                Level.fail,
                "copy",
                f"{why}: it does not send",
                "'om-campaigns restore --confirm-live', with --sent-since if letters left after the backup",
            )
        ]
        if why
        else []
    )


def _disk(workspace: Path) -> Finding:
    free = shutil.disk_usage(workspace).free
    told = f"{free / 1e9:.1f} GB free"
    if free < FULL_DISK:
        return Finding(Level.fail, "disk", told, "make room: the ledger must be able to grow while mail goes out")
    return Finding(Level.warn, "disk", told, "make room soon") if free < LOW_DISK else Finding(Level.ok, "disk", told)


def _clock(workspace: Path, clock: Clock) -> Finding:
    """The machine's clock against the file system's, which lies elsewhere on network drives."""
    try:
        with tempfile.NamedTemporaryFile(dir=workspace, prefix=".clock-") as file:
            written = datetime.fromtimestamp(Path(file.name).stat().st_mtime, UTC)
    except OSError as error:
        return Finding(Level.fail, "disk", f"{workspace} cannot be written to: {error.strerror}", "check the rights of the folder")
    now = clock()
    apart = abs((now - written).total_seconds())
    if apart > CLOCK_SECONDS:
        return Finding(Level.warn, "clock", f"it differs from the file system's by {apart:.0f} s", "set it by NTP; not on network drives")
    return Finding(Level.ok, "clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _mail_server(workspace: Path, settings: Settings) -> Finding:
    smtp = settings.smtp
    needed = Level.fail if settings.mode is Mode.live or settings.rehearsal_to else Level.warn
    if not smtp.host:
        return Finding(needed, "mail server", "none is configured; rehearsal mail goes to outbox/", "set [smtp] host before 'go-live'")
    try:
        open_app(workspace, check_schema=False).open_transport(Mode.live).connect().close()
    except NoConnectionError as error:
        return Finding(needed, "mail server", str(error), TROUBLES[error.trouble])
    except OmError as error:
        return Finding(needed, "mail server", str(error), error.hint)
    except OSError as error:
        return Finding(needed, "mail server", f"{smtp.password_file}: {error.strerror}", "check [smtp] password_file")
    how = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[smtp.tls.value]
    login = f", logged in as {smtp.username}" if smtp.username else ", without login"
    return Finding(Level.ok, "mail server", f"{smtp.host}:{smtp.port} answers ({how}{login}); nothing was sent")


def _pages(workspace: Path, settings: Settings) -> list[Finding]:
    try:
        keyring = load_keyring(workspace / KEYS_NAME)
    except OmError:
        return []  # told already; without keys nobody can tell whose pages answer
    fault = find_fault(settings.web.base_url, keyring)
    if fault is None:
        return [Finding(Level.ok, "pages", f"ours answer at {settings.web.base_url}")]
    return [Finding(Level.fail if settings.mode is Mode.live else Level.warn, "pages", fault.text, fault.hint)]


def _words(settings: Settings) -> list[Finding]:
    """What is said to readers about the sender."""
    sender = settings.sender
    needed = Level.fail if settings.mode is Mode.live else Level.warn
    found = [
        Finding(needed, section, f"[{section}] {name} names {example}, which can only be an example", f"set [{section}] {name} to your own")
        for section, names in SPOKEN.items()
        for name in names
        if (example := find_example(getattr(getattr(settings, section), name)))
    ]
    if gap := find_imprint_gap(sender):
        found.append(Finding(needed, "sender", gap, "set [sender] imprint and imprint_url (LAW-15)"))
    return found or [Finding(Level.ok, "sender", f"{sender.name} <{sender.local_part}@{sender.domain}>")]


def _inbox(workspace: Path, settings: Settings) -> list[Finding]:
    """Where letters say that one may leave by mail, that mail must come in."""
    inbox = settings.inbox
    if inbox.maildir is None:
        what = "the mail server calls 'om-campaigns inbox -'" if inbox.takes_mail else "no mail comes in; readers leave by the links"
        return [Finding(Level.ok, "inbox", what)]
    try:
        open_maildir(workspace / inbox.maildir)
        waiting = sum(1 for _ in (workspace / inbox.maildir / "new").iterdir())
    except (OmError, OSError) as error:
        return [Finding(Level.fail, "inbox", str(error), "set [inbox] source to the Maildir the mail server delivers into")]
    return [Finding(Level.ok, "inbox", f"{inbox.maildir} is read, {waiting} mails wait")]
