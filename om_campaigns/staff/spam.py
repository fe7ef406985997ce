"""What spam filters say of a finished mail, where SpamAssassin or rspamd is installed (REN-17).

Both judge by the rules their packages brought, with no setting of this machine and no question to the network, so the same mail
gets the same score everywhere. What a filter would ask others (senders, lists, learned habits) is not judged here.
"""

from __future__ import annotations

import email
import http.client
import json
import mailbox
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory

from om_campaigns.errors import InstallationError

MAX_SCORE = 2.0
"""SpamAssassin's score from which a letter must be mended; it calls 5 spam."""

HARMLESS = frozenset({"no action", "greylist"})
"""What rspamd may do with a letter; everything else marks or refuses it."""

RULES = Path("/usr/share/spamassassin")
LOADED = (
    "Check", "HTTPSMismatch", "URIDetail", "BodyEval", "DNSEval", "HTMLEval", "HeaderEval", "MIMEEval", "RelayEval", "URIEval", "WLBLEval",
    "VBounce", "ImageInfo", "FreeMail", "MIMEHeader", "ReplaceTags", "WelcomeListSubject",
)  # fmt: skip
"""SpamAssassin's plugins that look at the mail itself."""

SILENT = (
    "antivirus", "arc", "asn", "aws_s3", "bimi", "clickhouse", "dcc", "dkim", "dkim_signing", "dmarc", "elastic", "external_services",
    "fuzzy_check", "greylist", "hfilter", "history_redis", "metadata_exporter", "metric_exporter", "milter_headers", "mx_check", "neural",
    "p0f", "ratelimit", "rbl", "replies", "reputation", "rspamd_update", "spamtrap", "spf", "surbl", "url_redirector",
)  # fmt: skip
"""rspamd's modules that ask the network, or judge the connection a mail came by."""

RSPAMD_CONF = """
.include "$CONFDIR/common.conf"
options {{
    pidfile = "$RUNDIR/rspamd.pid";
    .include "$CONFDIR/options.inc"
    dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "$RUNDIR/rspamd.log"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""
DATE = re.compile(rb"^Date: [^\r\n]*", re.MULTILINE)
START_SECONDS = 120
"""rspamd compiles its rules when it starts in a new folder."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter says of one mail. ``rules``: what it found and the points for it, the worst first."""

    filter: str
    score: float
    action: str
    rules: tuple[tuple[str, float], ...]

    @property
    def is_harmless(self) -> bool:
        return self.action in HARMLESS

    def __str__(self) -> str:
        worst = ", ".join(f"{name} {points:g}" for name, points in self.rules[:3] if points > 0)
        return f"{self.filter} {self.score:.1f}, {self.action}" + (f" ({worst})" if worst else "")


def judge(mails: Sequence[bytes]) -> list[tuple[Verdict, ...]]:
    """For each mail one verdict of every filter that is installed; empty where none is. Raises InstallationError if one fails."""
    today = b"Date: " + formatdate().encode()  # filters know what day it is, a preview may be of another one
    dated = [DATE.sub(today, each, count=1) for each in mails]
    answers = [ask(dated) for name, ask in FILTERS.items() if shutil.which(name)] if mails else []
    return list(zip(*answers, strict=True)) if answers else [()] * len(mails)


def ask_spamassassin(mails: Sequence[bytes]) -> list[Verdict]:
    """One run for all mails; they come back marked, in an order of its own, so each is known by its Message-ID."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "site").mkdir()
        (folder / "site/loaded.pre").write_text("".join(f"loadplugin Mail::SpamAssassin::Plugin::{each}\n" for each in LOADED))
        (folder / "site/local.cf").write_text("use_bayes 0\nreport_safe 0\nadd_header all Points _TESTSSCORES(,)_\n")
        (folder / "prefs").touch()
        box = mailbox.mbox(folder / "in")
        for each in mails:
            box.add(each)
        box.close()
        places = [f"--configpath={RULES}", f"--siteconfigpath={folder / 'site'}", f"--prefspath={folder / 'prefs'}"]
        with (folder / "in").open("rb") as given, (folder / "out").open("wb") as marked:
            done = subprocess.run(  # noqa: S603  our own arguments
                ["spamassassin", "--local", "--mbox", *places],  # noqa: S607  wherever the package put it
                stdin=given, stdout=marked, stderr=subprocess.PIPE, env={"HOME": name, "PATH": _path()}, check=False,
            )  # fmt: skip
        if done.returncode:
            raise InstallationError(f"spamassassin failed: {done.stderr.decode(errors='replace').strip()}")
        marked_by_id = {str(each["Message-ID"]): _marked(each) for each in mailbox.mbox(folder / "out")}
    return [marked_by_id[str(email.message_from_bytes(each)["Message-ID"])] for each in mails]


def _path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _marked(mail: mailbox.mboxMessage) -> Verdict:
    score = re.search(r"score=(-?[\d.]+)", str(mail["X-Spam-Status"]))
    if score is None:
        raise InstallationError("spamassassin gave no score", hint="does 'spamassassin --lint' pass?")
    found = re.findall(r"(\w+)=(-?[\d.]+)", str(mail["X-Spam-Points"]))
    rules = sorted(((name, float(points)) for name, points in found), key=lambda each: -each[1])
    value = float(score[1])
    return Verdict("SpamAssassin", value, "no action" if value < MAX_SCORE else "counts as suspicious", tuple(rules))


def ask_rspamd(mails: Sequence[bytes]) -> list[Verdict]:
    """A filter of our own on a free port of this machine, for as long as it is asked."""
    with _running() as port:
        return [_asked(port, each) for each in mails]


@contextmanager
def _running() -> Iterator[int]:
    with TemporaryDirectory() as name, socket.socket() as free:
        folder = Path(name)
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        (folder / "override.d").mkdir()
        for each in SILENT:
            (folder / f"override.d/{each}.conf").write_text("enabled = false;\n")
        (folder / "rspamd.conf").write_text(RSPAMD_CONF.format(port=port))
        places = [f"--var={each}={folder}" for each in ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR")]
        command = ["rspamd", "--no-fork", "--insecure", f"--config={folder / 'rspamd.conf'}", *places]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  our own arguments
        try:
            _wait_for(process, port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    last = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < last:
        with socket.socket() as asking:
            asking.settimeout(0.5)
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise InstallationError("rspamd did not start", hint="does 'rspamadm configtest' pass?")


def _asked(port: int, mail: bytes) -> Verdict:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        asking.request("POST", "/checkv2", mail)
        told = json.loads(asking.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise InstallationError(f"rspamd gave no answer: {error}") from error
    finally:
        asking.close()
    rules = sorted(((name, float(each["score"])) for name, each in told["symbols"].items()), key=lambda each: -each[1])
    return Verdict("rspamd", float(told["score"]), str(told["action"]), tuple(rules))


FILTERS = {"spamassassin": ask_spamassassin, "rspamd": ask_rspamd}
"""Program → how it is asked."""
