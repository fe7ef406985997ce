"""The long form of the crash test: ``python -m benchmarks.crash --kills 1000 [--letters 2000] [--seed 1]``.

Rounds of sending with kill -9 at random points, each round on a fresh database, until the wanted number of kills; prints one
line per round and ends with 1 if a letter was lost, doubled or left open, or if a kill left more uncertain letters than it
had connections.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from om_campaigns import store
from om_campaigns.compose import models as _compose_tables  # noqa: F401  the tables must be known before they are made
from tests.crash.harness import Found, run_until_done
from tests.delivery.stage import make_stage

CONNECTIONS = 3


def run_round(letters: int, seed: int, most_kills: int) -> Found:
    """One database, sent to the end under kills."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = store.open_engine("sqlite:///crash.db", root=folder)
        store.metadata.create_all(engine)
        make_stage(engine, letters)
        url = f"sqlite:///{folder / 'crash.db'}"
        found = run_until_done(engine, url, folder, most_kills=most_kills, connections=CONNECTIONS, patience=0.25, seed=seed)
        engine.dispose()
    return found


def is_clean(found: Found) -> bool:
    """Nothing lost, doubled or left open, and few uncertain."""
    return not (found.lost or found.doubled or found.unfinished or found.open_letters) and found.most_uncertain <= CONNECTIONS


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 the sender again and again")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--letters", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    kills, seed, clean = 0, asked.seed, True
    while kills < asked.kills and clean:
        found = run_round(asked.letters, seed, asked.kills - kills)
        kills, seed, clean = kills + found.kills, seed + 1, is_clean(found)
        print(
            f"kills {kills:5}  uncertain {found.uncertain:3} (most per kill {found.most_uncertain})  lost {len(found.lost)}"
            f"  doubled {len(found.doubled)}  open {found.open_letters}",
            flush=True,
        )
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
