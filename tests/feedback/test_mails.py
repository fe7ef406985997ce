"""What a mail says of itself: whom it is about by a signed address, wherever that stands, and whether it answers by itself (UNS-11)."""

from __future__ import annotations

import pytest

from om_campaigns.compose.links import make_leave_address, read_leave_addresses
from om_campaigns.feedback.mails import read_mail
from om_campaigns.keyring import Keyring

KEYRING = Keyring("k1", {"k1": b"1" * 32})
PARTS = ("mfzwizlbonxw2zlt", "ojsxg5ldorsw4zzq", "wir-gedanke")
ADDRESS = make_leave_address(KEYRING, *PARTS, "om-mail.example")
USUAL = {"From": "Jörg <joerg@hwk-tal.example>", "To": ADDRESS, "Subject": "Abmelden"}


def mail(**fields: str) -> bytes:
    """A mail of a reader, with other or more fields (``_`` stands for ``-``)."""
    known = USUAL | {name.replace("_", "-"): value for name, value in fields.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in known.items()).encode() + b"\r\nBitte abmelden.\r\n"


PLACES = {
    "as usual": mail(),
    "rewritten on the way": mail(To="sammler@haus.example", Delivered_To=ADDRESS),
    "known to the mail server only": mail(To="undisclosed-recipients:;", X_Original_To=ADDRESS),
    "in capitals": mail(To=ADDRESS.upper()),
    "in the subject": mail(To="sammler@haus.example", Subject=f"AW: {ADDRESS.partition('@')[0]}"),
    "in a subject that is encoded and folded": mail(
        To="x@y.example", Subject=f"=?utf-8?q?{ADDRESS[:30]}?=\r\n =?utf-8?q?{ADDRESS[30:].replace('@', '=40')}?="
    ),
    "among others": mail(To=f"a@b.example,\r\n Abmelden <{ADDRESS}>"),
}


@pytest.mark.parametrize("content", PLACES.values(), ids=PLACES)
def test_a_signed_address_is_found_wherever_it_stands(content: bytes) -> None:
    found = read_mail(content)
    assert read_leave_addresses(KEYRING, found.words, ["monatsbrief", "wir-gedanke"]) == [PARTS]
    assert found.automatic == ""


def test_what_stands_in_the_body_or_in_other_fields_says_nothing() -> None:
    """Somebody who forwards a letter with all its head has not asked for anything."""
    quoted = mail(To="x@y.example", X_Note=ADDRESS) + f"List-Unsubscribe: <mailto:{ADDRESS}>\r\n".encode()
    assert read_leave_addresses(KEYRING, read_mail(quoted).words, ["wir-gedanke"]) == []


PEOPLE = {
    "that says so": mail(Auto_Submitted="no"),
    "made by a program whose button was pressed": mail(Auto_Submitted="auto-generated"),
    "of a company called Postmaster": mail(From="Postmaster GmbH <info@haus.example>"),
    "of some importance": mail(Precedence="first-class"),
}


@pytest.mark.parametrize("content", PEOPLE.values(), ids=PEOPLE)
def test_a_mail_of_a_person(content: bytes) -> None:
    assert read_mail(content).automatic == ""


AUTOMATIC = {
    "an absence note": mail(Auto_Submitted="auto-replied"),
    "a notice": mail(Auto_Submitted="auto-notified; owner-email=x@y.example"),
    "an old absence note": mail(X_Autoreply="yes"),
    "another": mail(Precedence="auto_reply"),
    "a bounce": mail(Return_Path="<>"),
    "a report": mail(Content_Type='multipart/report; report-type="delivery-status"; boundary="x"'),
    "a mailing list": mail(List_Id="<liste.haus.example>"),
    "our own letter, come back": mail(List_Unsubscribe="<https://x.example>"),
    "a mail server": mail(From="MAILER-DAEMON@haus.example"),
}


@pytest.mark.parametrize("content", AUTOMATIC.values(), ids=AUTOMATIC)
def test_uns_11_what_answers_by_itself_or_came_back_is_seen(content: bytes) -> None:
    assert read_mail(content).automatic


def test_one_mail_is_one_digest_and_another_is_another() -> None:
    assert read_mail(mail()).digest == read_mail(mail() + b"more of the body").digest
    assert read_mail(mail()).digest != read_mail(mail(Message_ID="<2@x>")).digest
