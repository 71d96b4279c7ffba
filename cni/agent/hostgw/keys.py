"""The keys that nodes recognise each other by."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cni.host.toml.reading import content_of, refused
from cni.protocol.errors import CniError

MOST = 2
_SHORTEST = 32
"""Characters; `openssl rand -hex 32` makes 64."""
_NUMBER = 4
"""Octets of the number that a message names its key by."""
SIGNATURE = 32
"""Octets."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, which is shown to nobody."""

    secret: bytes
    number: bytes

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """Return a secret with the number that names it, and tells nothing of it."""
        return cls(secret, hashlib.sha256(b"railcni key number" + secret).digest()[:_NUMBER])

    def sign(self, message: bytes) -> bytes:
        """Return what only who has the key can make of a message (HMAC-SHA256)."""
        return hmac.digest(self.secret, message, "sha256")

    def __repr__(self) -> str:
        return f"Key({self.number.hex()})"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that are valid; the first one signs."""

    keys: Sequence[Key]

    @property
    def own(self) -> Key:
        """The one that signs."""
        return self.keys[0]

    def named(self, number: bytes) -> Key | None:
        """Return the key that a message names."""
        return next((key for key in self.keys if key.number == number), None)


def load(path: Path) -> Keys:
    """Read a file of one key per line, the one that signs first; empty lines do not count.

    Two are valid at a time, so that a new one can reach every node before it signs: add it as the
    second line everywhere, then change the order everywhere, then take the old one away.

    Raises:
        CniError: code 7, which never repeats a key.
    """
    content = content_of(path)
    cure = f"(umask 077; openssl rand -hex 32 >{path}), then the same file on every node"
    if content is None:
        raise refused(path, "is missing: nodes recognise each other by the key in it", cure)
    if problem := _exposure(path):
        raise problem
    secrets = [line.strip() for line in content.splitlines() if line.strip()]
    if not 1 <= len(secrets) <= MOST:
        raise refused(path, f"has {len(secrets)} keys, expected one or two, one in a line", cure)
    for number, secret in enumerate(secrets, start=1):
        if len(secret) < _SHORTEST:
            raise refused(
                path, f"has {len(secret)} characters as key {number}, expected {_SHORTEST} or more",
                cure,
            )  # fmt: skip
    return Keys(tuple(map(Key.of, secrets)))


def _exposure(path: Path) -> CniError | None:
    """Return the error of a file that others can read."""
    if path.stat().st_mode & 0o077:
        return refused(path, "can be read by others than root", f"chmod 600 {path}")
    return None
