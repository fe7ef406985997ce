"""The one step from rehearsal to real mail: refuse while anything is made up, back up, empty what the rehearsal made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, delete, func, or_, select, true, update
from sqlmodel import Session, SQLModel

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.changes import SAMPLE_MARK, note_instance
from om_campaigns.audience.models import Address, Basis, Organisation, Person, Response, Touch
from om_campaigns.audience.responses import Acknowledgement, ActionReport, ActionReportPartner
from om_campaigns.audience.tasks import Task
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.entry_brake import load_undisputed, raise_largest
from om_campaigns.campaign.letting_in import note_held
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, Pack, PackOrganisation, Permission, Resumption
from om_campaigns.campaign.vocabulary import PermissionKind, Reason
from om_campaigns.columns import table_of
from om_campaigns.compose.models import CountedLink, EditionRow, LinkDay, PackRevision
from om_campaigns.delivery.models import Message, MessageDispatch, MessageSlots, Notice, Pace, Worker
from om_campaigns.errors import RefusedError
from om_campaigns.feedback.inbox import InboundMail
from om_campaigns.identity import settle_down
from om_campaigns.letters.pages import RESERVED
from om_campaigns.operate.backup import copy_database
from om_campaigns.operate.doctor import Finding, Level
from om_campaigns.operate.installation import take_leadership
from om_campaigns.staff.entering import Entering, confirm_entries, foresee_entries, require_figure
from om_campaigns.store import Instance, Mode

REHEARSED = (
    Task,
    InboundMail,
    Notice,
    Acknowledgement,
    ActionReportPartner,
    ActionReport,
    PackRevision,
    PackOrganisation,
    Pack,
    MessageSlots,
    MessageDispatch,
    Message,
    Dispatch,
    Enrolment,
    Resumption,
    LinkDay,
    CountedLink,
    EditionRow,
    Touch,
    Response,
    Pace,
    Worker,
)
"""What the rehearsal made, in the order in which it can be deleted. Audience, bases, suppressions and versions stay."""


class NotReadyError(RefusedError):
    """Everything that stands in the way of going live, at once."""


def require_ready(app: App, findings: Sequence[Finding], *, backup_done: bool) -> None:
    """Raises NotReadyError with every reason why this installation must not send real mail."""
    with store.read(app.engine) as session:
        row = session.get(Instance, 1)
        if row is not None and row.mode is Mode.live:
            raise RefusedError("this installation is live already")
        reasons = _made_up(session)
    if (app.audiences / SAMPLE_MARK).exists():
        reasons.append(f"audiences/{SAMPLE_MARK} marks the tables as samples: put in your own data, then delete that file")
    if app.settings.mode is not Mode.live:
        reasons.append('config.toml says mode = "rehearsal": set it to "live" first, two keys must turn')
    if app.is_clock_given:
        reasons.append("--now is for rehearsal: leave it away")
    reasons += [f"{each.topic}: {each.text}" for each in findings if each.level is Level.fail]
    if app.engine.dialect.name == "postgresql" and not backup_done:
        reasons.append("back up the PostgreSQL database (pg_dump), then add --backup-done")
    if reasons:
        raise NotReadyError("not yet:\n  - " + "\n  - ".join(reasons), hint="nothing was changed")


def _made_up(session: Session) -> list[str]:
    reasons, samples = [], []
    for model, name in ((Organisation, "organisations"), (Person, "people"), (Basis, "bases")):
        table = table_of(model)
        if number := session.execute(select(func.count()).select_from(table).where(table.c.origin == Origin.sample)).scalar_one():
            samples.append(f"{number} {name}")
    if samples:
        reasons.append(f"{', '.join(samples)} are samples of the starter: begin anew with 'om-campaigns init --blank' in another folder")
    address = table_of(Address)
    example = or_(*(or_(address.c.domain == each, address.c.domain.endswith(f".{each}")) for each in RESERVED))
    number = session.execute(select(func.count()).select_from(address).where(example, address.c.erased_at.is_(None))).scalar_one()
    if number:
        reasons.append(f"{number} addresses have a domain that can only be an example (RFC 2606)")
    return reasons


def go_live(app: App, now: datetime, actor: str, *, expect: int | None = None) -> Path | None:
    """Back up (SQLite), forget the rehearsal, switch to live; sending stays halted until ``unhalt``.

    ``expect`` is how many would enter the campaigns anew, and lets them in. Returns the backup beside the database. Raises
    RefusedError while a scheduler runs, FigureNeededError where too many would enter for a day and nobody said how many.
    ``require_ready`` comes first.
    """
    release = take_leadership(app)
    if release is None:
        raise RefusedError("a scheduler is running", hint="stop 'om-campaigns run' first")
    try:
        require_figure(foresee_going_live(app, now), expect)
        backup = back_up(app, now)
        with store.write(app.engine) as session:
            _forget_rehearsal(session, now)
            if expect is not None:
                confirm_entries(session, PermissionKind.go_live, foresee_entries(session, app, now), actor, now)
            row = store.instance(session)
            row.mode, row.rehearsal_now, row.leader = Mode.live, None, ""
            row.halted_at, row.halted_by, row.halt_reason = now, actor, "just gone live: look at the first plan"
            session.add(row)
            settle_down(app, session)
            note_instance(session, "mode", Mode.rehearsal.value, Mode.live.value, now, actor)
    finally:
        release()
    events.went_live(actor)
    return backup


def foresee_going_live(app: App, now: datetime) -> list[Entering]:
    """Who would enter which campaign once the rehearsal is forgotten. Changes nothing."""
    with store.undone(app.engine) as session:
        _forget_rehearsal(session, now)
        return foresee_entries(session, app, now)


def _forget_rehearsal(session: Session, now: datetime) -> None:
    """Empty what the rehearsal made; how many entered each campaign in its largest day stays known.

    What was confirmed at an instant that only the rehearsal has come to is no permission for the day when it really comes.
    """
    latest = max(now, store.instance(session).rehearsal_now or now)
    for campaign in session.execute(select(Campaign)).scalars().all():
        raise_largest(session, campaign, load_undisputed(session, campaign, latest))
        note_held(session, campaign, None, now)
    session.flush()
    permission = table_of(Permission)
    session.execute(delete(permission).where(permission.c.at > now))
    session.execute(update(permission).values(already=0))
    for model in REHEARSED:
        session.execute(delete(table_of(model)).where(_was_rehearsed(model)))


def _was_rehearsed(model: type[SQLModel]) -> ColumnElement[bool]:
    """Everything, but who was left out for good at publication (``backfill = false``) stays left out."""
    return table_of(Enrolment).c.reason != Reason.already_there if model is Enrolment else true()


def back_up(app: App, now: datetime) -> Path | None:
    """A consistent copy of an SQLite database beside it; None on PostgreSQL. Raises InstallationError."""
    if app.engine.dialect.name != "sqlite":
        return None
    source = Path(app.engine.url.database or "")
    target = source.with_name(f"{source.stem}-{now:%Y%m%dT%H%M%SZ}.backup.db")
    copy_database(app.engine, target)
    return target
