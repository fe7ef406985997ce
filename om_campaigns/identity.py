"""Which database this is: a restored or copied one must not send by itself, because what it still owes may have been sent.

The database keeps a fingerprint of where it lies and a counter that grows with every claim; both are mirrored in a file beside
``config.toml``. A copy has another fingerprint, a database that was set back in its place a smaller counter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.errors import RefusedError
from om_campaigns.private_files import write_private
from om_campaigns.store import Instance, Mode

MIRROR_NAME = "installation.json"

RESTORED = "restored"
"""Stands for the fingerprint of a database that came out of a backup, until somebody confirms it."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What the file beside the config says."""

    fingerprint: str = ""
    send_counter: int = 0


def take_fingerprint(engine: Engine) -> str:
    """Where this database lies: cluster and database on PostgreSQL, the file's number on SQLite.

    The device is left out: its number changes with a restart where disks are mapped (LVM, containers).
    """
    if engine.dialect.name == "postgresql":
        query = (
            "SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()"
        )
        with engine.connect() as connection:
            return str(connection.execute(text(query)).scalar_one())
    return f"file {Path(engine.url.database or '').stat().st_ino}"


def read_mirror(workspace: Path) -> Mirror:
    """The mirrored values; empty ones where there is no such file, or nothing can be read from it."""
    try:
        data = json.loads((workspace / MIRROR_NAME).read_text(encoding="utf-8"))
        return Mirror(str(data["fingerprint"]), int(data["send_counter"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Mirror()


def write_mirror(workspace: Path, mirror: Mirror) -> None:
    """Replace the file as a whole: a reader sees the old one or the new one."""
    path = workspace / MIRROR_NAME
    draft = path.with_suffix(".part")
    write_private(draft, (json.dumps({"fingerprint": mirror.fingerprint, "send_counter": mirror.send_counter}) + "\n").encode())
    draft.replace(path)


def find_difference(engine: Engine, workspace: Path, row: Instance) -> str:
    """Why this database is not the one that sent last, '' if it is. One that never noted anything is taken as it is."""
    mirror, here = read_mirror(workspace), take_fingerprint(engine)
    if row.fingerprint == RESTORED:
        return "this database was restored from a backup"
    if row.fingerprint and row.fingerprint != here:
        return "this database is a copy, or was moved"
    if mirror.fingerprint not in ("", here):
        return f"{MIRROR_NAME} speaks of another database"
    if row.send_counter < mirror.send_counter:
        return f"this database was set back: it has counted {row.send_counter} claims, {MIRROR_NAME} {mirror.send_counter}"
    return ""


def find_refusal(app: App, session: Session) -> str:
    """Why this database as a whole sends nothing until somebody confirms or mends it, '' where it may. A halt is another matter."""
    row = session.get(Instance, 1)
    if row is None or row.mode is not Mode.live:
        return ""
    if app.settings.mode is not Mode.live:
        return "this database went live, but config.toml says rehearsal"
    return find_difference(app.engine, app.workspace, row)


def require_same(app: App, session: Session) -> None:
    """Live only: raises RefusedError for a database that is not the one that sent last; writes down one that never was asked."""
    row = store.instance(session)
    if why := find_difference(app.engine, app.workspace, row):
        raise RefusedError(
            f"{why}; what it owes may have been sent already, so it does not send",
            hint="make sure that no other copy sends, then 'restore --confirm-live'; --sent-since takes over what left since the backup",
        )
    if not row.fingerprint:
        settle_down(app, session)


def settle_down(app: App, session: Session) -> None:
    """From now on this is the database that sends."""
    row = store.instance(session)
    row.fingerprint = take_fingerprint(app.engine)
    row.send_counter = max(row.send_counter, read_mirror(app.workspace).send_counter) + 1
    session.add(row)
    write_mirror(app.workspace, Mirror(row.fingerprint, row.send_counter))


def note_claim(app: App, counter: int) -> None:
    """Mirror the counter of a claim that stands in the database, before any of its letters leaves; in rehearsal nothing does."""
    if app.mode is Mode.live:
        write_mirror(app.workspace, Mirror(take_fingerprint(app.engine), counter))
