"""Handing letters to a submission server: TLS, AUTH, pipelining (RFC 2920), and every reply read.

The rules around the last dot: content + dot + the next MAIL/RCPT/DATA may share a group, and DATA ends it. A dot that left
without an answer is uncertain. Once a server said 354 it cannot be called off (a lone dot would mail an empty letter), so
the socket is closed. After any refusal the next group begins with RSET.
"""

from __future__ import annotations

import smtplib
import socket
import ssl

from om_campaigns.delivery.pipelining import Offers, PipeliningClient, UnsendableError, make_commands, make_end
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.transport import Envelope, Kind, NoConnectionError, Outcome, Stage, Trouble

DOT_TIMEOUT_SECONDS = 600
"""How long a server may think after the last dot (RFC 5321 §4.5.3.2.6)."""

REPLY_LENGTH = 300
"""Characters of a server's reply that are kept."""

OUT_OF_STEP = frozenset({500, 501, 502, 503, 504})
"""Replies that complain about the dialogue, not about the letter."""


LOGIN_WANTED = frozenset({530, 534, 535, 538})
"""The server wants TLS or a login first (RFC 3207 §4, RFC 4954 §6): no letter is at fault."""

READY = [b"250 ", b"250 ", b"354 "]
"""The usual answers to MAIL, RCPT and DATA."""


class SmtpTransport:
    """Connections to one submission server (BULK-15: TLS with a checked certificate, no password in clear)."""

    name = "smtp"

    def __init__(self, settings: SmtpSettings, *, dot_timeout: float = DOT_TIMEOUT_SECONDS) -> None:
        self._settings = settings
        self._dot_timeout = dot_timeout
        self._helo = settings.helo

    def connect(self) -> SmtpConnection:
        """A dialogue ready for letters. Raises NoConnectionError with the named trouble; never shows the password."""
        settings = self._settings
        where = f"{settings.host}:{settings.port}"
        context = ssl.create_default_context() if settings.tls is not Tls.none else None
        client = PipeliningClient(
            settings.host,
            helo=self._name_ourselves(),
            timeout=settings.timeout_seconds,
            implicit=context if settings.tls is Tls.tls else None,
        )
        try:
            self._greet(client, context)
        except NoConnectionError:
            client.close()
            raise
        except ssl.SSLError as error:
            client.close()
            raise NoConnectionError(Trouble.tls_failed, f"{where}: {error.reason or error}") from error
        except smtplib.SMTPResponseException as error:
            client.close()
            raise NoConnectionError(Trouble.turned_away, f"{where}: {error.smtp_code} {_readable(error.smtp_error)}") from error
        except (OSError, ValueError) as error:
            client.close()
            raise NoConnectionError(Trouble.unreachable, f"{where}: {error}") from error
        return SmtpConnection(client, make_offers(client), settings.timeout_seconds, self._dot_timeout)

    def _greet(self, client: PipeliningClient, context: ssl.SSLContext | None) -> None:
        settings = self._settings
        code, text = client.connect(settings.host, settings.port)
        if code != 220:
            raise NoConnectionError(Trouble.turned_away, f"{settings.host}:{settings.port}: {code} {_readable(text)}")
        client.ehlo_or_helo_if_needed()
        if settings.tls is Tls.starttls and context is not None:
            if not client.has_extn("starttls"):
                raise NoConnectionError(Trouble.tls_failed, f"{settings.host}:{settings.port} does not offer STARTTLS")
            try:
                client.starttls(context=context)
            except smtplib.SMTPResponseException as error:
                refusal = f"STARTTLS is refused: {error.smtp_code} {_readable(error.smtp_error)}"
                raise NoConnectionError(Trouble.tls_failed, f"{settings.host}:{settings.port}: {refusal}") from error
            client.ehlo_or_helo_if_needed()
        if settings.username:
            self._log_in(client)

    def _log_in(self, client: PipeliningClient) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            client.login(self._settings.username, self._settings.secret())
        except smtplib.SMTPNotSupportedError as error:
            raise NoConnectionError(Trouble.auth_failed, f"{where} does not offer AUTH") from error
        except smtplib.SMTPAuthenticationError as error:
            raise NoConnectionError(Trouble.auth_failed, f"{where}: {error.smtp_code} {_readable(error.smtp_error)}") from None
        except (smtplib.SMTPServerDisconnected, OSError):
            raise
        except smtplib.SMTPException as error:
            raise NoConnectionError(Trouble.auth_failed, f"{where}: no way to log in is known to both sides") from error

    def _name_ourselves(self) -> str:
        if not self._helo:
            name = socket.getfqdn()
            self._helo = name if "." in name else "[127.0.0.1]"
        return self._helo


def make_offers(client: PipeliningClient) -> Offers:
    """What the server said after the latest EHLO."""
    size = client.esmtp_features.get("size", "").strip() or "0"
    return Offers(
        pipelining=client.has_extn("pipelining"),
        size=int(size) if client.has_extn("size") and size.isdigit() else None,
        eight_bit=client.has_extn("8bitmime"),
        smtputf8=client.has_extn("smtputf8"),
        dsn=client.has_extn("dsn"),
    )


class SmtpConnection:
    """One dialogue. ``_known`` is an answer that stands already; ``_awaited`` counts replies of a group still to be read."""

    def __init__(self, client: PipeliningClient, offers: Offers, timeout: float, dot_timeout: float) -> None:
        self._client = client
        self._offers = offers
        self._timeout = timeout
        self._dot_timeout = dot_timeout
        self._known: Outcome | None = None
        self._in_flight = False
        self._ready = False
        self._reset_due = False
        self._reset_in_flight = False
        self.prefetches = offers.pipelining

    @property
    def alive(self) -> bool:
        return self._client.sock is not None

    def offer(self, envelope: Envelope) -> None:
        try:
            mail, rcpt = make_commands(envelope, self._offers)
        except UnsendableError as error:
            self._known = _refused_here(error)
            return
        try:
            if self._offers.pipelining:
                self._client.send(self._group(mail, rcpt))
                self._in_flight = True
            else:
                self._known = self._step_by_step(mail, rcpt)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._known = self._lost(Stage.mail, error)

    def _group(self, mail: bytes, rcpt: bytes) -> bytes:
        self._reset_in_flight, self._reset_due = self._reset_due, False
        return (b"RSET\r\n" if self._reset_in_flight else b"") + mail + rcpt + b"DATA\r\n"

    def _step_by_step(self, mail: bytes, rcpt: bytes) -> Outcome | None:
        if self._reset_due:
            self._reset_due = False
            self._ask(b"RSET\r\n")
        for stage, command, good in ((Stage.mail, mail, 2), (Stage.rcpt, rcpt, 2), (Stage.data, b"DATA\r\n", 3)):
            try:
                code, text = self._ask(command)
            except (smtplib.SMTPServerDisconnected, OSError) as error:
                return self._lost(stage, error)
            if code // 100 != good:
                return self._refused(stage, code, text)
        self._ready = True
        return None

    def _ask(self, command: bytes) -> tuple[int, bytes]:
        self._client.send(command)
        return self._client.getreply()

    def answer(self) -> Outcome | None:
        if self._known is not None:
            known, self._known = self._known, None
            return known
        if not self._in_flight:
            return None if self._ready else self._lost(Stage.mail, None)
        self._in_flight = False
        stage = Stage.mail
        try:
            if self._reset_in_flight:
                self._reset_in_flight = False
                self._client.getreply()
            if self._client.take_usual(READY):
                self._ready = True
                return None
            replies = []
            for stage in (Stage.mail, Stage.rcpt, Stage.data):
                code, text = self._client.getreply()
                if code == 421:
                    return self._refused(stage, code, text)
                replies.append((stage, code, text))
            return self._judge(replies)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            return self._lost(stage, error)

    def _judge(self, replies: list[tuple[Stage, int, bytes]]) -> Outcome | None:
        """Three replies of a group → None when the content is awaited."""
        (_, mail, _), (_, rcpt, _), (_, data, _) = replies
        if (mail // 100, rcpt // 100, data) == (2, 2, 354):
            self._ready = True
            return None
        stage, code, text = next((each for each in replies[:2] if each[1] // 100 != 2), replies[2])
        if data == 354:
            if mail // 100 == 2 and rcpt // 100 in (4, 5):
                self._ask(b".\r\n")  # nobody to send to: the dot ends it and no letter can come of it (RFC 2920 §3.1)
            else:
                self._client.close()
        return self._refused(stage, code, text)

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        if not self._ready or self._client.spoke_unasked:
            self._client.close()
            return Outcome(Kind.temporary, None, "the server spoke out of turn", Stage.content, lost=True)
        self._ready = False
        end = make_end(content)
        last_needed = len(content) + len(end)
        data = b"".join((content, end, self._prefetch(then) if then is not None else b""))
        try:
            if not self._client.put(data, last_needed):
                return self._lost(Stage.content, None)
            code, text = self._dot_reply()
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self._client.close()
            return Outcome(Kind.uncertain, None, f"no answer to the letter: {error}", Stage.dot, lost=True)
        return self._fate(code, text)

    def _prefetch(self, then: Envelope) -> bytes:
        try:
            group = self._group(*make_commands(then, self._offers))
        except UnsendableError as error:
            self._known = _refused_here(error)
            return b""
        self._in_flight = True
        return group

    def _dot_reply(self) -> tuple[int, bytes]:
        self._client.patience = self._dot_timeout
        reply = self._client.getreply()
        self._client.patience = 0.0
        return reply

    def _fate(self, code: int, text: bytes) -> Outcome:
        reply = _readable(text)
        if code // 100 == 2:
            return Outcome(Kind.accepted, code, reply, Stage.dot)
        if code // 100 not in (4, 5):
            self._client.close()
            return Outcome(Kind.uncertain, code, f"out of step: {reply}", Stage.dot, lost=True)
        if code == 421:
            self._client.close()
        self._reset_due = not self._in_flight
        return Outcome(Kind.temporary if code // 100 == 4 else Kind.permanent, code, reply, Stage.dot, lost=not self.alive)

    def call_off(self) -> None:
        self._known = None
        if self._ready or self._in_flight:
            self._client.close()

    def close(self) -> None:
        try:
            if self.alive and not self._ready and not self._in_flight and self._client.sock is not None:
                self._client.sock.settimeout(min(self._timeout, 5))
                self._client.send(b"QUIT\r\n")
                self._client.getreply()
        except (smtplib.SMTPException, OSError):
            return  # the letters are done; how the server says goodbye does not matter
        finally:
            self._client.close()

    def _refused(self, stage: Stage, code: int, text: bytes) -> Outcome:
        self._reset_due = True
        reply = _readable(text)
        if code in LOGIN_WANTED and stage is not Stage.data:
            self._client.close()
            self._in_flight = False
            raise NoConnectionError(Trouble.auth_failed, f"{code} {reply}")
        if code // 100 not in (4, 5) or (stage is not Stage.rcpt and code in OUT_OF_STEP):
            self._client.close()
            return Outcome(Kind.temporary, code, f"out of step: {reply}", stage, lost=True)
        if code == 421:
            self._client.close()
        return Outcome(Kind.temporary if code // 100 == 4 else Kind.permanent, code, reply, stage, lost=not self.alive)

    def _lost(self, stage: Stage, error: Exception | None) -> Outcome:
        self._client.close()
        self._ready = self._in_flight = False
        return Outcome(Kind.temporary, None, f"the connection was lost before the content: {error or 'closed'}", stage, lost=True)


def _refused_here(error: UnsendableError) -> Outcome:
    return Outcome(Kind.permanent, None, str(error), Stage.mail, needs_smtputf8=error.needs_smtputf8)


def _readable(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    if text.isprintable():
        return text[:REPLY_LENGTH]
    return "".join(letter if letter.isprintable() else " " for letter in text)[:REPLY_LENGTH]
