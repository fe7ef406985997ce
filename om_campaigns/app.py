"""The only wiring: a workspace folder becomes settings, an engine, a clock, keys and a transport.

Everything below receives what it needs from here; nothing below opens a file of settings, a clock or a connection itself.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from om_campaigns import chance, engines, migrations, store
from om_campaigns.audience import access as _access  # noqa: F401
from om_campaigns.audience import contact_lines as _contact_lines  # noqa: F401  every table must be known before a session opens
from om_campaigns.audience import models as _audience_models  # noqa: F401
from om_campaigns.audience import toolkits as _toolkits  # noqa: F401
from om_campaigns.audience.addresses import Keyring
from om_campaigns.campaign import models as _campaign_models  # noqa: F401
from om_campaigns.clock import Clock, ClockWatch, fixed_clock, local_date, system_clock
from om_campaigns.compose import models as _compose_models  # noqa: F401
from om_campaigns.delivery import models as _delivery_models  # noqa: F401
from om_campaigns.delivery.transport import OutboxTransport, RedirectedTransport, Transport
from om_campaigns.errors import InputError, InstallationError
from om_campaigns.feedback import models as _feedback_models  # noqa: F401
from om_campaigns.settings import Settings, SmtpSettings, load_settings
from om_campaigns.store import Mode

KEYS_NAME = "keys.toml"


@dataclass(frozen=True)
class App:
    """One opened workspace. ``is_clock_given`` is true when ``--now`` replaced the machine's clock."""

    workspace: Path
    settings: Settings
    engine: Engine
    clock: Clock
    keyring: Keyring
    is_clock_given: bool
    rehearsal_transport: Callable[[], Transport] | None = None
    watch: ClockWatch = field(default_factory=ClockWatch)

    @property
    def templates(self) -> Path:
        return self.workspace / "templates"

    @property
    def audiences(self) -> Path:
        return self.workspace / "audiences"

    @property
    def outbox(self) -> Path:
        return self.workspace / "outbox"

    @property
    def inbox(self) -> Path:
        """Mails that came in and that a person should read."""
        return self.workspace / "inbox"

    @property
    def locks(self) -> Path:
        """Where file locks of this database lie: beside it on SQLite, so that two workspaces with one database share them."""
        database = self.engine.url.database
        beside = Path(database).parent if self.engine.dialect.name == "sqlite" and database else self.workspace
        return beside / "locks"

    @cached_property
    def mode(self) -> Mode:
        """Live only when the configuration says so *and* ``go-live`` was done: two keys must turn."""
        with store.read(self.engine) as session:
            done = store.instance(session).mode
        return Mode.live if self.settings.mode is Mode.live and done is Mode.live else Mode.rehearsal

    def now(self) -> datetime:
        return self.clock()

    def today(self, now: datetime) -> date:
        """The instance's calendar day of an instant."""
        return local_date(now, self.settings.zone_info)

    def transport(self) -> Transport:
        """Where campaign mail goes: the mail server in live mode, otherwise the outbox (or ``rehearsal_to``)."""
        if self.mode is Mode.live:
            return self.smtp()
        if self.rehearsal_transport is not None:
            return self.rehearsal_transport()
        if self.settings.rehearsal_to:
            return RedirectedTransport(self.smtp(), self.settings.rehearsal_to[0])
        return OutboxTransport(self.outbox)

    def smtp(self) -> Transport:
        """The configured mail server. Raises InstallationError when there is none."""
        if not self.settings.smtp.host:
            raise InstallationError("no mail server is configured", hint="set [smtp] host in config.toml, then try 'om-campaigns doctor'")
        return make_smtp_transport(self.settings.smtp)


def break_off() -> None:
    """End every dialogue of this process with a mail server; a letter whose last dot has left is uncertain then."""
    from om_campaigns.delivery import pipelining

    pipelining.break_off()


def make_smtp_transport(settings: SmtpSettings) -> Transport:
    """A transport to one mail server; only this module knows which class that is."""
    from om_campaigns.delivery.smtp import SmtpTransport

    return SmtpTransport(settings)


def open_app(
    workspace: Path,
    *,
    now: datetime | None = None,
    clock: Clock | None = None,
    rehearsal_transport: Callable[[], Transport] | None = None,
    check_schema: bool = True,
) -> App:
    """Open a workspace.

    Raises InputError where there is none, ProblemsError for wrong settings, InstallationError for a database that is
    missing or of another version.
    """
    settings = load_settings(workspace)
    engine = engines.open_engine(settings.database.url.get_secret_value(), root=workspace)
    if check_schema:
        migrations.require_current(engine)
    return App(
        workspace=workspace,
        settings=settings,
        engine=engine,
        clock=clock or (fixed_clock(now) if now else system_clock),
        keyring=load_keyring(workspace / KEYS_NAME),
        is_clock_given=now is not None or clock is not None,
        rehearsal_transport=rehearsal_transport,
    )


def load_keyring(path: Path) -> Keyring:
    """The secrets of a workspace; raises InputError when they are missing, InstallationError when others may read them."""
    if not path.is_file():
        raise InputError(f"{path}: the keys of this workspace are missing", hint="restore them from a backup; 'init' makes new ones")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InstallationError(f"{path}: other users may read the keys", hint=f"chmod 600 {path}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found = {name: base64.b64decode(value, validate=True) for name, value in content["keys"].items()}
        return Keyring(content["current"], found)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a key file: {error}", hint="restore it from a backup") from None


def make_keys(path: Path) -> None:
    """Write a new key file that only its owner may read; an existing one is never touched."""
    if path.exists():
        return
    secret = base64.b64encode(chance.draw(32)).decode()
    text = (
        "# Secrets of this workspace. Keep a copy: without them old unsubscribe links and suppressions cannot be read.\n"
        "# To renew: add a key, name it in 'current', keep the old one.\n"
        f'current = "k1"\n\n[keys]\nk1 = "{secret}"\n'
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
