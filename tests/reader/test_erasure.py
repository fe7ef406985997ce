"""What somebody asked for while nothing may leave is forgotten with them, and in time without them (LAW-07, LAW-21)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns import store
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.operate.installation import halt, unhalt
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.partner.signing_in import send_entrance_link
from om_campaigns.reader.erasure import erase_person
from om_campaigns.reader.preferences import ask_for_link
from om_campaigns.reader.subscribing import Rhythm, Served, Wanted, load_offer, subscribe
from om_campaigns.reader.tokens import find_visitor_of
from om_campaigns.service_letters import send_asked_notices
from om_campaigns.transport import Connection, Envelope, Kind, Outcome, Stage
from tests.journeys.conftest import empty_postgres  # noqa: F401  a fixture
from tests.journeys.workspace import SQLITE, Workspace, house, person

pytestmark = pytest.mark.slow

TYPED = "Mira.Feldkamp@ihk-berg.de"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    url = SQLITE if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres"))
    made = Workspace(tmp_path / "ws", database=url, settings='[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n')
    made.houses(house("ihk-berg", "05"))
    made.people(person("Mira Feldkamp", "ihk-berg", email="mira.feldkamp@ihk-berg.de"))
    (made.folder / "audiences/people.csv").unlink()
    return made


def person_id(workspace: Workspace) -> int:
    return int(workspace.ask("SELECT id FROM person")[0][0])


def ask_for_everything(workspace: Workspace) -> None:
    """A link into the portal, one to the preferences, and a subscription from the form for all, typed another way."""
    app, now = workspace.app, workspace.now
    ((ref, public_id, house_id),) = workspace.ask("SELECT a.ref, o.public_id, o.id FROM address a, organisation o")
    with store.read(app.engine) as session:
        served = {"hilfen": Served(frozenset({house_id}), Rhythm(1, 0, 0))}
        visitor, offer = find_visitor_of(session, ref, public_id, "hilfen"), load_offer(session, "de", served)
    assert visitor is not None
    assert offer is not None
    assert send_entrance_link(app, TYPED)
    ask_for_link(app, visitor, "de", now)
    subscribe(app, Wanted("Mira Feldkamp", TYPED, "", ("hilfen",), True), offer, "de", "/anmelden", "192.0.2.1", now)


def where_it_stands(workspace: Workspace, *needles: str) -> list[str]:
    """Every table and every file that holds one of these texts, however it is spelled."""
    found = [f"table {name}" for name, rows in workspace.dump().items() for row in rows for each in needles if each in row.lower()]
    workspace.app.engine.dispose()
    files = [path for path in workspace.folder.rglob("*") if path.is_file()]
    return found + [f"file {path.name}" for path in files for each in needles if each.encode() in path.read_bytes().lower()]


NEEDLES = ("mira.feldkamp", "mira feldkamp")


def test_who_is_erased_during_a_halt_stands_nowhere_any_more(workspace: Workspace) -> None:
    halt(workspace.app, workspace.now, "test", "a test")
    ask_for_everything(workspace)
    assert len(workspace.ask("SELECT id FROM notice WHERE due_at IS NOT NULL AND address <> ''")) == 3
    erase_person(workspace.app, person_id(workspace), workspace.now, "test")
    assert where_it_stands(workspace, *NEEDLES) == []
    unhalt(workspace.app, workspace.now, "test")
    workspace.tick()
    assert workspace.transport.letters == []


class _Refusing(MemoryTransport):
    """A server that names the address in its answer, as servers do."""

    def __init__(self, kind: Kind, code: int) -> None:
        super().__init__()
        self.kind, self.code = kind, code

    def connect(self) -> Connection:
        made = super().connect()
        answer = Outcome(self.kind, self.code, f"<{TYPED}>: not today", Stage.rcpt)
        if self.kind is Kind.uncertain:
            made.hand_over = lambda content, then: answer  # type: ignore[method-assign]
        else:
            made.answer = lambda: answer  # type: ignore[method-assign]
        return made


@pytest.mark.parametrize(("kind", "code"), [(Kind.temporary, 450), (Kind.permanent, 550)])
def test_what_a_server_answered_about_a_service_mail_goes_too(workspace: Workspace, kind: Kind, code: int) -> None:
    ask_for_everything(workspace)
    send_asked_notices(workspace.app, _Refusing(kind, code))
    assert len(workspace.ask("SELECT id FROM message")) == 3
    erase_person(workspace.app, person_id(workspace), workspace.now, "test")
    assert where_it_stands(workspace, *NEEDLES) == []


def test_what_nobody_wants_any_more_loses_its_address_when_it_is_looked_at(workspace: Workspace) -> None:
    halt(workspace.app, workspace.now, "test", "a test")
    ask_for_everything(workspace)
    workspace.now += timedelta(days=13)  # the links into the portal and to the preferences hold no longer
    unhalt(workspace.app, workspace.now, "test")
    workspace.tick()
    assert len(workspace.transport.letters) == 1
    assert workspace.ask("SELECT count(*) FROM notice WHERE address <> '' OR due_at IS NOT NULL") == [(0,)]


def test_law_07_retention_closes_what_could_not_leave(workspace: Workspace) -> None:
    halt(workspace.app, workspace.now, "test", "a test")
    ask_for_everything(workspace)
    forget_old_values(workspace.app, workspace.now + timedelta(days=14))
    assert workspace.ask("SELECT count(*) FROM notice WHERE address <> ''") == [(3,)]
    for _ in range(2):
        forget_old_values(workspace.app, workspace.now + timedelta(days=14, seconds=1))
        assert workspace.ask("SELECT count(*) FROM notice WHERE address <> '' OR due_at IS NOT NULL") == [(0,)]


def test_an_uncertain_service_mail_keeps_no_address(workspace: Workspace) -> None:
    """Nobody settles it by hand, and it never leaves a second time."""
    ask_for_everything(workspace)
    workspace.transport.letters.clear()  # the link into the portal leaves at once
    send_asked_notices(workspace.app, _Refusing(Kind.uncertain, 0))
    send_asked_notices(workspace.app, workspace.transport)
    assert workspace.ask("SELECT count(*) FROM message WHERE envelope_to <> ''") == [(0,)]
    assert workspace.transport.letters == []


def test_sending_after_erasing_needs_no_address(workspace: Workspace) -> None:
    """A worker may hold the mail at that moment: what it records afterwards owes nothing to nobody."""
    app = workspace.app

    class _Erasing(MemoryTransport):
        def connect(self) -> Connection:
            made = super().connect()
            offer = made.offer

            def erase_then_offer(envelope: Envelope) -> None:
                if workspace.ask("SELECT id FROM person WHERE status = 'active'"):
                    erase_person(app, person_id(workspace), workspace.now, "test")
                offer(envelope)

            made.offer = erase_then_offer  # type: ignore[method-assign]
            made.answer = lambda: Outcome(Kind.temporary, 450, f"<{TYPED}>", Stage.rcpt)  # type: ignore[method-assign]
            return made

    ask_for_everything(workspace)
    workspace.transport.letters.clear()  # the link into the portal leaves at once
    send_asked_notices(app, _Erasing())
    workspace.now += timedelta(hours=2)
    workspace.tick()
    assert workspace.transport.letters == []
    assert where_it_stands(workspace, *NEEDLES) == []
