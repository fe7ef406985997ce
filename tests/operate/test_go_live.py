"""Doctor and go-live: made-up data never leaves the house, the rehearsal is forgotten, and nothing goes before it was looked at."""

from __future__ import annotations

import re
import socket
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from om_campaigns.clock import system_clock
from om_campaigns.keyring import make_keys
from om_campaigns.letters.pages import find_example, is_reserved
from om_campaigns.locks import take_lock
from om_campaigns.operate.doctor import Level, examine
from om_campaigns.operate.installation import LEADER
from om_campaigns.tick import tick
from om_campaigns.web.server import serving
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import HOUSE_COLUMNS, PEOPLE_COLUMNS, Workspace, house, local, person

pytestmark = pytest.mark.slow


@pytest.fixture
def rehearsing(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


@pytest.fixture
def page(rehearsing: Workspace) -> Iterator[str]:
    """The pages of this workspace, really served."""
    with serving(rehearsing.app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def mail_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    yield port
    controller.stop()


CONFIG = """format = 1
mode = "{mode}"
[database]
url = "sqlite:///om-campaigns.db"
[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
[web]
base_url = "{page}"
[sender]
domain = "post.om-probe.de"
list_domain = "reihen.om-probe.de"
imprint = "OM, Hauptstraße 1, 10115 Berlin, post@om-verein.de"
"""


@pytest.fixture
def ready(rehearsing: Workspace, page: str, mail_server: int) -> Workspace:
    """A workspace that has rehearsed one letter and could go live."""
    workspace = rehearsing
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(person("Jörg Müller", "ihk-tal", email="joerg@ihk-tal.de"))
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    workspace.tick(local("2027-01-05"))
    assert len(workspace.sent()) == 1
    workspace.write("config.toml", CONFIG.format(mode="live", port=mail_server, page=page))
    workspace.folder.chmod(0o700)
    return workspace


def levels(workspace: Path) -> dict[str, Level]:
    found: dict[str, Level] = {}
    for each in examine(workspace, system_clock):
        found[each.topic] = max(found.get(each.topic, Level.ok), each.level, key=list(Level).index)
    return found


def test_doctor_finds_a_ready_installation_well(ready: Workspace) -> None:
    assert set(levels(ready.folder).values()) == {Level.ok}
    assert om(ready.folder, "doctor", now="").code == 0


def test_doctor_names_what_is_wrong_and_what_to_do(ready: Workspace, page: str) -> None:
    (ready.folder / "keys.toml").chmod(0o644)
    ready.write("config.toml", CONFIG.format(mode="live", port=1, page=page).replace("om-probe.de", "om.example"))
    assert {topic for topic, level in levels(ready.folder).items() if level is Level.fail} == {"keys", "mail server", "sender"}
    said = om(ready.folder, "doctor", now="")
    assert (said.code, "chmod 600" in said.out, "set [sender] domain to your own" in said.out) == (4, True, True)
    ready.write("config.toml", "format = 1\nmood = 'live'\n")
    rows = om(ready.folder, "doctor", "--format", "json", now="").json
    assert [(row["topic"], row["level"]) for row in rows] == [("python", "ok"), ("config", "fail")]
    assert "mood" in rows[1]["text"]


def test_doctor_sees_an_unreachable_page_and_an_old_database(ready: Workspace) -> None:
    ready.write("config.toml", CONFIG.format(mode="live", port=25, page="http://127.0.0.1:1"))
    (ready.folder / "om-campaigns.db").rename(ready.folder / "kept.db")
    found = levels(ready.folder)
    assert (found["pages"], found["migrations"], found["database"]) == (Level.fail, Level.fail, Level.ok)


@pytest.mark.parametrize(
    ("domain", "answer"),
    [
        ("a.example", True),
        ("example.com", True),
        ("notexample.com", False),
        ("ihk.de", False),
        ("Example.COM.", True),
        ("example.com.evil.de", False),
    ],
)
def test_domains_of_rfc_2606(domain: str, answer: bool) -> None:
    assert is_reserved(domain) is answer


@pytest.mark.parametrize(
    ("value", "example"),
    [
        ("OM, Hauptstraße 1, 10115 Berlin, Post@OM.Example", "OM.Example"),
        ("OM, Musterweg 1, 00000 Beispielstadt, post@om-verein.de", "00000"),
        ("https://wir.om-beispiel.example/impressum", "wir.om-beispiel.example"),
        ("Beispiel für einen Test e. V., 10115 Berlin, Tel. 0345 00000-1, post@om-verein.de", ""),
    ],
)
def test_what_of_a_setting_is_an_example(value: str, example: str) -> None:
    assert find_example(value) == example


def test_law_15_the_imprint_of_the_example_is_seen_and_never_goes_live(ready: Workspace) -> None:
    """``init`` copies it; doctor says so while rehearsing, and going live is refused until every word is one's own."""
    config = (ready.folder / "config.toml").read_text(encoding="utf-8")
    example = tomllib.loads((Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8"))["sender"]
    kept = "".join(f'{name} = "{example[name]}"\n' for name in ("imprint", "imprint_url", "privacy_url"))
    config = re.sub(r"(?m)^imprint = .*\n", kept, config) + '[privacy]\ncontact = "datenschutz@om.example"\n'
    ready.write("config.toml", config.replace('"live"', '"rehearsal"'))
    assert [levels(ready.folder)[topic] for topic in ("sender", "privacy")] == [Level.warn, Level.warn]
    ready.write("config.toml", config)
    before = ready.dump()
    said = om(ready.folder, "go-live", "--yes", now="")
    assert said.code == 3
    for name in ("sender: [sender] imprint", "[sender] imprint_url", "[sender] privacy_url", "privacy: [privacy] contact"):
        assert f"{name} names" in said.err, name
    assert ready.dump() == before


def test_going_live_backs_up_forgets_the_rehearsal_and_waits_for_a_word(ready: Workspace) -> None:
    ready.do("INSERT INTO resumption SELECT id, '2027-01-05 08:00:00', 7, 7 FROM campaign")  # ids begin anew, so its mark must go
    said = om(ready.folder, "go-live", now="", typed="y\nn\n")
    assert said.code == 0, said.err
    assert ready.ask("SELECT mode, rehearsal_now FROM instance") == [("live", None)]
    for table in ("enrolment", "dispatch", "message", "message_slots", "touch", "worker", "resumption"):
        assert ready.count(table) == 0, table
    for table in ("person", "basis", "campaign_version"):
        assert ready.count(table) == 1, table
    (backup,) = ready.folder.glob("*.backup.db")
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM touch").fetchone() == (1,)
    assert "sending stays halted" in said.out
    assert om(ready.folder, "unhalt", now="").code == 0
    assert [row[0] for row in ready.ask("SELECT field FROM change WHERE entity = 'instance'")] == ["mode", "halted"]


def test_more_than_enter_in_a_day_need_their_figure_to_go_live(ready: Workspace) -> None:
    """``--yes`` does not answer it; what the rehearsal's largest day was stays known, what it confirmed in times to come does not hold."""
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"live"', '"rehearsal"'))
    ready.people(*[person(f"Kontakt {number}", "ihk-tal", email=f"k{number}@ihk-tal.de") for number in range(150)])
    ready.do("DELETE FROM permission")
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"rehearsal"', '"live"'))
    before = ready.dump()
    said = om(ready.folder, "go-live", "--yes", now="")
    assert (said.code, "151 people would enter reihe, 100 is the most in a day" in said.err) == (3, True), said.err
    assert "go-live --yes --expect 151" in said.err
    assert om(ready.folder, "go-live", "--yes", "--expect", "150", now="").code == 3
    assert ready.dump() == before
    said = om(ready.folder, "go-live", "--yes", "--expect", "151", now="")
    assert said.code == 0, said.err
    assert ready.ask("SELECT what, figure, already FROM permission WHERE subject = 'reihe'") == [("go_live", 151, 0)]
    result = tick(open_app(ready.folder), system_clock(), transport=ready.transport)
    assert (result.enrolled, ready.ask("SELECT largest_entry FROM campaign")) == (151, [(151,)])


def test_the_largest_day_of_the_rehearsal_is_kept_and_what_it_confirmed_in_times_to_come_is_not(ready: Workspace) -> None:
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"live"', '"rehearsal"'))
    ready.people(*[person(f"Kontakt {number}", "ihk-tal", email=f"k{number}@ihk-tal.de") for number in range(150)])
    ready.tick(local("2027-01-06"))
    assert ready.ask("SELECT figure FROM permission") == [(150,)]
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"rehearsal"', '"live"'))
    said = om(ready.folder, "go-live", "--yes", now="")
    assert said.code == 0, said.err
    assert ready.ask("SELECT largest_entry FROM campaign") == [(150,)]
    assert ready.count("permission") == 0


def test_who_was_left_out_at_publication_stays_left_out(ready: Workspace) -> None:
    """``backfill = false`` says whom a series never reaches; that is no matter of the rehearsal."""
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"live"', '"rehearsal"'))
    ready.campaign("nur-neue", "n1 day = 0", head="backfill = false")
    ready.publish("nur-neue")
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"rehearsal"', '"live"'))
    said = om(ready.folder, "go-live", "--yes", now="")
    assert said.code == 0, said.err
    assert ready.ask("SELECT reason FROM enrolment") == [("already_there",)]
    assert "nur-neue" not in said.out.partition("The first plan")[2]


def test_going_live_shows_the_first_plan_and_can_let_mail_go(ready: Workspace) -> None:
    said = om(ready.folder, "go-live", "--yes", now="")
    assert (said.code, "The first plan" in said.out) == (0, True)
    assert ready.ask("SELECT mode, halted_at FROM instance") == [("live", None)]
    assert "live already" in om(ready.folder, "go-live", "--yes", now="").err


def test_a_given_clock_is_refused_on_writing_commands_once_live(ready: Workspace) -> None:
    om(ready.folder, "go-live", "--yes", now="")
    for command in (
        ["campaign", "pause", "reihe"],
        ["audience", "import"],
        ["campaign", "publish"],
        ["person", "erase", "Jörg Müller", "--yes"],
    ):
        said = om(ready.folder, *command)
        assert (said.code, "--now is for rehearsal" in said.err) == (3, True), command
    assert om(ready.folder, "ledger").code == 0


def test_law_15_live_mail_does_not_leave_without_an_imprint(ready: Workspace) -> None:
    om(ready.folder, "go-live", "--yes", now="")
    config = (ready.folder / "config.toml").read_text(encoding="utf-8")
    ready.write("config.toml", re.sub(r"(?m)^imprint = .*$", 'imprint = ""', config))
    before = ready.dump()
    said = om(ready.folder, "send", "--all-due", "--yes", now="")
    assert (said.code, "there is no imprint" in said.err) == (3, True), said
    assert ready.dump() == before


def test_made_up_data_and_every_other_reason_stop_it_at_once(ready: Workspace) -> None:
    ready.write("audiences/.sample", "")
    ready.write("audiences/organisations.csv", HOUSE_COLUMNS + house("probe", "05"))
    ready.write("audiences/people.csv", PEOPLE_COLUMNS + person("Eine Probe", "probe"))
    assert om(ready.folder, "audience", "import").code == 0
    ready.write("config.toml", (ready.folder / "config.toml").read_text().replace('"live"', '"rehearsal"'))
    before = ready.dump()
    said = om(ready.folder, "go-live", "--yes", now="")
    assert said.code == 3
    for reason in ("1 organisations, 1 people, 1 bases are samples", "RFC 2606", "audiences/.sample", 'mode = "rehearsal"'):
        assert reason in said.err, reason
    assert ready.dump() == before


def test_it_waits_for_the_scheduler_to_stop(ready: Workspace) -> None:
    release = take_lock(ready.app.engine, ready.folder / "locks", LEADER)
    assert release is not None
    said = om(ready.folder, "go-live", "--yes", now="")
    assert (said.code, "stop 'om-campaigns run' first" in said.err) == (3, True)
    release()
    assert ready.count("touch") == 1


def test_keys_are_made_private(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys.toml")
    first = (tmp_path / "keys.toml").read_text()
    make_keys(tmp_path / "keys.toml")
    assert (tmp_path / "keys.toml").read_text() == first
