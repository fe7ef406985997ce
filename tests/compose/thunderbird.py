"""A real Thunderbird on a screen of its own, driven through Marionette: it opens drafts, forwards mails, and sends them to us.

The profile has one account (a partner's contact), a folder with the given mail, and a server on loopback that keeps what is sent.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from om_campaigns.operate.demo import LoopbackServer

NAME, ADDRESS = "Mira Feldkamp", "m.feldkamp@hwk-westerfurt.example"
WAIT = 60
"""Seconds a window may take on a busy machine."""

COMPOSER = """
for (let turn = 0; turn < 250; turn++) {
  const found = Services.wm.getMostRecentWindow("msgcompose");
  const editor = found?.gMsgCompose?.editor;
  if (editor?.document?.body?.innerText.trim().length > 80) return await use(found, editor.document);
  await new Promise(done => setTimeout(done, 200));
}
throw new Error("no window to write in");
"""


def is_installed() -> bool:
    return all(shutil.which(name) for name in ("thunderbird", "Xvfb"))


class Kept:
    """What Thunderbird sent."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 2.0.0 kept"


class Marionette:
    """The wire of Mozilla's remote control: length, colon, JSON; one answer for each command."""

    def __init__(self, port: int) -> None:
        end = time.monotonic() + WAIT
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT * 2)
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        self._buffer, self._number = b"", 0
        self._read()
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
        self.call("Marionette:SetContext", value="chrome")
        self.call("WebDriver:SetTimeouts", script=WAIT * 1000)

    def _read(self) -> Any:
        while b":" not in self._buffer:
            self._buffer += self._socket.recv(65536)
        length, _, rest = self._buffer.partition(b":")
        while len(rest) < int(length):
            rest += self._socket.recv(65536)
        self._buffer = rest[int(length) :]
        return json.loads(rest[: int(length)])

    def call(self, name: str, **parameters: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{name}: {error['message']}")
        return result

    def run(self, script: str) -> Any:
        """Run a script in the program itself, in its first window; its returned value, or RuntimeError."""
        self.call("WebDriver:SwitchToWindow", handle=self.windows()[0])
        whole = f"const done = arguments[0]; (async () => {{{script}}})().then(v => done([v, '']), e => done([null, String(e)]));"
        value, error = self.call("WebDriver:ExecuteAsyncScript", script=whole, args=[], newSandbox=True)["value"]
        if error:
            raise RuntimeError(error)
        return value

    def windows(self) -> list[str]:
        return list(self.call("WebDriver:GetWindowHandles"))


class Thunderbird:
    """The running program. ``kept.mails`` is what it sent."""

    def __init__(self, port: int, kept: Kept) -> None:
        self._remote = Marionette(port)
        self.kept = kept

    def forward(self) -> None:
        """Forward the mail in the folder as the Forward button does: inline, as HTML."""
        self._remote.run("""
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const folder = MailServices.accounts.localFoldersServer.rootFolder.getChildNamed("Inbox");
let found = [];
for (let turn = 0; turn < 100 && !found.length; turn++) {
  folder.updateFolder(null);
  await new Promise(done => setTimeout(done, 200));
  found = [...folder.messages];
}
const { ForwardInline } = Ci.nsIMsgCompType;
const identity = MailServices.accounts.allIdentities[0];
MailServices.compose.OpenComposeWindow(
  null, found[0], folder.getUriForMsg(found[0]), ForwardInline, Ci.nsIMsgCompFormat.HTML, identity, null, null);
""")

    def written(self) -> dict[str, Any]:
        """What stands in the window to write in: sender, to, subject, text, isHtml."""
        found: dict[str, Any] = self._remote.run(
            "const use = (window, page) => ({ sender: window.document.getElementById('msgIdentity').label,"
            " to: window.gMsgCompose.compFields.to, subject: window.document.getElementById('msgSubject').value,"
            " text: page.body.innerText, isHtml: window.gMsgCompose.composeHTML });" + COMPOSER
        )
        return found

    def picture(self, path: Path) -> None:
        """The window to write in, as a person sees it."""
        self._remote.call("WebDriver:SwitchToWindow", handle=self._remote.windows()[-1])
        path.write_bytes(base64.b64decode(self._remote.call("WebDriver:TakeScreenshot", full=False)["value"]))

    def send(self, to: str) -> bytes:
        """Write an address into the window and send; returns the mail as it went over the wire."""
        before = len(self.kept.mails)
        self._remote.run(
            f"const to = {json.dumps(to)};"
            """
const use = async window => {
  window.addressRowAddRecipientsArray(window.document.querySelector(".address-row[data-recipienttype=addr_to]"), [to]);
  await new Promise(done => setTimeout(done, 500));
  window.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
};""" + COMPOSER
        )
        end = time.monotonic() + WAIT
        while len(self.kept.mails) == before and time.monotonic() < end:
            time.sleep(0.1)
        return self.kept.mails[before]


@contextmanager
def thunderbird(folder: Path, *, mail: bytes | None = None, opened: Path | None = None) -> Iterator[Thunderbird]:
    """Start it with a profile below ``folder``; ``mail`` lies in its folder, ``opened`` is a file somebody double-clicked."""
    kept = Kept()
    with ExitStack() as stack:
        server = LoopbackServer(kept, hostname="127.0.0.1", port=0)
        server.start()
        stack.callback(server.stop)
        port = _free_port()
        profile = _make_profile(folder, port, server.port, mail)
        display = stack.enter_context(_screen())
        command = ["thunderbird", "--marionette", "-remote-allow-system-access", "--no-remote", "--profile", str(profile)]
        command += ["-file", str(opened)] if opened else []
        home = {"HOME": str(folder), "DISPLAY": display, "LANG": "C.UTF-8", "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        with (folder / "thunderbird.log").open("w") as log:
            program = subprocess.Popen(command, env=os.environ | home, stdout=log, stderr=log)
        stack.callback(_end, program)
        yield Thunderbird(port, kept)


@contextmanager
def _screen() -> Iterator[str]:
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1100x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            yield f":{said.readline().strip()}"
    finally:
        _end(server)


def _end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(20)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_profile(folder: Path, port: int, smtp_port: int, mail: bytes | None) -> Path:
    profile = folder / "profile"
    inbox = profile / "Mail" / "Local Folders" / "Inbox"
    inbox.parent.mkdir(parents=True)
    if mail is not None:
        inbox.write_bytes(b"From - Mon Jan  4 08:00:00 2027\n" + mail.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ") + b"\n\n")
    wanted = {
        "marionette.port": port,
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.accountmanager.localfoldersserver": "server2",
        "mail.account.account1.server": "server1",
        "mail.account.account1.identities": "id1",
        "mail.account.account2.server": "server2",
        **_server("server1", "pop3", "127.0.0.1"),  # a mailbox of its own, never asked: only such an account can be the default one
        "mail.server.server1.login_at_startup": False,
        "mail.server.server1.check_new_mail": False,
        **_server("server2", "none", "Local Folders"),
        "mail.identity.id1.fullName": NAME,
        "mail.identity.id1.useremail": ADDRESS,
        "mail.identity.id1.valid": True,
        "mail.identity.id1.smtpServer": "smtp1",
        "mail.identity.id1.fcc": False,
        "mail.smtpservers": "smtp1",
        "mail.smtp.defaultserver": "smtp1",
        "mail.smtpserver.smtp1.hostname": "127.0.0.1",
        "mail.smtpserver.smtp1.port": smtp_port,
        "mail.smtpserver.smtp1.authMethod": 1,
        "mail.smtpserver.smtp1.try_ssl": 0,
        "mail.provider.suppress_dialog_on_startup": True,
        "mail.spotlight.firstRunDone": True,
        "mail.shell.checkDefaultClient": False,
        "mail.inappnotifications.enabled": False,
        "mail.rights.version": 1,
        "mailnews.start_page.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "app.update.enabled": False,
        "extensions.update.enabled": False,
        "services.settings.server": "http://127.0.0.1:1/",
        "network.proxy.type": 0,
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    return profile


def _server(key: str, kind: str, name: str) -> dict[str, str]:
    start = f"mail.server.{key}."
    return {
        f"{start}type": kind,
        f"{start}hostname": name,
        f"{start}userName": "nobody",
        f"{start}name": name,
        f"{start}directory-rel": f"[ProfD]Mail/{name}",
    }
