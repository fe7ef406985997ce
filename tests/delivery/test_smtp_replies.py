"""replies: who is at fault (BNC-07, BNC-08, BNC-09); text overrules misleading codes."""

from __future__ import annotations

import pytest

from om_campaigns.delivery.smtp_replies import Fault, is_hard, make_fault


@pytest.mark.parametrize(
    ("code", "reply", "fault", "hard"),
    [
        (550, "5.1.1 <p@y.example>: Recipient address rejected: User unknown in local recipient table", Fault.user_unknown, True),
        (550, "No such user here", Fault.user_unknown, True),
        (550, "5.1.1 mailbox full", Fault.mailbox_full, False),
        (552, "5.2.2 Over quota", Fault.mailbox_full, False),
        (550, "5.7.1 user unknown", Fault.user_unknown, True),
        (550, "5.1.2 Bad destination system", Fault.domain_unknown, True),
        (556, "5.1.10 Recipient address has null MX", Fault.domain_unknown, True),
        (556, "does not take mail", Fault.domain_unknown, True),
        (550, "5.7.13 blocked", Fault.disabled, True),
        (550, "5.2.1 The account is disabled", Fault.disabled, True),
        (551, "5.1.6 has moved", Fault.moved, True),
        (550, "5.7.26 This mail is unauthenticated", Fault.auth_failure, False),
        (550, "5.7.1 Message rejected as spam", Fault.spam_content, False),
        (554, "5.7.1 Client host blocked using zen.spamhaus.org", Fault.blocklist, False),
        (550, "5.7.1 denied", Fault.policy, False),
        (554, "5.7.1 <p@y.example>: Relay access denied", Fault.policy, False),
        (552, "5.3.4 Message too big", Fault.too_big, False),
        (450, "4.2.0 Greylisted, see http://postgrey.schweikert.ch", Fault.greylist, False),
        (451, "4.7.1 Please try again later", Fault.throttle, False),
        (450, "4.1.1 user unknown", Fault.user_unknown, False),
        (530, "authentication needed", Fault.auth_failure, False),
        (503, "bad sequence", Fault.protocol, False),
        (550, "no", Fault.unknown, False),
        (None, "", Fault.network, False),
    ],
)
def test_faults_and_hardness(code: int | None, reply: str, fault: Fault, *, hard: bool) -> None:
    assert make_fault(code, reply) is fault
    assert is_hard(code, reply) is hard


@pytest.mark.slow
def test_a_long_hostile_reply_is_read_in_no_time() -> None:
    """SEC-16."""
    for text in ("user " * 20_000, "mailbox" + " " * 100_000, "5.1." * 30_000):
        make_fault(550, text)
