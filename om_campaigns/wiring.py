"""A workspace folder becomes an ``App``: the only file that knows which class talks to a mail server, and every module with tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from om_campaigns import engines, migrations
from om_campaigns.app import App
from om_campaigns.audience import access as _entrance  # noqa: F401
from om_campaigns.audience import contact_lines as _contact_lines  # noqa: F401  every table must be known before a session opens
from om_campaigns.audience import models as _audience_models  # noqa: F401
from om_campaigns.audience import opt_ins as _opt_ins  # noqa: F401
from om_campaigns.audience import responses as _responses  # noqa: F401
from om_campaigns.audience import tasks as _tasks  # noqa: F401
from om_campaigns.campaign import models as _campaign_models  # noqa: F401
from om_campaigns.clock import Clock, fixed_clock, system_clock
from om_campaigns.compose import models as _compose_models  # noqa: F401
from om_campaigns.delivery import models as _delivery_models  # noqa: F401
from om_campaigns.delivery.rehearsal_transports import OutboxTransport, RedirectedTransport
from om_campaigns.errors import InstallationError
from om_campaigns.feedback import inbox as _inbound  # noqa: F401
from om_campaigns.keyring import KEYS_NAME, load_keyring
from om_campaigns.settings import Settings, SmtpSettings, load_settings
from om_campaigns.store import Mode
from om_campaigns.transport import Transport


def open_app(
    workspace: Path,
    *,
    now: datetime | None = None,
    clock: Clock | None = None,
    rehearsal_transport: Callable[[], Transport] | None = None,
    check_schema: bool = True,
) -> App:
    """Open a workspace; ``rehearsal_transport`` makes what takes letters over in rehearsal instead of the outbox.

    Raises InputError where there is none, ProblemsError for wrong settings, InstallationError for a database that is
    missing or of another version.
    """
    settings = load_settings(workspace)
    engine = engines.open_engine(settings.database.url.get_secret_value(), root=workspace)
    if check_schema:
        migrations.require_current(engine)
    app = App(
        workspace=workspace,
        settings=settings,
        engine=engine,
        clock=clock or (fixed_clock(now) if now else system_clock),
        keyring=load_keyring(workspace / KEYS_NAME),
        is_clock_given=now is not None or clock is not None,
        open_transport=lambda mode: rehearse() if mode is Mode.rehearsal else _open_smtp(settings),
    )
    rehearse = rehearsal_transport or (lambda: _open_rehearsal(app))
    return app


def _open_rehearsal(app: App) -> Transport:
    """The outbox, or the mail server with every letter addressed to ``rehearsal_to``."""
    if app.settings.rehearsal_to:
        return RedirectedTransport(_open_smtp(app.settings), app.settings.rehearsal_to[0])
    return OutboxTransport(app.outbox)


def _open_smtp(settings: Settings) -> Transport:
    if not settings.smtp.host:
        raise InstallationError("no mail server is configured", hint="set [smtp] host in config.toml, then try 'om-campaigns doctor'")
    return make_smtp_transport(settings.smtp)


def make_smtp_transport(settings: SmtpSettings) -> Transport:
    """A transport to one mail server."""
    from om_campaigns.delivery.smtp import SmtpTransport  # half of a command's start that only sending needs

    return SmtpTransport(settings)


def break_off() -> None:
    """End every dialogue of this process with a mail server; a letter whose last dot has left is uncertain then."""
    from om_campaigns.delivery import pipelining

    pipelining.break_off()
