"""Time without a clock: due times, windows, holidays, caps (SCH-01…14, domain rules 6 and 8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from om_campaigns.campaign.definition import WORKING_HOURS, Step, Window
from om_campaigns.campaign.timing import (
    HORIZON_DAYS,
    Caps,
    Holidays,
    NotDeliverable,
    date_of,
    earliest_by_cap,
    first_due,
    first_free_day,
    instant_at,
    load_zone,
    local_day,
    next_due,
    open_until,
    settle,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOLIDAYS = Holidays()
TUE_TO_THU = Window((1, 2, 3), time(9), time(12))
NIGHT = Window((0, 1, 2, 3, 4), time(22), time(6))
EVERY_DAY = tuple(range(7))
LANDS = ["", "DE", "01", "05", "BY", "14", "09162"]
ZONES = [
    ZoneInfo(name) for name in ("Europe/Berlin", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Africa/Cairo")
]


def berlin(text: str) -> datetime:
    """A local time in Berlin as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def settled(due: datetime, land: str = "05", window: Window | None = TUE_TO_THU, zone: ZoneInfo = BERLIN) -> datetime:
    found = settle(due, zone=zone, land=land, window=window, holidays=HOLIDAYS)
    assert isinstance(found, datetime)
    return found


# --- the dates of the manual -------------------------------------------------------------------------------------------


def test_a_series_of_90_days_in_nordrhein_westfalen() -> None:
    entered = datetime(2027, 1, 4, 8, tzinfo=UTC)
    last, taken, sent = None, [], []
    for day in (0, 7, 21, 42, 63, 90):
        due = next_due(Step("a", day=day), entered_at=entered, last_at=last, zone=BERLIN, window=TUE_TO_THU)
        last = earliest_by_cap(due, taken=taken, caps=Caps(), zone=BERLIN, land="05", window=TUE_TO_THU, holidays=HOLIDAYS)
        assert isinstance(last, datetime)
        taken.append(local_day(last, BERLIN))
        sent.append(last)
    assert sent == [berlin(f"2027-{day}T09:00") for day in ("01-05", "01-12", "01-26", "02-16", "03-09", "04-06")]


def test_epiphany_in_bayern_and_the_cap() -> None:
    entered = berlin("2027-01-05T13:00")
    first = settled(first_due(Step("a1", day=0), entered_at=entered, zone=BERLIN, window=TUE_TO_THU), "09")
    assert first == berlin("2027-01-07T09:00")
    due = next_due(Step("a2", day=7), entered_at=entered, last_at=first, zone=BERLIN, window=TUE_TO_THU)
    assert settled(due, "09") == berlin("2027-01-12T09:00")
    capped = earliest_by_cap(
        due, taken=[local_day(first, BERLIN)], caps=Caps(), zone=BERLIN, land="09", window=TUE_TO_THU, holidays=HOLIDAYS
    )
    assert capped == berlin("2027-01-14T09:00")


# --- due times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("s", elapsed=timedelta(hours=24)), "2027-03-28T19:00"),
        (Step("s", after=1), "2027-03-28T09:00"),
        (Step("s", after=1, at=time(19)), "2027-03-28T19:00"),
        (Step("s", after=2), "2027-03-29T09:00"),
        (Step("s", elapsed=timedelta(hours=36)), "2027-03-29T07:00"),
    ],
)
def test_sch_02_elapsed_and_calendar_waits_differ_over_the_spring_change(step: Step, expected: str) -> None:
    """24 h after Saturday 18:00 is Sunday 19:00 on the wall; ``1d`` is Sunday at the start of the window."""
    last = berlin("2027-03-27T18:00")
    due = next_due(step, entered_at=berlin("2027-03-01T08:00"), last_at=last, zone=BERLIN)
    assert due == berlin(expected)


def test_sch_09_waits_count_from_the_hand_over_and_days_from_enrolment() -> None:
    entered, last = berlin("2027-02-01T10:00"), berlin("2027-02-18T09:00")
    assert next_due(Step("s", after=14), entered_at=entered, last_at=last, zone=BERLIN) == berlin("2027-03-04T09:00")
    assert next_due(Step("s", day=21), entered_at=entered, last_at=last, zone=BERLIN) == berlin("2027-02-22T09:00")
    assert next_due(Step("s", elapsed=timedelta(hours=36)), entered_at=entered, last_at=last, zone=BERLIN) == berlin("2027-02-19T21:00")


def test_nothing_is_due_before_enrolment_or_the_previous_hand_over() -> None:
    entered, last = berlin("2027-02-01T13:00"), berlin("2027-02-10T11:00")
    assert first_due(Step("s", day=0), entered_at=entered, zone=BERLIN) == entered
    assert next_due(Step("s", day=3), entered_at=entered, last_at=last, zone=BERLIN) == last


def test_the_first_step_may_wait_from_enrolment_too() -> None:
    entered = berlin("2027-02-01T13:00")
    assert first_due(Step("s", after=2, at=time(10)), entered_at=entered, zone=BERLIN) == berlin("2027-02-03T10:00")


def test_a_day_is_a_day_where_the_recipient_lives() -> None:
    entered = datetime(2027, 2, 1, 23, 30, tzinfo=UTC)
    tokyo = load_zone("Asia/Tokyo")
    assert first_due(Step("s", day=1), entered_at=entered, zone=BERLIN) == berlin("2027-02-03T09:00")
    assert first_due(Step("s", day=0), entered_at=entered, zone=tokyo) == datetime(2027, 2, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ("2027-03-28T01:59", "2027-03-28T00:59Z"),
        ("2027-03-28T02:00", "2027-03-28T01:00Z"),
        ("2027-03-28T02:30", "2027-03-28T01:30Z"),
        ("2027-03-28T03:00", "2027-03-28T01:00Z"),
        ("2027-10-31T01:59", "2027-10-30T23:59Z"),
        ("2027-10-31T02:00", "2027-10-31T00:00Z"),
        ("2027-10-31T02:30", "2027-10-31T00:30Z"),
        ("2027-10-31T03:00", "2027-10-31T02:00Z"),
    ],
)
def test_sch_03_a_gap_shifts_and_an_overlap_takes_the_first(wall: str, expected: str) -> None:
    local = datetime.fromisoformat(wall)
    assert instant_at(local.date(), local.time(), BERLIN) == datetime.fromisoformat(expected)


# --- windows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("2027-02-02T08:59:59", "2027-02-02T09:00"),
        ("2027-02-02T09:00", "2027-02-02T09:00"),
        ("2027-02-02T11:59:59", "2027-02-02T11:59:59"),
        ("2027-02-02T12:00", "2027-02-03T09:00"),
        ("2027-02-04T12:00", "2027-02-09T09:00"),
        ("2027-02-07T10:00", "2027-02-09T09:00"),
        ("2027-03-30T10:00", "2027-03-30T10:00"),
    ],
)
def test_sch_07_a_window_opens_and_its_end_is_exclusive(due: str, expected: str) -> None:
    assert settled(berlin(due)) == berlin(expected)


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("2027-02-02T21:00", "2027-02-02T22:00"),
        ("2027-02-03T05:59", "2027-02-03T05:59"),
        ("2027-02-03T06:00", "2027-02-03T22:00"),
        ("2027-02-06T01:00", "2027-02-06T01:00"),
        ("2027-02-06T06:00", "2027-02-08T22:00"),
        ("2027-02-08T05:00", "2027-02-08T22:00"),
        ("2027-03-25T23:00", "2027-03-25T23:00"),
        ("2027-03-26T01:00", "2027-03-30T22:00"),
    ],
)
def test_sch_07_a_night_belongs_to_the_day_it_opens_on(due: str, expected: str) -> None:
    """Friday's night lasts into Saturday, Sunday's is none; Good Friday closes at midnight what Maundy Thursday opened."""
    assert settled(berlin(due), "05", NIGHT) == berlin(expected)


@pytest.mark.parametrize(
    ("window", "due", "expected", "until"),
    [
        (Window(EVERY_DAY, time(2, 15), time(2, 45)), "2027-03-28T00:00Z", "2027-03-30T00:15Z", "2027-03-30T00:45Z"),
        (Window(EVERY_DAY, time(1), time(2, 30)), "2027-03-28T00:10Z", "2027-03-28T00:10Z", "2027-03-28T01:00Z"),
        (Window(EVERY_DAY, time(2, 30), time(4)), "2027-03-28T00:10Z", "2027-03-28T01:00Z", "2027-03-28T02:00Z"),
        (Window(EVERY_DAY, time(1), time(2, 30)), "2027-10-31T00:30Z", "2027-10-31T01:00Z", "2027-10-31T01:30Z"),
        (Window(EVERY_DAY, time(2, 30), time(4)), "2027-10-31T01:00Z", "2027-10-31T01:30Z", "2027-10-31T03:00Z"),
        (Window(EVERY_DAY, time(22), time(6)), "2027-10-31T00:30Z", "2027-10-31T00:30Z", "2027-10-31T05:00Z"),
        (Window(EVERY_DAY, time(22), time(6)), "2027-03-28T00:59Z", "2027-03-28T00:59Z", "2027-03-28T04:00Z"),
    ],
)
def test_sch_03_windows_at_both_changes_of_the_clock(window: Window, due: str, expected: str, until: str) -> None:
    found = settled(datetime.fromisoformat(due), "05", window)
    assert found == datetime.fromisoformat(expected)
    assert open_until(found, zone=BERLIN, land="05", window=window, holidays=HOLIDAYS) == datetime.fromisoformat(until)


def test_without_a_window_mail_goes_in_working_hours() -> None:
    assert settled(berlin("2027-02-06T10:00"), window=None) == berlin("2027-02-08T09:00")
    assert settled(berlin("2027-02-08T16:59"), window=None) == berlin("2027-02-08T16:59")
    assert settled(berlin("2027-02-08T17:00"), window=None) == berlin("2027-02-09T09:00")


def test_a_window_until_midnight_and_a_whole_day() -> None:
    evening, whole = Window((0,), time(20), time(0)), Window((0,), time(0), time(0))
    assert settled(berlin("2027-02-08T23:59"), "", evening) == berlin("2027-02-08T23:59")
    assert settled(berlin("2027-02-09T00:00"), "", evening) == berlin("2027-02-15T20:00")
    assert settled(berlin("2027-02-07T12:00"), "", whole) == berlin("2027-02-08T00:00")
    assert open_until(berlin("2027-02-08T00:00"), zone=BERLIN, land="", window=whole, holidays=HOLIDAYS) == berlin("2027-02-09T00:00")


def test_outside_of_the_window_there_is_no_end() -> None:
    with pytest.raises(ValueError, match="no opening"):
        open_until(berlin("2027-02-02T12:00"), zone=BERLIN, land="05", window=TUE_TO_THU, holidays=HOLIDAYS)


# --- holidays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "land", "free"),
    [
        ("2027-01-06", "09", True),
        ("2027-01-06", "BY", True),
        ("2027-01-06", "09162", True),
        ("2027-01-06", "05", False),
        ("2027-01-06", "", False),
        ("2027-01-06", "DE", False),
        ("2027-03-28", "12", True),
        ("2027-03-28", "05", False),
        ("2027-08-15", "10", True),
        ("2027-08-15", "09", False),
        ("2027-11-17", "14", True),
        ("2027-10-03", "", True),
        ("2027-12-24", "05", False),
        ("2027-12-31", "09", False),
    ],
)
def test_sch_13_holidays_by_land(day: str, land: str, free: bool) -> None:
    assert HOLIDAYS.falls_on(date.fromisoformat(day), land) is free


def test_sch_13_days_off_of_ones_own() -> None:
    closed = Holidays([date(2027, 2, 9)])
    assert settle(berlin("2027-02-09T09:00"), zone=BERLIN, land="05", window=TUE_TO_THU, holidays=closed) == berlin("2027-02-10T09:00")
    assert not HOLIDAYS.falls_on(date(2027, 2, 9), "05")


@pytest.mark.parametrize("land", ["XX", "17", "5", "bayern"])
def test_sch_14_a_land_that_is_none_is_an_error(land: str) -> None:
    with pytest.raises(ValueError, match="is no Land"):
        HOLIDAYS.falls_on(date(2027, 1, 6), land)


def test_sch_08_no_place_within_the_horizon_is_a_result_with_a_name() -> None:
    closed = Holidays(date(2027, 2, 1) + timedelta(days=each) for each in range(HORIZON_DAYS + 10))
    due = berlin("2027-02-02T09:00")
    assert settle(due, zone=BERLIN, land="05", window=TUE_TO_THU, holidays=closed) == NotDeliverable(due)


# --- zones -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "Europe", "CEST+1"])
def test_sch_06_unknown_zones_are_errors(name: str) -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        load_zone(name)


def test_local_days_follow_the_zone() -> None:
    instant = datetime(2027, 2, 1, 23, 30, tzinfo=UTC)
    assert date_of(local_day(instant, BERLIN)) == date(2027, 2, 2)
    assert date_of(local_day(instant, ZoneInfo("America/New_York"))) == date(2027, 2, 1)
    assert local_day(datetime(1970, 1, 1, tzinfo=UTC), ZoneInfo("UTC")) == 0


# --- caps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "day", "expected"),
    [
        ([], 100, 100),
        ([100], 100, 107),
        ([93], 100, 100),
        ([94], 100, 101),
        ([103], 100, 110),
        ([107], 100, 100),
        ([79, 86, 93], 100, 100),
        ([72, 79, 86, 93], 100, 102),
        ([71, 78, 85, 92], 100, 101),
        ([70, 77, 84, 91], 100, 100),
    ],
)
def test_domain_rule_8_one_in_seven_and_four_in_thirty_days(taken: list[int], day: int, expected: int) -> None:
    assert first_free_day(day, taken, Caps()) == expected


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="below 1"):
        Caps(per_week=0)


def test_too_many_letters_ahead_are_not_deliverable() -> None:
    due = berlin("2027-02-02T09:00")
    taken = [local_day(due, BERLIN) + each for each in range(0, HORIZON_DAYS + 10, 3)]
    found = earliest_by_cap(due, taken=taken, caps=Caps(), zone=BERLIN, land="05", window=TUE_TO_THU, holidays=HOLIDAYS)
    assert found == NotDeliverable(due)


# --- properties --------------------------------------------------------------------------------------------------------

INSTANTS = st.one_of(
    st.datetimes(datetime(2025, 1, 1), datetime(2035, 12, 31)),  # noqa: DTZ001  made aware below
    *(
        st.datetimes(near - timedelta(hours=4), near + timedelta(hours=4))
        for near in (datetime(2027, 3, 28, 1), datetime(2027, 10, 31, 1), datetime(2027, 3, 14, 7), datetime(2027, 11, 7, 6))  # noqa: DTZ001
    ),
).map(lambda naive: naive.replace(tzinfo=UTC))
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
WINDOWS = st.builds(Window, st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))), CLOCKS, CLOCKS).filter(
    lambda window: window.start != window.end or window.start == time(0)
)


def stands_open(moment: datetime, window: Window, zone: ZoneInfo, land: str) -> bool:
    """The definition of a window, read off the wall clock alone."""
    local = moment.astimezone(zone)
    opened = local.date()
    if window.end <= window.start and local.time() < window.end:
        opened -= timedelta(days=1)
        inside = True
    else:
        inside = local.time() >= window.start and (local.time() < window.end or window.end <= window.start)
    return inside and opened.weekday() in window.days and not HOLIDAYS.falls_on(opened, land) and not HOLIDAYS.falls_on(local.date(), land)


@settings(max_examples=200, deadline=None)
@given(INSTANTS, WINDOWS, st.sampled_from(ZONES), st.sampled_from(LANDS))
@example(datetime(2027, 10, 31, 0, 45, tzinfo=UTC), Window((6,), time(2, 30), time(3)), BERLIN, "05")
@example(datetime(2027, 3, 28, 0, 45, tzinfo=UTC), Window((6,), time(2, 30), time(2, 45)), BERLIN, "05")
def test_sch_18_settling_keeps_every_rule(due: datetime, window: Window, zone: ZoneInfo, land: str) -> None:
    found = settle(due, zone=zone, land=land, window=window, holidays=HOLIDAYS)
    if isinstance(found, NotDeliverable):
        return
    assert found >= due
    assert stands_open(found, window, zone, land)
    assert settle(found, zone=zone, land=land, window=window, holidays=HOLIDAYS) == found
    until = open_until(found, zone=zone, land=land, window=window, holidays=HOLIDAYS)
    assert until > found
    assert stands_open(until - timedelta(microseconds=1), window, zone, land)
    minute = timedelta(minutes=1)
    assert not any(stands_open(due + step * minute, window, zone, land) for step in range(min(int((found - due) / minute), 600))), (
        "there was an earlier place"
    )


@settings(max_examples=100, deadline=None)
@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=10)), WINDOWS, st.sampled_from(ZONES), st.sampled_from(LANDS))
def test_sch_18_settling_never_overtakes(due: datetime, later: timedelta, window: Window, zone: ZoneInfo, land: str) -> None:
    first = settle(due, zone=zone, land=land, window=window, holidays=HOLIDAYS)
    second = settle(due + later, zone=zone, land=land, window=window, holidays=HOLIDAYS)
    if isinstance(first, datetime) and isinstance(second, datetime):
        assert first <= second


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=25), st.integers(1, 3), st.integers(1, 6), st.sampled_from(ZONES))
def test_sch_11_no_stretch_of_days_ever_holds_more_than_its_cap(days: list[int], per_week: int, per_month: int, zone: ZoneInfo) -> None:
    """Letters placed one after the other, in any order of their due days."""
    caps, taken = Caps(per_week, per_month), []
    start = datetime(2027, 3, 1, 8, tzinfo=UTC)
    for each in days:
        due = start + timedelta(days=each)
        found = earliest_by_cap(due, taken=taken, caps=caps, zone=zone, land="05", window=WORKING_HOURS, holidays=HOLIDAYS)
        if isinstance(found, datetime):
            assert found >= due
            assert stands_open(found, WORKING_HOURS, zone, "05")
            taken = sorted([*taken, local_day(found, zone)])
    for length, allowed in ((7, per_week), (30, per_month)):
        assert all(sum(first <= day < first + length for day in taken) <= allowed for first in taken)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=12).map(sorted), st.integers(0, 60))
def test_the_first_free_day_is_the_first(taken: list[int], day: int) -> None:
    def fits(candidate: int) -> bool:
        letters = [*taken, candidate]
        return all(
            sum(first <= each < first + length for each in letters) <= allowed
            for length, allowed in ((7, 1), (30, 4))
            for first in range(candidate - length + 1, candidate + 1)
        )

    expected = next((candidate for candidate in range(day, day + HORIZON_DAYS + 1) if fits(candidate)), None)
    assert first_free_day(day, taken, Caps()) == expected


@settings(max_examples=100, deadline=None)
@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)), st.sampled_from(ZONES), st.integers(0, 90), CLOCKS)
def test_sch_09_due_times_never_lie_before_what_they_count_from(
    entered: datetime, since: timedelta, zone: ZoneInfo, days: int, at: time
) -> None:
    last = entered + since
    for step in (Step("s", day=days, at=at), Step("s", after=days, at=at), Step("s", elapsed=timedelta(hours=days))):
        assert next_due(step, entered_at=entered, last_at=last, zone=zone) >= last
