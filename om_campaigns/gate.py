"""The gate before every sending: what is unsafe is refused here, and what dead workers left behind is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import select, text
from sqlmodel import Session, col

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.tasks import Task, TaskKind, close_task, open_task
from om_campaigns.delivery.workers import recover
from om_campaigns.errors import RefusedError
from om_campaigns.identity import require_same
from om_campaigns.letters.pages import find_fault
from om_campaigns.settings import find_imprint_gap
from om_campaigns.store import Instance, Mode

SLACK = timedelta(minutes=5)
"""How far clocks differ that are in order: they are set a little now and then."""


def pass_gate(app: App, now: datetime, *, hands_over: Callable[[], bool] | None = None) -> datetime | None:
    """What comes before every sending: refuse what is unsafe, note the instant, settle what dead workers left behind.

    Returns the instant to act at; None where ``now`` lies before the latest one played (rehearsal), and where the clock is doubted and
    ``hands_over`` (whether something would leave) was not given. Raises RefusedError while sending is halted, and in live mode where no
    page answers, the imprint is missing, the database is a copy or the clock may be wrong.
    """
    if app.mode is Mode.live and (fault := find_fault(app.settings.web.base_url, app.keyring)):
        raise RefusedError(f"live mail must be possible to leave: {fault.text}", hint=fault.hint)
    if app.mode is Mode.live and (gap := find_imprint_gap(app.settings.sender)):
        raise RefusedError(gap, hint="set [sender] imprint and imprint_url in config.toml (LAW-15); nothing was sent")
    if app.mode is Mode.live and (doubt := _doubt_clock(app, now)):
        if hands_over is None:
            return None
        if doubt.is_certain or hands_over():
            _ask_about_clock(app, doubt.text, now)
    with store.write(app.engine) as session:
        moment = note_instant(session, app, now)
        if moment is None:
            return None
        if app.mode is Mode.live:
            require_same(app, session)
    app.watch.note(moment)
    recover(app.engine, lock_folder=app.locks, now=moment)
    return moment


def note_instant(session: Session, app: App, now: datetime) -> datetime | None:
    """Keep the highest instant acted at and return the one to act at; None where ``now`` lies before it (rehearsal).

    In live mode the highest one counts where the clock is at most ``SLACK`` behind it. Raises RefusedError where it is more: a clock
    that went backwards must be seen, not worked around.
    """
    row = store.instance(session)
    if row.halted_at is not None:
        raise RefusedError(f"sending is halted ({row.halt_reason or 'no reason given'})", hint="'om-campaigns unhalt' lets it go on")
    if row.mode is Mode.live and app.settings.mode is Mode.rehearsal:
        raise RefusedError(
            "this database went live, but config.toml says rehearsal: what is owed to real people would end in the outbox",
            hint="set mode = \"live\", or 'halt' to stop sending",
        )
    is_live = app.mode is Mode.live
    highest = row.live_now if is_live else row.rehearsal_now
    if highest is not None and now < highest:
        if is_live and highest - now <= SLACK:
            return highest
        if is_live:
            raise RefusedError(
                f"the clock says {_said(now)}, but mail was sent at {_said(highest)}",
                hint="set the machine's clock right; if it is right now and was wrong then, accept it. Nothing was sent",
                command="unhalt --clock",
            )
        return None
    if is_live:
        row.live_now = now
        forget_doubt(session, now, "engine")
    else:
        row.rehearsal_now = now
    session.add(row)
    return now


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the clock may be wrong; ``is_certain``: somebody is to be asked whether or not something would leave."""

    text: str
    is_certain: bool


def _doubt_clock(app: App, now: datetime) -> Doubt | None:
    """Why the clock may be ahead, None where nothing speaks for it. Raises RefusedError where the database's clock says otherwise."""
    if not app.is_clock_given and app.engine.dialect.name == "postgresql":
        _compare_with_database(app, now)
    with store.read(app.engine) as session:
        row = session.get(Instance, 1)
        if row is None or row.halted_at is not None or row.live_now is None:
            return None
        last, asked_at, asked = row.live_now, row.clock_doubted_at, row.clock_doubt
    if asked_at is not None and now >= asked_at - SLACK:
        return Doubt(asked, is_certain=True)
    if app.watch.seen == last and (jump := app.watch.jump(now)) > SLACK:
        ahead = f"{jump.total_seconds() / 3600:.1f} hours"
        return Doubt(f"the clock says {_said(now)}: it went {ahead} further than time has passed since {_said(last)}", is_certain=True)
    if now - last > timedelta(hours=app.settings.run.ask_after_hours):
        return Doubt(f"the clock says {_said(now)}; what was done last was done at {_said(last)}", is_certain=False)
    return None


def _compare_with_database(app: App, now: datetime) -> None:
    """Several machines share this database: its clock is the one they have in common."""
    with app.engine.connect() as connection:
        there: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    if abs(there - now) > SLACK:
        raise RefusedError(
            f"this machine's clock says {_said(now)}, the database's {_said(there.astimezone(now.tzinfo))}",
            hint="set both clocks right (NTP); nothing was sent",
        )


def _ask_about_clock(app: App, why: str, now: datetime) -> NoReturn:
    """Ask people once, and refuse until they have answered."""
    with store.write(app.engine) as session:
        row = store.instance(session)
        is_new = row.clock_doubted_at is None
        if is_new:
            row.clock_doubted_at, row.clock_doubt = now, why
            session.add(row)
            open_task(session, TaskKind.clock_doubted, f"clock_doubted {now.isoformat()}", now, why=why)
    if is_new:
        events.clock_doubted(why)
    raise RefusedError(
        f"{why}; nothing was sent", hint="if the clock is wrong, set it right; if it is right, say so", command="unhalt --clock"
    )


def forget_doubt(session: Session, now: datetime, actor: str) -> None:
    """The clock is right: it was set, or somebody said so. What was asked is closed."""
    row = store.instance(session)
    if row.clock_doubted_at is None:
        return
    row.clock_doubted_at, row.clock_doubt = None, ""
    session.add(row)
    for task in (
        session.execute(select(Task).where(col(Task.kind) == TaskKind.clock_doubted, col(Task.closed_at).is_(None))).scalars().all()
    ):
        close_task(session, task.id, now, actor)


def _said(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
