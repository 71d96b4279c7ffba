"""The bill of materials, compared with what really is in the bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cni import __version__


@pytest.fixture(scope="module")
def home(bundle: Path) -> Path:
    """The bundle's folder."""
    return (bundle / "railctl").resolve().parent


@pytest.fixture(scope="module")
def components(home: Path) -> Mapping[str, Mapping[str, Any]]:
    bill = json.loads((home / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    listed = [bill["metadata"]["component"], *bill["components"]]
    assert {one["bom-ref"] for one in listed[1:]} == set(bill["dependencies"][0]["dependsOn"])
    return {one["name"]: one for one in listed}


def test_every_library_and_module_is_accounted_for(
    home: Path, components: Mapping[str, Mapping[str, Any]]
) -> None:
    libraries = {path for path in home.rglob("*") if path.is_file() and ".so" in path.name}
    modules = {
        path for path in (home / "_internal").iterdir()
        if path not in libraries and path.name not in {"libc", "python3.11"}
    }  # fmt: skip
    found = {str(path.relative_to(home)) for path in {*libraries, *modules, home / "railcni"}}
    told = [place for one in components.values() for place in _places(one)]
    assert set(told) == found
    assert len(told) == len(set(told)), "what has two owners"


def test_what_python_runs_is_known_by_its_version(
    components: Mapping[str, Mapping[str, Any]],
) -> None:
    assert components["railcni"]["version"] == __version__
    for name in ("pydantic", "grpcio", "pyroute2", "pyinstaller"):
        assert components[name]["version"] == version(name)
        assert components[name]["purl"] == f"pkg:pypi/{name}@{version(name)}"


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="not of Debian's family")
@pytest.mark.parametrize(
    ("name", "library"), [("libc6", "libc/libc.so.6"), ("libssl3", "libssl.so.3")]
)
def test_debians_libraries_are_known_by_their_packages(
    components: Mapping[str, Mapping[str, Any]], name: str, library: str
) -> None:
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Version} ${Architecture}", name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told, architecture = shown.stdout.split()
    assert components[name]["version"] == told
    assert components[name]["purl"].startswith("pkg:deb/")
    assert f"/{name}@{quote(told, safe='')}?arch={architecture}" in components[name]["purl"]
    assert f"_internal/{library}" in _places(components[name])


def test_each_has_a_licence_that_the_index_names_as_well(
    home: Path, components: Mapping[str, Mapping[str, Any]]
) -> None:
    index = (home / "licenses/INDEX.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in index.splitlines()[4:]]
    assert {row[0].removeprefix("| "): (row[1], row[2]) for row in rows} == {
        name: (one["version"], _licence(one)) for name, one in components.items()
    }


def _places(component: Mapping[str, Any]) -> list[str]:
    return [found["location"] for found in component["evidence"]["occurrences"]]


def _licence(component: Mapping[str, Any]) -> str:
    (only,) = component["licenses"]
    return str(only.get("expression") or only["license"]["name"])
