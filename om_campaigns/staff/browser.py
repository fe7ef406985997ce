"""How wide letters become on a phone, measured by Chromium (REN-18): all of them at once, each in a frame of its own.

The frames run no script and load nothing; what is read back are numbers.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from om_campaigns.errors import InputError

PHONE = 360
"""Pixels of a small phone."""
SECONDS = 120
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--disable-gpu", "--no-sandbox", "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--blink-settings=imagesEnabled=false", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
)  # fmt: skip
"""Without the program's own sandbox, which root has not: the letters are our own texts, in frames without scripts."""

_MEASURE = """<script>addEventListener("load", () => document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(
frame => Math.ceil(frame.contentDocument.documentElement.scrollWidth))))</script>"""
_FRAME = '<iframe sandbox="allow-same-origin" style="width:{width}px;height:20000px;border:0" srcdoc="{letter}"></iframe>'


def measure_widths(letters: Sequence[str]) -> list[int]:
    """The width in pixels each letter (HTML) takes on a phone, ``PHONE`` where it fits. Raises InputError where nothing can measure."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise InputError("there is no Chromium to measure with", hint="install it (apt-get install chromium), or check without --browser")
    frames = "".join(_FRAME.format(width=PHONE, letter=html.escape(letter, quote=True)) for letter in letters)
    with tempfile.TemporaryDirectory(prefix="om-campaigns-") as folder:
        page = Path(folder) / "letters.html"
        page.write_text(f'<!doctype html><meta charset="utf-8"><title></title>{_MEASURE}{frames}', encoding="utf-8")
        command = [program, *OPTIONS, f"--user-data-dir={folder}/profile", page.as_uri()]
        try:
            answer = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).stdout.decode("utf-8", "replace")  # noqa: S603  found on the path, our own page
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"Chromium gave no answer: {error}", hint="check without --browser") from error
    found = re.search(r"<title>(\[[\d,]*\])</title>", answer)
    widths: list[int] = json.loads(found[1]) if found else []
    if len(widths) != len(letters):
        raise InputError("Chromium did not measure the letters", hint="check without --browser")
    return widths
