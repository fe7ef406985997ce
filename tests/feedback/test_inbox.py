"""Mail that comes in: who writes to the address in a letter's head leaves that list, and nothing else has any effect (UNS-11)."""

from __future__ import annotations

import mailbox
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from om_campaigns.feedback.inbox import collect, take
from om_campaigns.operate.retention import forget_old_values
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.docs.test_json_page import EXAMPLES, find_difference
from tests.journeys.conftest import empty_postgres  # noqa: F401  a fixture
from tests.journeys.workspace import SQLITE, Workspace, house, local, person
from tests.web.postbox import BASE_URL, letters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two people who got a letter, and a Maildir; made once and copied."""
    return with_mail(tmp_path_factory.mktemp("ready"), SQLITE)


@pytest.fixture
def office(ready: Workspace, tmp_path: Path) -> Workspace:
    return ready.copy(tmp_path / "ws")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """The same on both databases."""
    if request.param == "sqlite":
        return request.getfixturevalue("office")  # type: ignore[no-any-return]
    return with_mail(tmp_path, request.getfixturevalue("empty_postgres"))


def with_mail(tmp_path: Path, url: str) -> Workspace:
    made = Workspace(tmp_path / "ws", database=url)
    mailbox.Maildir(tmp_path / "ws/mail", create=True)
    made.write("config.toml", f'format = 1\n[web]\nbase_url = "{BASE_URL}"\n[inbox]\nsource = "mail"\n[database]\nurl = "{url}"\n')
    made.app = open_app(made.folder, clock=lambda: made.now, rehearsal_transport=lambda: made.transport)
    made.houses(house("hwk-tal", "05", name="Handwerkskammer Tal"))
    made.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example"), person("Mira Feld", "hwk-tal"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0", "a2 day = 7")
    made.publish()
    made.tick(local("2027-01-05"))
    return made


def address_of(office: Workspace, to: str = "joerg@") -> str:
    """The address for leaving in the head of somebody's letter."""
    found = re.search(r"<mailto:(off-[a-z2-7-]{60}@om-mail\.example)\?subject=Abmelden>", str(letters(office, to)[0]["List-Unsubscribe"]))
    assert found, letters(office, to)[0]["List-Unsubscribe"]
    return found[1]


def write(to: str, **fields: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "Jörg <joerg@hwk-tal.example>", to, "Abmelden", "<1@hwk-tal.example>"
    for name, value in fields.items():
        name = name.replace("_", "-")
        del mail[name]
        mail[name] = value
    mail.set_content("Bitte abmelden.")
    return mail.as_bytes()


def left(office: Workspace) -> list[tuple[str, str, str]]:
    """Who left what, through which door."""
    return [
        tuple(row)
        for row in office.ask(
            "SELECT a.address, s.scope, c.actor FROM suppression s JOIN address a ON a.hmac = s.hmac"
            " JOIN change c ON c.entity_id = a.id AND c.field = 'suppressed' ORDER BY 1"
        )
    ]


def test_uns_11_a_mail_to_the_address_of_a_letter_leaves_its_list_with_the_next_tick(either: Workspace) -> None:
    maildir = mailbox.Maildir(either.folder / "mail")
    maildir.add(write(address_of(either)))
    either.tick(local("2027-01-06"))
    assert left(either) == [("joerg@hwk-tal.example", "wir-gedanke", "mail")]
    assert len(maildir) == 0
    assert not (either.folder / "inbox").exists()  # nothing is kept of a mail that was understood
    either.walk(local("2027-01-20"))
    assert [str(each["To"]) for each in letters(either, "joerg@")] == ["Jörg Müller <joerg@hwk-tal.example>"]
    assert len(letters(either, "mira.feld@")) == 2
    assert either.count("message") == len(either.transport.letters) == 3  # nobody was answered


def test_uns_11_mail_is_taken_while_sending_is_halted(office: Workspace) -> None:
    assert om(office.folder, "halt", now="2027-01-05T10:00").code == 0
    mailbox.Maildir(office.folder / "mail").add(write(address_of(office)))
    assert om(office.folder, "send", "--all-due", now="2027-01-05T11:00").code == 3
    assert left(office) == [("joerg@hwk-tal.example", "wir-gedanke", "mail")]


def test_who_a_mail_says_it_is_from_decides_nothing(office: Workspace) -> None:
    """A mail client may write from another account; a stranger may write any name."""
    take(office.app, "m", write(address_of(office), From="Fremd <fremd@anderswo.example>"), office.now)
    assert left(office) == [("joerg@hwk-tal.example", "wir-gedanke", "mail")]
    took = take(office.app, "m", write("redaktion@om-mail.example", From="mira.feld@hwk-tal.example", Subject="Abmelden!"), office.now)
    assert (took.kind, took.left) == ("unclear", 0)
    assert len(left(office)) == 1


def test_bnc_03_the_same_mail_twice_has_its_effect_once(either: Workspace) -> None:
    first, second = (take(either.app, "m", write(address_of(either)), either.now) for _ in range(2))
    assert (first.is_new, first.left, second.is_new, second.left) == (True, 1, False, 0)
    third = take(either.app, "m", write(address_of(either), Message_ID="<2@hwk-tal.example>"), either.now)
    assert (third.is_new, third.left) == (True, 0)
    assert either.count("inbound_mail") == 2
    assert len(left(either)) == 1


def test_uns_11_an_absence_note_has_no_effect_and_is_no_task(office: Workspace) -> None:
    took = take(office.app, "m", write(address_of(office), Auto_Submitted="auto-replied"), office.now)
    assert (took.kind, took.left) == ("automatic", 0)
    assert left(office) == []
    assert office.count("task") == 0
    assert Path(took.kept).is_file()


def test_sec_08_a_forged_address_has_no_effect_and_is_shown_to_people(office: Workspace) -> None:
    address = address_of(office)
    forged = [
        address[:40] + ("a" if address[40] != "a" else "b") + address[41:],
        address.replace("off-", "off-a"),
        address[:-20],
        make_other(office, address),
    ]
    for number, each in enumerate(forged):
        assert take(office.app, "m", write(each, Message_ID=f"<{number}@x.example>"), office.now).kind == "unclear"
    assert left(office) == []
    [[kind]] = office.ask("SELECT kind FROM task")  # one a day, however many came
    assert kind == "mail_unclear"
    office.now += timedelta(days=1)
    take(office.app, "m", write("x@y.example", Message_ID="<9@x.example>"), office.now)
    assert office.count("task") == 2
    assert "no program understood" in om(office.folder, "todo", "list", now="2027-01-06T10:00").out


def make_other(office: Workspace, address: str) -> str:
    """Somebody's address with another one's name in it: two genuine halves."""
    other = address_of(office, "mira.feld@")
    return f"off-{other[4:20]}{address[20:]}"


BROKEN = (
    b"",
    b"\n\n",
    b"\x00\xff" * 5000,
    b"To: " + b"a" * 400_000 + b"\n\n",
    b"To: =?utf-8?q?=FF=FE?= <x@y>\nSubject: =?broken?x?=\n\n",
    b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * 10_000,
    b"".join(b"X-%d: y\n" % number for number in range(20_000)) + b"\nbody",
    b"To\n continued\n: :\n\n",
    b"From: \xe4\xf6\xfc@haus.example\nTo: \xe4\xf6\xfc\n\n",
)


def test_bnc_17_broken_and_huge_mails_stop_nothing(office: Workspace) -> None:
    maildir = mailbox.Maildir(office.folder / "mail")
    for each in BROKEN:
        maildir.add(each)
    maildir.add(write(address_of(office)) + b"x" * 12_000_000)
    start = time.monotonic()
    taken = collect(office.app, office.now)
    assert time.monotonic() - start < 10
    assert [each.kind for each in taken].count("unsubscribe") == 1
    assert len(left(office)) == 1
    assert len(maildir) == 0


def test_a_copy_of_a_live_database_takes_no_mail(office: Workspace) -> None:
    """Else somebody would have left in the copy, and be written to by the one that sends."""
    maildir = mailbox.Maildir(office.folder / "mail")
    maildir.add(write(address_of(office)))
    letter = office.write("letter.eml", write(address_of(office)).decode())
    office.do("UPDATE instance SET mode = 'live', fingerprint = 'another'")
    assert collect(office.app, office.now) == []  # config.toml says rehearsal
    config = office.folder / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("format = 1", 'format = 1\nmode = "live"'), encoding="utf-8")
    app = open_app(office.folder)
    assert collect(app, app.now()) == []
    app.engine.dispose()
    said = om(office.folder, "inbox", str(letter), now="")
    assert (said.code, "it takes no mail" in said.err) == (3, True)
    assert left(office) == []
    assert len(maildir) == 1


def test_a_missing_maildir_is_told_and_stops_no_letter(office: Workspace) -> None:
    (office.folder / "mail").rename(office.folder / "gone")
    office.walk(local("2027-01-13"))
    assert len(letters(office)) == 4
    said = om(office.folder, "doctor", "--format", "json", now="2027-01-13T10:00")
    [finding] = [each for each in said.json if each["topic"] == "inbox"]
    assert (finding["level"], "no Maildir" in finding["text"]) == ("fail", True)


def test_law_21_old_mails_and_those_of_an_erased_person_are_deleted(office: Workspace) -> None:
    kept = [take(office.app, "m", write("x@om-mail.example", Message_ID=f"<{each}@x>", From=f"{each}@hwk-tal.example"), office.now).kept
            for each in ("joerg", "mira.feld", "alt")]  # fmt: skip
    assert [Path(each).stat().st_mode & 0o777 for each in kept] == [0o600] * 3
    for each in kept:
        os.utime(each, (office.now.timestamp(),) * 2)
    assert om(office.folder, "person", "erase", "joerg@hwk-tal.example", "--yes", now="2027-01-06T10:00").code == 0
    assert [Path(each).exists() for each in kept] == [False, True, True]
    os.utime(kept[2], ((office.now - timedelta(days=61)).timestamp(),) * 2)
    forget_old_values(office.app, office.now)
    assert [Path(each).exists() for each in kept] == [False, True, False]


def test_files_are_taken_and_what_happened_is_said(office: Workspace) -> None:
    mail = office.folder / "letter.eml"
    mail.write_bytes(write(address_of(office)))
    said = om(office.folder, "inbox", str(mail), "--format", "json", now="2027-01-06T10:00")
    assert find_difference(EXAMPLES["inbox"], said.json) == ""
    assert [(each["kind"], each["left"]) for each in said.json] == [("unsubscribe", 1)]
    assert om(office.folder, "inbox", now="2027-01-06T10:00").out == "no mail waits\n"
    assert om(office.folder, "inbox", "nowhere.eml", now="2027-01-06T10:00").code == 2


@pytest.mark.slow
def test_a_mail_server_hears_nothing_but_well_or_later(office: Workspace) -> None:
    """Any other code than 0 and 75 would send the mail back to its writer."""

    def hand_over(content: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(folder), "inbox", "-"]
        return subprocess.run(command, input=content, capture_output=True, check=False)

    for content in (write(address_of(office)), b"", b"x" * 12_000_000, write("unbekannt@om-mail.example")):
        done = hand_over(content, office.folder)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert len(left(office)) == 1
    assert hand_over(write("x@y.example"), office.folder / "nowhere").returncode == 75
    (office.folder / "keys.toml").rename(office.folder / "away.toml")
    assert hand_over(write("x@y.example"), office.folder).returncode == 75


def test_where_no_mail_comes_in_no_letter_names_an_address(tmp_path: Path) -> None:
    made = Workspace(tmp_path)
    made.houses(house("hwk-tal", "05"))
    made.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0")
    made.publish()
    made.tick(local("2027-01-05"))
    assert "mailto" not in str(letters(made)[0]["List-Unsubscribe"])
