"""A small workspace with audiences, segments and texts of its own, walked through time by the real tick.

Every tick runs twice, and the second must leave every table as it is, byte for byte: running again at the same instant
changes nothing, ever (R11).
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import text

from om_campaigns import engines, migrations, store
from om_campaigns.app import App
from om_campaigns.campaign.releases import publish
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.errors import ProblemsError, errors_among
from om_campaigns.keyring import make_keys
from om_campaigns.letters.texts import read_defined
from om_campaigns.staff.entering import FigureNeededError, count_entering
from om_campaigns.staff.importing import import_audience
from om_campaigns.staff.publishing import Review, publish_campaigns, publish_reviewed
from om_campaigns.tick import TickResult, tick
from om_campaigns.wiring import open_app

Done = TypeVar("Done")

LOOK = Path(__file__).parents[2] / "templates"
BERLIN = ZoneInfo("Europe/Berlin")

LISTS = "slug;name_de\nwir-gedanke;Wir-Gedanke\nmonatsbrief;Monatsbrief\nhilfen;Hilfen\n"
HOUSE_COLUMNS = (
    "slug;name;type;level;parent;regions;status;joined_on;routes;data_role;language;holiday_land;zone;"
    "adviser_headcount;forward_policy;relay;pack_delivery;shelf_life_days;list_address\n"
)
PEOPLE_COLUMNS = "person;name;email;organisation;roles;language;primary;until;status;basis;obtained_on;source\n"

SQLITE = "sqlite:///om-campaigns.db"

STEP = """+++
subject = "{subject}"
preheader = "Ein Schritt, den zwei Häuser zusammen gehen können."
ideas = ["we_opportunities"]
call_to_action = {{ text = "Eine Person nennen", how = "reply" }}
+++
{body}
"""


def local(day: str, at: str = "09:00") -> datetime:
    """A wall-clock time in Berlin as an instant in UTC."""
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(at), BERLIN).astimezone(UTC)


def house(slug: str, land: str, **values: str) -> str:
    """A row of ``organisations.csv``: an active chamber that joined on 2026-12-15 and takes direct mail."""
    known = {
        "slug": slug,
        "name": f"Haus {slug}",
        "type": "chamber_ihk",
        "level": "regional",
        "parent": "",
        "regions": land,
        "status": "active",
        "joined_on": "2026-12-15",
        "routes": "direct_email",
        "data_role": "joint",
        "language": "",
        "holiday_land": "",
        "zone": "",
        "adviser_headcount": "",
        "forward_policy": "",
        "relay": "",
        "pack_delivery": "",
        "shelf_life_days": "",
        "list_address": "",
    }
    return ";".join({**known, **values}.values()) + "\n"


def person(name: str, organisation: str, **values: str) -> str:
    """A row of ``people.csv``: an active contact with a basis for every list; the address follows from the name."""
    address = f"{name.lower().replace(' ', '.')}@{organisation}.example" if name else ""
    known = {
        "person": "",
        "name": name,
        "email": address,
        "organisation": organisation,
        "roles": "contact",
        "language": "",
        "primary": "yes",
        "until": "",
        "status": "active",
        "basis": "membership_or_service_duty",
        "obtained_on": "2026-01-15",
        "source": "Partnerschaftsantrag",
    }
    row = known | values
    if not row["basis"]:
        row["obtained_on"] = row["source"] = ""
    return ";".join(row.values()) + "\n"


def upgrade(database: str, folder: Path) -> None:
    engine = engines.open_engine(database, root=folder)
    migrations.upgrade(engine)
    engine.dispose()


@cache
def empty_database() -> bytes:
    """A migrated SQLite file, made once: migrating takes longer than many a journey."""
    with TemporaryDirectory() as name:
        upgrade("sqlite:///empty.db", Path(name))
        return (Path(name) / "empty.db").read_bytes()


@dataclass(frozen=True)
class Mail:
    """One row of the ledger, as a test wants to read it; ``at`` is the local hand-over, else the local due time."""

    campaign: str
    step: str
    to: str
    status: str
    reason: str
    at: str
    occasion: str = ""
    variant: str = ""
    organisation: str = ""


class Workspace:
    """A workspace in a folder, opened once; ``now`` is the clock's instant, ``letters`` is what went out."""

    def __init__(self, folder: Path, *, database: str = SQLITE, settings: str = "") -> None:
        self.folder = folder
        self.now = local("2027-01-04")
        self.pause = timedelta(days=1)
        """How far apart ticks are while nothing is due."""
        self.confirms = True
        """Whoever works here says yes to every figure; False where a test wants to be asked."""
        self.transport = MemoryTransport()
        for name in ("layouts", "blocks", "content"):
            shutil.copytree(LOOK / name, folder / "templates" / name)
        (folder / "templates/brands").mkdir()
        shutil.copyfile(LOOK / "brands/om.toml", folder / "templates/brands/om.toml")
        (folder / "audiences/segments").mkdir(parents=True)
        self.write("config.toml", f'format = 1\n{settings}\n[database]\nurl = "{database}"\n')
        make_keys(folder / "keys.toml")
        if database == SQLITE:
            (folder / "om-campaigns.db").write_bytes(empty_database())
        else:
            upgrade(database, folder)
        self.app: App = open_app(folder, clock=lambda: self.now, rehearsal_transport=lambda: self.transport)
        self.take(mailing_lists=LISTS)

    def copy(self, folder: Path) -> Workspace:
        """The same workspace in another folder, with all that went out of it: copying costs a tenth of what led to it (SQLite)."""
        self.app.engine.dispose()
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        made = copy.copy(self)
        made.folder, made.transport = folder, MemoryTransport()
        made.transport.letters += self.transport.letters
        made.app = open_app(folder, clock=lambda: made.now, rehearsal_transport=lambda: made.transport)
        return made

    # --- what staff do --------------------------------------------------------------------------------------------------

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def take(self, **tables: str) -> None:
        """Import these tables; with none, every table of ``audiences/`` again. No row may be refused."""
        paths = [self.write(f"audiences/{name}.csv", content) for name, content in tables.items()]
        report = self._confirmed(lambda expect: import_audience(self.app, paths, self.now, "test", expect=expect))
        assert not report.rejected, report.rejected

    def houses(self, *rows: str) -> None:
        self.take(organisations=HOUSE_COLUMNS + "".join(rows))

    def people(self, *rows: str) -> None:
        self.take(people=PEOPLE_COLUMNS + "".join(rows))

    def segment(self, name: str, where: str, selects: str = "seats") -> None:
        self.write(f"audiences/segments/{name}.toml", f"format = 1\ntitle = \"{name}\"\nselects = \"{selects}\"\nwhere = '''{where}'''\n")

    def campaign(self, name: str, *steps: str, head: str = "", audience: str = "", segment: str = "alle", texts: bool = True) -> None:
        """A campaign file; ``steps`` are lines such as ``a1 day = 0``, ``head`` adds or overrides keys of the campaign."""
        known = {
            "kind": '"drip"',
            "title": f'"{name}"',
            "mailing_list": '"wir-gedanke"',
            "window": '{ days = ["tue", "wed", "thu"], from = "09:00", to = "12:00" }',
        }
        given = dict(line.split(" = ", 1) for line in head.splitlines() if line)
        lines = ["format = 1", *(f"{key} = {value}" for key, value in {**known, **given}.items() if value != "none")]
        lines += ["", "[[audience]]", f'segment = "{segment}"', audience]
        for step in steps:
            step_name, *keys = step.split(maxsplit=1)
            lines += ["", "[[step]]", f'name = "{step_name}"', *keys]
            if texts:
                self.text(name, f"{step_name}.de")
        self.write(f"templates/campaigns/{name}/campaign.toml", "\n".join(lines) + "\n")

    def text(self, campaign: str, name: str, body: str = "Guten Tag {{ contact.full_name }},\n\nein Schritt.", head: str = "") -> None:
        """A text file such as ``a1.de``; ``head`` adds lines to its front matter."""
        source = STEP.format(subject=f"{campaign} {name}", body=body)
        if head:
            source = source.replace("+++\n", f"+++\n{head}\n", 1)
        self.write(f"templates/campaigns/{campaign}/{name}.md", source)

    def publish(self, *names: str, is_checked: bool = False) -> list[bool]:
        """Publish these campaigns (all, if none is named); True where a new version was made.

        The check of finished letters takes longer than most journeys: only what is about it does it.
        """
        if is_checked:
            done = self._confirmed(lambda expect: publish_campaigns(self.app, names, self.now, "test", expect=expect))
        else:
            review = self._read_drafts(names)
            done = self._confirmed(lambda expect: publish_reviewed(self.app, review, self.now, "test", expect=expect))
        return [each.is_new for each in done.done]

    def _read_drafts(self, names: Sequence[str]) -> Review:
        with store.read(self.app.engine) as session:
            drafts, problems = read_defined(self.app, session, names)
        if faults := errors_among([*problems, *(fault for draft in drafts for fault in draft.faults)]):
            raise ProblemsError(faults)
        return Review(drafts)

    def _confirmed(self, work: Callable[[int | None], Done]) -> Done:
        """Do it, and where so many would enter that a figure is asked for, say the one that was shown."""
        try:
            return work(None)
        except FigureNeededError as needed:
            if not self.confirms:
                raise
            return work(count_entering(needed.entering))

    def freeze(self) -> None:
        """Publish as a program did that knew fewer faults: what it froze is sent on, or held."""
        with store.write(self.app.engine) as session:
            for draft in read_defined(self.app, session)[0]:
                publish(session, draft.name, draft.definition, draft.files, self.now, "test")

    # --- time -----------------------------------------------------------------------------------------------------------

    def tick(self, now: datetime | None = None) -> TickResult:
        """Tick twice at one instant: the second finds nothing to do and leaves every table as it is."""
        self.now = now or self.now
        first = tick(self.app, self.now)
        before = self.dump()
        second = tick(self.app, self.now)
        assert self.dump() == before, f"the second tick at {self.now} changed something"
        assert is_quiet(second), second
        return first

    def walk(self, end: datetime, *, at: dict[datetime, Callable[[], object]] | None = None, pause: timedelta | None = None) -> None:
        """Tick from now to ``end`` at every due instant, and every ``pause`` (else ``self.pause``) when nothing is due.

        ``at`` holds what happens just before the tick of its instant.
        """
        events = sorted((at or {}).items())
        while self.now <= end:
            while events and events[0][0] <= self.now:
                events.pop(0)[1]()
            self.tick()
            self.now = min([self.now + (pause or self.pause), *self._due_after(self.now), *(moment for moment, _ in events[:1])])
        self.now = end

    def _due_after(self, now: datetime) -> Iterator[datetime]:
        for query in (
            "SELECT min(next_due_at) FROM enrolment WHERE state = 'active' AND next_due_at > :now",
            "SELECT min(due_at) FROM dispatch WHERE status IN ('planned', 'retry') AND due_at > :now",
        ):
            with self.app.engine.connect() as connection:
                found = connection.execute(text(query), {"now": self.bound(now)}).scalar()
            if found is not None:
                yield _instant(found)

    def bound(self, moment: datetime) -> Any:
        return moment if self.app.engine.dialect.name == "postgresql" else moment.strftime("%Y-%m-%d %H:%M:%S.%f")

    # --- looking --------------------------------------------------------------------------------------------------------

    def ask(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.app.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def do(self, sql: str, **values: Any) -> None:
        with store.write(self.app.engine) as session:
            session.execute(text(sql), values)

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table but ``worker``, which only says that a process ran, and ``unseen_change``, which the next tick takes."""
        names = [name for name in store.metadata.tables if name not in ("worker", "unseen_change")]
        with self.app.engine.connect() as connection:
            rows = {name: connection.exec_driver_sql(f'SELECT * FROM "{name}"') for name in names}
            return {name: sorted(map(repr, found.cursor)) for name, found in rows.items()}

    def ledger(self, campaign: str = "", *, step: str = "", to: str = "", status: str = "") -> list[Mail]:
        """What is owed or was sent, in the order of its time."""
        rows = self.ask(
            "SELECT c.name, d.step, a.address, d.status, d.reason, coalesce(d.sent_at, d.due_at), d.occasion, d.variant, o.slug"
            " FROM dispatch d JOIN campaign c ON c.id = d.campaign_id JOIN address a ON a.id = d.address_id"
            " JOIN organisation o ON o.id = d.organisation_id ORDER BY 6, d.id"
        )
        mails = [Mail(*row[:5], _instant(row[5]).astimezone(BERLIN).strftime("%Y-%m-%d %H:%M"), *row[6:]) for row in rows]
        wanted = {"campaign": campaign, "step": step, "status": status}
        return [
            each for each in mails if each.to.startswith(to) and all(getattr(each, key) == value for key, value in wanted.items() if value)
        ]

    def sent(self, campaign: str = "", *, to: str = "") -> list[tuple[str, str]]:
        """(step, local time) of every mail that went out, in order."""
        return [(each.step, each.at) for each in self.ledger(campaign, to=to, status="sent")]

    def count(self, table: str) -> int:
        return int(self.ask(f"SELECT count(*) FROM {table}")[0][0])


def is_quiet(result: TickResult) -> bool:
    """The tick did nothing: nobody entered, nothing was planned, moved or handed over."""
    quiet = result.sent.handled == 0 and result.sent.dropped == 0
    return quiet and (result.enrolled, result.planned, result.deferred) == (0, 0, 0)


def assert_no_double(workspace: Workspace) -> None:
    """Nobody got two mails for one (campaign, occasion, step): neither person, nor address, nor the wire."""
    mails = [(each.campaign, each.occasion, each.step, each.to) for each in workspace.ledger() if each.status in ("sent", "uncertain")]
    assert len(mails) == len(set(mails))
    touches = workspace.ask("SELECT campaign_id, occasion, step, address_id FROM touch")
    assert len(touches) == len(set(touches)) == len(mails) == len(workspace.transport.letters)


def assert_caps(workspace: Workspace, per_week: int = 1, per_month: int = 4) -> None:
    """No address has more touches than allowed in any 7 and in any 30 local days (domain rule 8, SCH-11)."""
    days: dict[int, list[int]] = {}
    for address, day in workspace.ask("SELECT address_id, day FROM touch ORDER BY day"):
        days.setdefault(address, []).append(day)
    for taken in days.values():
        for length, allowed in ((7, per_week), (30, per_month)):
            assert all(late - early >= length for early, late in zip(taken, taken[allowed:], strict=False)), taken


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
