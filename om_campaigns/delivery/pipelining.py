"""The lines of an SMTP dialogue: envelope commands, the last dot, and a client whose replies can be read in groups.

``smtplib`` does greeting, STARTTLS and AUTH; reading replies is ours, because a pipelined group is answered in one packet
and because nothing that came before TLS may be taken for an answer given inside it.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from om_campaigns.transport import Envelope

MAX_REPLY_LINE = 8192
MAX_REPLY_LINES = 100

_NEEDS_NO_XTEXT = re.compile(r"[!-*,-<>-\[\]-~]*")
_PATH = re.compile(r"[^\s<>\x00-\x20\x7f-\x9f]{1,254}")


class UnsendableError(ValueError):
    """This letter cannot be offered to this server; the text names why. ``needs_smtputf8`` is MSG-09."""

    def __init__(self, text: str, *, needs_smtputf8: bool = False) -> None:
        super().__init__(text)
        self.needs_smtputf8 = needs_smtputf8


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server offered after EHLO. ``size`` is None when not offered, 0 when without limit (RFC 1870)."""

    pipelining: bool = False
    size: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False


def make_commands(envelope: Envelope, offers: Offers) -> tuple[bytes, bytes]:
    """MAIL and RCPT, each with CRLF (RFC 5321 §4.1.1; RFC 1870, 3461, 6152, 6531, 6533).

    Raises UnsendableError for addresses that could smuggle a command (SEC-02) and for what the server does not offer.
    """
    sender, recipient = envelope.sender, envelope.recipient
    for path in (sender, recipient):
        if _PATH.fullmatch(path) is None and not (path == "" and path is sender):
            raise UnsendableError("an envelope address holds blanks, brackets or control characters, or is too long")
    international = envelope.needs_smtputf8 or not (sender.isascii() and recipient.isascii())
    mail = f"MAIL FROM:<{sender}>"
    rcpt = f"RCPT TO:<{recipient}>"
    if offers.size is not None:
        if 0 < offers.size < envelope.size:
            raise UnsendableError(f"the letter has {envelope.size} bytes, the server takes at most {offers.size}")
        mail += f" SIZE={envelope.size}"
    if international:
        if not offers.smtputf8:
            raise UnsendableError("the address needs SMTPUTF8, which the server does not offer", needs_smtputf8=True)
        mail += " SMTPUTF8"
    if not envelope.plain:
        if not offers.eight_bit:
            raise UnsendableError("the letter needs 8BITMIME, which the server does not offer")
        mail += " BODY=8BITMIME"
    if offers.dsn:
        mail += f" RET=HDRS ENVID={make_xtext(envelope.ref)}"
        kind = "utf-8" if international else "rfc822"
        rcpt += f" NOTIFY=FAILURE,DELAY ORCPT={kind};{make_xtext(recipient)}"
    return f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode()


def make_xtext(text: str) -> str:
    """``text`` in xtext (RFC 3461 §4); characters beyond ASCII as ``\\x{…}`` (RFC 6533 §3)."""
    if _NEEDS_NO_XTEXT.fullmatch(text):
        return text
    return "".join(_xtext(letter) for letter in text)


def _xtext(letter: str) -> str:
    point = ord(letter)
    if point > 126:
        return f"\\x{{{point:X}}}"
    return letter if point >= 33 and letter not in "+=\\" else f"+{point:02X}"


def make_end(content: bytes) -> bytes:
    """What ends the content on the wire: its own line first, then the last dot (RFC 5321 §4.1.1.4).

    No line of our letters begins with a dot: quoted-printable writes it as ``=2E`` (``compose.message``), so nothing needs
    stuffing and no letter is searched for it. Raises ValueError for an empty letter.
    """
    if not content:
        raise ValueError("an empty letter is never sent")
    return b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"


_open_sockets: WeakSet[socket.socket] = WeakSet()


def break_off() -> None:
    """End every dialogue of this process at once, also one that only begins: whoever waits for a reply is told that the line broke.

    For a process that must end while a server is silent. A letter whose last dot has left is uncertain then.
    """
    for each in list(_open_sockets):
        with suppress(OSError):
            socket.socket.shutdown(each, socket.SHUT_RDWR)  # beneath TLS: another thread may be reading through it


class PipeliningClient(smtplib.SMTP):
    """``smtplib.SMTP`` with implicit TLS when asked, no Nagle delay and its own reader of replies."""

    def __init__(self, host: str, *, helo: str, timeout: float, implicit: ssl.SSLContext | None) -> None:
        self._implicit = implicit
        self._buffer = b""
        self.patience = 0.0
        """Seconds beyond the socket's timeout that the next reply may take."""
        super().__init__(local_hostname=helo, timeout=timeout)
        self._host = host  # smtplib checks the certificate against this name, and sets it only where it connects at once

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _open_sockets.add(plain)
        if self._implicit is None:
            return plain
        try:
            wrapped = self._implicit.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            _open_sockets.add(wrapped)
            wrapped.do_handshake()
            return wrapped
        except BaseException:
            plain.close()
            raise

    def starttls(self, *arguments: Any, **options: Any) -> tuple[int, bytes]:
        """As ``smtplib`` does it, and refuse a server (or a man between) that spoke ahead of the handshake."""
        answer = super().starttls(*arguments, **options)
        if self.sock is not None:
            _open_sockets.add(self.sock)
        if self._buffer:
            self.close()
            raise smtplib.SMTPServerDisconnected("unencrypted bytes were sent ahead of TLS")
        return answer

    @property
    def spoke_unasked(self) -> bool:
        """Bytes are waiting that no command asked for."""
        return bool(self._buffer)

    def take_usual(self, codes: list[bytes]) -> bool:
        """The waiting bytes are exactly one-line replies with these codes: they are taken. Otherwise read them one by one."""
        lines = self._buffer.split(b"\r\n")
        if lines.pop() or [line[:4] for line in lines] != codes:
            return False
        self._buffer = b""
        return True

    def getreply(self) -> tuple[int, bytes]:
        """One reply, possibly of several lines: (code, text); code -1 where none stands. Raises SMTPServerDisconnected."""
        end = self._buffer.find(b"\n")
        if end >= 0 and self._buffer[3:4] == b" " and self._buffer[:3].isdigit():  # nearly always: one line, here already
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            return int(line[:3]), line[4:].strip()
        code = -1
        lines: list[bytes] = []
        while len(lines) < MAX_REPLY_LINES:
            line = self._read_line()
            lines.append(line[4:].strip())
            try:
                code = int(line[:3])
            except ValueError:
                return -1, line.strip()
            if line[3:4] != b"-":
                break
        return code, b"\n".join(lines)

    def _read_line(self) -> bytes:
        end, waited = self._buffer.find(b"\n"), 0.0
        while end < 0:
            if len(self._buffer) > MAX_REPLY_LINE or self.sock is None:
                self.close()
                raise smtplib.SMTPServerDisconnected("an endless reply" if self._buffer else "please connect first")
            try:
                more = self.sock.recv(65536)
            except OSError as error:
                waited += self.timeout
                if isinstance(error, TimeoutError) and waited < self.patience:
                    continue
                self.close()
                raise smtplib.SMTPServerDisconnected(f"the connection was lost: {error}") from error
            if not more:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            self._buffer += more
            end = self._buffer.find(b"\n")
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line

    def put(self, data: bytes, last_needed: int) -> bool:
        """Send ``data``; False when the line broke before byte ``last_needed`` can have left, True when all is sent.

        Raises SMTPServerDisconnected when it broke later: then nobody knows.
        Under TLS a failed call may have sent any part of its record, so pieces are records.
        """
        if self.sock is None:
            return False
        piece = 16384 if isinstance(self.sock, ssl.SSLSocket) else len(data)
        view, sent = memoryview(data), 0
        while sent < len(data):
            chunk = view[sent : sent + piece]
            try:
                sent += self.sock.send(chunk)
            except OSError as error:
                self.close()
                surely = sent if piece == len(data) else sent + len(chunk)
                if surely < last_needed:
                    return False
                raise smtplib.SMTPServerDisconnected(f"the connection was lost: {error}") from error
        return True
