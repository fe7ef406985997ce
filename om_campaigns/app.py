"""One opened workspace as a plain bundle: settings, database, clock, keys, folders, and how to reach a mail server.

``wiring`` fills it. Whoever takes an ``App`` opens transactions of its own; whoever takes a session never commits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from om_campaigns import store
from om_campaigns.clock import Clock, ClockWatch, local_date
from om_campaigns.errors import InstallationError, RefusedError
from om_campaigns.keyring import Keyring
from om_campaigns.settings import Settings
from om_campaigns.store import Mode
from om_campaigns.transport import Transport

EXAMPLE_NAME = "config.example.toml"


@dataclass(frozen=True)
class App:
    """``is_clock_given`` is true when ``--now`` replaced the machine's clock.

    ``open_transport`` gives what takes letters over in a mode: the configured mail server, or what stands for it in rehearsal.
    It raises InstallationError when a mail server is needed and none is configured.
    """

    workspace: Path
    settings: Settings
    engine: Engine
    clock: Clock
    keyring: Keyring
    is_clock_given: bool
    open_transport: Callable[[Mode], Transport]
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
        """Where campaign mail goes in the mode this workspace is in."""
        return self.open_transport(self.mode)


def require_real_clock(app: App) -> None:
    """Raises RefusedError when a command that writes was given ``--now`` in live mode: facts get the real time."""
    if app.is_clock_given and app.mode is Mode.live:
        raise RefusedError("--now is for rehearsal: in live mode what happens is dated with the real time", hint="leave --now away")


def starter_folder() -> Path:
    """The starter workspace: inside the wheel, else the checkout this program runs from. Raises InstallationError."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_starter", package.parent):
        if (folder / EXAMPLE_NAME).is_file() and (folder / "templates").is_dir() and (folder / "audiences").is_dir():
            return folder
    raise InstallationError("the starter workspace is missing from this installation", hint="install om-campaigns again")
