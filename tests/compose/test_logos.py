"""Logos as people hand them in: what is taken is written anew, what is not a picture of ours changes nothing (SEC-17)."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from om_campaigns.compose.own_look import HIGHEST, MAX_BYTES, WIDEST, NoLogoError, renew_logo
from om_campaigns.compose.pictures import MAX_PIXELS


def picture(
    width: int = 480, height: int = 120, *, mode: str = "RGB", kind: str = "PNG", colour: object = "#1f4e8c", **options: object
) -> bytes:
    with BytesIO() as file:
        Image.new(mode, (width, height), colour).save(file, kind, **options)  # type: ignore[arg-type]
        return file.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((480, 120), (240, 60)), ((200, 50), (200, 50)), ((1000, 1000), (72, 72)), ((4000, 400), (240, 24)), ((100, 300), (24, 72))],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_shown_no_larger_than_it_may_and_stored_for_sharp_screens(
    size: tuple[int, int], shown: tuple[int, int], kind: str
) -> None:
    content, width, height = renew_logo(picture(*size, kind=kind))
    assert (width, height) == shown
    assert width <= WIDEST
    assert height <= HIGHEST
    kept = opened(content)
    assert kept.format == "PNG"
    assert kept.size == (min(size[0], 2 * width), min(size[1], 2 * height))


def test_nothing_stays_of_what_stood_behind_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "GEHEIM", 6
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "GEHEIM")
    for content in (
        picture(kind="JPEG", exif=exif, comment=b"GEHEIM", icc_profile=b"GEHEIM" * 30),
        picture(kind="WEBP", exif=exif, xmp=b"GEHEIM"),
        picture(kind="PNG", exif=exif, pnginfo=info) + b"GEHEIM",
    ):
        assert b"GEHEIM" in content
        made, width, height = renew_logo(content)
        assert b"GEHEIM" not in made
        assert set(opened(made).info) <= {"transparency"}
        assert width < height, "and it stands as the camera meant it"


def test_only_the_first_of_many_pictures_is_kept() -> None:
    others = [Image.new("RGB", (200, 50), colour) for colour in ("red", "blue")]
    made = renew_logo(picture(200, 50, colour="green", save_all=True, append_images=others))[0]
    assert not getattr(opened(made), "is_animated", False)
    assert opened(made).convert("RGB").getpixel((9, 9)) == (0, 128, 0)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (10, 10, 10, 0)), ("LA", (10, 0)), ("P", 0)])
def test_what_is_transparent_becomes_white(mode: str, colour: object) -> None:
    """A dark logo on nothing would vanish in a dark letter."""
    options = {"transparency": 0} if mode == "P" else {}
    made = renew_logo(picture(200, 50, mode=mode, colour=colour, **options))[0]
    assert opened(made).convert("RGB").getpixel((100, 25)) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "JPEG"), ("1", "PNG"), ("I;16", "PNG"), ("P", "PNG")])
def test_other_ways_of_storing_colours_are_read_too(mode: str, kind: str) -> None:
    assert renew_logo(picture(mode=mode, kind=kind, colour=0))[1:] == (240, 60)


def test_a_picture_full_of_noise_stays_light() -> None:
    with BytesIO() as file:
        Image.frombytes("RGB", (480, 144), random.Random(1).randbytes(480 * 144 * 3)).save(file, "PNG")
        assert len(renew_logo(file.getvalue())[0]) < 100_000


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims to be a wall."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


REFUSED = {
    "nothing": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
    "gif": picture(kind="GIF", mode="P", colour=0),
    "tiff": picture(kind="TIFF"),
    "html": b"<!doctype html><img src=x onerror=alert(1)>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a wall": bomb(60_000, 60_000),
    "a smaller wall": bomb(5_000, MAX_PIXELS // 5_000 + 1),
    "cut off": picture()[:90],
    "too heavy": picture() + bytes(MAX_BYTES),
    "a line": picture(2000, 5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_logo_is_refused(name: str) -> None:
    with pytest.raises(NoLogoError):
        renew_logo(REFUSED[name])


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    length=st.integers(0, 10_000),
)
def test_no_damage_is_anything_but_a_picture_or_refused(kind: str, places: list[tuple[int, int]], length: int) -> None:
    content = bytearray(picture(60, 40, kind=kind))
    for place, value in places:
        content[place % len(content)] = value
    try:
        made, width, height = renew_logo(bytes(content[: max(length % (2 * len(content)), 20)]))
    except NoLogoError:
        return
    assert opened(made).format == "PNG"
    assert 0 < width <= WIDEST
    assert 0 < height <= HIGHEST
