"""Every transport keeps the same contract: exact bytes, in order, once; an offered letter can be called off without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from om_campaigns.delivery.rehearsal_transports import MemoryTransport, OutboxTransport
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.transport import Connection, Envelope, Kind, NoConnectionError, Stage, Transport, Trouble
from tests.delivery.misbehaving import Manners, Server

Arrived = Callable[[], list[bytes]]


def letter(number: int) -> bytes:
    return f"Date: Tue, 05 Jan 2027 10:00:0{number} +0100\r\nSubject: {number}\r\n\r\nGuten Tag =C3=BC\r\n".encode()


def envelope(number: int) -> Envelope:
    return Envelope(f"ref{number}", "b@x.example", f"p{number}@y.example", len(letter(number)))


@pytest.fixture(params=["memory", "outbox", "smtp", "smtp-stepwise"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Transport, Arrived]]:
    """A transport, and how to see what it took over."""
    if request.param == "memory":
        memory = MemoryTransport()
        yield memory, lambda: [content for _, content in memory.letters]
    elif request.param == "outbox":
        yield OutboxTransport(tmp_path / "outbox"), lambda: [path.read_bytes() for path in sorted((tmp_path / "outbox").iterdir())]
    else:
        server = Server(Manners(offers=("PIPELINING",) if request.param == "smtp" else ("SIZE",)))
        settings = SmtpSettings(host="127.0.0.1", port=server.port, tls=Tls.none, helo="test.example", timeout_seconds=5)
        yield SmtpTransport(settings), lambda: [content for _, content in server.letters]
        server.close()


def deliver(connection: Connection, numbers: list[int]) -> None:
    connection.offer(envelope(numbers[0]))
    for place, number in enumerate(numbers):
        assert connection.answer() is None
        following = envelope(numbers[place + 1]) if place + 1 < len(numbers) else None
        outcome = connection.hand_over(letter(number), following if connection.prefetches else None)
        assert (outcome.kind, outcome.at_stage, outcome.code, outcome.lost) == (Kind.accepted, Stage.dot, 250, False)
        if following is not None and not connection.prefetches:
            connection.offer(following)


def test_letters_arrive_as_they_were_handed_over(kept: tuple[Transport, Arrived]) -> None:
    transport, arrived = kept
    connection = transport.connect()
    deliver(connection, [1, 2, 3])
    connection.close()
    assert arrived() == [letter(1), letter(2), letter(3)]


def test_a_letter_that_is_called_off_leaves_nothing(kept: tuple[Transport, Arrived]) -> None:
    transport, arrived = kept
    connection = transport.connect()
    connection.offer(envelope(1))
    assert connection.answer() is None
    connection.call_off()
    connection.close()
    second = transport.connect()
    deliver(second, [2])
    second.close()
    assert arrived() == [letter(2)]


def test_several_connections_at_once(kept: tuple[Transport, Arrived]) -> None:
    transport, arrived = kept
    connections = [transport.connect() for _ in range(3)]
    for number, connection in enumerate(connections):
        deliver(connection, [number])
    for connection in connections:
        connection.close()
        connection.close()
    assert sorted(arrived()) == [letter(0), letter(1), letter(2)]


@pytest.mark.parametrize("restarted", [False, True])
def test_the_outbox_keeps_a_letter_once_and_whole(tmp_path: Path, *, restarted: bool) -> None:
    """The name carries the hand-over time and the ref; the same ref again, even after a restart, changes nothing."""
    transport = OutboxTransport(tmp_path)
    deliver(transport.connect(), [1])
    deliver((OutboxTransport(tmp_path) if restarted else transport).connect(), [1])
    assert [path.name for path in tmp_path.iterdir()] == ["20270105T090001Z-ref1.eml"]


def test_an_outbox_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NoConnectionError) as caught:
        OutboxTransport(tmp_path / "file").connect()
    assert caught.value.trouble is Trouble.unreachable
    transport = OutboxTransport(tmp_path / "gone")
    connection = transport.connect()
    (tmp_path / "gone").rmdir()
    connection.offer(envelope(1))
    assert connection.hand_over(letter(1), None).kind is Kind.temporary
    (tmp_path / "gone").mkdir()
    deliver(connection, [1])
    assert len(list((tmp_path / "gone").iterdir())) == 1
