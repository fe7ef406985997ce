"""The brake over random days: whatever brings people, nobody enters above the bound unless somebody said so.

What must come out is computed here from the days as they were drawn, without a line of the engine: every window of 24 hours is added
up anew, for every look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from om_campaigns import store
from om_campaigns.audience.intake import import_files
from om_campaigns.operate.go_live import go_live
from om_campaigns.staff.entering import FigureNeededError, admit
from om_campaigns.staff.importing import import_audience
from om_campaigns.staff.publishing import publish_campaigns
from om_campaigns.tick import tick
from tests.journeys.workspace import PEOPLE_COLUMNS, Workspace, house, local, person

pytestmark = pytest.mark.slow

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
PEOPLE, HOUSES, TIMES = 4, 2, 2
SMALL = f"[entries]\npeople_a_day = {PEOPLE}\nhouses_a_day = {HOUSES}\ntimes_largest = {TIMES}\n[caps]\nper_week = 7\nper_month = 30\n"
OFFICES = 150
Number = tuple[int, int]


def plus(one: Number, other: Number) -> Number:
    return one[0] + other[0], one[1] + other[1]


def larger(one: Number, other: Number) -> Number:
    return max(one[0], other[0]), max(one[1], other[1])


@dataclass
class Given:
    """A figure somebody said yes to; ``before`` of those that entered at that very instant were in already."""

    at: datetime
    figure: int
    before: int


@dataclass
class Expected:
    """What must be true of one campaign."""

    waiting: Number = (0, 0)
    entries: list[tuple[datetime, Number]] = field(default_factory=list)
    largest: Number = (0, 0)
    """Reviewed, or kept from before going live."""
    given: list[Given] = field(default_factory=list)
    is_held: bool = False

    def entered_from(self, at: datetime, *, including: bool = False) -> Number:
        total = (0, 0)
        for when, number in self.entries:
            total = plus(total, number) if when > at or (including and when == at) else total
        return total

    def largest_by(self, now: datetime) -> Number:
        found = self.largest
        for end, _ in self.entries:
            if end <= now - DAY:
                day = [number for at, number in self.entries if end - DAY < at <= end]
                found = larger(found, (sum(each[0] for each in day), sum(each[1] for each in day)))
        return found

    def is_within(self, now: datetime, entering: Number) -> bool:
        most, day = self.largest_by(now), plus(self.entered_from(now - DAY), entering)
        return day[0] <= max(PEOPLE, TIMES * most[0]) and day[1] <= max(HOUSES, TIMES * most[1])

    def is_covered(self, now: datetime, entering: Number) -> bool:
        return any(
            sum(self.entered_from(each.at, including=True)) - each.before + sum(entering) <= each.figure * 11 // 10
            for each in self.given
            if each.at <= now < each.at + WEEK
        )

    def may_enter(self, now: datetime, entering: Number) -> bool:
        return self.is_within(now, entering) or self.is_covered(now, entering)

    def say_yes(self, now: datetime, entering: Number) -> None:
        if sum(entering):
            self.given.append(Given(now, sum(entering), sum(each[0] + each[1] for at, each in self.entries if at >= now)))

    def tick(self, now: datetime) -> None:
        self.is_held = sum(self.waiting) > 0 and not self.may_enter(now, self.waiting)
        if sum(self.waiting) == 0 or self.is_held:
            return
        if self.is_covered(now, self.waiting):
            self.largest = larger(self.largest, plus(self.entered_from(now - DAY), self.waiting))
        self.entries.append((now, self.waiting))
        self.waiting = (0, 0)

    def go_live(self, now: datetime) -> None:
        self.largest = self.largest_by(now)
        for _, number in self.entries:
            self.waiting = plus(self.waiting, number)
        self.entries, self.is_held = [], False
        self.given = [replace(each, before=0) for each in self.given]


def build(folder: Path) -> Workspace:
    """A series that runs, texts of another one, and nobody yet."""
    made = Workspace(folder, settings=SMALL)
    made.segment("alle", "'contact' in roles")
    made.houses(house("k", "05"), *[house(f"h{number}", "05") for number in range(OFFICES)])
    made.campaign("wir", "w1 day = 0", "w2 day = 7", head="window = none")
    made.campaign("neu", "n1 day = 0", "n2 day = 7")
    for step in ("w1", "w2", "n1", "n2"):
        made.text("wir" if step.startswith("w") else "neu", f"{step}.de", "Guten Tag,\n\nein Schritt.")
    made.confirms = False
    made.publish("wir")
    return made


class Office:
    """An office and what must be true of it."""

    def __init__(self, real: Workspace) -> None:
        self.real = real
        self.expected = {"wir": Expected()}
        self.here: Number = (0, 0)

    @property
    def now(self) -> datetime:
        return self.real.now

    def bring(self, number: Number, how: str) -> None:
        """People and houses by an import that is confirmed, that asks and gets no answer, or that asks nobody."""
        rows = [person(f"Kontakt {self.here[0] + each}", "k") for each in range(number[0])]
        rows += [person("", f"h{self.here[1] + each}", email=f"info@h{self.here[1] + each}.example") for each in range(number[1])]
        if not rows:
            return
        path = self.real.write("audiences/people.csv", PEOPLE_COLUMNS + "".join(rows))
        wanted = {name: plus(each.waiting, number) for name, each in self.expected.items()}
        needs = any(not each.may_enter(self.now, wanted[name]) and not each.is_held for name, each in self.expected.items())
        if how == "unasked":
            self._import_unasked(path)
        elif how == "confirmed":
            import_audience(self.real.app, [path], self.now, "petra", expect=sum(map(sum, wanted.values())))
            for name, each in self.expected.items():
                each.say_yes(self.now, wanted[name])
        elif needs:
            before = self.real.dump()
            with pytest.raises(FigureNeededError):
                import_audience(self.real.app, [path], self.now, "petra")
            assert self.real.dump() == before
            return
        else:
            import_audience(self.real.app, [path], self.now, "petra")
        self.here = plus(self.here, number)
        for name, each in self.expected.items():
            each.waiting = wanted[name]

    def _import_unasked(self, path: Path) -> None:
        app = self.real.app
        with store.write(app.engine) as session:
            import_files(session, [path], app.audiences, keyring=app.keyring, now=self.now, today=app.today(self.now), actor="faulty")

    def admit(self, more: int) -> None:
        for name, each in self.expected.items():
            if each.is_held and not each.may_enter(self.now, each.waiting):
                if more:
                    with pytest.raises(FigureNeededError):
                        admit(self.real.app, name, sum(each.waiting) + more, self.now, "petra")
                    return
                each.say_yes(self.now, each.waiting)
            admit(self.real.app, name, sum(each.waiting) + more, self.now, "petra")

    def publish(self, backfill: bool, confirms: bool) -> None:
        if "neu" in self.expected:
            return
        head = "window = none" + ("" if backfill else "\nbackfill = false")
        self.real.campaign("neu", "n1 day = 0", "n2 day = 7", head=head, texts=False)
        first, figure = Expected(), sum(self.here)
        needs = not first.may_enter(self.now, self.here)
        if needs and not confirms:
            with pytest.raises(FigureNeededError):
                publish_campaigns(self.real.app, ["neu"], self.now, "petra")
            return
        publish_campaigns(self.real.app, ["neu"], self.now, "petra", expect=figure if confirms else None)
        self.expected["neu"] = first
        if backfill:
            first.waiting = self.here
            if confirms:
                first.say_yes(self.now, self.here)
        else:
            first.largest = self.here

    def go_live(self, confirms: bool) -> None:
        after = {name: replace(each) for name, each in self.expected.items()}
        for each in after.values():
            each.go_live(self.now)
        needs = any(sum(each.waiting) and not each.may_enter(self.now, each.waiting) for each in after.values())
        if needs and not confirms:
            before = self.real.dump()
            with pytest.raises(FigureNeededError):
                go_live(self.real.app, self.now, "petra")
            assert self.real.dump() == before
            return
        go_live(self.real.app, self.now, "petra", expect=sum(sum(each.waiting) for each in after.values()) if confirms else None)
        for each in after.values():
            if confirms:
                each.say_yes(self.now, each.waiting)
        self.expected = after
        self.real.do("UPDATE instance SET mode = 'rehearsal', halted_at = NULL, halted_by = '', halt_reason = '', live_now = NULL")

    def tick(self) -> None:
        tick(self.real.app, self.now)
        for each in self.expected.values():
            each.tick(self.now)
        assert dict(self._stored()) == {
            name: (
                each.entered_from(local("2020-01-01")),
                each.waiting if each.is_held else (0, 0),
                each.is_held,
            )
            for name, each in self.expected.items()
        }
        for name, people, houses in self.real.ask("SELECT name, largest_entry, largest_house_entry FROM campaign"):
            most = self.expected[name].largest_by(self.now)
            assert (people, houses) <= most, name
            assert larger((people, houses), self.expected[name].largest) == (people, houses), name

    def _stored(self) -> Iterator[tuple[str, tuple[Number, Number, bool]]]:
        entered = "SELECT count(*) FROM enrolment WHERE campaign_id = campaign.id AND reason <> 'already_there' AND subject_kind = "
        query = f"SELECT name, ({entered}'person'), ({entered}'organisation'), held_people, held_houses, held_at FROM campaign"
        for name, people, houses, held_people, held_houses, at in self.real.ask(query):
            yield name, ((people, houses), (held_people, held_houses), at is not None)

    def finish(self) -> None:
        """Whoever entered goes on to the end, whatever is held beside them; whoever is held gets nothing."""
        until = self.now
        for days in (1, 4, 6, 8, 11, 13, 15):
            self.real.now = local(str((until + timedelta(days=days)).date()), "10:00")
            self.tick()
        letters = "SELECT count(*) FROM dispatch WHERE dispatch.enrolment_id = enrolment.id AND dispatch.status = 'sent'"
        query = f"SELECT ({letters}) FROM enrolment WHERE reason <> 'already_there' AND entered_at <= :until"
        assert {row[0] for row in self.real.ask(query, until=self.real.bound(until))} <= {2}
        strangers = "SELECT count(*) FROM dispatch WHERE enrolment_id NOT IN (SELECT id FROM enrolment WHERE reason <> 'already_there')"
        assert self.real.ask(strangers) == [(0,)]


numbers = st.tuples(st.sampled_from((0, 1, 3, 4, 5, 9, 12)), st.sampled_from((0, 0, 0, 1, 2, 3, 6)))
events = st.one_of(
    st.tuples(st.just("bring"), numbers, st.sampled_from(("confirmed", "asked", "unasked", "unasked"))),
    st.tuples(st.just("bring"), numbers, st.sampled_from(("confirmed", "asked", "unasked", "unasked"))),
    st.tuples(st.just("admit"), st.sampled_from((0, 0, 1))),
    st.tuples(st.just("publish"), st.booleans(), st.booleans()),
    st.tuples(st.just("go_live"), st.booleans()),
)
hours = st.sampled_from((0, 1, 7, 23, 24, 25, 49, 24 * 7))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return build(tmp_path_factory.mktemp("before"))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(days=st.lists(st.tuples(hours, events), min_size=1, max_size=12))
def test_nobody_enters_above_the_bound_whatever_the_days_bring(before: Workspace, days: list[tuple[int, tuple[object, ...]]]) -> None:
    with TemporaryDirectory() as name:
        office = Office(before.copy(Path(name)))
        for pause, (what, *values) in days:
            office.real.now += timedelta(hours=pause)
            getattr(office, str(what))(*values)
            office.tick()
        office.finish()
        office.real.app.engine.dispose()
