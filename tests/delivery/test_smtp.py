"""smtp against a server that misbehaves on command: each fault has its named outcome, and no empty letter ever leaves."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.transport import Envelope, Kind, NoConnectionError, Outcome, Stage, Trouble
from tests.delivery.misbehaving import Manners, Server

pytestmark = pytest.mark.slow

Start = Callable[..., Server]
TEXT = b"Subject: Hallo\r\n\r\nGuten Tag\r\n"
STEPWISE = ("SIZE 100000",)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers with given manners."""
    running: list[Server] = []

    def begin(**manners: Any) -> Server:
        running.append(Server(Manners(**manners)))
        return running[-1]

    yield begin
    for server in running:
        server.close()


def transport(server: Server, *, dot_timeout: float = 5, **settings: Any) -> SmtpTransport:
    given: dict[str, Any] = {"tls": Tls.none, "helo": "test.example", "timeout_seconds": 5, **settings}
    return SmtpTransport(SmtpSettings(host="127.0.0.1", port=server.port, **given), dot_timeout=dot_timeout)


def envelope(recipient: str = "p1@y.example", **values: Any) -> Envelope:
    return Envelope(values.pop("ref", "abc"), "b+abc@x.example", recipient, values.pop("size", len(TEXT)), **values)


def deliver(server: Server, *envelopes: Envelope, content: bytes = TEXT, **settings: Any) -> list[Outcome]:
    """Hand letters over as a lane does, prefetching where the server pipelines; a lost connection ends it."""
    connection = transport(server, **settings).connect()
    waiting, found = list(envelopes), []
    offered = None
    while waiting or offered:
        if offered is None:
            offered = waiting.pop(0)
            connection.offer(offered)
        answer = connection.answer()
        if answer is not None:
            found.append(answer)
            offered = None
        else:
            following = waiting.pop(0) if waiting and connection.prefetches else None
            found.append(connection.hand_over(content, following))
            offered = following
        if not connection.alive:
            break
    connection.close()
    return found


def brief(outcome: Outcome) -> tuple[Kind, Stage, int | None, bool]:
    return outcome.kind, outcome.at_stage, outcome.code, outcome.lost


MATRIX = [
    ({}, (Kind.accepted, Stage.dot, 250, False)),
    ({"mail": "421 closing"}, (Kind.temporary, Stage.mail, 421, True)),
    ({"mail": "451 later"}, (Kind.temporary, Stage.mail, 451, False)),
    ({"mail": "550 not from you"}, (Kind.permanent, Stage.mail, 550, False)),
    ({"mail": "503 bad sequence"}, (Kind.temporary, Stage.mail, 503, True)),
    ({"mail": ""}, (Kind.temporary, Stage.mail, None, True)),
    ({"rcpt": "421 closing"}, (Kind.temporary, Stage.rcpt, 421, True)),
    ({"rcpt": "450 greylisted"}, (Kind.temporary, Stage.rcpt, 450, False)),
    ({"rcpt": "452 4.5.3 too many"}, (Kind.temporary, Stage.rcpt, 452, False)),
    ({"rcpt": "550 5.1.1 user unknown"}, (Kind.permanent, Stage.rcpt, 550, False)),
    ({"rcpt": ""}, (Kind.temporary, Stage.rcpt, None, True)),
    ({"rcpt": "550 no", "careless": True}, (Kind.permanent, Stage.rcpt, 550, False)),
    ({"mail": "550 no", "careless": True}, (Kind.permanent, Stage.mail, 550, True)),
    ({"data": "421 closing"}, (Kind.temporary, Stage.data, 421, True)),
    ({"data": "451 not now"}, (Kind.temporary, Stage.data, 451, False)),
    ({"data": "554 no"}, (Kind.permanent, Stage.data, 554, False)),
    ({"data": "250 what"}, (Kind.temporary, Stage.data, 250, True)),
    ({"data": ""}, (Kind.temporary, Stage.data, None, True)),
    ({"data": "hello"}, (Kind.temporary, Stage.data, -1, True)),
    ({"dot": "421 closing"}, (Kind.temporary, Stage.dot, 421, True)),
    ({"dot": "452 disk full"}, (Kind.temporary, Stage.dot, 452, False)),
    ({"dot": "552 too big"}, (Kind.permanent, Stage.dot, 552, False)),
    ({"dot": "554 spam"}, (Kind.permanent, Stage.dot, 554, False)),
    ({"dot": "354 again"}, (Kind.uncertain, Stage.dot, 354, True)),
    ({"dot": ""}, (Kind.uncertain, Stage.dot, None, True)),
]


@pytest.mark.parametrize("offers", [("PIPELINING", "SIZE 100000"), STEPWISE], ids=["pipelining", "stepwise"])
@pytest.mark.parametrize(("manners", "expected"), MATRIX, ids=[str(manners) for manners, _ in MATRIX])
def test_fault_matrix(start: Start, offers: tuple[str, ...], manners: dict[str, Any], expected: tuple[Any, ...]) -> None:
    server = start(offers=offers, **manners)
    careless_stepwise = "careless" in manners and offers == STEPWISE
    [outcome] = deliver(server, envelope())
    found = brief(outcome)
    assert (found[:3] if careless_stepwise else found) == (expected[:3] if careless_stepwise else expected)
    assert all(content for _, content in server.letters), "an empty letter left"
    assert len(server.letters) == (1 if outcome.kind in (Kind.accepted, Kind.uncertain) and outcome.code != 354 else 0)


@pytest.mark.parametrize("offers", [("PIPELINING",), STEPWISE], ids=["pipelining", "stepwise"])
def test_half_the_recipients_refused_the_others_get_theirs(start: Start, offers: tuple[str, ...]) -> None:
    """After a refusal the next group begins with RSET (RFC 2920)."""
    server = start(offers=offers, recipients={f"p{n}@y.example": "550 5.1.1 user unknown" for n in range(0, 10, 2)})
    outcomes = deliver(server, *(envelope(f"p{n}@y.example") for n in range(10)))
    assert [outcome.kind for outcome in outcomes] == [Kind.permanent, Kind.accepted] * 5
    assert [recipient for recipient, _ in server.letters] == [f"p{n}@y.example" for n in range(1, 10, 2)]
    assert server.commands.count("RSET") >= 4


def test_content_and_the_next_envelope_share_a_group(start: Start) -> None:
    server = start()
    assert [outcome.kind for outcome in deliver(server, *(envelope(f"p{n}@y.example") for n in range(5)))] == [Kind.accepted] * 5
    assert server.connections == 1
    assert [content for _, content in server.letters] == [TEXT] * 5


def test_a_line_that_breaks_in_the_content_is_not_uncertain(start: Start) -> None:
    """More content than any socket buffer holds, so the break is seen before the last dot can have left."""
    server = start(hang_up_in_content=True, offers=("PIPELINING",))
    [outcome] = deliver(server, envelope(), content=TEXT + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 400_000)
    assert brief(outcome) == (Kind.temporary, Stage.content, None, True)
    assert server.letters == []


@pytest.mark.slow
def test_silence_after_the_dot_is_uncertain(start: Start) -> None:
    [outcome] = deliver(start(silent_after_dot=True), envelope(), timeout_seconds=1, dot_timeout=1)
    assert brief(outcome) == (Kind.uncertain, Stage.dot, None, True)


def test_after_the_dot_a_server_may_think_longer_than_usual(start: Start) -> None:
    """RFC 5321 §4.5.3.2.6: silence for one usual time-out is no answer yet."""
    connection = transport(start(silent_after_dot=True), timeout_seconds=1, dot_timeout=60).connect()
    connection.offer(envelope())
    assert connection.answer() is None
    client = connection._client
    assert client.sock is not None
    sent = client.put(TEXT + b".\r\nNOOP\r\n", len(TEXT))
    assert sent
    assert connection._dot_reply()[0] == 250
    connection.close()


def test_a_server_that_speaks_unasked_gets_no_content(start: Start) -> None:
    server = start(chatter="421 shutting down", offers=("PIPELINING",))
    [outcome] = deliver(server, envelope())
    assert (outcome.kind, outcome.lost, server.letters) == (Kind.temporary, True, [])


def test_a_prefetched_letter_is_called_off_by_closing_the_socket(start: Start) -> None:
    """A lone dot would mail an empty letter."""
    server = start()
    connection = transport(server).connect()
    connection.offer(envelope())
    assert connection.answer() is None
    connection.hand_over(TEXT, envelope("p2@y.example"))
    assert connection.answer() is None
    connection.call_off()
    assert not connection.alive
    connection.close()
    assert [recipient for recipient, _ in server.letters] == ["p1@y.example"]


def test_the_next_envelope_after_a_lost_connection_was_never_mailed(start: Start) -> None:
    server = start(letters_per_connection=1)
    outcomes = deliver(server, envelope(), envelope("p2@y.example"))
    assert [brief(outcome)[:3] for outcome in outcomes] == [(Kind.accepted, Stage.dot, 250), (Kind.temporary, Stage.mail, 421)]
    assert len(server.letters) == 1


def test_a_letter_without_a_last_line_end_is_given_one(start: Start) -> None:
    server = start()
    body = b"Subject: x\r\n\r\nRCPT TO:<evil@x.example>\r\nend"
    [outcome] = deliver(server, envelope(), content=body)
    assert outcome.kind is Kind.accepted
    assert server.letters == [("p1@y.example", body + b"\r\n")]
    assert not [line for line in server.commands if "evil" in line]


def test_an_empty_letter_is_refused_here(start: Start) -> None:
    connection = transport(start()).connect()
    connection.offer(envelope())
    assert connection.answer() is None
    with pytest.raises(ValueError, match="empty"):
        connection.hand_over(b"", None)
    connection.call_off()


def test_dsn_is_asked_for_only_where_it_is_offered_bnc_02(start: Start) -> None:
    server = start()
    deliver(server, envelope("p+1=x@y.example", ref="ref1"))
    assert any(line.endswith("RET=HDRS ENVID=ref1") for line in server.commands if line.startswith("MAIL"))
    assert "RCPT TO:<p+1=x@y.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;p+2B1+3Dx@y.example" in server.commands
    silent = start(offers=("PIPELINING",))
    deliver(silent, envelope())
    assert [line for line in silent.commands if line[:4] in ("MAIL", "RCPT")] == [
        "MAIL FROM:<b+abc@x.example>",
        "RCPT TO:<p1@y.example>",
    ]


def test_a_letter_larger_than_the_server_takes_is_not_begun(start: Start) -> None:
    """RFC 1870."""
    server = start(offers=("PIPELINING", "SIZE 1000"))
    [outcome] = deliver(server, envelope(size=1001))
    assert brief(outcome) == (Kind.permanent, Stage.mail, None, False)
    assert "1000" in outcome.reply
    deliver(server, envelope(size=999))
    assert "MAIL FROM:<b+abc@x.example> SIZE=999" in server.commands


def test_smtputf8_msg_09(start: Start) -> None:
    [refused] = deliver(start(), envelope("jörg@y.example", needs_smtputf8=True, plain=False))
    assert (refused.kind, refused.needs_smtputf8) == (Kind.permanent, True)
    server = start(offers=("PIPELINING", "SMTPUTF8", "8BITMIME", "DSN"))
    [accepted] = deliver(server, envelope("jörg@y.example", needs_smtputf8=True, plain=False))
    assert accepted.kind is Kind.accepted
    assert "MAIL FROM:<b+abc@x.example> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=abc" in server.commands
    assert r"RCPT TO:<jörg@y.example> NOTIFY=FAILURE,DELAY ORCPT=utf-8;j\x{F6}rg@y.example" in server.commands


@pytest.mark.parametrize(
    "address", ["a@y.example>\r\nRCPT TO:<evil@x.example", "a b@y.example", "a@y.example\n", "<a@y.example>", "", "a\x00@b"]
)
def test_an_address_cannot_smuggle_a_command_sec_02(start: Start, address: str) -> None:
    server = start()
    outcomes = deliver(server, envelope(address), envelope("p2@y.example"))
    assert [outcome.kind for outcome in outcomes] == [Kind.permanent, Kind.accepted]
    assert [recipient for recipient, _ in server.letters] == ["p2@y.example"]
    assert not [line for line in server.commands if "evil" in line]


@pytest.mark.parametrize(
    ("manners", "settings", "trouble"),
    [
        ({"greeting": "554 go away"}, {}, Trouble.turned_away),
        ({"greeting": "421 too busy"}, {}, Trouble.turned_away),
        ({"greeting": ""}, {}, Trouble.unreachable),
        ({}, {"tls": Tls.starttls}, Trouble.tls_failed),
        ({}, {"username": "om", "password": SecretStr("hidden-secret")}, Trouble.auth_failed),
        (
            {"offers": ("AUTH PLAIN LOGIN",), "auth": "535 5.7.8 wrong"},
            {"username": "om", "password": SecretStr("hidden-secret")},
            Trouble.auth_failed,
        ),
    ],
)
def test_no_connection_has_a_name_and_no_secret_sec_19(
    start: Start, manners: dict[str, Any], settings: dict[str, Any], trouble: Trouble
) -> None:
    with pytest.raises(NoConnectionError) as caught:
        transport(start(**manners), **settings).connect()
    assert caught.value.trouble is trouble
    assert "hidden-secret" not in str(caught.value)


def test_nobody_listens() -> None:
    server = Server(Manners())
    server.close()
    with pytest.raises(NoConnectionError) as caught:
        transport(server).connect()
    assert caught.value.trouble is Trouble.unreachable


def test_login_where_it_is_offered(start: Start) -> None:
    server = start(offers=("PIPELINING", "AUTH PLAIN LOGIN"))
    [outcome] = deliver(server, envelope(), username="om", password=SecretStr("pw"))
    assert outcome.kind is Kind.accepted
    assert [line for line in server.commands if line.startswith("AUTH PLAIN")]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that only those trust who are told to."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_starttls_with_a_trusted_certificate_bulk_15(start: Start, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    server = start(offers=("PIPELINING", "STARTTLS"), tls=server_context(certificate))
    outcomes = deliver(server, *(envelope(f"p{n}@y.example") for n in range(3)), content=TEXT * 3000, tls=Tls.starttls)
    assert [outcome.kind for outcome in outcomes] == [Kind.accepted] * 3
    assert server.letters[2] == ("p2@y.example", TEXT * 3000)


def test_an_unknown_certificate_is_refused_bulk_15(start: Start, certificate: Path) -> None:
    server = start(offers=("STARTTLS",), tls=server_context(certificate))
    with pytest.raises(NoConnectionError) as caught:
        transport(server, tls=Tls.starttls).connect()
    assert caught.value.trouble is Trouble.tls_failed
    assert not [line for line in server.commands if line.startswith("MAIL")]


def test_answers_sent_ahead_of_tls_are_not_believed(start: Start, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Injection into STARTTLS (CVE-2011-0411)."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    server = start(offers=("STARTTLS",), tls=server_context(certificate), injected="250 AUTH PLAIN\r\n")
    with pytest.raises(NoConnectionError):
        transport(server, tls=Tls.starttls).connect()
