"""Who left under one spelling of their mailbox is left alone under every other, wherever suppressions are asked for (LAW-09, UNS-09)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns import migrations, store
from om_campaigns.audience.addresses import fold_key, hash_address, normalise
from om_campaigns.delivery.rehearsal_transports import LocalConnection, MemoryTransport
from om_campaigns.operate.installation import upgrade_database
from om_campaigns.reader import opting_in
from om_campaigns.reader.leaving_page import unsubscribe
from om_campaigns.reader.opting_in import FIRST_OF_NETWORK, PER_DOMAIN, PER_NETWORK, Request
from om_campaigns.transport import Envelope, Outcome
from om_campaigns.wiring import open_app
from tests.journeys.workspace import SQLITE, Workspace, house, person

pytestmark = pytest.mark.slow

PAIRS = [
    ("rosa@gmail.com", "Rosa+Brief@gmail.com"),
    ("rosa+brief@posteo.de", "rosa@posteo.de"),
    ("rosa+a@icloud.com", "rosa+b@icloud.com"),
    ("rosa@neu.de", "ｒｏｓａ@ｎｅｕ．de"),
    ("ＲＯＳＡ@neu.de", "rosa@neu.de"),
    ("rosa@gmail.com", "rosa＋brief@gmail.com"),
    ("straße@neu.de", "STRASSE@neu.de"),
    ("rosa@neu.de", "ro\u034fsa@neu.de"),
    ("rosa@neu.de", "rosa\ufe0f@neu.de"),
]
APART = [("rosa+a@ihk.de", "rosa@ihk.de"), ("ro.sa@gmail.com", "rosa@gmail.com"), ("rosa@gmail.com", "rosa@googlemail.com")]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    url = SQLITE if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres"))
    made = Workspace(tmp_path / "ws", database=url, settings='[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n')
    made.houses(house("ihk", "05"))
    made.segment("alle", "'contact' in roles")
    return made


def take(workspace: Workspace, *addresses: str) -> None:
    workspace.people(*(person(f"Rosa Nr {number}", "ihk", email=each) for number, each in enumerate(addresses, 1)))


def to(workspace: Workspace) -> list[str]:
    return sorted(envelope.recipient for envelope, _ in workspace.transport.letters)


@pytest.mark.parametrize(("left", "other"), PAIRS)
def test_one_mailbox_has_one_folded_key(left: str, other: str) -> None:
    assert fold_key(normalise(left).normal_key) == fold_key(normalise(other).normal_key)


@pytest.mark.parametrize(("left", "other"), APART)
def test_what_no_provider_documents_stays_apart(left: str, other: str) -> None:
    assert fold_key(normalise(left).normal_key) != fold_key(normalise(other).normal_key)


@pytest.mark.parametrize(("left", "other"), [*PAIRS[:5], *APART[:1]])
def test_nobody_enters_under_another_spelling(workspace: Workspace, left: str, other: str) -> None:
    """Left before the other spelling came in by an import; as somebody nobody knew."""
    unsubscribe(workspace.app, left, workspace.now, "test")
    take(workspace, other, "otto@ihk.de")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()
    result = workspace.tick(workspace.now + timedelta(days=2))
    stays = [] if (left, other) in PAIRS else [normalise(other).address]
    assert to(workspace) == sorted(["otto@ihk.de", *stays])
    assert dict(result.campaigns[0].not_enrolled) == ({"suppressed": 1} if not stays else {})


def test_rows_of_addresses_are_never_merged(workspace: Workspace) -> None:
    take(workspace, "rosa@gmail.com", "rosa+brief@gmail.com")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()
    workspace.tick(workspace.now + timedelta(days=2))
    assert to(workspace) == ["rosa+brief@gmail.com", "rosa@gmail.com"]


def test_what_was_enrolled_before_is_neither_planned_nor_sent(workspace: Workspace) -> None:
    take(workspace, "rosa+brief@gmail.com", "otto@ihk.de")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(workspace.now + timedelta(days=2))
    assert len(to(workspace)) == 2
    unsubscribe(workspace.app, "rosa@gmail.com", workspace.now, "test")
    workspace.tick(workspace.now + timedelta(days=10))
    assert [each for each in to(workspace) if each.startswith("rosa")] == ["rosa+brief@gmail.com"]
    assert [mail.reason for mail in workspace.ledger(step="a2", to="rosa+brief@gmail.com")] == ["suppressed"]


class _Watching(MemoryTransport):
    """Does something when the first letter is handed over, as a reader would at that moment."""

    def __init__(self, do: Callable[[], object]) -> None:
        super().__init__()
        self.do = do

    def connect(self) -> LocalConnection:
        return LocalConnection(self.watch)

    def watch(self, envelope: Envelope, content: bytes) -> Outcome:
        if not self.letters:
            self.do()
        return self.keep(envelope, content)


def test_the_fence_before_the_hand_over_knows_every_spelling(workspace: Workspace) -> None:
    """Claimed already; both leave under another spelling while the first letter is on the wire (one more may be at it by then)."""
    take(workspace, *(f"nr{number}@ihk.de" for number in range(6)), "rosa+brief@gmail.com", "ｏｔｔｏ@ihk.de")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()

    def both_leave() -> None:
        for each in ("rosa@gmail.com", "otto@ihk.de"):
            unsubscribe(workspace.app, each, workspace.now, "test")

    workspace.transport = _Watching(both_leave)
    workspace.tick(workspace.now + timedelta(days=2))
    assert to(workspace) == [f"nr{number}@ihk.de" for number in range(6)]
    left = workspace.ledger(to="rosa+brief@gmail.com") + workspace.ledger(to="ｏｔｔｏ@ihk.de")
    assert {(mail.status, mail.reason) for mail in left} == {("cancelled", "suppressed")}


def request_of(text: str, network: str = "192.0.2.0/24") -> Request:
    return Request(normalise(text), "Rosa Lind", "de", None, ("hilfen",), "Ja.", "https://om.de/anmelden", network)


def ask(workspace: Workspace, text: str, network: str = "192.0.2.0/24") -> bool:
    with store.write(workspace.app.engine) as session:
        return opting_in.ask(session, workspace.app.keyring, request_of(text, network), workspace.now)


def test_who_objected_is_not_asked_under_another_spelling(workspace: Workspace) -> None:
    unsubscribe(workspace.app, "rosa@gmail.com", workspace.now, "test")
    workspace.do("UPDATE suppression SET reason = 'objection'")
    assert ask(workspace, "rosa+neu@gmail.com")
    workspace.tick()
    assert to(workspace) == []


def test_subscribing_again_lifts_what_the_same_mailbox_left_and_no_other(workspace: Workspace) -> None:
    take(workspace, "rosa+brief@gmail.com", "otto@ihk.de")
    for each in ("rosa+brief@gmail.com", "otto@ihk.de"):
        unsubscribe(workspace.app, each, workspace.now, "test", mailing_list="hilfen")
    assert workspace.count("suppression") == 3
    ask(workspace, "rosa+brief@gmail.com")
    with store.write(workspace.app.engine) as session:
        opt_in = session.execute(opting_in.select(opting_in.OptIn)).scalar_one()
        opting_in.confirm(session, workspace.app.keyring, opt_in, workspace.now)
    (left,) = workspace.ask("SELECT hmac FROM suppression")
    assert left == (hash_address(workspace.app.keyring, "otto@ihk.de"),)


def test_a_suppression_written_before_still_holds_and_learns_the_other_spellings(tmp_path: Path) -> None:
    """A database of the version before: no folded hash anywhere. Upgrading it twice changes nothing more."""
    made = Workspace(tmp_path / "ws", settings='[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n')
    made.houses(house("ihk", "05"))
    made.segment("alle", "'contact' in roles")
    take(made, "rosa@gmail.com", "rosa+a@gmail.com", "otto+b@gmail.com", "otto@ihk.de")
    unsubscribe(made.app, "rosa@gmail.com", made.now, "test")
    unsubscribe(made.app, "otto+b@gmail.com", made.now, "test")
    folded = hash_address(made.app.keyring, "otto@gmail.com")
    made.do("DELETE FROM suppression WHERE hmac = :folded", folded=folded)
    made.do("ALTER TABLE address DROP COLUMN folded_hmac")
    made.do("UPDATE alembic_version SET version_num = '0022'")
    made.app.engine.dispose()
    app = open_app(made.folder, check_schema=False)
    if migrations.head() == "0023":  # later revisions cannot be undone by hand here
        assert upgrade_database(app.engine, app.keyring)
        assert not upgrade_database(app.engine, app.keyring)
        made.campaign("reihe", "a1 day = 0")
        made.publish()
        made.tick(made.now + timedelta(days=2))
        assert to(made) == ["otto@ihk.de"]


def test_a_new_key_keeps_every_spelling(workspace: Workspace, tmp_path: Path) -> None:
    take(workspace, "rosa+brief@gmail.com")
    unsubscribe(workspace.app, "rosa@gmail.com", workspace.now, "test")
    keys = workspace.folder / "keys.toml"
    text = keys.read_text(encoding="utf-8").replace('current = "k1"', 'current = "k2"')
    keys.write_text(text + 'k2 = "' + "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=" + '"\n', encoding="utf-8")
    workspace.app = open_app(workspace.folder, clock=lambda: workspace.now, rehearsal_transport=lambda: workspace.transport)
    take(workspace, "rosa+brief@gmail.com", "rosa+noch@gmail.com")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()
    workspace.tick(workspace.now + timedelta(days=2))
    assert to(workspace) == []


def test_sec_11_nobody_uses_up_what_others_may_ask_for(workspace: Workspace) -> None:
    """One network asks as often as it may for addresses of one domain, then a hundred networks do; a reader of that domain is served."""
    assert [ask(workspace, f"a{number}@hwk.de") for number in range(PER_NETWORK + 20)] == [True] * PER_NETWORK + [False] * 20
    others = PER_DOMAIN // FIRST_OF_NETWORK + 5
    for network in range(others):
        assert all(ask(workspace, f"b{network}.{number}@hwk.de", f"203.0.{network}.0/24") for number in range(FIRST_OF_NETWORK))
    assert not ask(workspace, "b.zuviel@hwk.de", "203.0.1.0/24"), "beyond the domain's share only the first of each network"
    assert ask(workspace, "leserin@hwk.de", "198.51.100.0/24")
    assert ask(workspace, "leserin@andere.de", "203.0.1.0/24")


def test_sec_11_spellings_of_one_mailbox_are_counted_as_one(workspace: Workspace) -> None:
    asked = [ask(workspace, f"rosa+{number}@gmail.com", f"203.0.{number}.0/24") for number in range(5)]
    assert asked == [True, True, True, False, False]
