"""The look a house chose itself: one colour, a logo read with suspicion and written anew, as a brand file (REN-08, SEC-17)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps

from om_campaigns.compose.brand import ROOT_BRAND, brand_path, load_brand
from om_campaigns.compose.pictures import MAX_PIXELS, PICTURE_PATH
from om_campaigns.errors import ProblemsError

MAX_BYTES = 1_000_000
"""Of what is handed in; what is kept is far smaller."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""SVG is a program and no picture."""

WIDEST, HIGHEST = 240, 72
"""How large a logo is shown at most; it is stored twice as large, for sharp screens."""

SMALLEST = 8
LIGHT = 40_000
"""Bytes; what is heavier gets a palette."""

_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, OverflowError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


class NoLogoError(ValueError):
    """Not a logo of a kind and size that we take."""


def renew_logo(data: bytes) -> tuple[bytes, int, int]:
    """A logo as letters may carry it: PNG, and the width and height at which it is shown. Raises NoLogoError."""
    if not 0 < len(data) <= MAX_BYTES:
        raise NoLogoError("size")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as found:
            if found.width * found.height > MAX_PIXELS:  # the head says so: a few bytes may claim to be a wall
                raise NoLogoError("pixels")
            picture = _flat(ImageOps.exif_transpose(found))
    except NoLogoError:
        raise
    except _BROKEN as error:
        raise NoLogoError("kind") from error
    scale = min(WIDEST / picture.width, HIGHEST / picture.height, 1)
    width, height = round(picture.width * scale), round(picture.height * scale)
    if min(width, height) < SMALLEST:
        raise NoLogoError("shape")
    stored = picture.resize((min(picture.width, 2 * width), min(picture.height, 2 * height)), Image.Resampling.LANCZOS)
    return _written(stored), width, height


def _flat(picture: Image.Image) -> Image.Image:
    """On white where it is transparent: a dark logo would vanish in a dark letter."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture.convert("RGBA"))
    return ground.convert("RGB")


def _written(picture: Image.Image) -> bytes:
    content = _png(picture)
    return content if len(content) <= LIGHT else _png(picture.quantize(colors=128))


def _png(picture: Image.Image) -> bytes:
    picture.info = {}
    with BytesIO() as file:
        picture.save(file, format="PNG", optimize=True)
        return file.getvalue()


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
