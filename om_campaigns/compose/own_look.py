"""The look a house chose itself, as a brand file that nobody had to write: one colour, and a logo (REN-08, REN-11)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from om_campaigns.compose.brand import ROOT_BRAND, brand_path, load_brand
from om_campaigns.compose.pictures import PICTURE_PATH
from om_campaigns.errors import ProblemsError

KEY = "haus-"
"""Begins the brand key of every such look; the public id of the house follows."""


@dataclass(frozen=True, slots=True)
class Logo:
    """``name`` is the end of its address (``KEY/NAME``, see ``pictures``), ``width`` and ``height`` those at which it is shown."""

    name: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OwnLook:
    """What a house says of its look, over the brand ``over`` that its file names ('' for none: OM's)."""

    key: str
    house: str
    over: str
    accent: str = ""
    logo: Logo | None = None


def lay_over(files: Mapping[str, str], look: OwnLook, base_url: str) -> tuple[str, Mapping[str, str]]:
    """The key of the brand a house speaks in, and the files with it: its own, else the one below where both do not go together.

    A letter shows the logo only where its address begins with https (FWD-06).
    """
    below = look.over if brand_path(look.over) in files else ROOT_BRAND
    with_own = {**files, brand_path(look.key): _as_file(look, below, base_url)}
    try:
        load_brand(with_own, look.key)
    except ProblemsError:
        return below, files
    return look.key, with_own


def _as_file(look: OwnLook, below: str, base_url: str) -> str:
    lines = ["format = 1", f"name = {_text(look.house)}", f"extends = {_text(below)}"]
    if look.accent:
        lines += ["[colours]", f"accent = {_text(look.accent)}"]
    if look.logo and base_url.startswith("https://"):
        url = f"{base_url}/{PICTURE_PATH}/{look.logo.name}"
        lines += ["[logo]", f"url = {_text(url)}", f"alt = {_text(look.house)}"]
        lines += [f"width = {look.logo.width}", f"height = {look.logo.height}"]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """What JSON and TOML both call a string."""
    return json.dumps(value, ensure_ascii=False)
