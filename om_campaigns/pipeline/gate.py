"""The gate before every sending: what is unsafe is refused here, and what dead workers left behind is settled."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.delivery.sender import recover
from om_campaigns.errors import RefusedError
from om_campaigns.pipeline.identity import require_same
from om_campaigns.pipeline.pages import find_fault
from om_campaigns.settings import find_imprint_gap
from om_campaigns.store import Mode


def pass_gate(app: App, now: datetime) -> bool:
    """What comes before every sending: refuse what is unsafe, note the instant, settle what dead workers left behind.

    False where ``now`` lies before the latest instant played (rehearsal). Raises RefusedError while sending is halted, and in live mode
    where no page answers, the imprint is missing, the database is a copy or the clock went backwards.
    """
    if app.mode is Mode.live and (fault := find_fault(app.settings.web.base_url, app.keyring)):
        raise RefusedError(f"live mail must be possible to leave: {fault.text}", hint=fault.hint)
    if app.mode is Mode.live and (gap := find_imprint_gap(app.settings.sender)):
        raise RefusedError(gap, hint="set [sender] imprint and imprint_url in config.toml (LAW-15); nothing was sent")
    with store.write(app.engine) as session:
        if not note_instant(session, app, now):
            return False
        if app.mode is Mode.live:
            require_same(app, session)
    recover(app.engine, lock_folder=app.locks, now=now)
    return True


def note_instant(session: Session, app: App, now: datetime) -> bool:
    """Keep the highest instant acted at; False where ``now`` lies before it (rehearsal).

    Raises RefusedError in live mode: a clock that went backwards must be seen, not worked around.
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
        if is_live:
            raise RefusedError(
                f"the clock says {now.isoformat(timespec='seconds')}, but mail was sent at {highest.isoformat(timespec='seconds')}",
                hint="set the machine's clock right; nothing was sent",
            )
        return False
    if is_live:
        row.live_now = now
    else:
        row.rehearsal_now = now
    session.add(row)
    return True
