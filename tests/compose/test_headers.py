"""Header fields, octet by octet (MSG-01 to MSG-09, MSG-14, MSG-20, MSG-22, UNS-01, UNS-12, SEC-01)."""

from __future__ import annotations

import email
import email.header
import email.policy
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from email.headerregistry import AddressHeader
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from om_campaigns.audience.addresses import find_unsafe
from om_campaigns.compose.headers import (
    Mailbox,
    MessageError,
    make_date,
    make_feedback_id,
    make_list_id,
    make_mailbox,
    make_message_id,
    make_unstructured,
    make_unsubscribe,
    make_uris,
)

WORD = re.compile(rb"=\?utf-8\?([qb])\?([^? ]*)\?=")
ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Cn"]), max_size=120).filter(
    lambda text: find_unsafe(text) is None  # such as '%0D', which is refused: see UNSAFE
)
UNSAFE = [
    "\r\nBcc: x@y.example",
    "\n",
    "\r",
    "\n\n",
    "\0",
    "\v",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "%0d%0aBcc:x",
    "%0D",
    "{{ org.name }}",
    "{% if x %}",
]


def parse(field: bytes) -> Any:
    """The field as CPython's modern parser reads it."""
    message = email.message_from_bytes(field + b"\r\n\r\n", policy=email.policy.default)
    assert not message.defects
    (header,) = message.values()
    return header


def assert_folded(field: bytes) -> None:
    """MSG-01, MSG-06: short lines, none empty, encoded-words of at most 75 octets that are whole characters."""
    lines = field.split(b"\r\n")
    for number, line in enumerate(lines):
        assert b"\r" not in line
        assert b"\n" not in line
        assert line.strip()
        assert not line.endswith(b" ")
        assert len(line) <= (76 if b"=?" in line else 78)
        assert number == 0 or line.startswith(b" ")
    for found in WORD.finditer(field):
        assert len(found[0]) <= 75
        (text, _), *_ = email.header.decode_header(found[0].decode())
        text.decode("utf-8")


def seen(text: str) -> str:
    """What a reader must see of ``text``: NFC, ordinary single blanks."""
    return re.sub("[ \u00a0]+", " ", unicodedata.normalize("NFC", text)).strip(" ")


@given(ONE_LINE)
@example('Müller, Jörg (HWK) "x"')
@example("=?utf-8?q?a?= is no encoded-word here")
@example("Ein langer Betreff " * 12)
@example("Ü" * 120)
@example("😀" * 60)
@example("Wort " + "x" * 90 + " Wort")
@example("x" * 70)
@example("Ω" * 30 + " a" * 30)
@example("a\u00a0 b")
def test_a_subject_survives(text: str) -> None:
    if not seen(text):
        with pytest.raises(MessageError, match="empty"):
            make_unstructured("Subject", text)
        return
    field = make_unstructured("Subject", text)
    assert_folded(field)
    decoded = "".join(
        part if isinstance(part, str) else part.decode(charset or "ascii")
        for part, charset in email.header.decode_header(field.partition(b": ")[2].replace(b"\r\n", b"").decode())
    )
    assert decoded == seen(text)


def test_msg_06_python_reads_the_subject_too() -> None:
    text = "Größe zählt nicht: was kleine Betriebe im Münsterland – trotz allem – besser können als große 😀"
    assert str(parse(make_unstructured("Subject", text))) == text
    assert make_unstructured("Subject", "Kurz und gut") == b"Subject: Kurz und gut"
    assert make_unstructured("Subject", "Grüße") == b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="
    assert b"?b?" in make_unstructured("Subject", "Ωμέγα")


NAMES = [
    'Müller, Jörg (HWK) "x"',
    "Anna Muster",
    "Dr. Anna Muster",
    "O'Neill, Sean",
    'back\\slash "quoted"',
    "a@b.example, c@d.example",
    "<script>",
    "Kammer; Gruppe: alle;",
    "=?utf-8?q?evil?=",
    "Jo\u0308rg",
    "Industrie- und Handelskammer zu Lindenau an der Sieg, Geschäftsstelle für Unternehmensnachfolge und Gründung",
    "x" * 130,
    "Anna " * 25,
    '"' * 60,
    "😀 Team",
    "",
    "  ",
]


@pytest.mark.parametrize("field", ["From", "To", "Reply-To"])
@pytest.mark.parametrize("name", NAMES)
def test_msg_07_one_mailbox_in_one_mailbox_out(field: str, name: str) -> None:
    written = make_mailbox(field, Mailbox("max.muster@hwk.example", name))
    assert_folded(written)
    header: AddressHeader = parse(written)
    (address,) = header.addresses
    assert address.addr_spec == "max.muster@hwk.example"
    if written.count(b"=?utf-8?") < 2:
        assert address.display_name == seen(name)
    else:  # up to 3.11 the modern parser keeps the blank between two encoded-words of a phrase, against RFC 2047, section 6.2
        decoded = email.header.make_header(email.header.decode_header(written.replace(b"\r\n", b"").partition(b": ")[2].decode()))
        assert str(decoded) == f"{seen(name)} <max.muster@hwk.example>"


@given(ONE_LINE)
def test_msg_07_any_name_is_one_mailbox(name: str) -> None:
    written = make_mailbox("To", Mailbox("max.muster@hwk.example", name))
    assert_folded(written)
    unfolded = written.replace(b"\r\n", b"")
    assert unfolded.isascii()
    assert unfolded.endswith(b"max.muster@hwk.example" if not seen(name) else b" <max.muster@hwk.example>")
    assert re.fullmatch(rb'To: (?:(?:"(?:[^"\\]|\\.)*"|[^"(),:;<>@\[\]\\]+) )?<?max\.muster@hwk\.example>?', unfolded)


def test_a_long_address_stands_whole_on_a_line_of_its_own() -> None:
    address = "a" * 60 + "@" + "b" * 60 + ".example"
    assert make_mailbox("To", Mailbox(address, "Jörg")) == f"To: =?utf-8?q?J=C3=B6rg?=\r\n <{address}>".encode()


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("jörg@müller.example", "MSG-08"),
        ("a@MÜLLER.example", "MSG-08"),
        ("a@B.example", "MSG-07"),
        ("a b@c.example", "MSG-07"),
        ('"a"@c.example', "MSG-07"),
        ("a@c.example>, <b@c.example", "MSG-07"),
        ("a@c.example,b@c.example", "MSG-07"),
        ("a\u3000b@c.example", "MSG-07"),
        ("Jo\u0308rg@c.example", "MSG-07"),
        ("", "MSG-07"),
        ("a@c.example\r\nBcc: b@c.example", "SEC-01"),
        ("a%0d%0a@c.example", "SEC-01"),
    ],
)
def test_only_normal_forms_stand_in_a_head(address: str, rule: str) -> None:
    """MSG-08: a U-label is never written, not even encoded."""
    with pytest.raises(MessageError) as caught:
        make_mailbox("To", Mailbox(address))
    assert (caught.value.field, caught.value.rule_id) == ("To", rule)


def test_msg_09_a_local_part_beyond_ascii_is_not_downgraded() -> None:
    assert make_mailbox("To", Mailbox("jörg@xn--mller-kva.example", "Jörg")).endswith(" <jörg@xn--mller-kva.example>".encode())


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_sec_01_nothing_breaks_out_of_a_field(unsafe: str) -> None:
    attempts = [
        lambda text: make_unstructured("Subject", text),
        lambda text: make_mailbox("To", Mailbox("a@b.example", text)),
        lambda text: make_mailbox("To", Mailbox(f"a{text}@b.example")),
        lambda text: make_list_id(text, "x.reihen.example"),
        lambda text: make_list_id("Reihe", f"x{text}.reihen.example"),
        lambda text: make_message_id(f"<a{text}@b.example>"),
        lambda text: make_unsubscribe(f"https://x.example/{text}", ""),
        lambda text: make_unsubscribe("", f"mailto:a@b.example?subject={text}"),
        lambda text: make_uris("List-Help", (f"https://x.example/{text}",)),
        lambda text: make_feedback_id(f"a:b:c{text}:sender"),
    ]
    for attempt in attempts:
        for text in (f"vorn{unsafe}", unsafe + "hinten", f"in{unsafe}mitten"):
            with pytest.raises(MessageError):
                attempt(text)


LONG = "https://om-mail.example/one-click/" + "k1.GBYrG8EqpKmP5cUKoZ8zH22z.abcdefghijklmnop.abcdefghijklmnop." + "wir-gedanke-" * 10


def test_msg_05_long_addresses_stay_plain() -> None:
    """UNS-01: exactly one https address, folded only at the blank before the mailto one."""
    field, post = make_unsubscribe(LONG, "mailto:abmelden@om-mail.example?subject=x")
    assert field == f"List-Unsubscribe: <{LONG}>,\r\n <mailto:abmelden@om-mail.example?subject=x>".encode()
    assert post == b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    assert make_unsubscribe(LONG, "") == [f"List-Unsubscribe: <{LONG}>".encode(), post]


def test_uns_12_without_one_click_there_is_no_post_field() -> None:
    assert make_unsubscribe("", "mailto:a@b.example") == [b"List-Unsubscribe: <mailto:a@b.example>"]
    assert make_unsubscribe("", "") == []


@pytest.mark.parametrize(
    ("one_click", "mailto"),
    [
        ("http://x.example/a", ""),
        ("mailto:a@b.example", ""),
        ("https://x.example/a>, <https://y.example/b", ""),
        ("https://x.example/a,https://y.example/b", ""),
        ("https://x.example/a b", ""),
        ("https://x.example/ä", ""),
        ("https://x.example/" + "a" * 1000, ""),
        ("", "a@b.example"),
        ("", "https://x.example/a"),
    ],
)
def test_uns_01_what_cannot_be_a_one_click_field_is_refused(one_click: str, mailto: str) -> None:
    with pytest.raises(MessageError, match="UNS-01"):
        make_unsubscribe(one_click, mailto)


def test_msg_20_list_id() -> None:
    assert make_list_id("Wir-Gedanke", "wir-gedanke.reihen.example") == b"List-Id: Wir-Gedanke <wir-gedanke.reihen.example>"
    assert make_list_id("", "wir-gedanke.reihen.example") == b"List-Id: <wir-gedanke.reihen.example>"
    field = make_list_id("Grüße, Hilfen & mehr: die lange Reihe für alle Beraterinnen und Berater im Land", "hilfen.reihen.example")
    assert_folded(field)
    assert field.replace(b"\r\n", b"").endswith(b"?= <hilfen.reihen.example>")
    for wrong in ("hilfen", "", "a b.example", "hilfen..example", "x" * 250 + ".example", "<a.b>"):
        with pytest.raises(MessageError, match="MSG-20"):
            make_list_id("Reihe", wrong)


@pytest.mark.parametrize("given", ["wir:hwk-x:a1:omcampaigns", "omcampaigns", "::a1:omcampaigns", "a:b:omcampaigns"])
def test_msg_22_feedback_id(given: str) -> None:
    assert make_feedback_id(given) == b"Feedback-ID: " + given.encode()


@pytest.mark.parametrize(
    "given", ["a:b:c:d:omcampaigns", "a:a:b:omcampaigns", "a:b:c:om", "a:b:c:omcampaigns-long-id", "a b:c:d:omcampaigns", "a:b:c:"]
)
def test_msg_22_wrong_feedback_ids(given: str) -> None:
    with pytest.raises(MessageError, match="MSG-22"):
        make_feedback_id(given)


@pytest.mark.parametrize(
    ("date", "written"),
    [
        (datetime(2027, 1, 5, 8, 30, tzinfo=UTC), b"Date: Tue, 05 Jan 2027 08:30:00 +0000"),
        (datetime(2027, 7, 6, 9, 0, 59, 999999, tzinfo=ZoneInfo("Europe/Berlin")), b"Date: Tue, 06 Jul 2027 09:00:59 +0200"),
        (datetime(2027, 1, 5, 8, 30, tzinfo=timezone(timedelta(hours=-3, minutes=-30))), b"Date: Tue, 05 Jan 2027 08:30:00 -0330"),
        (datetime(2027, 1, 5, 8, 30, tzinfo=timezone(timedelta(minutes=53, seconds=28))), b"Date: Tue, 05 Jan 2027 07:36:32 +0000"),
    ],
)
def test_msg_03_date(date: datetime, written: bytes) -> None:
    assert make_date(date) == written


def test_msg_03_one_instant_in_two_zones_keeps_both() -> None:
    """Equal as points in time, so a cache by equality would mix them up."""
    there = datetime(2027, 1, 5, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert make_date(there).endswith(b"09:00:00 +0100")
    assert make_date(there.astimezone(UTC)).endswith(b"08:00:00 +0000")


def test_msg_03_a_date_without_zone_is_refused() -> None:
    with pytest.raises(MessageError, match="MSG-03"):
        make_date(datetime(2027, 1, 5))  # noqa: DTZ001


@pytest.mark.parametrize(
    "given", ["abc@om.example", "<abc>", "<a b@om.example>", "<a@b@om.example>", "<@om.example>", "<a@om.example><b@om.example>", ""]
)
def test_msg_04_wrong_message_ids(given: str) -> None:
    assert make_message_id("<mfzwizlbonxw2zlt@om-mail.example>") == b"Message-ID: <mfzwizlbonxw2zlt@om-mail.example>"
    with pytest.raises(MessageError, match="MSG-04"):
        make_message_id(given)
