"""SEC-09, UNS-13: from neither the words nor the time of an answer can one tell whether an address is known.

The short form: ``python -m benchmarks telling`` asks a thousand times of each kind.
"""

from __future__ import annotations

import random

import pytest

from benchmarks.telling import DOORS, measure, signed_ranks
from tests.journeys.workspace import SQLITE

SURE = 4.9
"""|z| beyond which is one in a million doors that tell nothing: nobody shall be called for chance.

Seven doors on two databases are fourteen chances, so at most one run in 70,000 fails without a cause. However busy the machine is: each
difference is one of two requests in an order drawn by lot, so that load makes them larger, and neither sign more likely.
"""


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_sec_09_known_and_unknown_addresses_take_equal_time_at_every_door(database: str, request: pytest.FixtureRequest) -> None:
    url = SQLITE if database == "sqlite" else request.getfixturevalue("empty_postgres")
    told = measure(url, pairs=150)
    assert tuple(told) == DOORS
    assert {door: each for door, each in told.items() if abs(each.z) > SURE} == {}


def test_the_ranks_find_a_small_difference_and_none_where_there_is_none() -> None:
    """A fifth of the spread, in times with the long tail that times of answers have."""
    lot = random.Random(7)
    noise = [lot.lognormvariate(0, 0.5) - lot.lognormvariate(0, 0.5) for _ in range(1000)]
    assert abs(signed_ranks(noise)) < SURE
    assert signed_ranks([each + 0.2 for each in noise]) > SURE
    assert signed_ranks([each - 0.2 for each in noise]) < -SURE


def test_ties_and_zeros_count_for_nobody() -> None:
    assert signed_ranks([]) == signed_ranks([0.0, 0.0]) == signed_ranks([1.0, -1.0]) == 0.0
    assert signed_ranks([1.0, 1.0, -1.0]) == pytest.approx(0.535, abs=0.01)
