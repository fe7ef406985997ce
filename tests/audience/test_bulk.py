"""intake in bulk: thousands of rows take the fast ways (many to a statement, COPY) and nothing looks different."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from om_campaigns.audience import bulk
from om_campaigns.audience.addresses import hash_address
from om_campaigns.audience.intake import Counts
from om_campaigns.columns import new_ref
from tests.audience.intake_help import HOUSES, KEYS, Office

MANY = 5_500


def test_refs_are_of_the_kind_new_ref_makes() -> None:
    refs = bulk.new_refs(1_000)
    assert len(set(refs)) == 1_000
    assert {len(ref) for ref in refs} == {len(new_ref())}
    assert set("".join(refs)) == set("".join(new_ref() for _ in range(1_000)))


@pytest.mark.slow
def test_a_large_file_goes_in_whole_and_leaves_every_index(engine: Engine, tmp_path: Path) -> None:
    office = Office(engine, tmp_path)
    office.take({"organisations.csv": HOUSES})
    master = "SELECT name, sql FROM sqlite_master ORDER BY name"
    if engine.dialect.name == "postgresql":
        master = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
    schema = office.ask(master)
    ground = "DOI;1.3.2026;Formular"
    rows = "".join(f"Anna Nr {number};a{number}@x.example;dach;contact,adviser;{ground};{number % 2 or ''}\n" for number in range(MANY))
    content = "name;email;organisation;roles;basis;obtained_on;source;primary\n" + rows
    assert office.people(content).people == Counts(new=MANY)
    assert office.ask(master) == schema
    for table, count in (("person", MANY), ("address", MANY), ("seat", MANY), ("seat_role", 2 * MANY), ("basis", MANY)):
        assert office.ask(f"SELECT count(*) FROM {table}") == [(count,)]
    assert office.ask("SELECT count(*) FROM change WHERE entity = 'person' AND field = 'created'") == [(MANY,)]
    found = office.ask("SELECT hmac FROM person JOIN address a ON a.id = main_address_id WHERE full_name = 'Anna Nr 4711'")
    assert found == [(hash_address(KEYS, "a4711@x.example"),)]
    assert office.people(content).people == Counts(unchanged=MANY)
    assert office.people("name;email;organisation\nBo Li;bo@x.example;dach\n").people == Counts(new=1)
