"""Our manifests and the one list of images agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cni import __version__
from install.preload.listed import read
from install.preload.manifests import Source, check
from install.preload.reference import parse
from tests.unit.deploy.rendering import DEPLOY, containers, pods, rendered
from tests.unit.deploy.test_manifests import APPLIED

LIST = DEPLOY / "images.txt"
LISTED = read(LIST.read_text(), str(LIST))


@pytest.mark.parametrize("folder", APPLIED)
def test_nothing_that_is_applied_defeats_preloading(folder: str) -> None:
    documents = json.dumps({"kind": "List", "items": rendered(folder)}, indent=1)
    assert check([Source(folder, documents)], LISTED) == []


def test_what_is_written_is_as_good_before_it_is_rendered() -> None:
    files = sorted(DEPLOY.rglob("*.yaml"))
    assert check([Source(str(file), file.read_text()) for file in files], LISTED) == []


def test_the_list_has_what_is_used_and_nothing_else() -> None:
    used = {
        parse(container["image"]).tagged
        for folder in APPLIED
        for _, pod in pods(rendered(folder))
        for container in containers(pod)
    }
    assert {one.tagged for one in LISTED.images} == used


def test_our_own_image_is_listed_in_this_version() -> None:
    assert f"ghcr.io/railcni/railcni:{__version__}" in {one.tagged for one in LISTED.images}


def test_the_list_is_named_where_it_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs/air-gapped.md").read_text()
    assert "deploy/images.txt" in page
