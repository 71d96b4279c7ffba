"""What a bundle takes from the system that it is frozen on: its loader and its C library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from install.bundle import LIBRARIES, elf

_OPENED = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
"""What the C library opens by name, or what a host's parts of it would need: names of hosts and
users (nsswitch.conf(5)).  Since glibc 2.34 the first two are in the C library itself."""
_C_LIBRARY = "libc.so.6"


def libraries(
    executable: Path, linked: Iterable[tuple[str, str]], bundled: Iterable[str]
) -> list[tuple[str, str]]:
    """Return what to copy, as (path in `_internal`, where it is).

    Args:
        executable: it names the loader.
        linked: (name, path) of all that the bundle's files are linked with.
        bundled: the names that are in the bundle already.
    """
    present = set(bundled)
    found = {name: Path(path) for name, path in linked if name not in present}
    if _C_LIBRARY not in found:
        raise SystemExit(f"the programs are not linked with {_C_LIBRARY}: freeze them with glibc")
    beside = found[_C_LIBRARY].resolve().parent
    found |= {name: beside / name for name in _OPENED if (beside / name).exists()}
    loader = Path(elf.interpreter(executable))
    found[loader.name] = loader
    folder = LIBRARIES.name
    return [(f"{folder}/{name}", str(path.resolve())) for name, path in sorted(found.items())]
