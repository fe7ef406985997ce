"""What whoever runs the installation does: make a workspace, halt and unhalt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, func, inspect, select, update
from sqlmodel import Session

from om_campaigns import engines, events, migrations, store
from om_campaigns.app import EXAMPLE_NAME, App, require_real_clock, starter_folder
from om_campaigns.audience.addresses import hash_folded
from om_campaigns.audience.changes import SAMPLE_MARK, note_instance
from om_campaigns.audience.models import Address, Suppression
from om_campaigns.columns import table_of
from om_campaigns.delivery.circuit_breakers import open_destination
from om_campaigns.delivery.pacing import destination_of
from om_campaigns.errors import RefusedError
from om_campaigns.keyring import KEYS_NAME, Keyring, load_keyring, make_keys
from om_campaigns.locks import is_locked, take_lock
from om_campaigns.private_files import write_private
from om_campaigns.settings import CONFIG_NAME, load_settings

LEADER = "leader"
"""Name of the lock that the one leading scheduler of a database holds."""

BLANK_PARTS = ("layouts", "blocks", "content", "brands/om.toml")
"""What even a blank workspace needs below ``templates/`` to compose a letter."""

FOLDERS = ("templates/campaigns", "templates/content", "templates/toolkits", "audiences/segments")

_MARK_TEXT = "The tables in this folder are made-up samples. Delete this file once your own data stands here; 'go-live' asks.\n"
_GITIGNORE = (
    "# Secrets, mail and data of people stay out of version control.\nkeys.toml\n*.db\n*.db-*\ninbox/\noutbox/\nlocks/\ninstallation.json\n"
)


def take_leadership(app: App) -> Callable[[], None] | None:
    """Become the one scheduler of this database; returns how to stop being it, None while another process is."""
    return take_lock(app.engine, app.locks, LEADER)


def is_led(app: App) -> bool:
    """Whether a scheduler that lives leads this database; the name it left there says nothing about that."""
    return is_locked(app.engine, app.locks, LEADER)


@dataclass
class Initialised:
    """What ``init`` did in a folder. ``written`` are paths below it; ``is_new`` is False where a workspace stood already."""

    folder: Path
    is_new: bool
    is_sample: bool
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def init_workspace(folder: Path, *, is_blank: bool = False) -> Initialised:
    """Make a workspace: the starter's files (``is_blank``: only what every letter needs), keys and an empty database.

    Nothing that exists is overwritten. Where a workspace stands already only what is missing of keys and database is made.
    Raises RefusedError when the keys are gone but the database holds hashes made with them.
    """
    is_new = not (folder / CONFIG_NAME).exists()
    done = Initialised(folder, is_new, is_sample=is_new and not is_blank)
    if is_new:
        folder.mkdir(parents=True, exist_ok=True)
        _copy_starter(starter_folder(), done, is_blank=is_blank)
    settings = load_settings(folder)
    engine = engines.open_engine(settings.database.url.get_secret_value(), root=folder)
    try:
        if not (folder / KEYS_NAME).exists():
            _refuse_lost_keys(engine)
            make_keys(folder / KEYS_NAME)
            done.written.append(KEYS_NAME)
        upgrade_database(engine, load_keyring(folder / KEYS_NAME))
    finally:
        engine.dispose()
    return done


def upgrade_database(engine: Engine, keyring: Keyring) -> bool:
    """Bring a database to the newest shape, with the row about this installation in it; False when it was there already."""
    changed = migrations.upgrade(engine)
    if changed:
        with store.write(engine) as session:
            store.instance(session)
            _fold_addresses(session, keyring)
    return changed


def _fold_addresses(session: Session, keyring: Keyring) -> None:
    """Addresses that came in before a mailbox was known by more than one spelling."""
    address = table_of(Address)
    unfolded = select(address.c.id, address.c.normal_key, address.c.key_id)
    for row in session.execute(unfolded.where(address.c.folded_hmac.is_(None), address.c.erased_at.is_(None))).all():
        if row.key_id in keyring.secrets and (folded := hash_folded(keyring, row.normal_key, row.key_id)):
            session.execute(update(address).where(address.c.id == row.id).values(folded_hmac=folded))


def _copy_starter(starter: Path, done: Initialised, *, is_blank: bool) -> None:
    _place(done, CONFIG_NAME, (starter / EXAMPLE_NAME).read_text(encoding="utf-8"))
    _place(done, ".gitignore", _GITIGNORE)
    for name in FOLDERS:
        (done.folder / name).mkdir(parents=True, exist_ok=True)
    for path in _starter_files(starter, is_blank=is_blank):
        name = path.relative_to(starter).as_posix()
        if is_blank and path.suffix == ".csv":
            _place(done, name, path.read_text(encoding="utf-8").split("\n", 1)[0] + "\n")
        else:
            _place_copy(done, name, path)
    if not is_blank:
        _place(done, f"audiences/{SAMPLE_MARK}", _MARK_TEXT)


def _starter_files(starter: Path, *, is_blank: bool) -> list[Path]:
    """Files of the starter; for a blank workspace the shared texts, and the tables for their headers."""
    templates = starter / "templates"
    roots = [templates / part for part in BLANK_PARTS] if is_blank else [templates]
    tables = (starter / "audiences").glob("*.csv") if is_blank else (starter / "audiences").rglob("*")
    found = [*tables]
    for root in roots:
        found += [root] if root.is_file() else root.rglob("*")
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _place(done: Initialised, name: str, text: str) -> None:
    path = done.folder / name
    if path.exists():
        done.kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == CONFIG_NAME:
        write_private(path, text.encode())
    else:
        path.write_text(text, encoding="utf-8", newline="\n")
    done.written.append(name)


def _place_copy(done: Initialised, name: str, source: Path) -> None:
    path = done.folder / name
    if path.exists():
        done.kept.append(name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    done.written.append(name)


def _refuse_lost_keys(engine: Engine) -> None:
    """New keys beside old hashes would let a suppressed address be written to again (LAW-09)."""
    if not inspect(engine).has_table("suppression"):
        return
    with store.read(engine) as session:
        hashes = session.execute(select(func.count()).select_from(table_of(Suppression))).scalar_one()
        hashes += session.execute(select(func.count()).select_from(table_of(Address))).scalar_one()
    if hashes:
        raise RefusedError(
            f"{KEYS_NAME} is gone, but the database holds {hashes} addresses and suppressions made with it",
            hint="restore it from a backup; with new keys suppressed people would get mail again",
        )


def halt(app: App, now: datetime, actor: str, reason: str) -> bool:
    """Stop all sending of this database at once, also of processes that are at it; False when it was halted."""
    require_real_clock(app)
    with store.write(app.engine) as session:
        row = store.instance(session)
        if row.halted_at is not None:
            return False
        row.halted_at, row.halted_by, row.halt_reason = now, actor, reason
        session.add(row)
        note_instance(session, "halted", None, reason or "yes", now, actor)
    events.sending_halted(actor)
    return True


def unhalt(app: App, now: datetime, actor: str) -> bool:
    """Let sending go on; False when it was not halted."""
    require_real_clock(app)
    with store.write(app.engine) as session:
        row = store.instance(session)
        if row.halted_at is None:
            return False
        note_instance(session, "halted", row.halt_reason or "yes", None, now, actor)
        row.halted_at, row.halted_by, row.halt_reason = None, "", ""
        session.add(row)
    events.sending_resumed(actor)
    return True


def let_destination_go(app: App, domain: str, now: datetime, actor: str) -> bool:
    """Send to a destination again that asked us to slow down or refused us; False when nothing held it."""
    require_real_clock(app)
    destination = destination_of(domain.lower())
    with store.write(app.engine) as session:
        done = open_destination(session, destination)
        if done:
            note_instance(session, "destination", f"{destination} left alone", None, now, actor)
    return done
