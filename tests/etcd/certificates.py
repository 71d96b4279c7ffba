"""An authority and its certificates, by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Who signs certificates.

    Args:
        folder: for its files; made here.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._own = self._make("authority")

    @property
    def certificate(self) -> Path:
        """What its signatures are checked with."""
        return self._own.certificate

    def server(self, *, names: str = _NAMES) -> Pair:
        """Return a certificate for servers.

        Args:
            names: the extension that says whom it is for.
        """
        return self._sign("server", names, "extendedKeyUsage=serverAuth")

    def client(self, name: str = "client") -> Pair:
        """Return a certificate for a client."""
        return self._sign(name, "extendedKeyUsage=clientAuth")

    def _sign(self, name: str, *extensions: str) -> Pair:
        own = ["-CA", str(self._own.certificate), "-CAkey", str(self._own.key)]
        added = [word for one in extensions for word in ("-addext", one)]
        constraints = ["-addext", "basicConstraints=critical,CA:FALSE"]
        return self._make(name, *own, *constraints, *added)

    def _make(self, name: str, *words: str) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", pair.key, "-out", pair.certificate, *words,
            ],
            capture_output=True, check=True,
        )  # fmt: skip
        return pair
