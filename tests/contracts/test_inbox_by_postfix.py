"""Leaving by mail through a real Postfix: into a Maildir, and through a pipe, as the manual says (UNS-11)."""

from __future__ import annotations

import mailbox
import os
import pwd
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from om_campaigns.wiring import open_app
from tests.contracts.servers import Postfix, need, postfix
from tests.feedback.test_inbox import address_of, left, write
from tests.journeys.workspace import Workspace, house, local, person
from tests.web.postbox import BASE_URL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

VIRTUAL = "virtual unix - n n - - virtual\n"
PIPE = "om-inbox unix - n n - 5 pipe\n  flags=DRhu user=nobody argv={program} -w {workspace} inbox -\n"
ROOT = Path(__file__).parents[2]
OURS = r"/^off-[a-z2-7-]+@om-mail\.example$/"


@pytest.fixture
def office() -> Iterator[Workspace]:
    """A workspace that a user without rights may work in, outside of pytest's own folders."""
    need("postfix")
    folder = Path(tempfile.mkdtemp(prefix="om-office-", dir="/tmp"))
    folder.chmod(0o755)
    made = Workspace(folder / "ws")
    made.houses(house("hwk-tal", "05"))
    made.people(person("Jörg Müller", "hwk-tal", email="joerg@hwk-tal.example"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0")
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def takes_mail(office: Workspace, source: str) -> str:
    """Let mail come in, send the letter, and give the address for leaving in its head."""
    database = 'url = "sqlite:///om-campaigns.db"'
    office.write("config.toml", f'format = 1\n[web]\nbase_url = "{BASE_URL}"\n[inbox]\nsource = "{source}"\n[database]\n{database}\n')
    office.app = open_app(office.folder, clock=lambda: office.now, rehearsal_transport=lambda: office.transport)
    office.publish()
    office.tick(local("2027-01-05"))
    return address_of(office)


def make_program(folder: Path) -> Path:
    """Our program for a user without rights: by this Python, or by the system's, which may stand where that user can go."""
    program = folder / "om-campaigns"
    for python in (sys.executable, "/usr/bin/python3"):
        paths = ":".join(each for each in (str(ROOT), *sys.path) if each.endswith("site-packages") or each == str(ROOT))
        program.write_text(f'#!/bin/sh\nPYTHONPATH={paths} exec {python} -c "from om_campaigns.cli import main; main()" "$@"\n')
        program.chmod(0o755)
        if subprocess.run([program, "--version"], user="nobody", capture_output=True, check=False, cwd="/").returncode == 0:
            return program
    pytest.skip("no Python that the user 'nobody' may run")


def submit(server: Postfix, content: bytes, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("joerg@hwk-tal.example", [recipient], content)


@contextmanager
def configured(settings: dict[str, str], services: str, table: str) -> Iterator[Postfix]:
    def prepare(folder: Path) -> None:
        with (folder / "etc/master.cf").open("a", encoding="utf-8") as file:
            file.write(services)
        (folder / "etc/ours").write_text(table, encoding="utf-8")

    with postfix(settings, prepare=prepare) as server:
        yield server


def wait_until(what: Callable[[], object], seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(0.2)
    return False


def test_uns_11_postfix_delivers_into_the_maildir_and_the_next_tick_takes_it(office: Workspace) -> None:
    nobody = pwd.getpwnam("nobody")
    box = office.folder.parent / "mail"
    box.mkdir()
    mailbox.Maildir(box / "inbox", create=True)
    for path in (box, *box.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    address = takes_mail(office, str(box / "inbox"))
    settings = {
        "virtual_mailbox_domains": "om-mail.example",
        "virtual_mailbox_base": str(box),
        "virtual_mailbox_maps": "regexp:{folder}/etc/ours",
        "virtual_uid_maps": f"static:{nobody.pw_uid}",
        "virtual_gid_maps": f"static:{nobody.pw_gid}",
        "virtual_minimum_uid": "1",
    }
    with configured(settings, VIRTUAL, f"{OURS}  inbox/\n") as server:
        submit(server, write("Abmelden <x@om-mail.example>"), address)  # only the envelope knows: Delivered-To
        assert wait_until(lambda: any((box / "inbox/new").iterdir())), (server.folder / "log").read_text()
        office.tick(local("2027-01-06"))
        assert left(office) == [("joerg@hwk-tal.example", "wir-gedanke", "mail")]
        assert server.mailbox.letters == []  # nothing went out


def test_uns_11_postfix_hands_a_mail_over_by_a_pipe_and_keeps_it_while_we_cannot(office: Workspace) -> None:
    program = make_program(office.folder.parent)
    address = takes_mail(office, "pipe")
    nobody = pwd.getpwnam("nobody")
    for path in (office.folder, *office.folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    keys, away = office.folder / "keys.toml", office.folder / "away.toml"
    keys.rename(away)  # a fault of ours must not send the mail back
    service = PIPE.format(program=program, workspace=office.folder)
    with configured({"transport_maps": "regexp:{folder}/etc/ours"}, service, f"{OURS}  om-inbox:\n") as server:
        submit(server, write("Abmelden <x@om-mail.example>"), address)
        log = server.folder / "log"
        assert wait_until(lambda: log.exists() and "status=deferred" in log.read_text()), log.read_text()
        assert left(office) == []
        away.rename(keys)
        assert wait_until(lambda: left(office)), log.read_text()
        absence = EmailMessage()
        absence["To"], absence["Auto-Submitted"], absence["Subject"] = address, "auto-replied", "Abwesend"
        submit(server, absence.as_bytes(), address)
        assert wait_until(lambda: server.queued() == 0), log.read_text()
        assert wait_until(lambda: office.count("inbound_mail") == 2)
        assert left(office) == [("joerg@hwk-tal.example", "wir-gedanke", "mail")]
        assert server.mailbox.letters == []
        assert "status=bounced" not in log.read_text()
