"""Postfix, postgrey, submission with TLS and AUTH, opendkim: the distribution's own servers, not ours."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import dkim
import pytest
import trustme
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import select

from om_campaigns.campaign.models import Dispatch
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.handover import Ended, Sent
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.store import read
from tests.contracts.servers import Postfix, need, opendkim, postfix, postgrey
from tests.delivery import stage
from tests.delivery.stage import NOW, compose, make_stage
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def send(engine: Engine, folder: Path, port: int, *, at: datetime = NOW, connections: int = 2, **settings: Any) -> Sent:
    given = {"host": "127.0.0.1", "port": port, "tls": Tls.none, "helo": "om.example", "timeout_seconds": 20, **settings}
    return send_due(
        engine,
        clock=fixed_clock(at),
        compose=compose,
        transport=SmtpTransport(SmtpSettings(**given)),
        smtp=stage.Pace(connections=connections),
        lock_folder=folder,
    )


def statuses(engine: Engine) -> Counter[DispatchStatus]:
    with read(engine) as session:
        return Counter(session.exec(select(Dispatch.status)))


def assert_each_got_one(server: Postfix, count: int) -> None:
    assert server.wait_for(count) == count
    assert Counter(recipient for recipient, _ in server.mailbox.letters) == Counter(f"p{n}@y.example" for n in range(1, count + 1))
    names = [message_from_bytes(letter)["Message-ID"] for _, letter in server.mailbox.letters]
    assert len(set(names)) == count


def test_postfix_as_relay_takes_and_delivers_each_letter_once(sqlite_engine: Engine, tmp_path: Path) -> None:
    make_stage(sqlite_engine, 200)
    with postfix() as server:
        assert send(sqlite_engine, tmp_path, server.port).sent == 200
        assert_each_got_one(server, 200)


def test_what_postfix_queues_arrives_once_the_next_server_is_back(sqlite_engine: Engine, tmp_path: Path) -> None:
    make_stage(sqlite_engine, 20)
    with postfix(is_onward_up=False) as server:
        assert send(sqlite_engine, tmp_path, server.port).sent == 20
        assert server.mailbox.letters == []
        assert server.queued() == 20
        server.onward.start()
        subprocess.run(["/usr/sbin/postqueue", "-c", str(server.folder / "etc"), "-f"], check=True)
        assert_each_got_one(server, 20)


def test_postfix_limits_by_rate_put_letters_off_and_lose_none(sqlite_engine: Engine, tmp_path: Path) -> None:
    """450 4.7.1: the destination is left alone, then the rest goes."""
    make_stage(sqlite_engine, 7)
    limits = {"smtpd_client_message_rate_limit": "5", "smtpd_client_event_limit_exceptions": ""}
    with postfix(limits) as server:
        first = send(sqlite_engine, tmp_path, server.port, connections=1)
        assert first.retry >= 1
        at = NOW
        for _ in range(8):
            at += timedelta(hours=13)
            time.sleep(4.2)  # its own window
            send(sqlite_engine, tmp_path, server.port, connections=1, at=at)
            if statuses(sqlite_engine) == {DispatchStatus.sent: 7}:
                break
        assert statuses(sqlite_engine) == {DispatchStatus.sent: 7}
        assert_each_got_one(server, 7)


def test_postfix_that_takes_only_small_letters(sqlite_engine: Engine, tmp_path: Path) -> None:
    make_stage(sqlite_engine, 1)
    with postfix({"message_size_limit": "100"}) as server:
        assert send(sqlite_engine, tmp_path, server.port).failed == 1
    with read(sqlite_engine) as session:
        found = session.get_one(Dispatch, 1)
        assert (found.reason, "the server takes at most 100" in found.detail) == (Reason.refused, True)


def test_postgrey_puts_everybody_off_once_bnc_10(sqlite_engine: Engine, tmp_path: Path) -> None:
    make_stage(sqlite_engine, 6)
    with postgrey(delay=2) as policy:
        rules = {"smtpd_recipient_restrictions": f"check_policy_service inet:127.0.0.1:{policy}, permit_mynetworks, reject"}
        with postfix(rules) as server:
            first = send(sqlite_engine, tmp_path, server.port)
            assert (first.sent, first.retry) == (0, 6)
            with read(sqlite_engine) as session:
                waits = [each.due_at - NOW for each in session.exec(select(Dispatch))]
            assert all(timedelta(minutes=10) <= wait <= timedelta(minutes=12) for wait in waits)
            time.sleep(2.5)
            assert send(sqlite_engine, tmp_path, server.port, at=NOW + timedelta(minutes=13)).sent == 6
            assert_each_got_one(server, 6)


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a submission service that wants TLS and a login, with a certificate we trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    chain = tmp_path / "submission.pem"  # Postfix reads it as root before it gives its rights away
    certificate.private_key_and_cert_chain_pem.write_to_path(str(chain))
    return {
        "smtpd_tls_chain_files": str(chain),
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_auth_only": "yes",
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "cyrus",
        "smtpd_sasl_path": "smtpd",
        "cyrus_sasl_config_path": "{folder}/etc/sasl",
        "smtpd_sasl_local_domain": "relay.example",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
    }


def make_login(folder: Path) -> None:
    """A user ``om`` with the password ``right`` in a password file of this instance."""
    (folder / "etc/sasl").mkdir()
    database = folder / "etc/sasl/sasldb2"
    config = f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {database}\n"
    (folder / "etc/sasl/smtpd.conf").write_text(config, encoding="ascii")
    command = ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", "relay.example", "om"]
    subprocess.run(command, input="right", text=True, check=True, capture_output=True)
    subprocess.run(["chown", "postfix", str(database)], check=True)


@pytest.mark.parametrize("how", [Tls.starttls, Tls.tls])
def test_submission_with_tls_and_a_login_bulk_15(sqlite_engine: Engine, tmp_path: Path, secured: dict[str, str], how: Tls) -> None:
    need("saslpasswd2")
    make_stage(sqlite_engine, 20)
    if how is Tls.tls:
        secured["smtpd_tls_wrappermode"] = "yes"
    with postfix(secured, prepare=make_login) as server:
        wrong = send(sqlite_engine, tmp_path, server.port, tls=how, username="om@relay.example", password=SecretStr("wrong"))
        assert (wrong.handled, wrong.ended) == (0, Ended.auth_failed)
        if how is Tls.starttls:
            bare = send(sqlite_engine, tmp_path, server.port)
            assert (bare.handled, bare.ended) == (0, Ended.auth_failed), "in the clear nothing is taken, and nothing is lost"
        login = {"username": "om@relay.example", "password": SecretStr("right")}
        right = send(sqlite_engine, tmp_path, server.port, tls=how, **login)
        assert right.sent == statuses(sqlite_engine)[DispatchStatus.sent] == 20
        assert_each_got_one(server, 20)


SIGNED = "*,+message-id,+list-unsubscribe,+list-unsubscribe-post,+list-id,+feedback-id"


def test_what_arrives_is_signed_over_both_unsubscribe_headers_uns_02(tmp_path: Path) -> None:
    """A letter as it really is, through Postfix and opendkim; checked on the bytes that arrive, by another implementation."""
    with opendkim("om-mail.example", SIGNED) as (milter, record):
        rules = {"smtpd_milters": f"inet:127.0.0.1:{milter}", "milter_default_action": "tempfail"}
        with postfix(rules) as server:
            ws = Workspace(tmp_path / "ws", settings='[web]\nbase_url = "https://wir.om-beispiel.example"\n')
            settings = SmtpSettings(host="127.0.0.1", port=server.port, tls=Tls.none, helo="om.example")
            ws.transport = SmtpTransport(settings)  # type: ignore[assignment]
            ws.houses(house("ihk-tal", "05"))
            ws.people(person("Anna Muster", "ihk-tal"))
            ws.segment("alle", "'contact' in roles")
            ws.campaign("reihe", "a1 day = 0")
            ws.publish()
            ws.tick(local("2027-01-04"))
            ws.tick(local("2027-01-05"))
            assert server.wait_for(1) == 1
            [(recipient, letter)] = server.mailbox.letters
    assert recipient == "anna.muster@ihk-tal.example"
    assert_signed(letter, record)


def assert_signed(letter: bytes, record: bytes) -> None:
    message = message_from_bytes(letter, policy=default)
    tags = dict(part.strip().split("=", 1) for part in "".join(message["DKIM-Signature"].split()).split(";") if part)
    signed = tags["h"].lower().split(":")
    assert {"list-unsubscribe", "list-unsubscribe-post", "from", "subject", "date", "message-id", "list-id"} <= set(signed)
    assert signed.count("from") == 2, "From is signed against a second one (BULK-08)"
    assert tags["a"] == "rsa-sha256"
    assert "l" not in tags
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"].startswith("<https://")

    def answer(name: bytes, **_: object) -> bytes:
        assert name == b"om._domainkey.om-mail.example."
        return record

    assert dkim.verify(letter, dnsfunc=answer)
    assert not dkim.verify(letter.replace(b"One-Click", b"One-Clack", 1), dnsfunc=answer)
