"""What a bundle is made of: which package each file of it is from."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path, PurePosixPath

from install.bundle import EXECUTABLE
from install.freeze import system_packages
from install.freeze.component import DOCUMENTATION, IN_ITS_TEXT, OURS, Component, package_url

_FREEZER = "pyinstaller"
"""Its bootloader is the executable."""
_FILES = PurePosixPath("_internal")
"""Where PyInstaller puts everything but the executable."""
_GENERATED = "_sysconfigdata_"
"""Begins the name of a module of Python's that its own list lacks."""
_LICENCE_NAMES = ("LICEN", "COPYING", "NOTICE")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the bundle: its place in `_internal`, and what it was copied from."""

    place: PurePosixPath
    source: Path

    @property
    def is_library(self) -> bool:
        """Whether it is machine code."""
        return ".so" in self.place.name

    @property
    def module(self) -> str:
        """The top-level Python module that it is of, as `pydantic-2.1.dist-info` is of pydantic."""
        return self.place.parts[0].partition(".")[0].partition("-")[0]

    @property
    def listed_as(self) -> str:
        """A library by itself, everything else as what it is in at the top."""
        return str(_FILES / (self.place if self.is_library else self.place.parts[0]))


def collect(entries: Iterable[tuple[str, str]]) -> list[Component]:
    """Return the components of a bundle, sorted by name.

    Args:
        entries: place in `_internal` and source of each file.

    Raises:
        SystemExit: a file is from no package that is known.
    """
    files = [Entry(PurePosixPath(place), Path(source)) for place, source in entries]
    wheels = tuple(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    system = system_packages.owners(
        entry.source
        for entry in files
        if entry.is_library and not any(map(entry.source.is_relative_to, wheels))
    )
    places: dict[Component, set[str]] = defaultdict(set)
    places[_python_package(_FREEZER)].add(str(EXECUTABLE))
    for entry in files:
        known = system.get(entry.source)
        for component in (known,) if known else _providers(entry.module):
            places[component].add(entry.listed_as)
    return sorted(replace(one, places=tuple(sorted(where))) for one, where in places.items())


@cache
def _providers(module: str) -> tuple[Component, ...]:
    if module in sys.stdlib_module_names or module.startswith(_GENERATED):
        return (_python(),)
    names = packages_distributions().get(module)
    if not names:
        raise SystemExit(f"the bundle has {module}, which no installed package provides")
    return tuple(_python_package(name) for name in sorted(set(names)))


@cache
def _python_package(name: str) -> Component:
    package = distribution(name)
    metadata = package.metadata.json
    index = "generic" if name == OURS else "pypi"
    texts = (file for file in package.files or [] if file.name.upper().startswith(_LICENCE_NAMES))
    expression = metadata.get("license_expression")
    return Component(
        name=str(metadata["name"]),
        version=package.version,
        licence=str(expression or metadata.get("license") or IN_ITS_TEXT),
        is_expression=bool(expression),
        texts=tuple(Path(str(package.locate_file(file))) for file in texts),
        purl=package_url(index, re.sub(r"[-_.]+", "-", name).lower(), package.version),
    )


@cache
def _python() -> Component:
    version = sysconfig.get_python_version()
    places = (
        DOCUMENTATION / f"python{version}/copyright",
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
    )
    text = next(place for place in places if place.exists())
    url = package_url("generic", "python", version)
    return Component("python", version, "PSF-2.0", is_expression=True, texts=(text,), purl=url)
