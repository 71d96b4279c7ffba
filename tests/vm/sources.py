"""Where this machine gets Debian packages from, as its own apt has it configured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SUITES = re.compile(r"(bullseye|bookworm|trixie|forky|oldstable|stable|testing|sid)(-backports)?")
_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)"
)
_SCHEMES = ("http:", "https:", "file:", "copy:", "ftp:", "mirror", "tor+")
"""How a mirror's address begins; what else there is, a CD-ROM for instance, asks for somebody."""


@dataclass(frozen=True, slots=True)
class Source:
    """A mirror of Debian, and what its signatures are checked with.

    Args:
        uri: where it is.
        signed_by: as in sources.list(5), a keyring's path or a key; None leaves it to apt.
    """

    uri: str
    signed_by: str | None = None

    def stanza(self, *suites: str) -> str:
        """Return this source of some suites in the deb822 form of sources.list(5)."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {' '.join(suites)}"]
        lines += ["Components: main", "Architectures: amd64"]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        return "\n".join([*lines, ""])


def find(etc: Path = Path("/etc/apt")) -> list[Source]:
    """Return the mirrors of Debian that the machine has configured, each once."""
    return list(dict.fromkeys(_listed(etc)))


def _listed(etc: Path) -> Iterator[Source]:
    for file in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))):
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from deb822(text) if file.suffix == ".sources" else one_line(text)


def deb822(text: str) -> Iterator[Source]:
    """Read a `.sources` file; yield its mirrors of Debian."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza.splitlines())
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if enabled and "deb" in fields.get("types", "").split():
            yield from _mirrors(
                fields.get("uris", "").split(),
                fields.get("suites", "").split(),
                fields.get("components", "").split(),
                fields.get("signed-by"),
            )


def one_line(text: str) -> Iterator[Source]:
    """Read a `.list` file; yield its mirrors of Debian."""
    for line in text.splitlines():
        if entry := _ONE_LINE.fullmatch(line.partition("#")[0].strip()):
            options = (option.partition("=") for option in (entry["options"] or "").split())
            signed_by = {name: value for name, _, value in options}.get("signed-by")
            yield from _mirrors(
                [entry["uri"]], [entry["suite"]], entry["components"].split(), signed_by
            )


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Return the fields of a stanza; a value keeps its further lines, as a key in it needs them."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            fields[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _mirrors(
    uris: list[str], suites: list[str], components: list[str], signed_by: str | None
) -> Iterator[Source]:
    """Yield what has Debian's own suites: security updates and other people's packages have not."""
    if "main" in components and any(_SUITES.fullmatch(suite) for suite in suites):
        for uri in uris:
            if uri.startswith(_SCHEMES):
                yield Source(uri, signed_by)
