"""Where mail comes in: a Maildir the mail server fills, read without losing or blocking on any (BNC-03, BNC-17)."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path

from om_campaigns.errors import InstallationError
from om_campaigns.private_files import make_private_folder, write_private

AT_ONCE = 500
"""Mails taken in one go; what is more waits for the next."""

KEPT = 1024 * 1024
"""Octets of a mail that are read at all, and kept for people; its head ends well before."""


def open_maildir(path: Path) -> mailbox.Maildir:
    """Raises InstallationError where there is none."""
    if not (path / "new").is_dir():
        raise InstallationError(f"{path} is no Maildir", hint="set [inbox] source to the folder the mail server delivers into")
    return mailbox.Maildir(path, factory=None, create=False)


def read_waiting(maildir: mailbox.Maildir) -> Iterator[tuple[str, bytes]]:
    """The key and as much of each waiting mail as is ever looked at, the oldest names first. They stay until ``discard``."""
    for key in sorted(maildir.keys())[:AT_ONCE]:
        try:
            with maildir.get_file(key) as file:
                content = file.read(KEPT)
        except KeyError:
            continue  # another reader took it
        yield key, content


def keep(folder: Path, name: str, content: bytes) -> Path:
    """Put a mail that people may want to read into a folder that only we may open."""
    make_private_folder(folder)
    path = folder / f"{name[:20]}.eml"
    write_private(path, content[:KEPT])
    return path
