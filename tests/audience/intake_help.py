"""A small office to import: files written by hand, a database, two keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from om_campaigns.audience.intake import ImportReport, import_files
from om_campaigns.keyring import Keyring
from om_campaigns.store import write

NOW = datetime(2027, 1, 4, 8, tzinfo=UTC)
KEYS = Keyring("k1", {"k1": b"1" * 32})

HOUSES = """slug;name;type;level;parent;regions;routes
dach;Dachverband;trade_association;umbrella;;DE;direct_email
hwk-sued;Handwerkskammer Süd;Handwerkskammer;regional;dach;Bayern;direct_email,forward_pack
ihk-nord;IHK Nord;IHK;regional;Dachverband;NRW, 05315;
"""
LISTS = "slug;name_de\nwir-gedanke;Wir-Gedanke\nmonatsbrief;Monatsbrief\n"


class Office:
    """A folder of files and the database they go into."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8", newline="")
        return path

    def take(self, files: Mapping[str, str] | None = None, **options: Any) -> ImportReport:
        """Import these files, or with None the whole folder."""
        paths = None if files is None else [self.write(name, content) for name, content in files.items()]
        with write(self.engine) as session:
            usual = {"keyring": KEYS, "now": NOW, "today": NOW.date(), "actor": "test"}
            return import_files(session, paths, self.folder, **(usual | options))

    def people(self, content: str, **options: Any) -> ImportReport:
        return self.take({"people.csv": content}, **options)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def do(self, sql: str) -> None:
        with write(self.engine) as session:
            session.execute(text(sql))

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """All that an import writes."""
        tables = ("organisation", "person", "address", "seat", "seat_role", "basis", "suppression", "change", "network", "toolkit_use")
        return [sorted(self.ask(f'SELECT * FROM "{table}"'), key=repr) for table in tables]
