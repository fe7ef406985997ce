"""The gate in live mode: a clock that jumped asks before anything leaves, and can be accepted once it is right again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.clock import ClockWatch
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.errors import RefusedError
from om_campaigns.identity import settle_down
from om_campaigns.operate.clock_trust import accept_clock, load_clock_state
from om_campaigns.store import Mode
from om_campaigns.tick import TickResult, tick
from om_campaigns.web.server import serving
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

DUE = local("2027-01-05")
CONFIG = """format = 1
mode = "live"
[database]
url = "sqlite:///om-campaigns.db"
[web]
base_url = "{page}"
[sender]
imprint = "OM, Hauptstraße 1, 10115 Berlin, post@om-verein.de"
"""


class Live:
    """A live workspace whose clock, and whose time that really passes, a test sets."""

    def __init__(self, workspace: Workspace, page: str) -> None:
        self.workspace, self.transport, self.passed = workspace, MemoryTransport(), 0.0
        workspace.write("config.toml", CONFIG.format(page=page))
        self.app: App = self.open()

    def open(self) -> App:
        """A new process."""
        app = open_app(self.workspace.folder, clock=lambda: self.workspace.now)
        return replace(app, is_clock_given=False, watch=ClockWatch(lambda: self.passed))

    def tick(self, now: datetime, *, passed: timedelta | None = None) -> TickResult:
        """``passed``: how much time really went by since the tick before; as much as the clock says unless a test knows better."""
        self.passed += (passed if passed is not None else now - self.workspace.now).total_seconds()
        self.workspace.now = now
        return tick(self.app, now, transport=self.transport)

    def row(self) -> tuple[datetime | None, str]:
        with store.read(self.app.engine) as session:
            row = store.instance(session)
            return row.live_now, row.clock_doubt

    def open_tasks(self) -> int:
        return len(self.workspace.ask("SELECT 1 FROM task WHERE kind = 'clock_doubted' AND closed_at IS NULL"))


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    workspace = Workspace(tmp_path / "ws")
    workspace.houses(house("k", "05"))
    workspace.people(person("Karla", "k"))
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 35")
    workspace.publish()
    with serving(workspace.app, "127.0.0.1", 0) as port:
        made = Live(workspace, f"http://127.0.0.1:{port}")
        with store.write(made.app.engine) as session:
            store.instance(session).mode = Mode.live
            settle_down(made.app, session)
        made.app = made.open()
        made.tick(DUE)
        assert len(made.transport.letters) == 1
        yield made


def test_five_minutes_back_count_as_the_highest_instant(live: Live) -> None:
    live.tick(DUE - timedelta(minutes=5))
    assert live.row() == (DUE, "")
    with pytest.raises(RefusedError, match="the clock says"):
        live.tick(DUE - timedelta(minutes=5, seconds=1))


def test_a_long_gap_asks_where_something_would_leave(live: Live) -> None:
    """The engine stood still: a new process, so only the gap itself is seen."""
    late = local("2027-01-12")
    live.app = live.open()
    for minute in range(2):
        with pytest.raises(RefusedError, match="what was done last was done at 2027-01-05T08:00:00") as refused:
            live.tick(late + timedelta(minutes=minute))
        assert refused.value.command == "unhalt --clock"
    assert (len(live.transport.letters), live.open_tasks(), live.row()[0]) == (1, 1, DUE)
    with store.read(live.app.engine):
        assert load_clock_state(live.app, live.workspace.now).sent_ahead == []
    assert accept_clock(live.app, live.workspace.now, "petra")
    assert not accept_clock(live.app, live.workspace.now, "petra")
    live.tick(late + timedelta(minutes=2))
    assert (len(live.transport.letters), live.open_tasks()) == (2, 0)


def test_a_long_gap_with_nothing_to_send_asks_nobody(live: Live) -> None:
    live.app = live.open()
    live.workspace.do("UPDATE campaign SET status = 'stopped'")
    live.tick(local("2027-02-20"))
    assert live.row() == (local("2027-02-20"), "")


def test_a_shorter_gap_asks_nobody(live: Live) -> None:
    live.app = live.open()
    live.tick(DUE + timedelta(hours=120))
    assert live.row()[1] == ""


def test_a_jump_while_the_process_lives_asks_at_once(live: Live) -> None:
    """Two days ahead within a minute: less than the longest gap, and still no time that passed. Set right, it goes on by itself."""
    with pytest.raises(RefusedError, match=r"48\.0 hours further than time has passed"):
        live.tick(DUE + timedelta(days=2), passed=timedelta(minutes=1))
    assert (live.open_tasks(), live.row()[0]) == (1, DUE)
    live.tick(DUE + timedelta(minutes=2), passed=timedelta(minutes=1))
    assert (live.open_tasks(), live.row()) == (0, (DUE + timedelta(minutes=2), ""))


def test_what_was_sent_under_a_wrong_clock_is_shown_and_not_sent_again(live: Live) -> None:
    """The machine came up a week ahead, within the limit of a gap here; afterwards the clock is right again."""
    live.workspace.write("config.toml", (live.workspace.folder / "config.toml").read_text() + "[run]\nask_after_hours = 8760\n")
    live.app = live.open()
    live.tick(local("2027-01-12"))
    assert len(live.transport.letters) == 2
    live.app = live.open()
    with pytest.raises(RefusedError, match="mail was sent at 2027-01-12T08:00:00") as refused:
        live.tick(local("2027-01-06"))
    assert refused.value.command == "unhalt --clock"
    found = load_clock_state(live.app, live.workspace.now).sent_ahead
    assert [(each.campaign, each.step, each.letters) for each in found] == [("wir", "w2", 1)]
    accept_clock(live.app, live.workspace.now, "petra")
    live.tick(local("2027-01-06", "09:01"))
    live.tick(local("2027-01-12"))
    assert len(live.transport.letters) == 2


def test_unhalt_clock_asks_on_a_terminal_only(live: Live) -> None:
    """The machine's real clock lies long before what was done last in this workspace."""
    live.workspace.do("UPDATE touch SET at = '2099-01-05 08:00:00.000000'")
    live.workspace.do("UPDATE instance SET live_now = '2099-01-05 08:00:00.000000'")
    refused = om(live.workspace.folder, "unhalt", "--clock", now="")
    assert (refused.code, "unhalt --clock --yes" in refused.err) == (3, True)
    assert "1 letter left at times that have not come yet" in refused.out
    assert "wir/w1" in refused.out
    done = om(live.workspace.folder, "unhalt", "--clock", "--yes", now="")
    assert (done.code, "present time" in done.out) == (0, True)
    assert "nothing speaks against the clock" in om(live.workspace.folder, "unhalt", "--clock", "--yes", now="").out


def test_rehearsal_never_asks(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.tick(local("2027-01-05"))
    workspace.tick(local("2028-01-05"))
    assert workspace.ask("SELECT clock_doubt FROM instance") == [("",)]


def test_a_machine_whose_clock_is_not_the_databases_is_refused(tmp_path: Path, empty_postgres: str) -> None:
    workspace = Workspace(tmp_path / "ws", database=empty_postgres)
    with serving(workspace.app, "127.0.0.1", 0) as port:
        config = CONFIG.format(page=f"http://127.0.0.1:{port}").replace("sqlite:///om-campaigns.db", empty_postgres)
        workspace.write("config.toml", config)
        with store.write(workspace.app.engine) as session:
            store.instance(session).mode = Mode.live
        app = replace(open_app(workspace.folder, clock=lambda: DUE), is_clock_given=False)
        with pytest.raises(RefusedError, match=r"this machine's clock says 2027-01-05T08:00:00.*the database's"):
            tick(app, DUE, transport=MemoryTransport())
