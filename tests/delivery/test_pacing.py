"""pacing: never N+1 letters in any minute, whatever the pattern; retries wait, spread out and end (BNC-10, BULK-18)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.pacing import GIVE_UP_AFTER, HOUR, MINUTE, Limit, make_retry_at
from om_campaigns.delivery.workers import start_worker
from tests.delivery.stage import NOW


@given(st.integers(1, 7), st.sampled_from([MINUTE, HOUR]), st.lists(st.integers(0, 1000), min_size=1, max_size=120))
def test_no_window_holds_more_than_the_limit(most: int, period: timedelta, gaps: list[int]) -> None:
    """Requests at random instants; whoever is told to wait tries again later or not at all."""
    limit = Limit("smtp", most, period)
    now, buckets, granted = NOW, {}, []
    for gap in gaps:
        now += period * gap / 700
        if not limit.make_wait(sorted(buckets.items()), now):
            buckets[limit.make_bucket(now)] = buckets.get(limit.make_bucket(now), 0) + 1
            granted.append(now)
    for start in granted:
        assert sum(start <= each <= start + period for each in granted) <= most


@given(st.integers(1, 7), st.integers(0, 999))
def test_who_waits_as_told_is_served(most: int, millisecond: int) -> None:
    limit = Limit("smtp", most)
    now, buckets = NOW + timedelta(milliseconds=millisecond), {}
    for _ in range(3 * most):
        now += limit.make_wait(sorted(buckets.items()), now)
        assert not limit.make_wait(sorted(buckets.items()), now)
        buckets[limit.make_bucket(now)] = buckets.get(limit.make_bucket(now), 0) + 1
    assert now - NOW <= timedelta(seconds=2 * 61 + 1)


@given(attempts=st.integers(1, 50), minutes=st.integers(0, 6 * 24 * 60), greylisted=st.booleans())
def test_a_retry_is_never_early_and_ends(attempts: int, minutes: int, *, greylisted: bool) -> None:
    first = datetime(2027, 1, 4, 8, tzinfo=UTC)
    now = first + timedelta(minutes=minutes)
    found = make_retry_at(attempts, first, now, greylisted=greylisted, ref=f"r{attempts}")
    if found is None:
        assert now - first >= GIVE_UP_AFTER
    elif greylisted and attempts <= 3:
        assert timedelta(minutes=10) <= found - now <= timedelta(minutes=15)
    else:
        assert timedelta(minutes=30) <= found - now <= timedelta(hours=15)


def test_letters_refused_together_do_not_come_back_together() -> None:
    found = {make_retry_at(1, NOW, NOW, greylisted=False, ref=f"r{number}") for number in range(50)}
    assert len(found) > 30


def test_two_processes_share_one_limit(engine: Engine, tmp_path: Path) -> None:
    """The count stands in the database: two ledgers, then a third after a restart."""
    ledgers = [Claims(engine, start_worker(engine, tmp_path, NOW).id) for _ in range(2)]
    limit = [Limit("smtp", 5)]
    granted = [ledgers[n % 2].take_turn(limit, NOW + timedelta(seconds=n)) is None for n in range(12)]
    assert granted == [True] * 5 + [False] * 7
    for each in ledgers:
        each.close()
    third = Claims(engine, start_worker(engine, tmp_path, NOW).id)
    assert third.take_turn(limit, NOW + timedelta(seconds=60)) == (limit[0], timedelta(seconds=1))
    assert third.take_turn(limit, NOW + timedelta(seconds=61)) is None
    assert third.take_turn([Limit("other", 5)], NOW) is None
    third.close()


def test_a_clock_that_was_far_ahead_does_not_block_for_hours(engine: Engine, tmp_path: Path) -> None:
    ledger = Claims(engine, start_worker(engine, tmp_path, NOW).id)
    limit = [Limit("smtp", 1)]
    assert ledger.take_turn(limit, NOW + timedelta(hours=5)) is None
    assert ledger.take_turn(limit, NOW) is None
    assert ledger.take_turn(limit, NOW) is not None
    ledger.close()
