"""People who share an address, planned in different slices: each step reaches the address once."""

from __future__ import annotations

from pathlib import Path

import pytest

from om_campaigns.campaign import slices as sliced
from tests.journeys.workspace import SQLITE, Workspace, assert_no_double, house, local, person

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("is_shared_first", [True, False])
def test_two_people_at_one_address_in_different_slices_get_each_step_once(
    database: str, is_shared_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Whether they share it from the start, or since one of them took over the other's: one of them is written to, step by step."""
    monkeypatch.setattr(sliced, "FIRST", 1)
    monkeypatch.setattr(sliced, "MOST", 1)
    office = Workspace(tmp_path, database=SQLITE if database == "sqlite" else request.getfixturevalue("empty_postgres"))
    office.segment("alle", "'contact' in roles")
    office.houses(house("k", "05"))
    addresses = {"Anna": "info@k.example", "Ben": "info@k.example" if is_shared_first else "ben@k.example", "Cora": "cora@k.example"}
    office.people(*[person(name, "k", email=address) for name, address in addresses.items()])
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    office.publish("wir")
    office.tick(local("2027-01-04"))
    office.do("UPDATE person SET main_address_id = (SELECT id FROM address WHERE address = 'info@k.example') WHERE full_name = 'Ben'")
    office.walk(local("2027-02-10"))
    assert [step for step, _ in office.sent(to="info")] == ["w1", "w2", "w3"]
    assert [step for step, _ in office.sent(to="cora")] == ["w1", "w2", "w3"]
    assert office.sent(to="ben") == []
    assert_no_double(office)
