"""Commands that are killed at random points: afterwards all of their work is there or none, and the same command again does it."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.harness import CONTEXT

CONTEXT.set_forkserver_preload(["tests.crash.harness", "tests.crash.commands"])


def do_import(folder: Path, begun: Any) -> None:
    from om_campaigns.staff.importing import import_audience
    from om_campaigns.wiring import open_app

    app = open_app(folder)
    begun.set()
    import_audience(app, [folder / "audiences/people.csv"], app.now(), "test")


def do_publish(folder: Path, begun: Any) -> None:
    from om_campaigns.staff.publishing import publish_campaigns
    from om_campaigns.wiring import open_app

    app = open_app(folder)
    begun.set()
    publish_campaigns(app, (), app.now(), "test")


def do_migrate(folder: Path, begun: Any) -> None:
    from om_campaigns.operate.installation import upgrade_database
    from om_campaigns.wiring import open_app

    app = open_app(folder, check_schema=False)
    begun.set()
    upgrade_database(app.engine, app.keyring)


def do_backup(folder: Path, begun: Any) -> None:
    from om_campaigns.operate.backup import back_up
    from om_campaigns.wiring import open_app

    app = open_app(folder)
    begun.set()
    back_up(app, folder / "copies" / "om.zip", app.now())


def run_whole(work: Callable[[Path, Any], None], folder: Path) -> float:
    """Let a command do its work; returns how long that took after it had begun."""
    process, began = _start(work, folder)
    process.join()
    assert process.exitcode == 0, process.exitcode
    return time.monotonic() - began


def kill_at(work: Callable[[Path, Any], None], folder: Path, seconds: float) -> bool:
    """Kill a command so long after it began its work; False if it was done by then."""
    process, _ = _start(work, folder)
    process.join(seconds)
    if not process.is_alive():
        assert process.exitcode == 0, process.exitcode
        return False
    process.kill()
    process.join()
    return True


def _with_path(work: Callable[[Path, Any], None], path: str, folder: Path, begun: Any) -> None:
    os.environ["PATH"] = path  # the fork server was started before a test changed it
    work(folder, begun)


def _start(work: Callable[[Path, Any], None], folder: Path) -> tuple[Any, float]:
    begun = CONTEXT.Event()
    process = CONTEXT.Process(target=_with_path, args=(work, os.environ["PATH"], folder, begun))
    process.start()
    assert begun.wait(60)
    return process, time.monotonic()


def moments(seed: int, whole: float, count: int) -> list[float]:
    """Random moments over the length of a command."""
    dice = random.Random(seed)
    return [dice.uniform(0, whole) for _ in range(count)]
