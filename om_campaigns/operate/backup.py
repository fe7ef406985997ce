"""Backups: database, keys, settings and texts in one file that only its owner may read, and back from it.

A backup is a zip with a ``manifest.json`` that names every part with its SHA-256. The database is copied while others write:
``VACUUM INTO`` on SQLite, ``pg_dump`` on PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from om_campaigns import __version__, engines, migrations, store
from om_campaigns.app import App
from om_campaigns.delivery.models import Worker
from om_campaigns.delivery.workers import recover_claims
from om_campaigns.errors import InputError, InstallationError, RefusedError
from om_campaigns.identity import RESTORED
from om_campaigns.keyring import KEYS_NAME
from om_campaigns.locks import take_lock
from om_campaigns.operate.installation import LEADER
from om_campaigns.private_files import make_private_file, write_private
from om_campaigns.settings import CONFIG_NAME, load_settings

FORMAT = 1
MANIFEST, DATABASE = "manifest.json", "database"
DAMAGED = (
    OSError, EOFError, KeyError, IndexError, TypeError, ValueError, OverflowError, NotImplementedError, RuntimeError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
"""What reading an archive raises that is none, or in which one byte is wrong: it may name a method, a password or a size of its own."""

ASIDE = "before_restore_"
"""Begins the name of a schema that tables were moved to."""

FOLDERS = ("templates", "audiences")
"""What of a workspace is kept beside settings, keys and database."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says about itself. ``files`` are names below the workspace, ``hashes`` of them and of the database."""

    kind: str
    revision: str
    made_at: str
    mode: str
    hashes: dict[str, str]
    version: str = __version__

    @property
    def files(self) -> list[str]:
        return sorted(name for name in self.hashes if name != DATABASE)


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was made. ``left_out`` are links below the folders of texts: where they lead is no part of a workspace."""

    contents: Contents
    left_out: list[str]


def back_up(app: App, target: Path, now: datetime) -> BackedUp:
    """Write a backup to a new file.

    Raises InputError where something stands there, RefusedError where the workspace itself is made of links, InstallationError where
    it cannot be made.
    """
    if os.path.lexists(target):
        raise InputError(f"{target} is there already", hint="name a new file")
    names, left_out = _workspace_files(app.workspace)
    with _draft_folder(target.parent) as folder:
        database, draft = folder / DATABASE, folder / "backup.zip"
        copy_database(app.engine, database)
        parts = {DATABASE: database, **{name: app.workspace / name for name in names}}
        with store.read(app.engine) as session:
            mode = store.instance(session).mode.value
        hashes = {name: _hash(path) for name, path in parts.items()}
        contents = Contents(app.engine.dialect.name, migrations.head(), now.isoformat(timespec="seconds"), mode, hashes)
        try:
            make_private_file(draft)
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(MANIFEST, json.dumps({"format": FORMAT, **_shown(contents)}, indent=2, ensure_ascii=False))
                for name, path in parts.items():
                    archive.write(path, name)
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
            draft.replace(target)
        except OSError as error:
            raise InstallationError(f"{target}: the backup failed: {error}", hint="is there room on the disk?") from error
    return BackedUp(contents, left_out)


def _shown(contents: Contents) -> dict[str, Any]:
    return {name: getattr(contents, name) for name in Contents.__slots__}


@contextmanager
def _draft_folder(beside: Path) -> Iterator[Path]:
    """A private folder on the disk of the target; what a killed backup left there is cleared away."""
    try:
        beside.mkdir(parents=True, exist_ok=True)
        for stale in beside.glob(".om-backup-*"):
            shutil.rmtree(stale, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=".om-backup-", dir=beside)
    except OSError as error:
        raise InstallationError(f"{beside}: cannot be written to: {error.strerror}", hint="check the rights of the folder") from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _workspace_files(workspace: Path) -> tuple[list[str], list[str]]:
    """Names of the files to keep, and of the links that are not followed."""
    for name in (CONFIG_NAME, KEYS_NAME, *FOLDERS):
        if (workspace / name).is_symlink():
            raise RefusedError(f"{workspace / name} is a link; a backup follows none", hint="put what it leads to in its place")
    found = [workspace / name for name in (CONFIG_NAME, KEYS_NAME) if (workspace / name).is_file()]
    links: list[Path] = []
    for folder in FOLDERS:
        for above, folders, files in os.walk(workspace / folder):  # follows no links to folders
            below = [Path(above) / name for name in (*folders, *files)]
            links += [path for path in below if path.is_symlink()]
            found += [path for path in below if path.is_file() and not path.is_symlink()]
    return tuple(sorted(path.relative_to(workspace).as_posix() for path in paths) for paths in (found, links))  # type: ignore[return-value]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_database(engine: Engine, target: Path) -> None:
    """A consistent copy in a new file, private to its owner, while others write. Raises InstallationError."""
    make_private_file(target)
    if engine.dialect.name == "postgresql":
        _call(
            "pg_dump",
            engine.url,
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            "--exclude-schema=before_restore_*",
            f"--file={target}",
        )
        return
    try:
        with closing(sqlite3.connect(str(engine.url.database))) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        with target.open("rb+") as file:
            os.fsync(file.fileno())
    except (sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        raise InstallationError(f"{target}: the backup failed: {error}", hint="nothing was changed; is there room on the disk?") from error


def _call(program: str, url: URL, *arguments: str) -> None:
    """A tool of PostgreSQL on one database; the password goes by the environment, so that no list of processes shows it."""
    found = shutil.which(program)
    if found is None:
        raise InstallationError(
            f"{program} is not installed", hint="install PostgreSQL's client programs, of the server's version or newer"
        )
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    done = subprocess.run(  # noqa: S603  our own arguments, no shell
        [found, f"--dbname={address}", *arguments], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise InstallationError(f"{program} failed: {said[0]}", hint="its version must be the server's or newer")


def read_contents(file: Path) -> Contents:
    """What a backup holds, with every part compared to its hash. Raises InputError for what is none, or damaged."""
    try:
        with zipfile.ZipFile(file) as archive:
            data = json.loads(archive.read(MANIFEST))
            if data["format"] != FORMAT:
                raise InputError(f"{file}: a backup of format {data['format']}", hint="restore it with the program that made it")
            contents = Contents(**{name: data[name] for name in Contents.__slots__})
            for name, wanted in contents.hashes.items():
                with archive.open(name) as part:
                    if hashlib.file_digest(part, "sha256").hexdigest() != wanted:  # type: ignore[arg-type]
                        raise InputError(f"{file} is damaged: {name} is not what was backed up", hint="take another backup")
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file") from None
    except DAMAGED as error:
        raise InputError(f"{file}: not a backup, or damaged: {str(error) or 'it ends too early'}", hint="take another backup") from None
    for name in contents.files:
        if Path(name).is_absolute() or ".." in Path(name).parts or name.partition("/")[0] not in (CONFIG_NAME, KEYS_NAME, *FOLDERS):
            raise InputError(f"{file}: '{name}' does not belong into a workspace", hint="nothing was restored")
    return contents


@dataclass
class Restored:
    """What came back, and what had to make room for it (moved to ``aside``)."""

    contents: Contents
    uncertain: int = 0
    aside: Path | None = None
    database_aside: str = ""
    """The database that was there: its file, or the schema its tables were moved to; what ``--sent-since`` takes."""
    kept: list[str] = field(default_factory=list)


def restore(workspace: Path, file: Path, *, is_replacing: bool, now: datetime) -> Restored:
    """Bring a backup back into a workspace; a ``config.toml`` that is there stays.

    Everything is checked before anything is written. What differs from the backup makes it refuse, or with ``is_replacing`` is
    moved aside. Letters that were in somebody's hands are uncertain afterwards. In live mode nothing is sent until confirmed.
    """
    contents = read_contents(file)
    if contents.revision not in migrations.revisions():
        raise InstallationError(
            f"{file}: made by a newer program (revision {contents.revision})", hint="install that version or a newer one"
        )
    done = Restored(contents)
    with zipfile.ZipFile(file) as archive:
        if not (workspace / CONFIG_NAME).is_file():
            _write(archive, CONFIG_NAME, workspace)
        settings = load_settings(workspace)
        engine = engines.open_engine(settings.database.url.get_secret_value(), root=workspace)
        try:
            if engine.dialect.name != contents.kind:
                raise InputError(
                    f"the backup is of {contents.kind}, config.toml names {engine.dialect.name}", hint="set [database] url, then again"
                )
            release = _lock(engine, workspace)
            try:
                _make_room(workspace, engine, done, now, is_replacing=is_replacing)
                for name in contents.files:
                    if not (workspace / name).exists():
                        _write(archive, name, workspace)
                _restore_database(archive, engine, workspace, done.database_aside)
            finally:
                release()
            done.uncertain = _take_in(engine, now)
        finally:
            engine.dispose()
    return done


def _lock(engine: Engine, workspace: Path) -> Any:
    beside = Path(engine.url.database or "").parent if engine.dialect.name == "sqlite" else workspace
    release = take_lock(engine, beside / "locks", LEADER)
    if release is None:
        raise RefusedError("a scheduler is running on this database", hint="stop 'om-campaigns run' first")
    return release


def _make_room(workspace: Path, engine: Engine, done: Restored, now: datetime, *, is_replacing: bool) -> None:
    """Find what stands in the way; refuse, or move it aside. A config and whatever equals the backup stay."""
    hashes = done.contents.hashes
    in_the_way = _find_links(workspace, done.contents.files)
    in_the_way += [
        workspace / name
        for name in done.contents.files
        if name != CONFIG_NAME
        and not any((workspace / name).is_relative_to(link) for link in in_the_way)
        and (workspace / name).exists()
        and not _is_same(workspace / name, hashes[name])
    ]
    done.kept = [CONFIG_NAME] if CONFIG_NAME in hashes and not _is_same(workspace / CONFIG_NAME, hashes[CONFIG_NAME]) else []
    database = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite":
        in_the_way += [path for path in (database.with_name(database.name + end) for end in ("", "-wal", "-shm")) if os.path.lexists(path)]
    occupied = engine.dialect.name == "postgresql" and bool(inspect(engine).get_table_names())
    if not is_replacing and (in_the_way or occupied):
        names = [path.name for path in in_the_way[:5]] + (["the tables of the database"] if occupied else [])
        raise RefusedError(
            f"{', '.join(names)} would be replaced", hint="restore into an empty folder and database, or add --replace; nothing was changed"
        )
    if occupied:
        done.database_aside = f"{ASIDE}{now.astimezone(UTC):%Y%m%dt%H%M%Sz}"
    if in_the_way:
        done.aside = workspace / f"before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        done.aside.mkdir(mode=0o700)
        for path in in_the_way:
            below = path.relative_to(workspace) if path.is_relative_to(workspace) else Path(path.name)
            (done.aside / below).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, done.aside / below)
            if path == database:
                done.database_aside = str(done.aside / below)


def _find_links(workspace: Path, names: Sequence[str]) -> list[Path]:
    """Links on the way to these files: whoever wrote through one would write somewhere else. A config that is there stays."""
    steps = {workspace.joinpath(*Path(name).parts[: depth + 1]) for name in names for depth in range(len(Path(name).parts))}
    links = sorted(step for step in steps if step.is_symlink() and step != workspace / CONFIG_NAME)
    return [each for each in links if not any(above in links for above in each.parents)]


def _is_same(path: Path, digest: str) -> bool:
    return path.is_file() and _hash(path) == digest


def _write(archive: zipfile.ZipFile, name: str, workspace: Path) -> None:
    target = workspace / name
    if target.is_symlink():
        raise RefusedError(f"{target} is a link; nothing is restored through one", hint="remove it, then again")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_private(target, archive.read(name))
    if name not in (KEYS_NAME, CONFIG_NAME):
        target.chmod(0o644)


@contextmanager
def _moved_aside(engine: Engine, schema: str) -> Iterator[None]:
    """The tables of a PostgreSQL database in a schema of their own, back again where the restoring fails. Raises InstallationError."""
    if not schema:
        yield
        return
    try:
        with engine.begin() as connection:
            mine = connection.execute(text("SELECT current_schema()")).scalar_one()
            connection.execute(text(f'ALTER SCHEMA "{mine}" RENAME TO "{schema}"'))
            connection.execute(text(f'CREATE SCHEMA "{mine}"'))
    except DBAPIError as error:
        raise InstallationError(
            f"the tables cannot be moved aside: {str(error.orig).splitlines()[0]}", hint="let the owner of the database restore it"
        ) from error
    try:
        yield
    except BaseException:
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA "{mine}" CASCADE'))
            connection.execute(text(f'ALTER SCHEMA "{schema}" RENAME TO "{mine}"'))
        raise


def _restore_database(archive: zipfile.ZipFile, engine: Engine, workspace: Path, aside: str) -> None:
    with _draft_folder(workspace) as folder:
        draft = folder / DATABASE
        make_private_file(draft)
        with archive.open(DATABASE) as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        if engine.dialect.name == "postgresql":
            options = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
            with _moved_aside(engine, aside):
                _call("pg_restore", engine.url, *options, str(draft))
        else:
            shutil.move(draft, Path(engine.url.database or ""))


def _take_in(engine: Engine, now: datetime) -> int:
    """The database knows that it came out of a backup; letters its workers had in hand may have left since."""
    uncertain = 0
    with store.write(engine) as session:
        row = store.instance(session)
        row.fingerprint, row.leader = RESTORED, ""
        session.add(row)
        for number in session.execute(select(col(Worker.id)).where(col(Worker.ended_at).is_(None))).scalars().all():
            uncertain += recover_claims(session, number or 0, now, lost_power=True)[0]
    return uncertain
