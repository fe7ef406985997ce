"""Real servers of the distribution, each in a folder of its own and on free ports of this machine: Postfix and what it talks to."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = /tmp, /var
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{onward}
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
minimal_backoff_time = 1s
queue_run_delay = 1s
anvil_rate_time_unit = 4s
"""

MASTER = """
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Mailbox:
    """Keeps what arrives: (envelope recipient, bytes)."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, bytes]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        for recipient in envelope.rcpt_tos:  # type: ignore[attr-defined]
            self.letters.append((recipient, envelope.original_content))  # type: ignore[attr-defined]
        return "250 kept"


@dataclass
class Postfix:
    """A running instance; ``mailbox`` is where its mail ends up."""

    port: int
    folder: Path
    mailbox: Mailbox
    onward: Controller

    def wait_for(self, count: int, seconds: float = 30) -> int:
        """Wait until so many letters arrived; returns how many did."""
        until = time.monotonic() + seconds
        while len(self.mailbox.letters) < count and time.monotonic() < until:
            time.sleep(0.1)
        return len(self.mailbox.letters)

    def queued(self) -> int:
        """Letters in its queue."""
        return sum(
            1
            for name in ("incoming", "active", "deferred", "maildrop")
            for path in (self.folder / "queue" / name).rglob("*")
            if path.is_file()
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def need(*programs: str) -> None:
    """Skip by name where a program is missing, or this user may not start a mail server."""
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"{program} is not installed")
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("Postfix is started by root only")


@contextmanager
def postfix(
    settings: Mapping[str, str] | None = None, *, is_onward_up: bool = True, prepare: Callable[[Path], None] = lambda _: None
) -> Iterator[Postfix]:
    """A Postfix that takes mail from this machine and hands it on to a mailbox of ours. ``settings`` add to its ``main.cf``.

    ``prepare`` is called with its folder before it starts.
    """
    need("postfix", "postconf")
    folder = Path(tempfile.mkdtemp(prefix="om-postfix-", dir="/tmp"))
    folder.chmod(0o755)
    mailbox, port, onward = Mailbox(), free_port(), free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=onward)
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir(mode=0o755)
    shutil.chown(folder / "data", "postfix")
    daemons = subprocess.run(["postconf", "-dh", "daemon_directory"], capture_output=True, text=True, check=True).stdout.strip()
    main = MAIN.format(folder=folder, daemons=daemons, onward=onward)
    main += "".join(f"{name} = {value.format(folder=folder)}\n" for name, value in (settings or {}).items())
    (folder / "etc/main.cf").write_text(main, encoding="utf-8")
    (folder / "etc/master.cf").write_text(MASTER.format(port=port), encoding="utf-8")
    prepare(folder)
    if is_onward_up:
        controller.start()
    try:
        call(folder, "start")
        wait_until_open(port)
        yield Postfix(port, folder, mailbox, controller)
    finally:
        call(folder, "stop", check=False)
        if controller.server is not None:
            controller.stop()
        shutil.rmtree(folder, ignore_errors=True)


def call(folder: Path, what: str, *, check: bool = True) -> None:
    done = subprocess.run(["/usr/sbin/postfix", "-c", str(folder / "etc"), what], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr + done.stdout


def wait_until_open(port: int, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


@contextmanager
def postgrey(delay: int) -> Iterator[int]:
    """A greylisting service; yields its port."""
    need("postgrey")
    folder, port = Path(tempfile.mkdtemp(prefix="om-postgrey-", dir="/tmp")), free_port()
    folder.chmod(0o755)
    (folder / "db").mkdir()
    shutil.chown(folder / "db", "postgrey", "postgrey")
    command = [
        "postgrey",
        f"--inet=127.0.0.1:{port}",
        f"--delay={delay}",
        f"--dbdir={folder / 'db'}",
        "--user=postgrey",
        "--group=postgrey",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opendkim(domain: str, headers: str) -> Iterator[tuple[int, bytes]]:
    """A signer for one domain; yields the port of its milter and the public key's TXT record."""
    need("opendkim", "openssl")
    folder, port = Path(tempfile.mkdtemp(prefix="om-dkim-", dir="/tmp")), free_port()
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", str(key), "-pubout"], check=True, capture_output=True, text=True).stdout
    record = "v=DKIM1; k=rsa; p=" + "".join(line for line in public.splitlines() if "-----" not in line)
    config = (
        f"Syslog no\nMode s\nSocket inet:{port}@127.0.0.1\nDomain {domain}\nSelector om\nKeyFile {key}\nCanonicalization relaxed/relaxed\n"
        f"SignatureAlgorithm rsa-sha256\nOversignHeaders From\nSignHeaders {headers}\nInternalHosts 127.0.0.1\n"
        f"RequireSafeKeys no\nPidFile {folder}/pid\n"
    )
    (folder / "conf").write_text(config, encoding="ascii")
    process = subprocess.Popen(["opendkim", "-f", "-x", str(folder / "conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until_open(port)
        yield port, record.encode()
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
