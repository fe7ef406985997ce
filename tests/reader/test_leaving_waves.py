"""Many leave at once: people are told once, and take back exactly that, never what somebody decided themselves (SEC-10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from om_campaigns import store
from om_campaigns.audience.vocabulary import SuppressionScope
from om_campaigns.reader.leaving import Channel, Leaver, record_leaving
from om_campaigns.reader.leaving_waves import undo_leaving, watch_leaving
from tests.cli.shell import om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.conftest import empty_postgres  # noqa: F401  a fixture
from tests.journeys.workspace import SQLITE, Workspace, house, local, person

pytestmark = pytest.mark.slow

NINE = local("2027-01-06")
SPAN = ("--since", "2027-01-06T09:00", "--until", "2027-01-06T09:59", "--through", "one_click", "--reason", "Scanner beim Provider")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Made once and copied."""
    return with_readers(tmp_path_factory.mktemp("ready"), SQLITE)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, ready: Workspace, tmp_path: Path) -> Workspace:
    """The same on both databases."""
    return ready.copy(tmp_path / "ws") if request.param == "sqlite" else with_readers(tmp_path, request.getfixturevalue("empty_postgres"))


def with_readers(folder: Path, url: str) -> Workspace:
    """Forty readers of a list who got a letter yesterday; each had consented in writing."""
    made = Workspace(folder / "ws", database=url)
    made.houses(house("gross", "05", name="Haus gross"))
    made.people(*(person(f"Person {n:02}", "gross", email=f"p{n}@gross.example", basis="consent_written") for n in range(40)))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0", "a2 day = 7")
    made.publish()
    made.tick(local("2027-01-05"))
    return made


def leave(
    office: Workspace, *numbers: int, at: datetime = NINE, channel: Channel = Channel.one_click,
    scope: SuppressionScope = SuppressionScope.mailing_list,
) -> None:  # fmt: skip
    with store.write(office.app.engine) as session:
        for number in numbers:
            ((address, organisation),) = office.ask(
                "SELECT a.id, o.id FROM address a CROSS JOIN organisation o WHERE a.address = :address", address=f"p{number}@gross.example"
            )
            record_leaving(session, Leaver(address, organisation, "wir-gedanke"), scope, channel, at, at.date())


def out(office: Workspace) -> set[int]:
    """Who is not written to any more."""
    rows = office.ask("SELECT a.address FROM suppression s JOIN address a ON a.hmac = s.hmac")
    return {int(row[0].partition("@")[0][1:]) for row in rows}


def withdrawn(office: Workspace) -> int:
    return int(office.ask("SELECT count(*) FROM basis WHERE withdrawn_at IS NOT NULL")[0][0])


def undo(office: Workspace, *more: str) -> list[dict[str, Any]]:
    said = om(office.folder, "leaving", "undo", *SPAN, *more, "--format", "json", now="2027-01-06T12:00")
    assert said.code == 0, said.err
    return said.json  # type: ignore[no-any-return]


def fates(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {fate: sum(row["fate"] == fate for row in rows) for fate in {row["fate"] for row in rows}}


def test_sec_10_many_who_leave_within_an_hour_are_told_once_everywhere(office: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        leave(office, number, at=NINE + timedelta(minutes=number))
    office.tick(NINE + timedelta(minutes=20))
    [(kind, detail)] = office.ask("SELECT kind, detail FROM task")
    assert kind == "mass_leaving"
    assert '"left":12' in detail
    assert '"readers":40' in detail
    leave(office, 12, 13, at=NINE + timedelta(minutes=30))
    office.tick(NINE + timedelta(minutes=31))
    assert office.count("task") == 1  # the same burst
    assert "leaving.alarmed" in "".join(capsys.readouterr())
    status = om(office.folder, now="2027-01-06T09:40").out
    assert "12 of 40 readers left wir-gedanke within an hour (one_click)." in status
    assert "12 of 40 readers left wir-gedanke within an hour (one_click)." in om(office.folder, "todo", now="2027-01-06T09:40").out
    assert om(office.folder, "todo", "close", "1", now="2027-01-06T09:40").code == 0
    assert "readers left" not in om(office.folder, now="2027-01-06T09:40").out
    office.tick(NINE + timedelta(minutes=45))
    assert office.count("task") == 1  # closed is told, too
    leave(office, *range(14, 26), at=NINE + timedelta(hours=3))
    office.tick(NINE + timedelta(hours=3))
    assert office.count("task") == 2


def test_what_is_no_burst_is_no_alarm(office: Workspace) -> None:
    leave(office, *range(9))  # a fifth of the readers, but fewer than ten
    leave(office, *range(9, 13), channel=Channel.page)
    leave(office, *range(13, 15), at=NINE - timedelta(hours=2))
    assert watch_leaving(office.app, NINE) == 0
    for number in range(20, 40):
        leave(office, number, at=NINE - timedelta(minutes=20 * number))  # three an hour, all day long
    assert watch_leaving(office.app, NINE) == 0


def test_sec_10_a_burst_through_the_page_out_of_everything_is_one_too(office: Workspace) -> None:
    leave(office, *range(10), channel=Channel.page, scope=SuppressionScope.all)
    assert watch_leaving(office.app, NINE) == 1
    assert "10 of 40 readers left all letters within an hour (page)" in om(office.folder, now="2027-01-06T09:40").out


def test_sec_10_alarms_also_while_sending_is_halted(office: Workspace) -> None:
    leave(office, *range(12))
    om(office.folder, "halt", now="2027-01-06T09:10")
    assert om(office.folder, "send", "--all-due", now="2027-01-06T09:20").code == 3
    assert office.count("task") == 1


def test_sec_10_undo_takes_back_exactly_that_burst(office: Workspace) -> None:
    leave(office, *range(12))
    leave(office, 20, 21, channel=Channel.page)
    leave(office, 22, at=NINE - timedelta(hours=5))
    leave(office, 23, at=NINE + timedelta(hours=2))
    assert withdrawn(office) == 0  # consents for everything are no consents for this list
    one = "(SELECT id FROM address WHERE address = 'p30@gross.example')"
    office.do(f"UPDATE basis SET mailing_list = 'wir-gedanke' WHERE address_id = {one}")
    leave(office, 30)
    assert withdrawn(office) == 1
    before = office.dump()
    tried = undo(office, "--dry-run")
    assert fates(tried) == {"undone": 13}
    assert office.dump() == before
    assert undo(office) == tried
    assert find_difference(EXAMPLES["leaving undo"], tried) == ""
    assert out(office) == {20, 21, 22, 23}
    assert withdrawn(office) == 0
    rows = office.ask("SELECT old, new, origin FROM change WHERE field = 'suppressed' AND new LIKE 'undone%'")
    assert rows == [("mailing_list wir-gedanke", "undone: Scanner beim Provider", "staff")] * 13
    assert fates(undo(office)) == {}  # a second time there is nothing left
    office.walk(local("2027-01-14"))
    stayed = {f"p{n}@gross.example" for n in range(40) if n not in (20, 21, 22, 23)}
    assert {each.to for each in office.ledger(step="a2", status="sent")} == stayed


def test_sec_10_what_a_person_decided_themselves_stays(office: Workspace) -> None:
    leave(office, *range(12))
    leave(office, 0, at=NINE + timedelta(minutes=5), channel=Channel.page)  # on the page, too
    leave(office, 1, at=NINE + timedelta(hours=3))  # the button once more, much later
    leave(office, 2, at=NINE + timedelta(days=0, minutes=9), channel=Channel.mail)
    leave(office, 3, at=NINE + timedelta(minutes=10))  # a mail program that repeats itself
    leave(office, 4, at=NINE + timedelta(minutes=11), channel=Channel.page, scope=SuppressionScope.all)  # something else
    office.do("UPDATE suppression SET reason = 'complaint' WHERE hmac = (SELECT hmac FROM address WHERE address = 'p5@gross.example')")
    office.do("DELETE FROM suppression WHERE hmac = (SELECT hmac FROM address WHERE address = 'p6@gross.example')")
    assert om(office.folder, "person", "erase", "p7@gross.example", "--yes", now="2027-01-06T11:00").code == 0
    rows = undo(office)
    assert fates(rows) == {"undone": 6, "left_otherwise": 3, "stopped_otherwise": 1, "over": 1}
    assert out(office) == {0, 1, 2, 4, 5}  # who left everything stays out of this list, too
    assert [row["scope"] for row in rows] == ["mailing_list wir-gedanke"] * 11


def test_whoever_subscribed_to_one_list_again_has_decided_about_the_others(office: Workspace) -> None:
    leave(office, *range(12), scope=SuppressionScope.all)
    office.do(
        "UPDATE suppression SET reopened = ' monatsbrief ' WHERE hmac = (SELECT hmac FROM address WHERE address = 'p0@gross.example')"
    )
    assert fates(undo(office)) == {"undone": 11, "over": 1}
    assert out(office) == {0}


def test_someone_who_left_before_is_not_brought_back_by_undoing_a_later_burst(office: Workspace) -> None:
    leave(office, 0, at=NINE - timedelta(days=1), channel=Channel.page)
    leave(office, *range(12))
    assert fates(undo(office)) == {"undone": 11, "left_otherwise": 1}
    assert out(office) == {0}
    leave(office, 1, at=NINE + timedelta(minutes=30))
    assert fates(undo(office)) == {"undone": 1, "left_otherwise": 1}  # only what is new since it was taken back


def test_undo_says_what_is_wrong(office: Workspace) -> None:
    leave(office, *range(12))
    wrong = om(office.folder, "leaving", "undo", *SPAN[:2], "--until", "2027-01-06T08:00", *SPAN[4:], now="2027-01-06T12:00")
    assert (wrong.code, "ends before it begins" in wrong.err) == (2, True)
    assert om(office.folder, "leaving", "undo", *SPAN[:7], "  ", now="2027-01-06T12:00").code == 2
    assert om(office.folder, "leaving", "undo", *SPAN, "--list", "gibtsnicht", now="2027-01-06T12:00").code == 2
    assert undo(office, "--list", "monatsbrief") == []
    assert len(out(office)) == 12
    said = om(office.folder, "leaving", "undo", *SPAN, "--list", "wir-gedanke", now="2027-01-06T12:00").out
    assert said.endswith("12 addresses are written to again\n")


def test_the_list_shows_hours_and_names_nobody(office: Workspace) -> None:
    leave(office, 0, 1, 2)
    leave(office, 3, channel=Channel.page, scope=SuppressionScope.organisation)
    undo_leaving(office.app, NINE, NINE, Channel.page, NINE + timedelta(hours=1), reason="Versehen", actor="rike")
    rows = om(office.folder, "leaving", "list", "--format", "json", now="2027-01-06T12:00").json
    assert find_difference(EXAMPLES["leaving list"], rows) == ""
    assert [(each["scope"], each["name"], each["through"], each["left"], each["taken_back"]) for each in rows] == [
        ("organisation", "gross", "rike", 0, 1),
        ("mailing_list", "wir-gedanke", "one_click", 3, 0),
        ("organisation", "gross", "page", 1, 0),
    ]
    assert "gross.example" not in om(office.folder, "leaving", "list", now="2027-01-06T12:00").out
