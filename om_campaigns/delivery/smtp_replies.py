"""What a server's refusal says about the recipient, if anything (BNC-07, BNC-08, BNC-09).

Hard means: the address or its domain does not exist, has moved or was disabled. Everything about the sender, the content,
policy, size or reputation is not the recipient's fault and never suppresses anybody. Text overrules misleading codes.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Fault(StrEnum):
    """The classes of BNC-09 that a reply in an SMTP dialogue can show."""

    user_unknown = "user_unknown"
    domain_unknown = "domain_unknown"
    moved = "moved"
    disabled = "disabled"
    mailbox_full = "mailbox_full"
    greylist = "greylist"
    throttle = "throttle"
    auth_failure = "auth_failure"
    blocklist = "blocklist"
    spam_content = "spam_content"
    policy = "policy"
    too_big = "too_big"
    network = "network"
    protocol = "protocol"
    virus = "virus"
    unknown = "unknown"


HARD = frozenset({Fault.user_unknown, Fault.domain_unknown, Fault.moved, Fault.disabled})
"""Classes that suppress the address when they are permanent and about the recipient."""

OURS = frozenset({Fault.auth_failure, Fault.blocklist, Fault.spam_content, Fault.policy, Fault.virus})
"""Classes about us: many of them in one run stop it (BNC-13)."""

_TEXTS: tuple[tuple[Fault, str], ...] = (
    (Fault.greylist, r"gr[ea]y.?list|postgrey"),
    (Fault.mailbox_full, r"mailbox (is )?full|over ?quota|quota exceeded|exceed\w* .{0,20}quota|insufficient storage|postfach .{0,20}voll"),
    (Fault.virus, r"\bvirus|malware"),
    (Fault.blocklist, r"black ?list|block ?list|spamhaus|barracuda|\brbl\b|dnsbl|poor reputation|bad reputation|listed (at|by|in)"),
    (Fault.auth_failure, r"\bspf\b|\bdkim\b|\bdmarc\b|unauthenticated|not authenticated|authentication required"),
    (
        Fault.policy,
        r"relay(ing)? (access )?(denied|not permitted)|unable to relay|sender .{0,30}(rejected|denied)|administrative prohibition",
    ),
    (Fault.spam_content, r"\bspam\b|junk mail|content rejected|bulk mail"),
    (Fault.throttle, r"rate.?limit|too many|throttl|try again later|exceeded .{0,20}rate|server busy"),
    (Fault.too_big, r"message (size|too (big|large))|size limit|exceeds .{0,20}size"),
    (Fault.disabled, r"(account|mailbox|user|recipient) .{0,20}(disabled|inactive|suspended|deactivated)|deaktiviert"),
    (Fault.moved, r"(user|recipient|account) .{0,10}(has )?moved|no longer (here|with us|employed)|address has changed"),
    (
        Fault.user_unknown,
        r"(user|recipient|mailbox|address|account).{0,40}(unknown|not found|does ?n.t exist|does not exist|unbekannt|invalid)"
        r"|unknown (user|recipient|mailbox|address|local part)|no such (user|mailbox|recipient|person|address|account)"
        r"|empf(ä|ae)nger .{0,20}unbekannt|unrouteable address|user not known",
    ),
    (Fault.domain_unknown, r"(domain|host).{0,20}(not found|unknown|does not exist)|null ?mx|no mx|does not accept mail"),
)
_PATTERNS = tuple((fault, re.compile(pattern, re.IGNORECASE)) for fault, pattern in _TEXTS)
_ENHANCED = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")

_BY_CODE: dict[str, Fault] = {
    "1.0": Fault.user_unknown,
    "1.1": Fault.user_unknown,
    "1.2": Fault.domain_unknown,
    "1.3": Fault.user_unknown,
    "1.6": Fault.moved,
    "1.7": Fault.protocol,
    "1.8": Fault.policy,
    "1.10": Fault.domain_unknown,
    "2.1": Fault.disabled,
    "2.2": Fault.mailbox_full,
    "2.3": Fault.too_big,
    "3.4": Fault.too_big,
    "4.1": Fault.network,
    "4.2": Fault.network,
    "4.4": Fault.domain_unknown,
    "4.7": Fault.network,
    "7.13": Fault.disabled,
}
"""Subject and detail of an enhanced status code (RFC 3463, RFC 7505, RFC 7372) → class."""


def make_fault(code: int | None, reply: str) -> Fault:
    """The class of a refusal from its code and text; ``unknown`` where nothing is said. Never raises."""
    enhanced = _ENHANCED.search(reply)
    numbers = f"{int(enhanced[2])}.{int(enhanced[3])}" if enhanced else ""
    if numbers in ("1.10", "7.13"):
        return _BY_CODE[numbers]
    for fault, pattern in _PATTERNS:
        if pattern.search(reply):
            return fault
    if numbers in _BY_CODE:
        return _BY_CODE[numbers]
    if numbers.startswith("7."):
        return Fault.policy
    return _by_basic_code(code)


def _by_basic_code(code: int | None) -> Fault:
    if code == 552:
        return Fault.too_big
    if code in (530, 534, 535, 538):
        return Fault.auth_failure
    if code == 556:
        return Fault.domain_unknown
    if code is not None and 500 <= code <= 504:
        return Fault.protocol
    if code in (421, 450, 451, 452) or code is None:
        return Fault.network
    return Fault.unknown


def is_hard(code: int | None, reply: str) -> bool:
    """A permanent reply to RCPT that says: this address is not there (BNC-07). 4xx never is."""
    return code is not None and 500 <= code <= 599 and make_fault(code, reply) in HARD
