"""The golden run: the demo from a seed, and everything it made, held against what is kept in ``tests/golden/``.

Whoever rebuilds the house learns here what a reader, a partner or a program would notice. ``make golden`` keeps what is made now
and prints the difference, which belongs into the commit.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from om_campaigns.chance import repeatable
from om_campaigns.cli import main
from om_campaigns.operate.demo import START, publish_all
from om_campaigns.operate.installation import init_workspace
from om_campaigns.staff.importing import import_audience
from om_campaigns.wiring import open_app

KEPT = Path(__file__).parent / "golden"
SEED = b"golden run"
AT = "2027-05-04T10:00"
COMMANDS = (
    "", "action list", "answer list", "audience show", "campaign list", "campaign show fuenf-gedanken", "campaign show gespraechskarte",
    "campaign show hilfen-update", "campaign show wir-gedanke", "check", "inbox", "leaving list", "ledger", "link list",
    "org list", "org show hwk-westerfurt", "overlay list", "pack list", "person list", "plan --until 2027-07-01", "segment list",
    "todo list", "why hwk-westerfurt gespraechskarte",
)  # fmt: skip
"""What is asked of the demo at its end, each with ``--format json``."""


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    """``om-campaigns demo --format json`` in ``folder``, drawing from the seed."""
    program = f"from om_campaigns.chance import repeatable\nfrom om_campaigns.cli import main\nwith repeatable({SEED!r}): main()"
    command = [sys.executable, "-c", program, "demo", "--format", "json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def collect(folder: Path) -> dict[str, str]:
    """Name of the kept file and its text, for the demo below ``folder``."""
    found = {}
    for command in COMMANDS:
        name = command.replace(" ", "_").replace("--", "") or "status"
        found[f"{name}.json"] = _ask(folder, command)
    found["plan_of_the_first_day.json"] = _plan_first_day()
    with contextlib.closing(sqlite3.connect(folder / "demo/om-campaigns.db")) as database:
        editions = [row[0] for row in database.execute("SELECT id FROM edition ORDER BY id")]
    found["editions.txt"] = "".join(f"{each}\n" for each in editions)
    found["files.txt"] = "".join(f"{line}\n" for line in _digests(folder / "demo", "packs", "outbox"))
    return found


def differences(found: dict[str, str]) -> Iterator[str]:
    """Lines that tell what differs from what is kept; none where nothing does."""
    for name in sorted({*found, *(path.name for path in KEPT.iterdir())}):
        path = KEPT / name
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        yield from difflib.unified_diff(kept.splitlines(), found.get(name, "").splitlines(), f"kept {name}", f"now {name}", "", "", 1, "")


def keep(found: dict[str, str]) -> None:
    """Make the golden run what ``found`` is."""
    KEPT.mkdir(exist_ok=True)
    for path in KEPT.iterdir():
        path.unlink()
    for name, text in found.items():
        (KEPT / name).write_text(text, encoding="utf-8")


def _plan_first_day() -> str:
    """The plan of the starter for the months of the demo, before anything left."""
    with TemporaryDirectory() as folder, repeatable(SEED):
        init_workspace(Path(folder) / "demo")
        app = open_app(Path(folder) / "demo", clock=lambda: START)
        import_audience(app, [], START, "demo", is_strict=True)
        publish_all(app)
        app.engine.dispose()
        return _ask(Path(folder), "plan --until 2027-05-04", at="2027-01-04T09:00")


def _ask(folder: Path, command: str, *, at: str = AT) -> str:
    """What the command prints, a row to each line, so that a difference shows the row."""
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main(["-w", "demo", "--now", at, *command.split(), "--format", "json"])
    told = json.loads(said.getvalue())
    if isinstance(told, list):
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in told)
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _digests(folder: Path, *names: str) -> list[str]:
    files = sorted(path for name in names for path in (folder / name).rglob("*") if path.is_file())
    return [f"{sha256(path.read_bytes()).hexdigest()[:20]}  {path.relative_to(folder).as_posix()}" for path in files]


def _renew() -> None:
    with TemporaryDirectory() as folder:
        done = run_demo(Path(folder))
        if done.returncode:
            sys.exit(done.stderr)
        found = collect(Path(folder))
    KEPT.mkdir(exist_ok=True)
    sys.stdout.writelines(f"{line}\n" for line in differences(found))
    keep(found)


if __name__ == "__main__":
    _renew()
