"""A database as it is after two years: people in houses of very different size, letters, packs, answers; made once and kept.

Houses, people and networks come in through the product's own import, campaigns through its own publication, and one pack through
its own sending. The history is copied from there by set-based SQL: whoever wrote a row for each letter would wait an hour.
The databases stay in ``benchmarks/data``, which git ignores. ``python -m benchmarks.size`` uses them.
"""

from __future__ import annotations

import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, create_engine, make_url, text

from om_campaigns import engines, migrations
from om_campaigns.campaign.models import Dispatch, Enrolment, Pack
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Message
from om_campaigns.tick import tick
from om_campaigns.wiring import open_app
from tests.journeys.test_cascade import BODY, PACKS
from tests.journeys.workspace import PEOPLE_COLUMNS, SQLITE, Workspace, house, person

KEPT = Path(__file__).parent / "data"
"""Databases that were made stay here; git ignores the folder."""

NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)
"""A Tuesday, ten in Berlin: the window is open, and nothing is due."""

DAYS = 730
SLOT_DAYS = 180
OFFICES, WITH_PEOPLE = 334, 300
NETWORKS = 506
SKEW = 3.0
"""Of 300 offices the largest has 7 % of all people (14,144 of 200,000)."""

PAST = [f"reihe-{number:02}" for number in range(1, 13)]
RUNNING = [f"direkt-{number}" for number in range(1, 5)]
SERIES = [f"pakete-{number}" for number in range(1, 5)]
FOR_CONTACTS = [f"haus-{number}" for number in range(1, 5)]
PACK_STEPS = 25
HTTPS = '[web]\nbase_url = "https://om.example"\n[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n'


@dataclass(frozen=True)
class Past:
    """Letters of one step: handed over ``ago`` days before now, spread over ``width`` days by person."""

    campaign: str
    step: str
    ago: int
    width: int


LETTERS = [
    *(Past(name, "s1", 40 + 53 * number, 12) for number, name in enumerate(PAST)),
    Past("direkt-1", "s1", 5, 20),
    Past("direkt-2", "s1", 60, 20),
    Past("direkt-3", "s1", 1, 20),
    Past("direkt-4", "s1", 8, 20),
]
"""Sixteen letters a person; three of them within the last 30 days, so that caps have something to say."""

DUE = NOW + timedelta(days=1)
"""When the next step of ``direkt-2`` is due for everybody; that of the others lies far ahead."""


def make(
    folder: Path,
    people: int,
    *,
    database: str = SQLITE,
    offices: int = OFFICES,
    networks: int = NETWORKS,
    pack_steps: int = PACK_STEPS,
) -> Workspace:
    """A workspace with ``people`` advisers and two years behind it, in an empty ``folder`` and an empty ``database``."""
    office = Workspace(folder, database=database, settings=HTTPS)
    office.now = NOW - timedelta(days=7)
    add_audience(office, people, offices, networks)
    add_campaigns(office, pack_steps)
    tick(office.app, office.now, campaign="pakete")
    with loading(office.app.engine) as connection:
        _fill(connection, office, pack_steps)
    office.now = NOW
    return office


def sizes(people: int, houses: int) -> list[int]:
    """How many of ``people`` sit in each of ``houses``, the largest first: a few have most of them."""
    weights = [1 / (number + SKEW) for number in range(houses)]
    found = [max(1, math.floor(people * weight / sum(weights))) for weight in weights]
    found[-1] += max(0, people - sum(found))
    return found


def add_audience(office: Workspace, people: int, offices: int, networks: int) -> None:
    """A tree of umbrellas, state bodies and offices; advisers in nine of ten offices, a contact in each."""
    umbrellas, states, filled = max(1, offices // 16), max(1, offices // 4), max(1, offices * WITH_PEOPLE // OFFICES)
    takes: dict[str, str] = {"routes": "forward_pack,direct_email", "forward_policy": "edit_allowed", "pack_delivery": "portal"}
    rows = [house(f"dach-{number}", "DE", **takes, level="umbrella") for number in range(umbrellas)]
    rows += [house(f"land-{n}", _land(n), **takes, level="state", parent=f"dach-{n % umbrellas}") for n in range(states)]
    rows += [house(f"amt-{n}", _land(n), **takes, parent=f"land-{n % states}", adviser_headcount="20") for n in range(offices)]
    office.houses(*rows)
    slugs = [row.split(";", 1)[0] for row in rows]
    office.write("audiences/people.csv", PEOPLE_COLUMNS + "".join([*_contacts(slugs), *_advisers(people, filled)]))
    head = "slug;name;kind;regions;coordinator;organisations;people\n"
    lines = [f"netz-{n};Netz {n};{'om' if n % 2 else 'other'};{_land(n)};amt-0;{_members(slugs, n)};\n" for n in range(networks)]
    office.write("audiences/networks.csv", head + "".join(lines))
    office.take()


def _land(number: int) -> str:
    return f"{1 + number % 16:02}"


def _members(slugs: list[str], number: int) -> str:
    return ",".join(sorted({slugs[(number * step) % len(slugs)] for step in (1, 7, 11, 31)}))


def _contacts(slugs: list[str]) -> Iterator[str]:
    for number, slug in enumerate(slugs):
        yield person(f"Kontakt {number}", slug)
        if number % 3 == 0:
            yield person(f"Vertretung {number}", slug, roles="deputy")


def _advisers(people: int, houses: int) -> Iterator[str]:
    number = 0
    for where, count in enumerate(sizes(people, houses)):
        for _ in range(count):
            number += 1
            yield person(f"Person {number}", f"amt-{where}", roles="adviser,multiplier" if number % 10 == 0 else "adviser")


def add_campaigns(office: Workspace, pack_steps: int) -> None:
    """Twelve that run and twelve that ended, all published by the product."""
    direct = 'routes = ["direct_email"]\nsender = "om"'
    office.segment("beratende", "status == 'active' and 'adviser' in roles")
    office.segment("kontakte", "status == 'active' and 'contact' in roles")
    office.segment("haeuser", "status == 'active' and adviser_count >= 1", "organisations")
    for name in PAST:
        office.campaign(name, "s1 day = 0", audience=direct, segment="beratende")
    for name in RUNNING:
        office.campaign(name, "s1 day = 0", "s2 day = 90", "s3 day = 900", audience=direct, segment="beratende")
    for name in FOR_CONTACTS:
        office.campaign(name, "s1 day = 0", "s2 day = 900", audience=direct, segment="kontakte")
    steps = [f"p{number:02} day = {28 * number}" for number in range(pack_steps)] + ["p99 day = 2000"]
    office.segment("ein-haus", "slug == 'amt-0'", "organisations")
    for name, lines in {"pakete": steps[:1], **dict.fromkeys(SERIES, steps)}.items():
        office.campaign(name, *lines, audience=PACKS, segment="haeuser" if name in SERIES else "ein-haus", texts=False)
        for line in lines:
            office.text(name, f"{line.split()[0]}.de", BODY)
    office.publish()


@contextmanager
def loading(engine: Engine) -> Iterator[Connection]:
    """A connection for very many rows: nothing is checked or forced to the disk, other indexes than unique ones are built at the end."""
    names = [table_of(each).name for each in (Enrolment, Dispatch, Pack, Message)] + ["touch", "message_dispatch", "suppression"]
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        for before in _SQLITE_LOADING if is_sqlite else ("SET session_replication_role = replica", "SET synchronous_commit = off"):
            (connection.connection.driver_connection.execute if is_sqlite else run)(before)  # type: ignore[union-attr]
        marks = ", ".join(f"'{name}'" for name in names)
        indexes = run((_SQLITE_INDEXES if is_sqlite else _POSTGRES_INDEXES).format(marks)).all()
        for name, _ in indexes:
            run(f'DROP INDEX "{name}"')
        yield connection
        for _, statement in indexes:
            run(statement)
        connection.commit()
        if is_sqlite:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        connection.invalidate()
    if not is_sqlite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


_SQLITE_LOADING = (
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -400000",
)
_SQLITE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ({}) AND sql NOT LIKE 'CREATE UNIQUE%'"
_POSTGRES_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ({}) AND indexdef NOT LIKE 'CREATE UNIQUE%%'"


def _fill(connection: Connection, office: Workspace, pack_steps: int) -> None:
    run = _runner(connection, office)
    run("CREATE TEMPORARY TABLE moment (ago INTEGER PRIMARY KEY, at INSTANT, day INTEGER)")
    moments = [{"ago": ago, "at": office.bound(NOW - timedelta(days=ago)), "day": _day(ago)} for ago in range(DAYS + 30)]
    connection.execute(text("INSERT INTO moment (ago, at, day) VALUES (:ago, :at, :day)"), moments)
    real = run("SELECT max(id) FROM dispatch").scalar_one()
    for name in PAST + RUNNING + FOR_CONTACTS:
        run(ENROL, campaign=name, **_ahead(office, name))
    for past in LETTERS:
        run(DISPATCH, campaign=past.campaign, step=past.step, ago=past.ago, width=past.width)
    for name in FOR_CONTACTS:
        run(DISPATCH, campaign=name, step="s1", ago=45 + 15 * int(name[-1]), width=20)
    run("CREATE TEMPORARY TABLE pack_step (step TEXT, ago INTEGER)")
    steps = [{"step": f"p{number:02}", "ago": 51 + 28 * (pack_steps - 1 - number)} for number in range(pack_steps)]
    connection.execute(text("INSERT INTO pack_step (step, ago) VALUES (:step, :ago)"), steps)
    for statement in SERIES_PAST + MAIL + ANSWERS:
        run(
            statement,
            real=real,
            last_step=steps[-1]["step"],
            last_day=(NOW + timedelta(days=20)).date(),
            far=office.bound(NOW + timedelta(days=400)),
        )
    if connection.dialect.name == "postgresql":
        run("SELECT setval(pg_get_serial_sequence('message', 'id'), (SELECT max(id) FROM message))")
    connection.commit()


def _runner(connection: Connection, office: Workspace) -> Callable[..., CursorResult[Any]]:
    """Executes a statement with those of the values that it names."""
    instant = "TIMESTAMPTZ" if connection.dialect.name == "postgresql" else "TEXT"

    def run(statement: str, **values: Any) -> CursorResult[Any]:
        given = {name: value for name, value in {"now": office.bound(NOW), **values}.items() if f":{name}" in statement}
        return connection.execute(text(statement.replace("INSTANT", instant)), given)

    return run


def _day(ago: int) -> int:
    return (NOW - timedelta(days=ago)).date().toordinal() - datetime(1970, 1, 1, tzinfo=UTC).date().toordinal()


def _ahead(office: Workspace, name: str) -> dict[str, Any]:
    """State and next step of everybody in a campaign; those that ended have none."""
    if name in PAST:
        return {"state": "finished", "next_step": None, "due": None, "ended": office.bound(NOW - timedelta(days=30))}
    step, due = ("s3" if name in RUNNING else "s2"), NOW + timedelta(days=400)
    if name == "direkt-2":
        step, due = "s2", DUE
    return {"state": "active", "next_step": step, "due": office.bound(due), "ended": None}


ENROL = """
INSERT INTO enrolment (campaign_id, occasion, subject_kind, subject_id, organisation_id, seat_id, address_id, version_id, audience,
    state, reason, entered_at, next_step, next_due_at, promised_at, shift_seconds, ended_at)
SELECT c.id, '', 'person', p.id, s.organisation_id, s.id, p.main_address_id, c.latest_version_id, 0, :state, '', m.at,
    CAST(:next_step AS TEXT), CAST(:due AS INSTANT), CAST(:due AS INSTANT), 0, CAST(:ended AS INSTANT)
FROM person p JOIN seat s ON s.person_id = p.id JOIN campaign c ON c.name = :campaign JOIN moment m ON m.ago = 700
WHERE EXISTS (SELECT 1 FROM seat_role r WHERE r.seat_id = s.id
    AND r.role = CASE WHEN :campaign LIKE 'haus-%' THEN 'contact' ELSE 'adviser' END)
"""

DISPATCH = """
INSERT INTO dispatch (campaign_id, occasion, step, recipient_kind, recipient_id, enrolment_id, version_id, address_id, organisation_id,
    seat_id, audience, route, sender, variant, language, priority, service, status, reason, detail, planned_at, first_due_at, due_at,
    due_day, attempts, sent_at)
SELECT e.campaign_id, '', :step, 'person', e.subject_id, e.id, e.version_id, e.address_id, e.organisation_id, e.seat_id, 0, 'direct_email',
    'om', '', 'de', 50, FALSE, 'sent', '', '', m.at, m.at, m.at, m.day, 1, m.at
FROM enrolment e JOIN campaign c ON c.id = e.campaign_id JOIN moment m ON m.ago = :ago + (e.subject_id * 7919) % :width
WHERE c.name = :campaign
"""

MAIL = (
    """
INSERT INTO message (id, ref, message_id, kind, campaign_id, address_id, envelope_from, envelope_to, edition_id, zone, ideas, items,
    state, worker_id, claim_id, attempts, claimed_at, sent_at, code, reply)
SELECT 100000 + d.id, 'wnup4lkr' || d.id, '<wnup4lkr' || d.id || '@om-mail.example>', 'campaign', d.campaign_id, d.address_id,
    'bounce-wnup4lkr' || d.id || '-z2n65rjhlzmc@om-mail.example', a.address,
    '5258e1bb3bd8f2fd8ace3bee4f65da669b05d099156caa908a21f412a6647ee5', 'Europe/Berlin', 'we_opportunities', '', 'sent', 1,
    '6hnxegfqrgy4gz3s', 1, d.sent_at, d.sent_at, 250, 'kept in memory'
FROM dispatch d JOIN address a ON a.id = d.address_id WHERE d.id > :real
""",
    """
INSERT INTO message_dispatch (message_id, dispatch_id, part)
SELECT 100000 + d.id, d.id, CASE WHEN d.route = 'direct_email' THEN 'mail' ELSE 'cover' END FROM dispatch d WHERE d.id > :real
""",
    f"""
INSERT INTO message_slots (message_id, slot_values)
SELECT 100000 + d.id, '{{"contact.full_name":"Person","contact.reason":"weil Ihr Haus Partner der Offensive Mittelstand ist."}}'
FROM dispatch d WHERE d.id > :real AND d.sent_at > (SELECT at FROM moment WHERE ago = {SLOT_DAYS})
""",
    """
INSERT INTO touch (campaign_id, occasion, step, recipient_kind, recipient_id, address_id, organisation_id, route, at, day, ideas, items,
    service, certain)
SELECT d.campaign_id, '', d.step, 'person', d.recipient_id, d.address_id, d.organisation_id, d.route, d.sent_at, d.due_day,
    'we_opportunities', c.name || '/' || d.step, FALSE, TRUE
FROM dispatch d JOIN campaign c ON c.id = d.campaign_id WHERE d.id > :real
""",
)

SERIES_PAST = (
    """
INSERT INTO enrolment (campaign_id, occasion, subject_kind, subject_id, organisation_id, seat_id, address_id, version_id, audience,
    state, reason, entered_at, next_step, next_due_at, promised_at, shift_seconds)
SELECT c.id, '', 'organisation', s.organisation_id, s.organisation_id, s.id, p.main_address_id, c.latest_version_id, 0, 'active', '', m.at,
    'p99', CAST(:far AS INSTANT), CAST(:far AS INSTANT), 0
FROM seat s JOIN person p ON p.id = s.person_id JOIN campaign c ON c.name LIKE 'pakete-%' JOIN moment m ON m.ago = 723
WHERE EXISTS (SELECT 1 FROM seat_role r WHERE r.seat_id = s.id AND r.role = 'contact')
""",
    """
INSERT INTO dispatch (campaign_id, occasion, step, recipient_kind, recipient_id, enrolment_id, version_id, address_id, organisation_id,
    seat_id, audience, route, sender, variant, language, priority, service, status, reason, detail, planned_at, first_due_at, due_at,
    due_day, attempts, sent_at)
SELECT e.campaign_id, '', s.step, e.subject_kind, e.subject_id, e.id, e.version_id, e.address_id, e.organisation_id, e.seat_id, 0,
    'forward_pack', 'om', '', 'de', 50, FALSE, 'sent', '', '', m.at, m.at, m.at, m.day, 1, m.at
FROM enrolment e JOIN campaign c ON c.id = e.campaign_id AND c.name LIKE 'pakete-%'
JOIN pack_step s ON s.ago > 0 JOIN moment m ON m.ago = s.ago
""",
    """
INSERT INTO pack (public_id, code, dispatch_id, campaign_id, occasion, step, organisation_id, relay_state, state_at, due_on, named)
SELECT 'pack' || d.id, 'K' || d.id, d.id, d.campaign_id, '', d.step, d.organisation_id,
    CASE WHEN d.step = :last_step THEN 'offered' WHEN d.id % 3 = 0 THEN 'reported' ELSE 'expired' END, d.sent_at, :last_day, '[]'
FROM dispatch d JOIN campaign c ON c.id = d.campaign_id AND c.name LIKE 'pakete-%'
""",
    """
INSERT INTO pack_organisation (pack_id, organisation_id, relay_id, campaign_id, occasion, step, level)
SELECT n.id, n.organisation_id, n.organisation_id, n.campaign_id, '', n.step, '' FROM pack n WHERE n.public_id LIKE 'pack%'
""",
    """
INSERT INTO pack_revision (pack_id, number, edition_id, made_at)
SELECT n.id, r.number, r.edition_id, n.state_at FROM pack n JOIN pack_revision r ON r.pack_id = 1 WHERE n.public_id LIKE 'pack%'
""",
)
"""A pack of each step for every house that has a contact; what it says is what the one that was really sent says."""

ANSWERS = (
    """
INSERT INTO acknowledgement (source_key, pack_id, organisation_id, is_declined, level, count, sentence, at, origin, actor)
SELECT 'a' || k.id, k.id, NULL, FALSE, 'adviser', 1 + k.id % 40, '', k.state_at, 'answer', '' FROM pack k WHERE k.relay_state = 'reported'
""",
    """
INSERT INTO response (kind, source_key, at, organisation_id, campaign_id, occasion, step, detail)
SELECT 'acknowledgement', 'a' || k.id, k.state_at, k.organisation_id, k.campaign_id, '', k.step, '{}'
FROM pack k WHERE k.relay_state = 'reported'
""",
    """
INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at)
SELECT hmac, key_id, 'mailing_list', 'monatsbrief', 'opt_out', :now FROM address WHERE id % 10 = 3
""",
    """
INSERT INTO change (batch, entity, entity_id, field, old, new, origin, actor, at)
SELECT 'history', 'address', a.id, 'suppressed', NULL, 'mailing_list monatsbrief', 'answer', 'page', m.at
FROM address a JOIN moment m ON m.ago = 20 + a.id % 700 WHERE a.id % 10 = 3
""",
    """
INSERT INTO change (batch, entity, entity_id, field, old, new, origin, actor, at)
SELECT 'history', 'person', p.id, 'full_name', 'Frau ' || p.full_name, p.full_name, 'file', 'test', m.at
FROM person p JOIN moment m ON m.ago = p.id % 700
""",
    """
INSERT INTO counted_link (ref, version_id, step, variant, language, is_pack, organisation_id, target, made_at)
SELECT '0000000000' || (1000000000 + o.id * 1000 + v.id * 10 + m.ago), v.id, 's1', '', 'de', FALSE, o.id,
    'https://om.example/' || m.ago, m.at
FROM organisation o JOIN campaign_version v ON v.id % 2 = 0 JOIN moment m ON m.ago BETWEEN 1 AND 3
""",
)


def find_kept(people: int, server: str = "") -> Path:
    """The workspace of this size, made where there is none yet: on SQLite, or on the PostgreSQL ``server``."""
    folder = KEPT / f"size-{people}-{'postgres' if server else 'sqlite'}"
    whole = folder / "whole"
    if not whole.exists():
        began = time.perf_counter()
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, people, database=new_database(server, f"size{people}") if server else SQLITE).app.engine.dispose()
        whole.touch()
        print(f"made {people:,} people in {time.perf_counter() - began:.0f} s: {folder}", file=sys.stderr, flush=True)
    engine = open_app(folder, check_schema=False).engine
    migrations.upgrade(engine)  # made by an earlier version, perhaps
    engine.dispose()
    return folder


def copy_kept(folder: Path, copied: Path, server: str = "", name: str = "tried") -> None:
    """A copy to try things on. PostgreSQL copies its database, too, under this name."""
    shutil.copytree(folder, copied)
    if server:
        config = copied / "config.toml"
        before, url, after = re.split(r'(?<=url = ")(postgresql[^"]*)', config.read_text(encoding="utf-8"))
        url = new_database(server, name, like=make_url(url).database or "")
        config.write_text(before + url + after, encoding="utf-8")


def new_database(server: str, name: str, *, like: str = "template0") -> str:
    """The address of a database of this name on the server, empty or as another one; what was there is gone."""
    admin = create_engine(engines.open_engine(server).url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {like}"))
    admin.dispose()
    return admin.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
