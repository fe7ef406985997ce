"""The shape of the database through the years, by Alembic. Engine and MetaData are handed in; nothing here opens them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from om_campaigns.errors import InstallationError


def _config(engine: Engine | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def head() -> str:
    """The revision this version of the program needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current(engine: Engine) -> str | None:
    """The revision a database has, None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> bool:
    """Bring a database to the newest revision; False when it was there already."""
    if current(engine) == head():
        return False
    command.upgrade(_config(engine), "head")
    return True


def require_current(engine: Engine) -> None:
    """Raises InstallationError unless the database has exactly the revision this program needs."""
    found = current(engine)
    if found == head():
        return
    if found is None:
        raise InstallationError("the database is empty", hint="run 'om-campaigns db upgrade'")
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found in known:
        raise InstallationError(f"the database is at revision {found}, this program needs {head()}", hint="run 'om-campaigns db upgrade'")
    raise InstallationError(f"the database was made by a newer program (revision {found})", hint="install that version or a newer one")
