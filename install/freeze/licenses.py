"""The licences of everything in the bundle, gathered into one folder with an index."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, packages_distributions
from pathlib import Path

FREEZER = "pyinstaller"
"""Its bootloader is the executable."""
_LICENCE_NAMES = ("LICEN", "COPYING", "NOTICE")
_DOCUMENTATION = Path("/usr/share/doc")


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """Something in the bundle that has a licence of its own."""

    name: str
    version: str
    licence: str
    """What its package states: an SPDX expression or a name."""
    texts: tuple[Path, ...]


def collect(folder: Path, *, modules: Iterable[str], libraries: Iterable[Path]) -> None:
    """Write the licences of what is bundled, and `INDEX.md`.

    Args:
        folder: where to; made anew.
        modules: names of the top-level Python modules in the bundle.
        libraries: the shared libraries in the bundle, where they were copied from.
    """
    components = sorted({*_python_packages(modules), *_system_packages(libraries), _python()})
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rows = ["| component | version | licence | text |", "|---|---|---|---|"]
    for component in components:
        names = [f"{component.name}-{text.name}" for text in component.texts]
        for text, name in zip(component.texts, names, strict=True):
            shutil.copyfile(text, folder / name)
        links = ", ".join(f"[{name}]({name})" for name in names) or "none in its package"
        rows.append(f"| {component.name} | {component.version} | {component.licence} | {links} |")
    (folder / "INDEX.md").write_text("\n".join(["# Licences", "", *rows, ""]), encoding="utf-8")


def _python_packages(modules: Iterable[str]) -> Iterable[Component]:
    providers = packages_distributions()
    names = {name for module in modules for name in providers.get(module, [])}
    return (_python_package(distribution(name)) for name in names | {FREEZER})


def _python_package(package: Distribution) -> Component:
    metadata = package.metadata.json
    texts = (file for file in package.files or [] if file.name.upper().startswith(_LICENCE_NAMES))
    return Component(
        name=str(metadata["name"]),
        version=package.version,
        licence=str(metadata.get("license_expression") or metadata.get("license") or "in its text"),
        texts=tuple(Path(str(package.locate_file(file))) for file in texts),
    )


def _system_packages(libraries: Iterable[Path]) -> Iterable[Component]:
    """Return the Debian packages of shared libraries; elsewhere, nothing is known of them."""
    if not shutil.which("dpkg-query"):
        return
    # By base name: dpkg may know a file as /lib/… that is found as /usr/lib/….
    patterns = [f"*/{library.resolve().name}" for library in libraries]
    search = subprocess.run(
        ["dpkg-query", "--search", *patterns], capture_output=True, text=True, check=False
    )
    packages = {line.partition(":")[0] for line in search.stdout.splitlines()}
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *sorted(packages)],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in shown.stdout.splitlines():
        name, version = line.split()
        yield Component(name, version, "in its text", (_DOCUMENTATION / name / "copyright",))


def _python() -> Component:
    version = sysconfig.get_python_version()
    places = (
        _DOCUMENTATION / f"python{version}/copyright",
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
    )
    text = next(place for place in places if place.exists())
    return Component("python", version, "PSF-2.0", (text,))
