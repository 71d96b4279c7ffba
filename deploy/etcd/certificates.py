"""The certificates of the etcd in deploy/etcd, by the openssl program (3.0 or later).

    python3 deploy/etcd/certificates.py deploy/secrets/etcd

Two authorities: whoever has a certificate of `ca` is a client, and only `peer-ca` makes members.
Run again it keeps the authorities and makes everything else anew, so that nobody has to be asked
for trust a second time.  It needs nothing but Python's standard library.

Source: etcd, "Transport security model"; openssl-req(1).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ADDRESSES = ("10.96.0.240", "10.96.0.241", "10.96.0.242", "10.43.0.240")
"""Of the Services etcd-0 to etcd-2, and of K3s's etcd-0: how nodes call the members."""
NAMES = tuple(f"etcd-{number}.etcd.railcni.svc" for number in range(3))
"""How members call each other."""
_AUTHORITY_DAYS = 3650
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{2,45}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class CertificateError(Exception):
    """A certificate cannot be made, in words for the person who must act."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One certificate.

    Args:
        name: of its file, and its subject.
        authority: who signs it.
        uses: extended key usages.
        subjects: whom it is for, as `subjectAltName` has it; empty for a client.
    """

    name: str
    authority: str
    uses: str
    subjects: tuple[str, ...] = ()


def wishes(addresses: Sequence[str], names: Sequence[str]) -> tuple[Wish, ...]:
    """Return the certificates of members and of nodes."""
    loopback = ("DNS:localhost", "IP:127.0.0.1")
    called = tuple(f"DNS:{name}" for name in names)
    reached = tuple(f"IP:{address}" for address in addresses)
    return (
        Wish("server", "ca", "serverAuth", (*loopback, *called, *reached)),
        Wish("node", "ca", "clientAuth"),
        # Both ends of a connection between members show the same one.
        Wish("peer", "peer-ca", "serverAuth,clientAuth", (*loopback, *called)),
    )


def make(folder: Path, days: int, wanted: Sequence[Wish]) -> list[Path]:
    """Make certificates, and the authorities that are missing; return the files written.

    Raises:
        CertificateError: openssl is missing or refuses, or an authority has lost its key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authorities = dict.fromkeys(wish.authority for wish in wanted)
    written = []
    for authority in [each for each in authorities if not _is_there(folder, each)]:
        written += _request(folder, authority, _AUTHORITY_DAYS, _authority_words())
    for wish in wanted:
        written += _request(folder, wish.name, days, _words(folder, wish))
    return written


def _is_there(folder: Path, authority: str) -> bool:
    certificate, key = _files(folder, authority)
    if certificate.exists() != key.exists():
        lost, left = (key, certificate) if certificate.exists() else (certificate, key)
        raise CertificateError(
            f"{left} is there and {lost} is not: bring it back, or remove both and give every "
            "node and member new certificates"
        )
    return certificate.exists()


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.pem", folder / f"{name}-key.pem"


def _authority_words() -> list[str]:
    return ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign"]  # fmt: skip


def _words(folder: Path, wish: Wish) -> list[str]:
    certificate, key = _files(folder, wish.authority)
    words = ["-CA", str(certificate), "-CAkey", str(key)]
    extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
    extensions.append(f"extendedKeyUsage={wish.uses}")
    if wish.subjects:
        extensions.append(f"subjectAltName={','.join(wish.subjects)}")
    return [*words, *(word for one in extensions for word in ("-addext", one))]


def _request(folder: Path, name: str, days: int, words: Sequence[str]) -> list[Path]:
    """Make a key and its certificate under other names first: a killed run leaves no half pair."""
    files = _files(folder, name)
    drafts = [file.with_name(f".{file.name}.draft") for file in files]
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-noenc", "-days", str(days), "-subj", f"/O=railcni/CN={name}",
        "-out", str(drafts[0]), "-keyout", str(drafts[1]), *words,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o077)  # noqa: S603 - checked words, and openssl is the operator's
    except FileNotFoundError:
        raise CertificateError("there is no openssl on PATH: install it (3.0 or later)") from None
    if done.returncode:
        raise CertificateError(
            f"openssl cannot make {files[0]}, expected version 3.0 or later: {done.stderr.strip()}"
        )
    # The key first: a certificate that is there has its key.
    for draft, file in reversed(list(zip(drafts, files, strict=True))):
        draft.chmod(0o600)
        draft.rename(file)
    return list(files)


def _checked(pattern: re.Pattern[str], expected: str) -> type[str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise argparse.ArgumentTypeError(f"{text!r}, expected {expected}")
        return text

    return read  # type: ignore[return-value]  # argparse takes any function of a text


def main(arguments: Sequence[str]) -> int:
    """Make them, and say which files were written."""
    parser = argparse.ArgumentParser(description="Make the certificates of etcd and its clients.")
    parser.add_argument("folder", type=Path, help="where they go")
    parser.add_argument("--address", action="append", help="of a member, for nodes",
                        type=_checked(_ADDRESS, "an address"))  # fmt: skip
    parser.add_argument("--name", action="append", help="of a member, for members",
                        type=_checked(_NAME, "a host's name"))  # fmt: skip
    parser.add_argument("--days", type=int, default=825, help="that they are valid")
    options = parser.parse_args(arguments)
    wanted = wishes(options.address or ADDRESSES, options.name or NAMES)
    try:
        written = make(options.folder, options.days, wanted)
    except (CertificateError, OSError) as error:
        sys.stderr.write(f"certificates: {error}\n")
        return 1
    sys.stdout.writelines(f"{file}\n" for file in written)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
