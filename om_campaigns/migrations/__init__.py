"""The shape of the database through the years, by Alembic. Engine and MetaData are handed in; nothing here opens them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

from om_campaigns.engines import naming_faults
from om_campaigns.errors import InstallationError

if TYPE_CHECKING:
    from alembic.config import Config

VERSIONS = Path(__file__).parent / "versions"


def _config(engine: Engine | None = None) -> Config:
    from alembic.config import Config  # half a second that only an upgrade needs

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def revisions() -> list[str]:
    """Every revision this program knows, oldest first; a file's name begins with its number."""
    return sorted(path.name.split("_")[0] for path in VERSIONS.glob("[0-9]*_*.py"))


def head() -> str:
    """The revision this version of the program needs."""
    return revisions()[-1]


def current(engine: Engine) -> str | None:
    """The revision a database has, None for an empty one."""
    with naming_faults(), engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> bool:
    """Bring a database to the newest revision; False when it was there already."""
    if current(engine) == head():
        return False
    from alembic import command

    command.upgrade(_config(engine), "head")
    return True


def require_current(engine: Engine) -> None:
    """Raises InstallationError unless the database has exactly the revision this program needs."""
    found = current(engine)
    if found == head():
        return
    if found is None:
        raise InstallationError("the database is empty", hint="run 'om-campaigns db upgrade'")
    if found in revisions():
        raise InstallationError(f"the database is at revision {found}, this program needs {head()}", hint="run 'om-campaigns db upgrade'")
    raise InstallationError(f"the database was made by a newer program (revision {found})", hint="install that version or a newer one")
