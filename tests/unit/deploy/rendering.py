"""The folders of deploy/ as Kustomize renders them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Document: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OVERLAYS = (
    "gpu-rails", "infiniband", "k3s-wifi", "k3s-wsl2", "k3s-wsl2/flannel", "air-gapped",
)  # fmt: skip


def program(name: str) -> str:
    """Return a program's path; skip the test where there is none, but fail it in CI."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".cache/bin")
    if found is None:
        missing = f"no {name} on PATH: make manifests"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@cache
def rendered(folder: str) -> tuple[Document, ...]:
    """Return what a folder of deploy/ is applied as."""
    return rendered_at(DEPLOY / folder)


def rendered_at(folder: Path) -> tuple[Document, ...]:
    """Return what a folder is applied as (its message fails the test where it cannot be)."""
    done = subprocess.run(
        [program("kustomize"), "build", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"{folder}: {done.stderr}")
    return tuple(yaml.safe_load_all(done.stdout))


def one(documents: tuple[Document, ...], kind: str, name: str) -> Document:
    """Return the document of a kind and name."""
    found = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


def pod_of(document: Document) -> Document | None:
    """Return the spec of the pods that a document makes, None where it makes none."""
    if document["kind"] == "Pod":
        return dict(document["spec"])
    template = document.get("spec", {}).get("template")
    return dict(template["spec"]) if template else None


def pods(documents: tuple[Document, ...]) -> Iterator[tuple[str, Document]]:
    """Yield each pod's maker and spec."""
    for document in documents:
        if pod := pod_of(document):
            yield f"{document['kind']} {document['metadata']['name']}", pod


def containers(pod: Mapping[str, Any]) -> list[Document]:
    """Return a pod's containers, those that come first among them."""
    return [*pod.get("initContainers", []), *pod["containers"]]
