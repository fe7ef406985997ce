"""Whole mails, octet by octet: structure, head, gaps, determinism, refusals (MSG-01 to MSG-26, UNS-01, SEC-01, SEC-07)."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as example_values
from hypothesis import strategies as st

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import Edition, EditionInput, fill, show_html, show_subject, show_text
from om_campaigns.compose.message import Head, Letter, Mailbox, MessageError, make_boundary
from om_campaigns.compose.slots import PLAIN_SIGNS, Gapped, Hole, Landing, SlotUse

NAME, LINK = SlotUse("contact.full_name"), SlotUse("links.unsubscribe")
TEXT = Gapped(
    ("Guten Tag ", ",\n\nGrüße aus der Nachbarschaft.\n.\nFrom here on: ", "\n-- \nIhr Haus\n"),
    (Hole(0, Landing.plain), Hole(1, Landing.plain)),
)
HTML = Gapped(
    (
        '<!doctype html>\n<html lang="de"><head><meta charset="utf-8"><title>Grüße</title></head><body><p>Guten Tag ',
        ',</p>\n<p title="',
        '"><a href="',
        '">Abmelden</a></p></body></html>\n',
    ),
    (Hole(0, Landing.text), Hole(0, Landing.attribute), Hole(1, Landing.url)),
)
SUBJECT = Gapped(("Grüße an ", ""), (Hole(0, Landing.header),))
EDITION = Edition(id="e1", language="de", slots=(NAME, LINK), subject=SUBJECT, preheader=Gapped(("",), ()), html=HTML, text=TEXT)
VALUES = ("Jörg & Ömer <HWK>", "https://om-mail.example/abmelden/k1.abc.def?a=1&b=2")
FULL = Head(
    date=datetime(2027, 1, 5, 9, 0, tzinfo=ZoneInfo("Europe/Berlin")),
    message_id="<mfzwizlbonxw2zlt@om-mail.example>",
    sender=Mailbox("hwk-lindenau@om-mail.example", "OM für Handwerkskammer Lindenau"),
    to=Mailbox("j.weiss@hwk.example", 'Weiß, Jörg (HWK) "x"'),
    reply_to=Mailbox("r.ahlers@hwk.example", "Rike Ahlers"),
    list_id=("Wir-Gedanke", "wir-gedanke.reihen.example"),
    one_click_url="https://om-mail.example/one-click/" + "x" * 90,
    unsubscribe_mailto="mailto:abmelden@om-mail.example",
    list_help="https://om-mail.example/hilfe",
    list_owner="mailto:redaktion@om-mail.example",
    list_archive="https://om-mail.example/archiv/wir-gedanke",
    feedback_id="wir-gedanke:hwk-lindenau:a1:omcampaigns",
    bulk=True,
    seed="mfzwizlbonxw2zlt",
)
BARE = Head(date=FULL.date, message_id=FULL.message_id, sender=Mailbox("a@om.example"), to=Mailbox("b@om.example"), seed="s")


def parse(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body_of(part: Message) -> str:
    """The decoded text of a part with LF as its line end."""
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def head_of(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[0]


def test_the_whole_head_octet_by_octet() -> None:
    """MSG-02, 03, 05, 07, 18, 20, 21, 22, UNS-01: a golden head; a change here must be meant."""
    assert head_of(Letter(EDITION).write(FULL, VALUES)).decode("ascii").split("\r\n") == [
        "Date: Tue, 05 Jan 2027 09:00:00 +0100",
        "From: =?utf-8?q?OM_f=C3=BCr_Handwerkskammer_Lindenau?=",
        " <hwk-lindenau@om-mail.example>",
        "To: =?utf-8?q?Wei=C3=9F=2C_J=C3=B6rg_=28HWK=29_=22x=22?=",
        " <j.weiss@hwk.example>",
        "Reply-To: Rike Ahlers <r.ahlers@hwk.example>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_an_J=C3=B6rg_=26_=C3=96mer_=3CHWK=3E?=",
        "Message-ID: <mfzwizlbonxw2zlt@om-mail.example>",
        "List-Id: Wir-Gedanke <wir-gedanke.reihen.example>",
        "List-Unsubscribe: <https://om-mail.example/one-click/" + "x" * 90 + ">,",
        " <mailto:abmelden@om-mail.example>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "List-Help: <https://om-mail.example/hilfe>",
        "List-Owner: <mailto:redaktion@om-mail.example>",
        "List-Archive: <https://om-mail.example/archiv/wir-gedanke>",
        "List-Post: NO",
        "Feedback-ID: wir-gedanke:hwk-lindenau:a1:omcampaigns",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative;",
        f' boundary="{make_boundary(FULL.seed)}"',
    ]


def test_only_what_is_given_stands_in_the_head() -> None:
    content = Letter(EDITION).write(BARE, VALUES)
    assert [line.partition(":")[0] for line in head_of(content).decode().split("\r\n") if line[0] != " "] == [
        "Date",
        "From",
        "To",
        "Subject",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
    ]


@pytest.mark.parametrize("head", [FULL, BARE], ids=["full", "bare"])
def test_msg_02_fields_stand_once_and_some_never(head: Head) -> None:
    names = [name.lower() for name in parse(Letter(EDITION).write(head, VALUES)).keys()]  # noqa: SIM118
    assert len(names) == len(set(names))
    assert not set(names) & {"bcc", "return-path", "received", "sender", "in-reply-to", "references"}


def assert_wire(content: bytes) -> None:
    """MSG-01, MSG-13: what every mail must be, seen from the wire."""
    assert content.endswith(b"--\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    for line in content.split(b"\r\n"):
        assert len(line) <= 998
        assert not line.startswith((b".", b"From "))
        assert line == line.rstrip(b" \t")
    body = content.partition(b"\r\n\r\n")[2]
    assert body.isascii()
    assert max(map(len, body.split(b"\r\n"))) <= 76


def test_msg_10_text_first_then_html() -> None:
    """MSG-12, MSG-16: both quoted-printable, both utf-8."""
    content = Letter(EDITION).write(FULL, VALUES)
    assert_wire(content)
    message = parse(content)
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    for part, kind in [(text, "text/plain"), (html, "text/html")]:
        assert part.get_content_type() == kind
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
    assert body_of(text) == (
        "Guten Tag Jörg & Ömer <HWK>,\n\nGrüße aus der Nachbarschaft.\n.\n"
        "From here on: https://om-mail.example/abmelden/k1.abc.def?a=1&b=2\n-- \nIhr Haus\n"
    )
    assert "<p>Guten Tag Jörg &amp; Ömer &lt;HWK&gt;,</p>" in body_of(html)
    assert '<p title="Jörg &amp; Ömer &lt;HWK&gt;"><a href="https://om-mail.example/abmelden/k1.abc.def?a=1&amp;b=2">' in body_of(html)


def test_msg_10_the_boundary_stands_nowhere_else() -> None:
    """Not even where the text tries: behind every ``=`` of a part stand hexadecimal digits or a line end."""
    boundary = make_boundary(BARE.seed)
    assert len(boundary) <= 70
    nasty = Gapped((f"--{boundary}\n--{boundary}--\n\n", "=_"), (Hole(0, Landing.plain),))
    edition = dataclasses.replace(EDITION, text=nasty)
    content = Letter(edition).write(BARE, (f"--{boundary}--", VALUES[1]))
    assert content.count(boundary.encode()) == 4, "once in the head, three delimiters"
    text, _ = parse(content).iter_parts()
    assert body_of(text) == f"--{boundary}\n--{boundary}--\n\n--{boundary}--=_"


def test_msg_25_the_boundary_does_not_show_its_seed() -> None:
    assert "mfzwizlbonxw2zlt" not in make_boundary("mfzwizlbonxw2zlt")
    assert make_boundary("a") != make_boundary("b")


def test_msg_26_same_head_and_values_are_same_bytes() -> None:
    """And another seed, Message-ID or date changes nothing but itself."""
    one = Letter(EDITION).write(FULL, VALUES)
    assert one == Letter(Edition.from_bytes(EDITION.to_bytes())).write(FULL, VALUES)
    other = Letter(EDITION).write(dataclasses.replace(FULL, seed="other"), VALUES)
    assert other.replace(make_boundary("other").encode(), make_boundary(FULL.seed).encode()) == one
    assert one == Letter(EDITION).write(dataclasses.replace(FULL), VALUES)
    assert Letter(EDITION).write(dataclasses.replace(FULL, date=datetime(2027, 1, 5, 9, 0, tzinfo=UTC)), VALUES) == one.replace(
        b"+0100", b"+0000"
    )


def test_msg_26_a_letter_keeps_nothing_of_the_last_recipient() -> None:
    letter = Letter(EDITION)
    first = letter.write(FULL, VALUES)
    letter.write(dataclasses.replace(FULL, to=Mailbox("x@y.example", "Xaver")), ("Xaver", VALUES[1]))
    assert letter.write(FULL, VALUES) == first


def test_the_real_letter_is_sent_as_it_is_shown(given: Callable[..., EditionInput], values: dict[str, str]) -> None:
    """MSG-26: what preview shows is what the parts decode to, for an edition made by the composer."""
    edition = make_edition(given())
    content = Letter(edition).write(FULL, fill(edition, values))
    assert_wire(content)
    message = parse(content)
    text, html = message.iter_parts()
    assert body_of(text) == show_text(edition, values)
    assert body_of(html) == show_html(edition, values)
    assert message["Subject"] == show_subject(edition, values)


ONE_LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Cn"]), max_size=90).filter(
    lambda text: not re.search("%0[ad]", text, re.IGNORECASE)
)
PIECES = st.lists(st.sampled_from([*"aä€😀. =_-\n\t<&F", "From ", "x" * 70]), max_size=20).map("".join)


@pytest.mark.slow
@example_values(st.lists(PIECES, min_size=2, max_size=4), ONE_LINE, ONE_LINE)
def test_any_text_and_any_value_survive(chunks: list[str], name: str, role: str) -> None:
    """Hypothesis: texts and values of every kind through the writer and CPython's parser; a value is one line in NFC.

    In plain text a value has plain blanks and hyphens: where lines may break is for HTML only.
    """
    holes = tuple(Hole(number % 2, Landing.plain) for number in range(len(chunks) - 1))
    text = Gapped(tuple(chunks), holes)
    subject = Gapped(("Über ", " und mehr"), (Hole(0, Landing.header),))
    edition = Edition(
        "e", "de", (NAME, SlotUse("contact.role")), subject, Gapped(("",), ()), Gapped(("<p>", "</p>"), (Hole(1, Landing.text),)), text
    )
    content = Letter(edition).write(FULL, (name, role))
    assert_wire(content)
    first, _ = parse(content).iter_parts()
    decoded = first.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    wanted = text.joined(
        [unicodedata.normalize("NFC", value) for value in (name, role)], lambda landing, value: value.translate(PLAIN_SIGNS)
    )
    assert decoded.decode() == wanted.replace("\n", "\r\n")


UNSAFE = ["\r\nBcc: x@y.example", "\n", "\n\n", "\r", "\0", "\v", "\x85", "\u2028", "\u2029", "\u202e", "\ufeff", "%0d%0aBcc:"]


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_sec_01_no_value_breaks_out(unsafe: str) -> None:
    """Decided: a value with a line end is refused in every landing, body too; it is wrong data, not layout."""
    letter = Letter(EDITION)
    for field, head, values in [
        ("contact.full_name", FULL, (f"Jörg{unsafe}", VALUES[1])),
        ("links.unsubscribe", FULL, (VALUES[0], f"https://x.example/{unsafe}")),
        ("To", dataclasses.replace(FULL, to=Mailbox("a@b.example", f"Jörg{unsafe}")), VALUES),
        ("From", dataclasses.replace(FULL, sender=Mailbox("a@b.example", f"OM{unsafe}")), VALUES),
        ("Reply-To", dataclasses.replace(FULL, reply_to=Mailbox(f"a{unsafe}@b.example")), VALUES),
        ("List-Id", dataclasses.replace(FULL, list_id=(f"Reihe{unsafe}", "a.b")), VALUES),
    ]:
        with pytest.raises(MessageError) as caught:
            letter.write(head, values)
        assert (caught.value.field, caught.value.rule_id) == (field, "SEC-01")
    with pytest.raises(MessageError, match="Subject"):
        Letter(dataclasses.replace(EDITION, subject=Gapped((f"Grüße{unsafe}",), ())))
    with pytest.raises(MessageError, match="Subject"):  # before the first recipient, also where the subject has a gap
        Letter(dataclasses.replace(EDITION, subject=Gapped((f"Grüße{unsafe}", ""), (Hole(0, Landing.header),))))


def test_sec_07_a_whole_link_is_an_address() -> None:
    with pytest.raises(MessageError) as caught:
        Letter(EDITION).write(FULL, (VALUES[0], "javascript:alert(1)"))
    assert (caught.value.field, caught.value.rule_id) == ("links.unsubscribe", "SEC-07")


def test_msg_14_what_word_leaves_behind_stops_no_campaign() -> None:
    """In authored text line separators become line ends and controls go; values arrive in NFC."""
    edition = dataclasses.replace(EDITION, text=Gapped(("eins\u2028zwei\r\ndrei\x85vier\x07\rfünf ", "\n"), (Hole(0, Landing.plain),)))
    text, _ = parse(Letter(edition).write(FULL, ("Jo\u0308rg", VALUES[1]))).iter_parts()
    assert body_of(text) == "eins\nzwei\ndrei\nvier\nfünf Jörg\n"


def test_msg_18_notices_belong_to_no_list() -> None:
    content = Letter(EDITION).write(dataclasses.replace(BARE, auto_generated=True), VALUES)
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in content
    assert b"List-" not in head_of(content)
    for more in ({"list_id": ("a", "b.c")}, {"bulk": True}):
        with pytest.raises(MessageError, match="MSG-18"):
            Letter(EDITION).write(dataclasses.replace(BARE, auto_generated=True, **more), VALUES)  # type: ignore[arg-type]


def test_a_subject_without_gaps_is_refused_when_empty() -> None:
    """MSG-02: exactly one Subject, so an empty one is no subject."""
    with pytest.raises(MessageError, match="Subject: is empty"):
        Letter(dataclasses.replace(EDITION, subject=Gapped((" ",), ())))


def test_values_and_slots_must_match() -> None:
    for values in ((), VALUES[:1], (*VALUES, "x")):
        with pytest.raises(ValueError, match="2 slots"):
            Letter(EDITION).write(FULL, values)
