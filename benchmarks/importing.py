"""Import of 100,000 people with all checks, against ``sqlite-utils insert --csv`` on the same file.

Whole processes, from start to exit, in pairs one after the other; the figure is the median of the pairs' ratios. Ours
reads the file into an audience that has its schema and its 400 houses, checks every row, finds every person, hashes every
address and writes people, seats, roles, bases and the change log; theirs copies the cells into one table and commits a
thousand times. So the figure depends on how fast the disk confirms a write.
Run alone: ``python benchmarks/importing.py``.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEOPLE = 100_000
HOUSES = 400
PAIRS = 3
HEADER = (
    "person,name,email,organisation,roles,language,salutation,primary,since,status,"
    "basis,mailing_list,obtained_on,source,text_version,proof_ref"
)
FIRST = ("Anna", "Bernd", "Clara", "Dirk", "Eva", "Frank", "Gül", "Hans", "Ines", "Jörg", "Karin", "Lars", "Mia", "Nils", "Olga", "Paul")
LAST = ("Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Koch", "Bauer")

OURS = """
import atexit, gc, sys
gc.set_threshold(100_000, 10, 10)  # as om_campaigns.cli does for every command
atexit.register(gc.freeze)
from datetime import UTC, datetime
from pathlib import Path
from om_campaigns import engines, store
from om_campaigns.audience import models
from om_campaigns.keyring import Keyring
from om_campaigns.audience.intake import import_files

path, now, keyring = Path(sys.argv[2]), datetime(2027, 1, 4, tzinfo=UTC), Keyring("k", {"k": b"k" * 32})
engine = engines.open_engine("sqlite:///" + sys.argv[1])
with store.write(engine) as session:
    report = import_files(session, [path], path.parent, keyring=keyring, now=now, today=now.date(), actor="benchmark")
engine.dispose()
print(report.people.new, len(report.rejected), report.without_basis)
"""


def make_files(folder: Path) -> None:
    """Houses and people of a plausible shape; the same bytes every time."""
    chance = random.Random(20270104)
    houses = [f"haus-{number:03}" for number in range(HOUSES)]
    lines = [f"{slug},Haus {slug},chamber_hwk,regional,{chance.choice(['05', '09', '05315'])}" for slug in houses]
    (folder / "organisations.csv").write_text("slug,name,type,level,regions\n" + "\n".join(lines) + "\n", encoding="utf-8")
    lines = []
    for number in range(PEOPLE):
        given, family = chance.choice(FIRST), chance.choice(LAST)
        slug, roles = chance.choice(houses), chance.choice(["adviser", "contact", "adviser|multiplier"])
        since, obtained = chance.randint(2010, 2026), chance.randint(1, 28)
        local = f"{given}.{family}.{number}".replace("ü", "ue").replace("ö", "oe")
        lines.append(
            f"P{number:06},{given} {family},{local}@{slug}.example,{slug},{roles},de,,yes,{since}-01-01,active,"
            f"membership_or_service_duty,*,2026-05-{obtained:02},Mitgliederliste 2026,Fassung 3,"
        )
    (folder / "people.csv").write_text(HEADER + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def make_audience(folder: Path) -> Path:
    """A database with the schema and the houses."""
    from datetime import UTC, datetime

    from om_campaigns import engines, store
    from om_campaigns.audience import models as _models  # noqa: F401
    from om_campaigns.audience.intake import import_files
    from om_campaigns.keyring import Keyring

    path = folder / "prepared.db"
    engine = engines.open_engine(f"sqlite:///{path}")
    store.metadata.create_all(engine)
    with store.write(engine) as session:
        now, keyring = datetime(2027, 1, 4, tzinfo=UTC), Keyring("k", {"k": b"k" * 32})
        files = [folder / "organisations.csv"]
        import_files(session, files, folder, keyring=keyring, now=now, today=now.date(), actor="benchmark")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


def take_time(command: list[str]) -> tuple[float, str]:
    """Seconds a whole process takes, and what it prints. Bytecode may be cached, as in an installation."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return time.perf_counter() - start, done.stdout.strip()


def run() -> list[tuple[str, float, str]]:
    """The ratio of the two times: how many times as fast ours is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        prepared = make_audience(folder)
        theirs_command = [str(Path(sys.executable).with_name("sqlite-utils")), "insert", str(folder / "theirs.db"), "people"]
        theirs_command += [str(folder / "people.csv"), "--csv"]
        ratios = []
        for pair in range(PAIRS + 1):
            for old in (*folder.glob("theirs.db*"), *folder.glob("ours.db*")):
                old.unlink()
            shutil.copy(prepared, folder / "ours.db")
            theirs, _printed = take_time(theirs_command)
            ours, printed = take_time([sys.executable, "-c", OURS, str(folder / "ours.db"), str(folder / "people.csv")])
            if printed != f"{PEOPLE} 0 0":
                raise RuntimeError(f"the import did not take everybody: {printed}")
            if pair:  # the first pair warms caches
                ratios.append(theirs / ours)
                print(f"import: sqlite-utils {theirs:.2f} s, ours {ours:.2f} s", file=sys.stderr)
    return [("importing", statistics.median(ratios), "import of 100,000 people ≥ 1.5× as fast as sqlite-utils insert --csv")]


if __name__ == "__main__":
    for what, ratio, requirement in run():
        print(f"{what}: {ratio:.2f} (required {requirement})")
