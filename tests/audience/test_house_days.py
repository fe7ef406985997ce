"""Quiet days and newsletter days: as people write them, as they are stored, and what they keep free (SCH-12, SCH-13)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from om_campaigns.audience.house_days import BLOCK_DAYS, load_house_days, read_newsletter_days, read_quiet_days, spell_quiet_days

DAYS = st.dates(date(2026, 1, 1), date(2035, 12, 31))


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("24.12.2026 – 6.1.2027", "2026-12-24..2027-01-06"),
        ("24.12.26 bis 06.01.27", "2026-12-24..2027-01-06"),
        ("2026-12-24..2027-01-06", "2026-12-24..2027-01-06"),
        ("24.12.2026 - 6.1.2027", "2026-12-24..2027-01-06"),
        ("14.5.2027\n 24.12.2026 to 6.1.2027\n\n14.05.2027", "2026-12-24..2027-01-06 2027-05-14"),
        ("14.5.2027 – 14.5.2027; 1.6.2027", "2027-05-14 2027-06-01"),
        ("", ""),
    ],
)
def test_days_are_read_as_people_write_them(written: str, stored: str) -> None:
    assert read_quiet_days(written) == stored
    assert read_quiet_days("\n".join(spell_quiet_days(stored))) == stored


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Weihnachten", "not a date"),
        ("24.12. – 6.1.2027", "not a date"),
        ("31.2.2027", "not a day of the calendar"),
        ("6.1.2027 – 24.12.2026", "no span of days"),
        ("1.1.2027 – 2.1.2027 – 3.1.2027", "no span of days"),
        ("1.1.2027 – 15.2.2027", "longer than 45 days"),
        ("\n".join(f"{number}.1.2027" for number in range(1, 14)), "more than 12 spans"),
    ],
)
def test_what_is_no_day_is_refused(written: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_quiet_days(written)


def test_newsletter_days_are_days_of_a_month() -> None:
    assert read_newsletter_days("15., 1\n15") == "1 15"
    for wrong in ("0", "32", "Montag", "1 15"):
        with pytest.raises(ValueError, match="no day of a month"):
            read_newsletter_days(wrong)


@given(first=DAYS, length=st.integers(0, 44), day=DAYS)
def test_a_span_holds_its_days_and_no_others(first: date, length: int, day: date) -> None:
    last = first + timedelta(days=length)
    days = load_house_days(read_quiet_days(f"{first}..{last}"))
    assert days.is_off(first)
    assert days.is_off(last)
    assert days.is_off(day) == (first <= day <= last)


@given(day=DAYS, appears=st.integers(1, 31))
def test_a_block_comes_three_to_ten_days_before_the_newsletter_in_every_month(day: date, appears: int) -> None:
    days = load_house_days("", read_newsletter_days(str(appears)))
    ahead = [day + timedelta(days=each) for each in range(32)]
    issues = [each for each in ahead if each.day == appears or ((each + timedelta(days=1)).day == 1 and each.day < appears)]
    assert days.is_off(day) == (not any((issue - day).days in BLOCK_DAYS for issue in issues))
    open_days = [each for each in (day + timedelta(days=number) for number in range(45)) if not days.is_off(each)]
    assert len(open_days) >= len(BLOCK_DAYS), "every month has its days"
