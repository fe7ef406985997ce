"""Pictures for tests, drawn when they are needed."""

from __future__ import annotations

import io

from PIL import Image


def draw(width: int, height: int, kind: str = "PNG") -> bytes:
    """A picture of one colour."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), "#0b5d5e").save(content, kind)
    return content.getvalue()
