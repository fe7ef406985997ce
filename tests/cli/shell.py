"""Commands as a user types them, in this process: exit code, what was printed, and errors as ``main`` shows them."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from om_campaigns.cli import main


@dataclass(frozen=True)
class Said:
    """What a command printed to stdout (``out``) and stderr (``err``), and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def om(workspace: Path, *arguments: str, now: str = "2027-01-04T08:00", typed: str = "") -> Said:
    """Run ``om-campaigns -w workspace --now … arguments``; ``now=""`` uses the machine's clock.

    ``typed`` answers questions, on a terminal; without it there is none, and nobody to ask.
    """
    out, err = io.StringIO(), Terminal() if typed else io.StringIO()
    code = 0
    terminal = {"TERM": "dumb", "CI": ""} if typed else {}
    stdin = Terminal(typed) if typed else io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), patch("sys.stdin", stdin), patch.dict(os.environ, terminal):
        try:
            main(["-w", str(workspace), *(["--now", now] if now else []), *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Said(code, out.getvalue(), err.getvalue())
