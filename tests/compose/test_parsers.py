"""MSG-27: the same mail is the same mail to CPython, npm mailparser and Perl's Email::MIME – tree, subject, addresses, contents.

``npm ci --prefix tests/compose/parsers`` and ``apt install libemail-mime-perl`` bring the other two; without them their
comparison is skipped by name.
"""

from __future__ import annotations

import email
import email.header
import email.message
import email.policy
import email.utils
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import pytest

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import Edition, EditionInput, fill, show_html, show_subject, show_text
from om_campaigns.compose.message import Head, Letter, Mailbox
from om_campaigns.compose.slots import Gapped, Hole, Landing, SlotUse

PARSERS = Path(__file__).parent / "parsers"
UNSUBSCRIBE = (
    "https://om-mail.example/one-click/k1.GBYrG8EqpKmP5cUKoZ8zH22z.abcdefghijklmnop.abcdefghijklmnop.wir-gedanke-fuer-alle-haeuser"
)
NAMES = {
    "plain": "Anna Muster",
    "umlaut": "Jörg Weiß",
    "everything": 'Müller, Jörg (HWK) "x"',
    "comma": "Muster, Anna",
    "quotes": 'Anna "die Eilige" Muster',
    "backslash": "Anna \\ Muster; und @ <alle>:",
    "title": "Dr. A. Muster",
    "forged": "=?utf-8?q?nicht_echt?=",
    "long": "Industrie- und Handelskammer zu Lindenau an der Sieg, Geschäftsstelle für Unternehmensnachfolge, Gründung und Ältere",
    "emoji": "Team 😀 Ömer",
    "greek": "Ελένη Παπαδοπούλου",
    "none": "",
}
Seen = dict[str, Any]


def make_mail(name: str) -> tuple[bytes, Seen]:
    """A mail to somebody of that name, and what everybody must see in it."""
    shown = name or "Sie"
    edition = Edition(
        id="e",
        language="de",
        slots=(SlotUse("contact.full_name"),),
        subject=Gapped(
            ("Grüße für ", ": was kleine Häuser besser können, und warum das in der Region alle angeht"), (Hole(0, Landing.header),)
        ),
        preheader=Gapped(("",), ()),
        html=Gapped(
            ('<!doctype html>\n<html lang="de"><body><p>Guten Tag ', ",</p>\n<p>= . – 😀</p></body></html>\n"), (Hole(0, Landing.text),)
        ),
        text=Gapped(("Guten Tag ", ",\n\n.\n..\nFrom hier an = =20 Grüße \n-- \nOM\n"), (Hole(0, Landing.plain),)),
    )
    content = Letter(edition).write(make_head(name), (shown,))
    escaped = escape(shown, quote=True)
    return content, make_seen(
        name,
        subject=f"Grüße für {shown}: was kleine Häuser besser können, und warum das in der Region alle angeht",
        text=f"Guten Tag {shown},\n\n.\n..\nFrom hier an = =20 Grüße \n-- \nOM\n",
        html=f'<!doctype html>\n<html lang="de"><body><p>Guten Tag {escaped},</p>\n<p>= . – 😀</p></body></html>\n',
    )


def make_head(name: str) -> Head:
    return Head(
        date=datetime(2027, 1, 5, 8, 0, tzinfo=UTC),
        message_id="<mfzwizlbonxw2zlt@om-mail.example>",
        sender=Mailbox("hwk-lindenau@om-mail.example", name),
        to=Mailbox("max.muster@xn--mller-kva.example", name),
        reply_to=Mailbox("r.ahlers@hwk-lindenau.example", name),
        list_id=("Wir-Gedanke für alle", "wir-gedanke.reihen.example"),
        one_click_url=UNSUBSCRIBE,
        bulk=True,
        seed=f"seed {name}",
    )


def make_seen(name: str, *, subject: str, text: str, html: str) -> Seen:
    return {
        "tree": ["multipart/alternative", [["text/plain", []], ["text/html", []]]],
        "subject": subject,
        "from": [[name, "hwk-lindenau@om-mail.example"]],
        "to": [[name, "max.muster@xn--mller-kva.example"]],
        "reply_to": [[name, "r.ahlers@hwk-lindenau.example"]],
        "message_id": "<mfzwizlbonxw2zlt@om-mail.example>",
        "unsubscribe": UNSUBSCRIBE,
        "text": text,
        "html": html,
    }


@pytest.fixture
def mails(tmp_path: Path, given: Callable[..., EditionInput], values: dict[str, str]) -> tuple[Path, dict[str, Seen]]:
    """A folder of mails, invented ones and one from the composer, and what must be seen in each."""
    expected: dict[str, Seen] = {}
    for case, name in NAMES.items():
        content, expected[f"{case}.eml"] = make_mail(name)
        (tmp_path / f"{case}.eml").write_bytes(content)
    edition = make_edition(given())
    name = NAMES["everything"]
    (tmp_path / "real.eml").write_bytes(Letter(edition).write(make_head(name), fill(edition, values)))
    expected["real.eml"] = make_seen(
        name, subject=show_subject(edition, values), text=show_text(edition, values), html=show_html(edition, values)
    )
    return tmp_path, expected


def as_seen(found: Seen) -> Seen:
    """What parsers may differ in although they saw the same: line ends, the brackets of an address, a time nobody compares."""
    unsubscribe = found["unsubscribe"].strip("<> \r\n")
    texts = {kind: found[kind].replace("\r\n", "\n") for kind in ("text", "html")}
    return {**{key: value for key, value in found.items() if key != "date"}, **texts, "unsubscribe": unsubscribe}


def decoded(text: str) -> str:
    return str(email.header.make_header(email.header.decode_header(text)))


def read_with_python(path: Path) -> Seen:
    """CPython. Names through its older functions: the newer ones keep the blank between two encoded-words up to 3.11."""
    content = path.read_bytes()
    modern = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(modern, email.message.EmailMessage)
    assert not modern.defects
    plain = email.message_from_bytes(content, policy=email.policy.compat32)

    def tree(part: email.message.Message) -> list[Any]:
        return [part.get_content_type(), [tree(each) for each in part.get_payload()] if part.is_multipart() else []]  # type: ignore[union-attr,arg-type]

    def mailboxes(field: str) -> list[list[str]]:
        return [[decoded(name), address] for name, address in email.utils.getaddresses([plain[field].replace("\r\n", "")])]

    text, html = modern.iter_parts()
    return {
        "tree": tree(plain),
        "subject": str(modern["Subject"]),
        "from": mailboxes("From"),
        "to": mailboxes("To"),
        "reply_to": mailboxes("Reply-To"),
        "message_id": str(modern["Message-ID"]),
        "unsubscribe": str(plain["List-Unsubscribe"]),
        "text": text.get_content(),
        "html": html.get_content(),
    }


def read_with(command: list[str], folder: Path) -> dict[str, Seen]:
    done = subprocess.run([*command, str(folder)], capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Seen] = json.loads(done.stdout)
    return found


def assert_all_seen(found: dict[str, Seen], expected: dict[str, Seen]) -> None:
    assert set(found) == set(expected)
    for file, wanted in expected.items():
        assert as_seen(found[file]) == wanted, file


def test_msg_27_python(mails: tuple[Path, dict[str, Seen]]) -> None:
    folder, expected = mails
    assert_all_seen({path.name: read_with_python(path) for path in folder.glob("*.eml")}, expected)


@pytest.mark.slow
def test_msg_27_npm_mailparser(mails: tuple[Path, dict[str, Seen]]) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("npm mailparser: there is no node")
    if subprocess.run([node, "-e", "require('mailparser')"], cwd=PARSERS, capture_output=True, check=False).returncode != 0:
        pytest.skip("npm mailparser is not installed: npm ci --prefix tests/compose/parsers")
    folder, expected = mails
    found = read_with([node, str(PARSERS / "parse.mjs")], folder)
    assert_all_seen(found, expected)
    assert {seen["date"] for seen in found.values()} == {"2027-01-05T08:00:00.000Z"}


@pytest.mark.slow
def test_msg_27_perl_email_mime(mails: tuple[Path, dict[str, Seen]]) -> None:
    perl = shutil.which("perl")
    if perl is None:
        pytest.skip("Email::MIME: there is no perl")
    if subprocess.run([perl, "-MEmail::MIME", "-e", "1"], capture_output=True, check=False).returncode != 0:
        pytest.skip("Perl's Email::MIME is not installed: apt install libemail-mime-perl")
    folder, expected = mails
    assert_all_seen(read_with([perl, str(PARSERS / "parse.pl")], folder), expected)
