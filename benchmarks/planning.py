"""Enrolling and planning a million seats, against an ``INSERT … SELECT`` of the same million rows into the same table.

Ours is what a tick does: the segment, every refusal (basis, suppression, route, …), enrolments with their unique keys, due
times, windows, caps, then the dispatches. The other side copies the finished dispatches, with all keys, indexes and checks,
into the same table of a database that has the enrolments already. Both sides take turns on copies of one database; the
figure is the ratio of the medians.

The second figure is memory: the peak of a process that plans and then composes and sends, for 10,000 and for 1,000,000
recipients. ``python -m benchmarks.planning`` prints both.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from om_campaigns import engines, migrations, store
from om_campaigns.app import App
from om_campaigns.campaign.definition import Audience, CampaignDefinition, Step
from om_campaigns.campaign.entry_brake import confirm_entry
from om_campaigns.campaign.releases import publish
from om_campaigns.campaign.vocabulary import CampaignKind, PermissionKind
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.keyring import make_keys
from om_campaigns.planning import plan_all
from om_campaigns.tick import tick
from om_campaigns.transport import Envelope, Kind, Outcome, Stage
from om_campaigns.wiring import open_app

SEATS = 1_000_000
FEW = 10_000
HOUSES = 400
ROUNDS = 2
SLOWER = 4.0
FATTER = 1.3
SENT = 5_000
"""Letters that the memory run hands over after planning: sending works in claims of a few hundred, whatever is owed."""

NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)
TEXT = """+++
subject = "Ein Schritt"
preheader = "Ein Schritt, den zwei Häuser zusammen gehen können."
ideas = ["we_opportunities"]
call_to_action = { text = "Eine Person nennen", how = "reply" }
+++
{{ contact.greeting }},

{{ org.name }} und ein Nachbar gehen einen Schritt zusammen.
"""
LOOK = Path(__file__).parents[1] / "templates"

AUDIENCE = (
    "INSERT INTO mailing_list (slug, name_de, name_en, description_de, description_en) VALUES ('wir', 'Wir', '', '', '')",
    "INSERT INTO organisation_type (code, name, \"group\") VALUES ('chamber_ihk', 'IHK', 'chambers')",
    """INSERT INTO organisation (id, public_id, slug, name, name_key, short_name, org_type, level, status, forward_policy, relay,
       pack_delivery, shelf_life_days, origin)
       SELECT n, 'o' || n, 'haus-' || n, 'Haus ' || n, 'haus ' || n, '', 'chamber_ihk', 'regional', 'active', 'as_is', 'lowest',
       'ready_mail', 28, 'file' FROM number WHERE n <= :houses""",
    "INSERT INTO organisation_region (organisation_id, ags) SELECT id, substr('0' || (1 + id % 16), -2) FROM organisation",
    """INSERT INTO address (id, ref, address, normal_key, domain, kind, hmac, key_id, bounce_state)
       SELECT n, 'a' || n, 'p' || n || '@haus.example', 'p' || n || '@haus.example', 'haus.example', 'personal',
       lower(hex(randomblob(32))), 'k1', 'none' FROM number""",
    """INSERT INTO person (id, public_id, full_name, name_key, main_address_id, status, origin)
       SELECT n, 'p' || n, 'Person ' || n, 'person ' || n, n, 'active', 'file' FROM number""",
    """INSERT INTO seat (id, person_id, organisation_id, is_primary_home, strength)
       SELECT n, n, 1 + (n - 1) * :houses / (SELECT count(*) FROM number), 1, CASE WHEN n % 10 = 0 THEN 0 ELSE 7 END FROM number""",
    "INSERT INTO seat_role (seat_id, role) SELECT id, CASE WHEN strength = 0 THEN 'contact' ELSE 'adviser' END FROM seat",
    """INSERT INTO basis (address_id, kind, mailing_list, source, text_version, proof_ref, origin)
       SELECT n, 'membership_or_service_duty', '*', '', '', '', 'file' FROM number""",
)


def make_workspace(folder: Path, seats: int) -> None:
    """A workspace whose database holds ``seats`` people with one seat and one basis each, and a published campaign."""
    folder.mkdir()
    (folder / "config.toml").write_text("format = 1\n", encoding="utf-8")
    make_keys(folder / "keys.toml")
    engine = engines.open_engine("sqlite:///om-campaigns.db", root=folder)
    migrations.upgrade(engine)
    with store.write(engine) as session:
        session.execute(text("CREATE TEMPORARY TABLE number (n INTEGER PRIMARY KEY)"))
        session.execute(
            text("INSERT INTO number WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :seats) SELECT n FROM c"),
            {"seats": seats},
        )
        for statement in AUDIENCE:
            session.execute(text(statement), {"houses": HOUSES} if ":houses" in statement else {})
        definition = CampaignDefinition(
            name="wir",
            kind=CampaignKind.drip,
            title="Wir",
            mailing_list="wir",
            audiences=(Audience("alle", where="status == 'active' and 'adviser' in roles or 'contact' in roles"),),
            steps=(Step("a1", day=0), Step("a2", day=14)),
        )
        published = publish(session, "wir", definition, make_files(), NOW, "benchmark")
        confirm_entry(session, PermissionKind.publication, published.campaign, seats, "benchmark", NOW)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


def make_files() -> dict[str, str]:
    """The texts of the campaign, in the look of the starter."""
    shared = [path for name in ("layouts", "blocks", "brands") for path in (LOOK / name).iterdir() if path.is_file()]
    files = {path.relative_to(LOOK).as_posix(): path.read_text(encoding="utf-8") for path in shared}
    return {**files, "campaigns/wir/a1.de.md": TEXT, "campaigns/wir/a2.de.md": TEXT}


def time_ours(app: App, seats: int) -> float:
    """Seconds to enrol and plan everybody, committed."""
    began = time.perf_counter()
    plans = plan_all(app, NOW, NOW)
    took = time.perf_counter() - began
    assert (plans[0].enrolled, plans[0].planned.planned) == (seats, seats), plans
    return took


def time_copy(app: App, planned: Path, seats: int) -> float:
    """Seconds to put the dispatches of the ``planned`` database into one that has all but them, committed."""
    connection = app.engine.raw_connection()
    run = connection.driver_connection.execute
    run("ATTACH ? AS planned", (str(planned),))
    run("INSERT INTO enrolment SELECT * FROM planned.enrolment")
    began = time.perf_counter()
    run("BEGIN IMMEDIATE")
    run("INSERT INTO dispatch SELECT * FROM planned.dispatch")
    run("COMMIT")
    took = time.perf_counter() - began
    assert run("SELECT count(*) FROM dispatch").fetchone() == (seats,)
    connection.invalidate()
    return took


def measure_speed(folder: Path, seats: int) -> list[tuple[float, float]]:
    """Seconds (ours, the copy), round by round."""
    rounds = []
    for _ in range(ROUNDS):
        for name in ("ours", "copied"):
            shutil.copytree(folder / "all", folder / name)
        ours, copied = (open_app(folder / name, now=NOW) for name in ("ours", "copied"))
        rounds.append((time_ours(ours, seats), time_copy(copied, folder / "ours/om-campaigns.db", seats)))
        for app in (ours, copied):
            app.engine.dispose()
            shutil.rmtree(app.workspace)
    return rounds


def peak_of_a_run(folder: Path) -> int:
    """Kilobytes at the peak of a process of its own that enrols, plans, composes and sends in this workspace."""
    command = [sys.executable, "-m", "benchmarks.planning", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return int(done.stdout.split()[-1])


class Sink(MemoryTransport):
    """Takes letters without keeping them, as a mail server would, and asks to stop after ``SENT``."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = threading.Event()
        self._taken = itertools.count(1)

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        if next(self._taken) >= SENT:
            self.stop.set()
        return Outcome(Kind.accepted, 250, "counted", Stage.dot)


def run_once(folder: Path) -> None:
    """Plan and send in this process, then print its peak."""
    transport = Sink()
    result = tick(open_app(folder, now=NOW), NOW, transport=transport, stop=transport.stop)
    assert result.sent.sent >= SENT, result.sent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // 1024 if sys.platform == "darwin" else peak)


def run() -> list[tuple[str, float, str]]:
    """Name, ratio, requirement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder / "few", FEW)
        make_workspace(folder / "all", SEATS)
        rounds = measure_speed(folder, SEATS)
        ratio = statistics.median(ours for ours, _ in rounds) / statistics.median(copy for _, copy in rounds)
        memory = peak_of_a_run(folder / "all") / peak_of_a_run(folder / "few")
    return [
        ("planning", ratio, f"enrolling and planning {SEATS:,} seats ≤ {SLOWER:.0f}× of INSERT … SELECT of the same rows"),
        ("memory", memory, f"peak memory flat from {FEW:,} to {SEATS:,} recipients (≤ {FATTER}×)"),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 2:
        run_once(Path(sys.argv[1]))
    else:
        for title, figure, needed in run():
            print(f"{title:10} {figure:6.2f}  {needed}")
