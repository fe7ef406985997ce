"""An SMTP server that misbehaves on command, and remembers what it was told and what it took over."""

from __future__ import annotations

import socketserver
import ssl
import threading
from dataclasses import dataclass, field

SILENCE = "…"


@dataclass
class Manners:
    """How the server behaves. Replies are text without line ends.

    '' means: close the connection instead of answering. SILENCE means: never answer.
    """

    greeting: str = "220 ready"
    ehlo: str | None = None
    """Instead of the offers."""
    offers: tuple[str, ...] = ("PIPELINING", "SIZE 100000", "DSN")
    auth: str = "235 welcome"
    mail: str = "250 sender ok"
    rcpt: str = "250 recipient ok"
    data: str = "354 go on"
    dot: str = "250 taken"
    recipients: dict[str, str] = field(default_factory=dict)
    """Replies to RCPT for single addresses."""
    hang_up_in_content: bool = False
    silent_after_dot: bool = False
    letters_per_connection: int = 0
    """After so many letters the next MAIL is answered with 421."""
    careless: bool = False
    """Asks for content although sender or recipient were refused."""
    chatter: str = ""
    """Sent unasked right behind the reply to DATA."""
    tls: ssl.SSLContext | None = None
    no_handshake: bool = False
    """Answers in the clear where TLS should begin."""
    injected: str = ""
    """Sent in the clear behind the reply to STARTTLS."""


class Server:
    """A running server. ``letters`` are (recipient, content) that were taken over; ``commands`` all lines but content."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.letters: list[tuple[str, bytes]] = []
        self.commands: list[str] = []
        self.connections = 0
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                server.connections += 1
                try:
                    Dialogue(server, self).talk()
                except (OSError, ValueError):
                    return

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port = int(self._listener.server_address[1])
        threading.Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


class HangUpError(OSError):
    """The script says: close here."""


class Dialogue:
    """One connection."""

    def __init__(self, server: Server, handler: socketserver.StreamRequestHandler) -> None:
        self.server = server
        self.manners = server.manners
        self.reader = handler.rfile
        self.writer = handler.wfile
        self.socket = handler.connection
        self.recipient = ""
        self.valid = False
        self.taken = 0

    def say(self, text: str) -> None:
        if not text:
            raise HangUpError
        if text == SILENCE:
            while self.reader.read(65536):
                continue
            raise HangUpError
        self.writer.write(f"{text}\r\n".encode())
        self.writer.flush()

    def talk(self) -> None:
        self.say(self.manners.greeting)
        while line := self.reader.readline():
            text = line.decode("utf-8", "replace").strip()
            self.server.commands.append(text)
            self.obey(text)

    def obey(self, text: str) -> None:
        verb, manners = text[:4].upper(), self.manners
        if verb in ("EHLO", "HELO") and manners.ehlo is not None:
            self.say(manners.ehlo)
        elif verb == "EHLO":
            lines = ["misbehaving", *manners.offers]
            self.say("\r\n".join(f"250{' ' if place == len(lines) - 1 else '-'}{line}" for place, line in enumerate(lines)))
        elif verb == "STAR":
            self.start_tls()
        elif verb == "AUTH":
            self.say(manners.auth)
        elif verb == "MAIL":
            full = 0 < manners.letters_per_connection <= self.taken
            self.valid = manners.mail.startswith("2")
            self.say("421 enough for today" if full else manners.mail)
            if full:
                raise HangUpError
        elif verb == "RCPT":
            self.recipient = text.partition("<")[2].partition(">")[0]
            answer = manners.recipients.get(self.recipient, manners.rcpt)
            self.valid = self.valid and answer.startswith("2")
            self.say(answer)
        elif verb == "DATA":
            careless = self.manners.careless
            self.say(manners.data if self.valid or careless else "503 no valid recipients")
            if (self.valid or careless) and manners.data.startswith("354"):
                self.take_letter()
        elif verb == "QUIT":
            self.say("221 bye")
            raise HangUpError
        else:
            self.say("250 ok")

    def start_tls(self) -> None:
        if self.manners.tls is None and not self.manners.no_handshake:
            self.say("454 not now")
            return
        if self.manners.no_handshake:
            self.say("220 go ahead")
            self.say("this is no TLS")
            raise HangUpError
        self.say(f"220 go ahead\r\n{self.manners.injected}".rstrip())
        self.socket = self.manners.tls.wrap_socket(self.socket, server_side=True)
        self.reader, self.writer = self.socket.makefile("rb"), self.socket.makefile("wb")

    def take_letter(self) -> None:
        if self.manners.chatter:
            self.say(self.manners.chatter)
        lines = []
        while (line := self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n") or (self.manners.hang_up_in_content and lines):
                self.socket.close()
                raise HangUpError
            lines.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(lines)
        if not self.valid and not content:
            self.say("554 nobody to send this to")
            return
        if self.manners.dot.startswith("2") or self.manners.dot in ("", SILENCE):
            self.server.letters.append((self.recipient, content))
            self.taken += 1
        if self.manners.silent_after_dot:
            self.reader.readline()
        self.say(self.manners.dot)
