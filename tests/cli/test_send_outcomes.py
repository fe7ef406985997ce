"""What ``send`` says and ends with when the mail server does not do its part, in every format."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shell import Said, om
from tests.delivery.misbehaving import Manners, Server
from tests.journeys.workspace import Workspace, house, person

pytestmark = pytest.mark.slow
AT = "2027-01-05T09:00"
PEOPLE = 12
PLAIN = 'tls = "none"'


def make(folder: Path, port: int, *, smtp: str) -> Workspace:
    """A dozen people who are owed a letter; rehearsal mail goes to the server at ``port``."""
    server = f'host = "127.0.0.1"\nport = {port}\nconnections = 1\n{smtp}'
    workspace = Workspace(folder, settings=f'rehearsal_to = ["we@om.example"]\n[smtp]\n{server}')
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(*(person(f"Person Nummer{n:02}", "ihk-tal", roles="adviser") for n in range(PEOPLE)))
    workspace.segment("alle", "'adviser' in roles")
    workspace.campaign("reihe", "a1 day = 0")
    workspace.publish()
    assert om(folder, "send", "--all-due", now="2027-01-04T08:00").code == 0
    return workspace


@pytest.fixture
def sending(tmp_path: Path) -> Callable[..., Said]:
    def work(manners: Manners, *arguments: str, smtp: str = PLAIN) -> Said:
        with closing(Server(manners)) as server:
            make(tmp_path / "ws", server.port, smtp=smtp)
            return om(tmp_path / "ws", "send", *(arguments or ("--all-due",)), now=AT)

    return work


@pytest.mark.parametrize(
    ("manners", "smtp", "told"),
    [
        (Manners(greeting="554 go away"), PLAIN, "554 go away"),
        (Manners(), 'tls = "starttls"', "does not offer STARTTLS"),
        (Manners(), f'{PLAIN}\nusername = "om"\npassword = "x"', "does not offer AUTH"),
        (Manners(dot="554 5.7.1 not from you"), PLAIN, "the server refuses us: dot: 554 5.7.1 not from you"),
        (Manners(mail="421 4.7.0 too much today"), PLAIN, "mail: 421 4.7.0 too much today"),
    ],
)
def test_a_run_that_the_server_ended_ends_with_4(sending: Callable[..., Said], manners: Manners, smtp: str, told: str) -> None:
    said = sending(manners, smtp=smtp)
    assert (said.code, "stopped:" in said.out) == (4, False), said
    assert re.search(f"error: the mail server ended the run: .*{re.escape(told)}", said.err), said.err


@pytest.mark.parametrize("arguments", [("--all-due",), ("reihe",), ("reihe", "--gaps"), ("--all-due", "--format", "json")])
def test_nobody_listens(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """In every form of the command; programs get the account and the code."""
    with closing(Server(Manners())) as server:
        port = server.port
    make(tmp_path / "ws", port, smtp=PLAIN)
    if "--gaps" in arguments:
        om(tmp_path / "ws", "send", "reihe", now=AT)
        workspace_gap(tmp_path / "ws")
    said = om(tmp_path / "ws", "send", *arguments, now=AT)
    assert said.code == 4, said
    assert "Connection refused" in said.err
    if "json" in arguments:
        assert (said.json["sent"], said.json["ended"]) == (0, "unreachable")
        assert "Connection refused" in said.json["detail"]


def workspace_gap(folder: Path) -> None:
    """One letter failed."""
    from om_campaigns.wiring import open_app

    app = open_app(folder)
    with app.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dispatch SET status = 'failed', reason = 'refused', attempts = 1 WHERE id = 1")
    app.engine.dispose()


def test_a_halt_a_pace_and_single_refusals_are_no_fault_of_the_server(sending: Callable[..., Said], tmp_path: Path) -> None:
    refused = {"we@om.example": "550 5.2.2 mailbox full"}
    said = sending(Manners(recipients=refused), smtp=f"{PLAIN}\nrate_per_minute = 5")
    assert (said.code, "stopped: 5 letters a minute are reached" in said.out) == (0, True), said
    assert (
        f"0 enrolled, {PEOPLE} letters planned, 0 mails sent to we@om.example only (rehearsal)\n  5 mails refused by the mail server"
        in said.out
    )
    assert om(tmp_path / "ws", "halt", "--reason", "x", now=AT).code == 0
    assert om(tmp_path / "ws", "send", "--all-due", now=AT).code == 3
