"""Files and folders that only their owner may read, from the first byte and whatever the umask says; never written through a link.

What holds addresses, names, letters or secrets is made here. On Windows the rights of the folder hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077
"""Rights of anybody but the owner."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def make_private_folder(folder: Path) -> None:
    """The folder, where it is missing; what lies above it is made as usual."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """An empty file. Raises FileExistsError for whatever stands there, a link that leads nowhere among it."""
    os.close(os.open(path, _NEW, 0o600))


def write_private(path: Path, content: bytes) -> None:
    """A file in place of what stands there; what a link leads to stays as it is."""
    with suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, _NEW, 0o600), "wb") as file:
        file.write(content)


def find_open_to_others(paths: Iterable[Path]) -> list[Path]:
    """Those of the paths that are there and that other users of this machine can read or change: the folder above lets them in, too."""
    if os.name != "posix":
        return []
    return [path for path in paths if path.exists() and path.stat().st_mode & OTHERS and path.parent.stat().st_mode & OTHERS]
