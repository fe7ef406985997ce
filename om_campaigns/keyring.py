"""The secrets of a workspace: they sign links and hash addresses, and stand in a file that only its owner may read."""

from __future__ import annotations

import base64
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from om_campaigns import chance
from om_campaigns.errors import InputError, InstallationError

KEYS_NAME = "keys.toml"

MIN_SECRET = 16
"""Bytes a secret has at least: 128 bits (SEC-08)."""

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class Keyring:
    """Secrets by key id; ``current`` signs and hashes, every one verifies (UNS-10). Secrets never show in ``repr`` (SEC-19).

    Raises InstallationError for an unusable key id, a secret under 128 bits, or a ``current`` that has no secret.
    """

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        for key_id, secret in self.secrets.items():
            if not _KEY_ID.fullmatch(key_id):
                raise InstallationError(f"'{key_id}' cannot be a key id", hint="use up to 32 letters, digits, '-' and '_'")
            if len(secret) < MIN_SECRET:
                raise InstallationError(f"the secret of key '{key_id}' is shorter than {MIN_SECRET} bytes")
        self.secret(self.current)

    def secret(self, key_id: str) -> bytes:
        """The secret of a key; InstallationError where there is none."""
        try:
            return self.secrets[key_id]
        except KeyError:
            raise InstallationError(f"there is no key '{key_id}'", hint="old keys must stay in keys.toml") from None


def load_keyring(path: Path) -> Keyring:
    """The secrets of a workspace; raises InputError when they are missing, InstallationError when others may read them."""
    if not path.is_file():
        raise InputError(f"{path}: the keys of this workspace are missing", hint="restore them from a backup; 'init' makes new ones")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InstallationError(f"{path}: other users may read the keys", hint=f"chmod 600 {path}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found = {name: base64.b64decode(value, validate=True) for name, value in content["keys"].items()}
        return Keyring(content["current"], found)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a key file: {error}", hint="restore it from a backup") from None


def make_keys(path: Path) -> None:
    """Write a new key file that only its owner may read; an existing one is never touched."""
    if path.exists():
        return
    secret = base64.b64encode(chance.draw(32)).decode()
    text = (
        "# Secrets of this workspace. Keep a copy: without them old unsubscribe links and suppressions cannot be read.\n"
        "# To renew: add a key, name it in 'current', keep the old one.\n"
        f'current = "k1"\n\n[keys]\nk1 = "{secret}"\n'
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
