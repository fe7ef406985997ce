"""A day far larger than any before waits until somebody has looked at it: nobody enters, those under way go on, and people are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.planning import plan_all
from om_campaigns.staff.entering import FigureNeededError, admit
from tests.cli.shell import om
from tests.journeys.workspace import SQLITE, Workspace, house, local, person

pytestmark = pytest.mark.slow


def make_office(folder: Path, *, database: str = SQLITE, settings: str = "") -> Workspace:
    """Six contacts in a running series, and nobody who says yes to figures."""
    office = Workspace(folder, database=database, settings=settings)
    office.segment("alle", "'contact' in roles")
    office.houses(house("k", "05"))
    office.people(*[person(f"Kontakt {number}", "k") for number in range(6)])
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish("wir")
    office.confirms = False
    return office


def strangers(number: int, roles: str = "contact", name: str = "Fremd") -> list[str]:
    return [person(f"{name} {each}", "k", roles=roles) for each in range(number)]


def store_unasked(office: Workspace, *rows: str) -> None:
    """Bring people in by a way that asks nobody (an import that was confirmed for another campaign, a faulty program)."""
    office.confirms = True
    office.people(*rows)
    office.do("DELETE FROM permission")
    office.confirms = False


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    return make_office(tmp_path, database=database)


def entered(office: Workspace, campaign: str = "wir") -> int:
    query = "SELECT count(*) FROM enrolment JOIN campaign ON campaign.id = campaign_id WHERE name = :name"
    return int(office.ask(query, name=campaign)[0][0])


def held(office: Workspace) -> tuple[bool, int, int]:
    at, people, houses = office.ask("SELECT held_at, held_people, held_houses FROM campaign WHERE name = 'wir'")[0]
    return at is not None, people, houses


def open_tasks(office: Workspace) -> int:
    return int(office.ask("SELECT count(*) FROM task WHERE kind = 'entry_held' AND closed_at IS NULL")[0][0])


def test_a_role_column_shifted_by_one_mails_no_stranger(tmp_path: Path) -> None:
    """2,995 advisers become contacts: nobody of them enters, the six go on; once admitted, they all get their letters."""
    office = make_office(tmp_path)
    office.people(*strangers(2995, roles="adviser"))
    office.tick(local("2027-01-05"))
    assert len(office.transport.letters) == 6
    with pytest.raises(FigureNeededError, match=r"2,995 people would enter wir.*100 is the most in a day"):
        office.people(*strangers(2995))
    office.tick(local("2027-01-06"))
    assert entered(office) == 6

    store_unasked(office, *strangers(2995))
    result = office.tick(local("2027-01-07"))
    assert (entered(office), held(office), open_tasks(office)) == (6, (True, 2995, 0), 1)
    assert [str(reason) for reason in result.campaigns[0].not_enrolled] == ["entry_held"]
    office.tick(local("2027-01-12"))
    assert len(office.sent(to="kontakt")) == 12  # those under way had their second letter
    assert len(office.transport.letters) == 12

    admit(office.app, "wir", 2995, office.now, "petra")
    assert (held(office), open_tasks(office)) == ((False, 0, 0), 0)
    office.tick()
    assert entered(office) == 3001
    office.tick(local("2027-01-13"))
    assert len(office.transport.letters) == 12 + 2995
    assert office.ask("SELECT largest_entry FROM campaign") == [(2995,)]


def test_the_screens_say_who_is_held_and_from_which_import(office: Workspace) -> None:
    """``campaign show`` with the command that admits them, and the status page in its first line."""
    office.tick(local("2027-01-05"))
    office.now = local("2027-01-06", "09:41")
    store_unasked(office, *strangers(150))
    office.now = local("2027-01-06", "10:20")
    store_unasked(office, *strangers(3, name="Spät"))
    office.tick()
    first, command = "wir is held: 153 people would enter, more than it takes in a day.", "campaign admit wir --expect 153"
    shown = om(office.folder, "campaign", "show", "wir", now="2027-01-06T10:30").out
    for told in (first, "import of Wed 6 Jan 09:41 by test", "import of Wed 6 Jan 10:20 by test", "Wed 6 Jan 10:20;", command):
        assert told in shown, shown
    status = om(office.folder, now="2027-01-06T10:30")
    assert status.out.splitlines()[0].endswith(first), status.out
    found = om(office.folder, "campaign", "show", "wir", "--format", "json", now="2027-01-06T10:30").json
    assert [(each["people"], each["houses"], each["origin"], each["at"], each["by"]) for each in found["held_from"]] == [
        (150, 0, "file", "2027-01-06T08:41:00Z", "test"),
        (3, 0, "file", "2027-01-06T09:20:00Z", "test"),
    ]


def test_as_many_as_the_bound_enter_and_one_more_holds_them_all(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(95))
    office.tick()
    assert entered(office) == 6  # 6 + 95 within a day is one too many
    office.tick(local("2027-01-06"))
    assert entered(office) == 101


def test_small_slices_within_a_day_do_not_slip_through(office: Workspace) -> None:
    """99 every minute: the first enter, the others wait, also across midnight and although every slice is small."""
    office.tick(local("2027-01-03", "23:00"))
    for minute in range(4):
        office.now = local("2027-01-04", f"23:5{minute + 8}") if minute < 2 else local("2027-01-05", f"00:0{minute}")
        store_unasked(office, *strangers(99, name=f"Scheibe {minute}"))
        office.tick()
    assert entered(office) == 6 + 99
    assert held(office) == (True, 3 * 99, 0)


def test_an_undisputed_day_counts_only_when_it_is_over(office: Workspace) -> None:
    """Otherwise each slice would allow five times as many within the same hour."""
    office.tick(local("2027-01-05"))
    office.now = local("2027-01-06")
    store_unasked(office, *strangers(90))
    office.tick()
    assert entered(office) == 96
    office.now = local("2027-01-07", "08:59")
    store_unasked(office, *strangers(300, name="Mehr"))
    office.tick()
    assert entered(office) == 96
    office.tick(local("2027-01-07", "09:00"))
    assert entered(office) == 396  # 90 undisputed, so 450 may come
    assert office.ask("SELECT largest_entry FROM campaign") == [(90,)]


def test_what_is_held_never_raises_the_bound(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(300))
    for day in range(6, 12):
        office.tick(local(f"2027-01-{day:02}"))
    assert (entered(office), office.ask("SELECT largest_entry FROM campaign")) == (6, [(6,)])


def test_a_campaign_that_is_held_is_asked_without_keeping_others_out(office: Workspace) -> None:
    """As long as nothing changes nothing is written: a writer who does not end keeps no tick waiting. More of them are told."""
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(150))
    office.tick()
    store_unasked(office, *strangers(3, name="Spät"))
    office.tick()
    assert (held(office), open_tasks(office)) == ((True, 153, 0), 1)
    assert "153 people" in om(office.folder, now="2027-01-05T10:00").out.splitlines()[0]
    office.now = local("2027-01-05", "10:00")
    with writes_of(office) as written:
        (plan,) = plan_all(office.app, office.now, office.now)
    assert plan.held is not None
    assert (plan.held.entering.people, plan.not_enrolled) == (153, {Reason.entry_held: 153})
    assert written == []


@contextmanager
def writes_of(office: Workspace) -> Iterator[list[str]]:
    """The statements that write into a table of ours."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        verb, _, rest = statement.strip().partition(" ")
        begins = verb == "BEGIN" and rest.startswith("IMMEDIATE")
        if begins or (verb in ("INSERT", "UPDATE", "DELETE") and "plan_" not in statement.split("SELECT")[0]):
            found.append(statement)

    event.listen(office.app.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(office.app.engine, "before_cursor_execute", note)


def test_a_confirmed_figure_lets_in_a_tenth_more_for_seven_days(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(200))
    with pytest.raises(FigureNeededError, match="not 199"):
        admit(office.app, "wir", 199, office.now, "petra")
    admit(office.app, "wir", 200, office.now, "petra")
    store_unasked_more(office, 220)
    office.tick(office.now + timedelta(days=6, hours=23))
    assert entered(office) == 226


def store_unasked_more(office: Workspace, number: int) -> None:
    """As ``store_unasked``, but what was confirmed stands."""
    kept = office.ask("SELECT what, subject, hash, figure, already, who, at, until FROM permission")
    store_unasked(office, *strangers(number))
    names = ("what", "subject", "hash", "figure", "already", "who", "at", "until")
    for row in kept:
        values = ", ".join(f":{name}" for name in names)
        office.do(f"INSERT INTO permission ({', '.join(names)}) VALUES ({values})", **dict(zip(names, row, strict=True)))


@pytest.mark.parametrize(("more", "after"), [(221, timedelta()), (200, timedelta(days=7))])
def test_more_than_that_or_later_is_held(office: Workspace, more: int, after: timedelta) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(200))
    admit(office.app, "wir", 200, office.now, "petra")
    store_unasked_more(office, more)
    office.tick(office.now + after)
    assert entered(office) == 6


def test_admitting_twice_gives_one_permission(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(200))
    first, second = (admit(office.app, "wir", 200, office.now, "petra") for _ in range(2))
    assert (first.until, first.most) == (office.now + timedelta(days=7), 220)
    assert second.until is None
    assert office.count("permission") == 1


def test_houses_have_a_bound_of_their_own(tmp_path: Path) -> None:
    """Ten houses (addresses that are nobody's own) enter in a day, one more does not, though a hundred people might."""
    office = make_office(tmp_path)
    office.houses(house("k", "05"), *[house(f"h{number}", "05") for number in range(11)])
    rows = [person("", f"h{number}", email=f"info@h{number}.example") for number in range(11)]
    office.people(*rows[:10])
    office.tick(local("2027-01-05"))
    assert entered(office) == 16
    with pytest.raises(FigureNeededError, match="1 house would enter wir after 10 within 24 hours, 10 is the most in a day"):
        office.people(*rows)


def test_whoever_follows_by_then_passes_the_brake_too(office: Workspace) -> None:
    """150 finish a series that leads into another: they wait there until somebody admits them, and are not lost."""
    office.campaign("erst", "e1 day = 0", head='then = "dann"', segment="alle")
    office.campaign("dann", "d1 day = 0", segment="niemand")
    office.segment("niemand", "'press' in roles")
    office.do("DELETE FROM permission")
    office.confirms = True
    office.people(*strangers(150))
    office.publish("erst", "dann")
    office.confirms = False
    office.tick(local("2027-01-05"))
    assert entered(office, "erst") == 156
    assert office.ask("SELECT count(*) FROM enrolment WHERE reason = 'then_waits'") == [(156,)]
    assert entered(office, "dann") == 0
    admit(office.app, "dann", 156, office.now, "petra")
    office.tick()
    assert entered(office, "dann") == 156
    assert office.ask("SELECT count(*) FROM enrolment WHERE reason <> ''") == [(0,)]


def test_two_processes_do_not_let_in_twice_the_bound(office: Workspace) -> None:
    """Each counts what the other has let in: the campaign's row is held while one of them does."""
    from concurrent.futures import ThreadPoolExecutor

    from om_campaigns.tick import tick

    office.tick(local("2027-01-05"))
    office.now = local("2027-01-07")
    store_unasked(office, *strangers(99))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: tick(office.app, office.now), range(2)))
    assert entered(office) == 105
    store_unasked(office, *strangers(99, name="Zweite"))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: tick(office.app, office.now), range(2)))
    assert entered(office) == 105


def test_settings_and_the_campaign_say_how_many(tmp_path: Path) -> None:
    office = make_office(tmp_path, settings="[entries]\npeople_a_day = 50\n")
    office.tick(local("2027-01-05"))
    with pytest.raises(FigureNeededError, match="50 is the most"):
        office.people(*strangers(51))
    office.campaign("wir", "w1 day = 0", "w2 day = 7", head="people_a_day = 500")
    office.publish("wir")
    office.people(*strangers(400))
    office.tick()
    assert entered(office) == 406


def test_an_import_that_brings_nobody_is_not_asked_for_what_is_held(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    store_unasked(office, *strangers(200))
    office.people(person("Presse", "k", roles="press"))
    office.tick()
    assert held(office) == (True, 200, 0)
    office.people(person("Noch Einer", "k"))  # it is held already: one more enters by nobody's mistake
    office.tick()
    assert held(office) == (True, 201, 0)


def test_without_backfill_the_figure_is_of_those_left_out(tmp_path: Path) -> None:
    """Whoever matches at the first publication stays outside and counts for no day; who comes later is compared with the bound."""
    office = make_office(tmp_path)
    office.confirms = True
    office.people(*strangers(150))
    office.confirms = False
    office.campaign("ab-jetzt", "a1 day = 0", head="backfill = false")
    with pytest.raises(FigureNeededError) as asked:
        office.publish("ab-jetzt")
    assert [(each.campaign, each.number.people, each.stays_out) for each in asked.value.entering] == [("ab-jetzt", 156, True)]
    office.confirms = True
    office.publish("ab-jetzt")
    office.tick(local("2027-01-05"))
    office.do("DELETE FROM permission")
    office.confirms = False
    office.people(*strangers(150), *strangers(20, name="Neu"))
    office.tick(local("2027-01-06"))
    query = "SELECT count(*) FROM enrolment JOIN campaign ON campaign.id = campaign_id WHERE name = 'ab-jetzt' AND state <> 'exited'"
    assert office.ask(query) == [(20,)]
