"""clock: instants are aware, and what people type is read as they mean it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from om_campaigns.clock import as_utc, fixed_clock, local_date, read_when, to_instant

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-05", datetime(2027, 1, 4, 23, tzinfo=UTC)),
        ("05.01.2027", datetime(2027, 1, 4, 23, tzinfo=UTC)),
        ("5.1.27", datetime(2027, 1, 4, 23, tzinfo=UTC)),
        ("5. 7. 2027 9:05", datetime(2027, 7, 5, 7, 5, tzinfo=UTC)),
        ("2027-07-05 13:00", datetime(2027, 7, 5, 11, tzinfo=UTC)),
        ("2027-07-05T13:00", datetime(2027, 7, 5, 11, tzinfo=UTC)),
        ("2027-07-05T13:00+00:00", datetime(2027, 7, 5, 13, tzinfo=UTC)),
        ("2027-07-05T13:00Z", datetime(2027, 7, 5, 13, tzinfo=UTC)),
    ],
)
def test_what_has_no_offset_is_local_time_sch_01(text: str, expected: datetime) -> None:
    assert to_instant(read_when(text), BERLIN) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "31.13.2027", "2027-02-30", "30.2.2027", "5.1.2027 25:00", "13:00", "5.1."])
def test_anything_else_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ValueError, match=r"no day and no time; write 2027-01-05 or 5\.1\.2027"):
        read_when(text)


def test_a_naive_instant_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="time zone"):
        as_utc(datetime(2027, 1, 5))  # noqa: DTZ001


def test_the_calendar_day_is_that_of_the_zone() -> None:
    late = datetime(2027, 1, 4, 23, 30, tzinfo=UTC)
    assert local_date(late, BERLIN).day == 5
    assert fixed_clock(late)() == late
