"""The TLS files: read together, and read again when they have changed.

Whoever renews certificates replaces the files one after the other.  So a pair that does not match
is passed over, as long as there is one in use: the next change brings its other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ipam.etcd.errors import DeniedError
from ipam.etcd.settings import Settings

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Of each file its inode, size and time of change; None where there is none."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The files' content, in PEM."""

    ca: bytes
    key: bytes | None
    certificate: bytes | None


def stamp(settings: Settings) -> Stamp:
    """Return what changes when one of the files is replaced or written to."""
    return tuple(_stamp(file) for file in (settings.ca, settings.key, settings.certificate))


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    if file is None:
        return None
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def read(settings: Settings) -> Identity | None:
    """Read the files; None when no endpoint is https.

    Raises:
        DeniedError: a file cannot be read, or is not what it should be.
    """
    if settings.ca is None or not any(each.secure for each in settings.parsed):
        return None
    import ssl

    ca = _content("ca", settings.ca)
    try:
        ssl.create_default_context(cadata=ca.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise DeniedError(f"ca {settings.ca} holds no certificate in PEM: {error}") from error
    if settings.certificate is None or settings.key is None:
        return Identity(ca, None, None)
    _check_pair(settings.certificate, settings.key)
    return Identity(
        ca, _content("key", settings.key), _content("certificate", settings.certificate)
    )


def _check_pair(certificate: Path, key: Path) -> None:
    import ssl

    try:
        # A password would be asked for at the terminal: there is none.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=b"")
    except (OSError, ValueError) as error:
        raise DeniedError(
            f"certificate {certificate} and key {key} cannot be used together: {error}"
        ) from error


def _content(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DeniedError(f"{name} {file} cannot be read: {error.strerror}") from error
