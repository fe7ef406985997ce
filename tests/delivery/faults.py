"""Every fault of a mail server that is tried, and what must become of the letters: the one source of tests, manual and table.

``python -m tests.delivery.faults`` prints the table of ``docs/explanation/queue.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from om_campaigns.campaign.vocabulary import DispatchStatus as D
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.delivery.handover import Ended
from tests.delivery.misbehaving import SILENCE

PIPELINED = ("PIPELINING", "SIZE 100000", "DSN", "8BITMIME")


@dataclass(frozen=True)
class Fault:
    """``manners`` of the server and ``settings`` of ours; two letters are owed.

    ``first`` is what becomes of the first, ``second`` of the other one in the same run. ``taken``: the server took the first over.
    """

    name: str
    manners: Mapping[str, Any] = field(default_factory=dict)
    first: D = D.retry
    reason: Reason = Reason.none
    second: D | None = None
    ended: Ended = Ended.done
    taken: bool = False
    suppressed: bool = False
    slowed: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    tls: str = ""
    """'' or what is wrong with the certificate: ``expired``, ``unknown``, ``other_name``."""
    letter: str = ""
    """'' or what is special about the letter: ``big``, ``umlaut``."""
    steps: tuple[bool, ...] = (True, False)
    """With pipelining, and without."""


def no_connection(name: str, ended: Ended, manners: Mapping[str, Any] | None = None, **more: Any) -> Fault:
    """Nothing was offered: everything is owed still."""
    return Fault(name, manners or {}, D.planned, second=D.planned, ended=ended, steps=(True,), **more)


def later(name: str, manners: Mapping[str, Any], **more: Any) -> Fault:
    """Offered again."""
    return Fault(name, manners, D.retry, second=more.pop("second", D.retry), **more)


def refused(name: str, manners: Mapping[str, Any], reason: Reason = Reason.refused, **more: Any) -> Fault:
    """Failed for good."""
    return Fault(name, manners, D.failed, reason, second=more.pop("second", D.failed), **more)


STARTTLS = {"tls": "starttls"}
LOGIN = {"username": "om", "password": "secret"}
GREY = "450 4.2.0 greylisted"

CONNECTION = (
    no_connection("nobody listens", Ended.unreachable, {"greeting": "closed"}),
    no_connection("the greeting refuses (554)", Ended.turned_away, {"greeting": "554 go away"}),
    no_connection("the greeting says 421", Ended.turned_away, {"greeting": "421 too busy"}),
    no_connection("no greeting within the time-out", Ended.unreachable, {"greeting": SILENCE}),
    no_connection("the line breaks instead of a greeting", Ended.unreachable, {"greeting": ""}),
    no_connection("EHLO and HELO are refused", Ended.turned_away, {"ehlo": "502 what"}),
    no_connection("no answer to EHLO within the time-out", Ended.unreachable, {"ehlo": SILENCE}),
    no_connection("TLS is asked for and not offered", Ended.tls_failed, settings=STARTTLS),
    no_connection("STARTTLS is refused", Ended.tls_failed, {"offers": ("STARTTLS",)}, settings=STARTTLS),
    no_connection("no TLS where TLS should begin", Ended.tls_failed, {"offers": ("STARTTLS",), "no_handshake": True}, settings=STARTTLS),
    no_connection("the certificate has expired", Ended.tls_failed, {"offers": ("STARTTLS",)}, settings=STARTTLS, tls="expired"),
    no_connection("nobody known signed the certificate", Ended.tls_failed, {"offers": ("STARTTLS",)}, settings=STARTTLS, tls="unknown"),
    no_connection("the certificate has another name", Ended.tls_failed, {"offers": ("STARTTLS",)}, settings=STARTTLS, tls="other_name"),
    no_connection("a login is set and AUTH not offered", Ended.auth_failed, settings=LOGIN),
    no_connection("the login is refused (535)", Ended.auth_failed, {"offers": ("AUTH PLAIN",), "auth": "535 no"}, settings=LOGIN),
    no_connection("a login or TLS is wanted at MAIL (530)", Ended.auth_failed, {"mail": "530 5.7.0 Must issue STARTTLS"}),
    no_connection("no answer to the login", Ended.unreachable, {"offers": ("AUTH PLAIN",), "auth": SILENCE}, settings=LOGIN),
)

ENVELOPE = (
    later("421 at MAIL", {"mail": "421 4.3.2 closing"}),
    later("450 at MAIL", {"mail": "450 4.7.0 not now"}),
    later("451 at MAIL", {"mail": "451 4.3.0 later"}),
    later("452 at MAIL", {"mail": "452 4.3.1 disk full"}),
    refused("550 at MAIL", {"mail": "550 5.7.1 not from you"}),
    later("MAIL is refused, and DATA accepted all the same", {"mail": "451 later", "careless": True}),
    later("no answer to MAIL within the time-out", {"mail": SILENCE}),
    later("the line breaks at MAIL", {"mail": ""}),
    later("421 at RCPT", {"rcpt": "421 4.7.0 slow down"}, slowed=True, second=D.planned),
    later("450 at RCPT", {"rcpt": GREY}),
    later("451 at RCPT", {"rcpt": "451 4.3.0 later"}),
    later("452 at RCPT", {"rcpt": "452 4.5.3 too many"}),
    later("4.7.x at RCPT", {"rcpt": "450 4.7.28 too many"}, slowed=True, second=D.planned),
    refused("550 at RCPT: the address is not there", {"rcpt": "550 5.1.1 user unknown"}, Reason.hard_bounce, suppressed=True),
    refused("550 at RCPT: a matter of policy", {"rcpt": "550 5.7.1 blocked"}),
    refused("552 at RCPT: the mailbox is full", {"rcpt": "552 5.2.2 mailbox full"}),
    refused("RCPT is refused, and DATA accepted all the same", {"rcpt": "550 5.7.1 no", "careless": True}),
    refused("one of two recipients is refused", {"recipients": {"p1@y.example": "554 5.7.1 no"}}, second=D.sent),
    later("no answer to RCPT within the time-out", {"rcpt": SILENCE}),
    later("the line breaks at RCPT", {"rcpt": ""}),
    later("421 at DATA", {"data": "421 4.3.2 closing"}, slowed=True, second=D.planned),
    later("451 at DATA", {"data": "451 4.3.0 not now"}),
    refused("554 at DATA", {"data": "554 5.5.1 no"}),
    later("no answer to DATA within the time-out", {"data": SILENCE}),
    later("the line breaks at DATA", {"data": ""}),
    later("pipelined answers are out of step", {"mail": "250 ok\r\n250 ok"}),
    later("an answer without a code", {"data": "hello"}),
    later("an answer line without an end", {"data": "354" + "-" * 20_000}),
    later("an answer of a thousand lines", {"mail": "\r\n".join(["250-again"] * 1000) + "\r\n250 ok"}),
    later("the server speaks unasked before the content", {"data": "354 go on\r\n250 hello"}),
)

CONTENT = (
    later(
        "the line breaks in the middle of the content", {"hang_up_in_content": True, "offers": ("PIPELINING",)}, letter="big", steps=(True,)
    ),
    later("421 after the last dot", {"dot": "421 4.3.2 closing"}, slowed=True, second=D.planned),
    later("451 after the last dot", {"dot": "451 4.3.0 later"}),
    later("452 after the last dot", {"dot": "452 4.3.1 disk full"}),
    refused("552 after the last dot: too large", {"dot": "552 5.3.4 too big"}),
    refused("554 after the last dot: refused as spam", {"dot": "554 5.7.1 spam"}),
    refused("500 after the last dot: a line is too long for it", {"dot": "500 5.5.2 line too long"}),
    Fault("no answer to the last dot within ten minutes", {"dot": SILENCE}, D.uncertain, second=D.uncertain, taken=True),
    Fault("the line breaks after the last dot", {"dot": ""}, D.uncertain, second=D.uncertain, taken=True),
    Fault("an answer to the last dot that is none", {"dot": "354 what"}, D.uncertain, second=D.uncertain),
)

OFFERS = (
    Fault("no PIPELINING", {"offers": ("SIZE 100000",)}, D.sent, second=D.sent, taken=True, steps=(False,)),
    Fault("no 8BITMIME", {"offers": ("PIPELINING",)}, D.sent, second=D.sent, taken=True, steps=(True,)),
    Fault("nothing offered at all", {"offers": ()}, D.sent, second=D.sent, taken=True, steps=(False,)),
    refused("no SMTPUTF8 for an address that needs it", {}, Reason.needs_smtputf8, second=D.sent, letter="umlaut"),
    refused("the letter is larger than SIZE", {"offers": ("PIPELINING", "SIZE 50")}, steps=(True,)),
    Fault("421 after each letter", {"letters_per_connection": 1}, D.sent, second=D.sent, taken=True),
)

FAULTS = CONNECTION + ENVELOPE + CONTENT + OFFERS

WORDS = {
    D.planned: "owed still",
    D.retry: "offered again later",
    D.failed: "`failed`",
    D.uncertain: "`uncertain`",
    D.sent: "`sent`",
}


def tell(fault: Fault) -> str:
    """What becomes of the letter, in words."""
    told = WORDS[fault.first]
    if fault.reason is not Reason.none:
        told += f" (`{fault.reason.value}`)"
    if fault.suppressed:
        told += ", the address is suppressed"
    if fault.slowed:
        told += "; the destination is left alone for a while"
    if fault.second is D.sent and fault.first is not D.sent:
        told += "; the other letter is `sent`"
    if fault.ended is not Ended.done:
        told += f"; the run ends: `{fault.ended.value}`"
    return told


def make_table() -> str:
    """The table in Markdown."""
    rows = [f"| {fault.name} | {tell(fault)} |" for fault in FAULTS]
    return "\n".join(["| Fault | What becomes of the letter |", "|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    print(make_table(), end="")  # noqa: T201
