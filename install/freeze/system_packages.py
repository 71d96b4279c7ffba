"""Which packages of the distribution shared libraries are from: Debian's, or a relative's."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from install.freeze.component import DOCUMENTATION, IN_ITS_TEXT, Component, package_url

_UNKNOWN = "unknown"
_FORMAT = "${Package} ${Version} ${Architecture}\n"


def owners(files: Iterable[Path]) -> dict[Path, Component]:
    """Return whose each file is; without dpkg, each is by itself and little is known of it."""
    names = {file: _names(file) for file in files}
    packages = _search({name for candidates in names.values() for name in candidates})
    components = _describe(set(packages.values()))
    return {
        file: next(
            (components[packages[name]] for name in candidates if name in packages), _orphan(file)
        )
        for file, candidates in names.items()
    }


def _names(file: Path) -> tuple[str, str]:
    """Return what dpkg may know a file as: it has /lib/… where /lib is a link to /usr/lib."""
    path = str(file.resolve())
    return path, path.removeprefix("/usr")


def _orphan(file: Path) -> Component:
    url = package_url("generic", file.name, _UNKNOWN)
    return Component(file.name, _UNKNOWN, _UNKNOWN, is_expression=False, texts=(), purl=url)


def _search(paths: Iterable[str]) -> dict[str, str]:
    """Return the packages of those files that dpkg knows."""
    if not shutil.which("dpkg-query"):
        return {}
    told = _dpkg("--search", *sorted(paths)).splitlines()
    lines = (line.partition(": ") for line in told if not line.startswith("diversion "))
    return {path: packages.partition(":")[0] for packages, _, path in lines}


def _describe(packages: Iterable[str]) -> Mapping[str, Component]:
    if not packages:
        return {}
    release = platform.freedesktop_os_release()
    described = {}
    for line in _dpkg("--show", f"--showformat={_FORMAT}", *sorted(packages)).splitlines():
        name, version, architecture = line.split()
        distribution = f"{release['ID']}-{release.get('VERSION_ID', _UNKNOWN)}"
        qualifiers = f"?arch={architecture}&distro={distribution}"
        described[name] = Component(
            name, version, IN_ITS_TEXT, is_expression=False,
            texts=(DOCUMENTATION / name / "copyright",),
            purl=package_url(f"deb/{release['ID']}", name, version, qualifiers),
        )  # fmt: skip
    return described


def _dpkg(*words: str) -> str:
    # What is not found makes it fail, and the rest is printed all the same.
    done = subprocess.run(["dpkg-query", *words], capture_output=True, text=True, check=False)
    return done.stdout
