"""A transport that writes every letter as an ``.eml`` file: rehearsal, demo, and sending by other means."""

from __future__ import annotations

import re
import threading
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from om_campaigns.delivery.keeping import KeepingConnection
from om_campaigns.delivery.transport import Envelope, Kind, NoConnectionError, Outcome, Stage, Trouble
from om_campaigns.private_files import make_private_folder, write_private

_DATE = re.compile(rb"^Date: ([^\r\n]+)", re.MULTILINE)


class OutboxTransport:
    """Files ``<hand-over time in UTC>-<ref>.eml`` holding the exact bytes; a ref that is there already is not written again."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._known: set[str] | None = None

    def connect(self) -> KeepingConnection:
        try:
            with self._lock:
                if self._known is None:
                    make_private_folder(self.folder)
                    self._known = {path.stem.rpartition("-")[2] for path in self.folder.glob("*.eml")}
        except OSError as error:
            raise NoConnectionError(Trouble.unreachable, f"{self.folder}: {error.strerror}") from error
        return KeepingConnection(self.keep)

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        """Write one letter, once per ref, so that a reader sees all of it or nothing."""
        with self._lock:
            known = self._known if self._known is not None else set()
            is_new = envelope.ref not in known
            known.add(envelope.ref)
        if is_new:
            draft = self.folder / f".{envelope.ref}.part"
            try:
                write_private(draft, content)
                draft.replace(self.folder / f"{_stamp(content)}-{envelope.ref}.eml")
            except OSError as error:
                known.discard(envelope.ref)
                return Outcome(Kind.temporary, None, f"outbox: {error.strerror}", Stage.content)
        return Outcome(Kind.accepted, 250, "written to the outbox", Stage.dot)


def _stamp(content: bytes) -> str:
    found = _DATE.search(content)
    if found is None:
        return "undated"
    return parsedate_to_datetime(found[1].decode("ascii", "replace")).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
