"""What a mail server's log says was handed over: lines of a time and an address, or Postfix's own lines, which also name the Message-ID.

Postfix writes about one mail in several lines that share its queue id: ``message-id=<…>`` once, ``to=<…>, … status=…`` for each try. What
Postfix has taken counts as handed over whatever the status is: it tries again by itself, and a bounce comes back by mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from om_campaigns.audience.addresses import normalise

ISO = re.compile(r"\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)\s?(Z|[+-]\d{2}:?\d{2})?")
GERMAN = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?)\b")
SYSLOG = re.compile(r"^(?:<\d+>)?([A-Z][a-zäö]{2}) {1,2}(\d{1,2}) (\d{2}:\d{2}:\d{2})\b")
MONTHS = {
    name: number
    for names in (
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"),
    )
    for number, name in enumerate(names, 1)
}
POSTFIX = re.compile(r"\bpostfix[\w-]*/(?:[\w-]+/)*[\w-]+\[\d+\]: (?:([0-9A-Fa-f]{6,}|[0-9A-Za-z]{10,}): )?(.*)")
MESSAGE_ID = re.compile(r"\b(?:resent-)?message-id=(<[^<>\s]+>)")
TO = re.compile(r"\bto=<([^<>\s]*)>")
ADDRESS = re.compile(r"[^\s<>,;:=\"'()]+@[^\s<>,;:=\"'()]+")


@dataclass(frozen=True, slots=True)
class Logged:
    """A mail that left: ``address`` in its normal key; ``message_id`` in angle brackets, '' where the log does not say."""

    line: int
    at: datetime
    address: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line without a time and an address; ``column`` counts from 1."""

    line: int
    column: int
    text: str


@dataclass
class MailLog:
    """Everything a log names, in the order of its time, and the lines that say nothing that can be read."""

    mails: list[Logged]
    unreadable: list[Unreadable]


def read_mail_log(lines: Iterable[str], zone: ZoneInfo, now: datetime) -> MailLog:
    """Read a log. A time without an offset is local time in ``zone``; one without a year (syslog) is the last such day before ``now``."""
    mails: list[Logged] = []
    unreadable: list[Unreadable] = []
    names: dict[str, str] = {}
    by_queue: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(lines, 1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        at, end = _read_time(text, zone, now)
        if said := POSTFIX.search(text):
            queue, rest = said.groups()
            if queue and (named := MESSAGE_ID.search(rest)):
                names[queue] = named[1]
            elif queue and at and "status=" in rest and (to := TO.search(rest)):
                address = _read_address(to[1])
                if address and (queue, address) not in by_queue:
                    by_queue[queue, address] = len(mails)
                    mails.append(Logged(number, at, address))
            continue
        found = ADDRESS.search(text, end)
        address = _read_address(found[0]) if found else ""
        if at is None or not address:
            place = 0 if at is None else found.start() if found else len(text) - len(text[end:].lstrip())
            unreadable.append(Unreadable(number, place + 1, text))
            continue
        named = MESSAGE_ID.search(text)
        mails.append(Logged(number, at, address, named[1] if named else ""))
    for (queue, _), place in by_queue.items():
        mails[place] = replace(mails[place], message_id=names.get(queue, ""))
    return MailLog(sorted(mails, key=lambda each: (each.at, each.line)), unreadable)


def _read_time(text: str, zone: ZoneInfo, now: datetime) -> tuple[datetime | None, int]:
    """The time of a line and where it ends; None where there is none."""
    try:
        if found := ISO.search(text):
            day, clock_time, offset = found.groups()
            moment = datetime.fromisoformat(f"{day}T{clock_time.replace(',', '.')}{(offset or '').replace('Z', '+00:00')}")
        elif found := GERMAN.search(text):
            moment = datetime.fromisoformat(f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}T{found[4]:0>5}")
        elif (found := SYSLOG.match(text)) and found[1] in MONTHS:
            moment = _with_year(MONTHS[found[1]], int(found[2]), found[3], zone, now)
        else:
            return None, 0
    except ValueError:
        return None, 0
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC), found.end()


def _with_year(month: int, day: int, clock_time: str, zone: ZoneInfo, now: datetime) -> datetime:
    year = now.astimezone(zone).year
    moment = datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{clock_time}").replace(tzinfo=zone)
    return moment if moment <= now else moment.replace(year=year - 1)


def _read_address(text: str) -> str:
    try:
        return normalise(text.strip(".")).normal_key
    except ValueError:
        return ""
