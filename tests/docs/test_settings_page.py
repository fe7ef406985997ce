"""The manual's page on settings: every setting with the default it really has, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from om_campaigns.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


def defaults(model: type[BaseModel], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = field.default
        if isinstance(value, BaseModel):
            found |= defaults(type(value), f"{above}{name}.")
        else:
            found[above + name] = value.get_secret_value() if isinstance(value, SecretStr) else value
    return found


def test_every_setting_stands_there_with_its_default_and_no_other() -> None:
    shown = {name: None if cell == "–" else tomllib.loads(f"value = {cell.strip('`')}")["value"] for name, cell, _, _ in ROWS}
    known = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults(Settings).items()}
    assert shown == known


def test_they_stand_in_the_order_of_the_code() -> None:
    assert [name for name, *_ in ROWS] == list(defaults(Settings))
