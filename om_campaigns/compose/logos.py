"""Logos that people hand in: read with suspicion, and written anew (SEC-17).

What leaves here is a PNG of our own making: no EXIF, no comment, no profile, no second frame, nothing that stood behind the picture.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import Image, ImageOps

from om_campaigns.compose.pictures import MAX_PIXELS

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
