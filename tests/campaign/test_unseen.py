"""unseen: a campaign is looked at again whenever somebody might enter it, however that came to be written."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign import unseen
from om_campaigns.campaign.definition import Audience, CampaignDefinition, ReEnter, Step
from om_campaigns.campaign.releases import publish, running_campaigns
from om_campaigns.campaign.unseen import WATCHED, WATCHES, is_anything_noted, take_down
from om_campaigns.campaign.vocabulary import CampaignKind, EnrolmentState
from om_campaigns.keyring import make_keys
from om_campaigns.planning import CampaignPlan, plan_all, plan_campaign
from om_campaigns.wiring import open_app
from tests.audience.plain_audience import TODAY, make_audience

pytestmark = pytest.mark.slow

NOON = datetime.combine(TODAY, time(12), UTC)
PACKS = (Route.forward_pack, Route.newsletter_block, Route.list_address)
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "wir-gedanke": {"where": "status == 'active'", "re_enter": ReEnter.after_finish},
    "fuenf-gedanken": {"where": "has_role('adviser') or touches_within(90) > 0", "starts_after": ("wir-gedanke",)},
    "drei": {"where": "answered('wir-gedanke/a1') or received('wir-gedanke')", "not_while_in": ("wir-gedanke", "fuenf-gedanken")},
    "vier": {"where": "within(regions, '05') or member_of('netz-1') or uses('BZ') >= '2.0' or children('active') > 1"},
    "packs": {"where": "status == 'active'", "selects": "organisations", "routes": PACKS},
    "sechs": {"where": "days_since(joined_on) < 90 and (takes('direct_email') or has_basis('wir-gedanke'))"},
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    """A random audience in which every column that may be empty sometimes is, and six campaigns that look at all sorts of it."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    url = engine.url.render_as_string(hide_password=False) if request.param == "postgres" else f"sqlite:///{engine.url.database}"
    (tmp_path / "config.toml").write_text(f'format = 1\n[database]\nurl = "{url}"\n', encoding="utf-8")
    make_keys(tmp_path / "keys.toml")
    with store.write(engine) as session:
        session.execute(
            text(
                "INSERT INTO mailing_list (slug, name_de, name_en, description_de, description_en) VALUES ('wir-gedanke', 'W', '', '', '')"
            )
        )
        make_audience(1).store(session.connection())
        session.execute(text("DELETE FROM organisation_region WHERE ags = '0'"))  # no Land has holidays there
        if request.param == "postgres":
            for table in ("organisation", "address", "person", "seat", "basis", "touch", "response"):
                session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000)"))
        for name, given in CAMPAIGNS.items():
            publish(session, name, make_definition(name, **given), {}, NOON, "test")
    opened = open_app(tmp_path, now=NOON, check_schema=False)
    yield opened
    opened.engine.dispose()


def make_definition(name: str, *, where: str, selects: str = "seats", routes: tuple[Route, ...] = (), **more: Any) -> CampaignDefinition:
    audience = Audience("alle", where=where, selects=selects, **({"routes": routes} if routes else {}))
    steps = (Step("a1", day=0), Step("a2", day=2))
    kind = CampaignKind.drip
    return CampaignDefinition(name=name, kind=kind, title=name, mailing_list="wir-gedanke", audiences=(audience,), steps=steps, **more)


def plan_until_quiet(app: App, now: datetime) -> dict[str, CampaignPlan]:
    """The plans of the last round of a tick that sends nothing."""
    for _ in range(6):
        plans = plan_all(app, now, now)
        if all(each.is_quiet for each in plans):
            return {each.campaign: each for each in plans}
    raise AssertionError("it never comes to rest")


def assert_a_full_look_finds_nothing(app: App, now: datetime, left: dict[str, CampaignPlan]) -> None:
    """Asking everybody of every campaign again finds nobody, and the same people outside for the same reasons."""
    with store.undone(app.engine) as session:
        for campaign in running_campaigns(session):
            full = plan_campaign(store.OneTurn(session), app, campaign, now, now, asks_all=True)
            assert full.is_quiet, (campaign.name, full)
            assert full.not_enrolled == left[campaign.name].not_enrolled, campaign.name


KEPT = ("id", "public_id", "next_step", "next_due_at", "version_id", "seat_id")
"""What a random write does not confuse: it would be a plan that nothing makes."""

MOVING = ("state", "left_at", "address_id", "seat_id")
"""What the program changes of an enrolment that may let somebody enter, or keep others out. It deletes none."""


def find(row: dict[str, Any]) -> str:
    """The condition that finds a row by its id, or by all that it says."""
    return " AND ".join(f'"{name}" = :{name}' for name in (["id"] if "id" in row else [each for each in row if row[each] is not None]))


class History:
    """Writes of every kind by plain SQL, as no part of the program makes them."""

    def __init__(self, app: App, seed: int) -> None:
        self.app, self.random = app, random.Random(seed)
        with store.read(app.engine) as session:
            self.began = session.execute(text("SELECT min(entered_at) FROM enrolment")).scalar()
        self.gone: dict[str, list[dict[str, Any]]] = {}

    def write(self, table: str) -> list[str]:
        """Several writes to one table: one alone seldom changes who may enter."""
        works = [self.update] if table == "enrolment" else [self.delete, self.update, self.update, self.restore]
        return [self.attempt(self.random.choice(works), table) for _ in range(20)]

    def attempt(self, work: Callable[[Connection, str], str], table: str) -> str:
        """What was written, or "" where a constraint forbids it, or there is nothing to write to."""
        try:
            with store.write(self.app.engine) as session:
                return work(session.connection(), table)
        except (DBAPIError, IndexError):
            return ""

    def rows(self, connection: Connection, table: str) -> list[dict[str, Any]]:
        """The rows in an order that does not depend on the database."""
        found = connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
        return sorted((dict(row) for row in found), key=lambda row: [str(value) for value in row.values()])

    def delete(self, connection: Connection, table: str) -> str:
        row = self.random.choice(self.rows(connection, table))
        connection.execute(text(f'DELETE FROM "{table}" WHERE {find(row)}'), row)
        self.gone.setdefault(table, []).append(row)
        return f"deleted from {table}"

    def restore(self, connection: Connection, table: str) -> str:
        row = self.gone.get(table, []).pop()
        names = ", ".join(f'"{name}"' for name in row)
        connection.execute(text(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(f":{name}" for name in row)})'), row)
        return f"inserted into {table}"

    def update(self, connection: Connection, table: str) -> str:
        """One row takes over what another one says in one column, and it did not."""
        rows = self.rows(connection, table)
        one = self.random.choice(rows)
        name = self.random.choice([name for name in one if (name in MOVING if table == "enrolment" else name not in KEPT)])
        known = {"state": [*EnrolmentState], "left_at": [None, self.began]}.get(name, [each[name] for each in rows])
        given = self.random.choice([value for value in known if value != one[name]])
        connection.execute(text(f'UPDATE "{table}" SET "{name}" = :given WHERE {find(one)}'), {**one, "given": given})
        return f"changed {table}.{name}"

    def send(self) -> str:
        """Half of what is owed is sent."""
        with store.write(self.app.engine) as session:
            owed = session.execute(text("SELECT * FROM dispatch WHERE status = 'planned' ORDER BY id")).mappings().all()
            for row in owed[::2]:
                session.execute(text("UPDATE dispatch SET status = 'sent', sent_at = due_at WHERE id = :id"), dict(row))
                session.execute(
                    text(
                        "INSERT INTO touch (at, day, address_id, organisation_id, campaign_id, occasion, step, recipient_kind,"
                        " recipient_id, route, ideas, items, service, certain) SELECT due_at, due_day, address_id, organisation_id,"
                        " campaign_id, occasion, step, recipient_kind, recipient_id, route, '[]', '[]', service, true FROM dispatch"
                        " WHERE id = :id ON CONFLICT DO NOTHING"
                    ),
                    dict(row),
                )
        return f"sent {len(owed[::2])}"


def live(app: App, seed: int, tables: Sequence[str]) -> Iterator[str]:
    """Random writes, sendings and days, one kind at a time; after each, what was left out is nothing."""
    history, now = History(app, seed), NOON
    for table in tables:
        if table == "day":
            now += timedelta(days=history.random.choice([1, 1, 3, 7]))
        elif table == "sending":
            yield history.send()
        else:
            yield from history.write(table)
        assert_a_full_look_finds_nothing(app, now, plan_until_quiet(app, now))


READ = [table.name for table in WATCHED]


def test_skipping_finds_all_that_a_full_look_finds(app: App) -> None:
    """Whom nobody asked had nothing to say: neither would they enter, nor are other numbers outside."""
    tables = ["enrolment", "sending", "touch", "day", "enrolment", "response"]
    assert len({each for each in live(app, 1, tables) if each}) > 5


@pytest.mark.parametrize("table", ["seat", "organisation", "enrolment"])
@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_a_table_that_is_not_watched_would_be_found(app: App, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """The test above sees what it is there to see: without the triggers of a table, what is written there goes unseen."""
    monkeypatch.setattr(unseen, "WATCHES", tuple(each for each in WATCHES if each.table != table))
    plan_until_quiet(app, NOON)
    with pytest.raises(AssertionError):
        list(live(app, 1, [table] * 8))


def test_every_write_to_what_entering_reads_is_noted(app: App) -> None:
    """Whatever is put in, changed or taken out: a note of it stands in the database, or it was not written."""
    history, done = History(app, 1), set()
    for table in READ:
        for work in (history.update, history.delete, history.restore):
            with store.write(app.engine) as session:
                take_down(session)
            written = next((said for _ in range(20) if (said := history.attempt(work, table))), "")
            with store.read(app.engine) as session:
                assert is_anything_noted(session) == bool(written), (table, written)
            done.add(written)
    assert len(done) > 40


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_other_seats_of_those_who_entered_are_not_told_for_ever(app: App) -> None:
    """Somebody with seats in two houses enters through one of them; the other one is outside only until then."""
    plan_until_quiet(app, NOON)
    with store.write(app.engine) as session:
        said = "SELECT e.id, e.seat_id FROM enrolment e JOIN campaign c ON c.id = e.campaign_id WHERE c.name = 'wir-gedanke'"
        entered = session.execute(text(f"{said} AND e.subject_kind = 'person'")).mappings().first()
        assert entered is not None
        session.execute(text("DELETE FROM dispatch WHERE enrolment_id = :id"), entered)
        session.execute(text("DELETE FROM enrolment WHERE id = :id"), entered)
        seat = dict(session.execute(text("SELECT * FROM seat WHERE id = :seat_id"), entered).mappings().one())
        others = "id NOT IN (SELECT organisation_id FROM seat WHERE person_id = :person_id)"
        house = session.execute(text(f"SELECT id FROM organisation WHERE status = 'active' AND {others}"), seat).scalar()
        seat |= {"id": 999, "organisation_id": house, "is_primary_home": False}
        session.execute(text(f"INSERT INTO seat ({', '.join(seat)}) VALUES (:{', :'.join(seat)})"), seat)
    first = next(each for each in plan_all(app, NOON, NOON) if each.campaign == "wir-gedanke")
    assert first.enrolled == 1
    left = plan_until_quiet(app, NOON)
    assert (first.not_enrolled - left["wir-gedanke"].not_enrolled).total() == 1
    assert_a_full_look_finds_nothing(app, NOON, left)


def test_where_nothing_was_written_nobody_is_asked(app: App) -> None:
    """The second plan of an instant reads no seat, no basis and no house, and writes nothing."""
    plan_until_quiet(app, NOON)
    said: list[str] = []
    event.listen(app.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: said.append(statement))
    plan_all(app, NOON + timedelta(hours=1), NOON + timedelta(hours=1))
    assert said
    assert not [each for each in said if re.search(r"INSERT|UPDATE|DELETE|(FROM|JOIN) \"?(seat|basis|organisation)", each)], said


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: watch.name)
def test_every_trigger_notes_what_it_watches(sqlite_engine: Engine, watch: Any) -> None:
    """A trigger whose name stands there and which does nothing would be the worst of all."""
    with store.write(sqlite_engine) as session:
        take_down(session)
        made = session.execute(
            text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name"), {"name": watch.name}
        ).scalar_one()
        assert "INSERT INTO unseen_change" in made
        assert f'ON "{watch.table}"' in made
    with store.read(sqlite_engine) as session:
        assert not is_anything_noted(session)


def test_entering_reads_nothing_that_is_not_watched(app: App) -> None:
    """Every table that stands in a statement of a full look is watched, or is of what a look knows by other means."""
    by_other_means = {
        "campaign",  # its version is part of the basis, new ones are noted
        "campaign_version",
        "campaign_file",
        "blob",
        "enrolment",
        "dispatch",  # what is owed lets nobody enter; whether a step is settled is asked every time
        "pack_organisation",
        "preference",  # how often somebody wants mail decides when, not whether
        "preference_topic",
        "campaign_look",
        "unseen_change",
        "sqlite_master",
        "pg_trigger",
        "pg_class",
        "permission",
        "skipped_step",  # decides what is due, which is asked every time
    }
    said: list[str] = []
    event.listen(app.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: said.append(statement))
    plan_until_quiet(app, NOON)
    read = {name for each in said for name in re.findall(r'(?:FROM|JOIN) "?([a-z_]+)"?', each) if not name.startswith("plan_")}
    known = {each.name for each in store.metadata.sorted_tables}
    assert (read & known) - {each.name for each in WATCHED} <= by_other_means


def test_a_table_that_was_rebuilt_is_watched_again_and_nothing_is_trusted_meanwhile(app: App) -> None:
    """Changing a table's shape on SQLite loses its triggers: what was written in between is found all the same."""
    plan_until_quiet(app, NOON)
    table = "" if app.engine.dialect.name == "sqlite" else ' ON "seat"'
    with store.write(app.engine) as session:
        session.execute(text(f'DROP TRIGGER "unseen1_seat_update"{table}'))
        session.execute(text("UPDATE seat SET until = NULL"))
    assert_a_full_look_finds_nothing(app, NOON, plan_until_quiet(app, NOON))
    with store.read(app.engine) as session:
        assert not is_anything_noted(session)


@pytest.mark.slow
def test_a_writer_that_ends_after_the_look_began_is_not_forgotten(postgres_engine: Engine) -> None:
    """PostgreSQL: two writers lean on one note; the notes are taken down while one of them is still writing."""
    with store.write(postgres_engine) as session:
        take_down(session)
    change = text("INSERT INTO region (ags, name) VALUES (:ags, '')"), text("UPDATE person SET language = language")
    first, second = postgres_engine.connect(), postgres_engine.connect()
    first.execute(change[1])
    first.commit()
    second.execute(change[1])  # leans on the note of the first
    with store.write(postgres_engine) as session:
        take_down(session)  # waits for nobody
    second.commit()
    with store.read(postgres_engine) as session:
        assert is_anything_noted(session)
    first.close()
    second.close()
