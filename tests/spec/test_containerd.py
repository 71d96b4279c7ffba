"""rail-hostgw in containerd's network, behind Debian's bridge and portmap."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.spec.agent import running
from tests.spec.containerd import BUSYBOX, Containerd
from tests.spec.neighbour import (
    DIRECT,
    HOSTGW,
    PORTMAP,
    bridge,
    direct,
    let_prove,
    main,
    next_door,
    without_what_differs,
)
from tests.spec.node import Namespace, Node
from tests.spec.runtime import Runtime

pytestmark = [pytest.mark.netns, pytest.mark.containerd]

PORT = 8080


@pytest.fixture(autouse=True)
def _needed() -> None:
    """In CI no test is skipped for want of a program."""
    if shutil.which("containerd") and shutil.which("ctr") and BUSYBOX.exists():
        return
    missing = "no containerd, or no busybox-static: make test-packages"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def peer(node: Node) -> Iterator[Namespace]:
    with next_door(node) as other:
        yield other


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize("has_agent", [False, True], ids=["alone", "with agent"])
def test_its_pods_get_the_same_result(
    node: Node, plain_runtime: Runtime, tmp_path: Path, *, has_agent: bool
) -> None:
    primary = bridge(tmp_path / "held"), PORTMAP
    flannels = main(node)
    without = _result(plain_runtime, tmp_path / "before", *primary)
    ours = {"type": "rail-hostgw"} if has_agent else HOSTGW
    let_prove(plain_runtime, tmp_path / "with/net.d")
    with running(plain_runtime, tmp_path) if has_agent else nullcontext() as agent:
        result = _result(plain_runtime, tmp_path / "with", *primary, ours)
        if agent:
            added, *deleted = (line["command"] for line in agent.served())
            assert (added, set(deleted)) == ("ADD", {"DEL"})  # it is deleted twice
        assert direct(node) == ({} if has_agent else DIRECT)
    assert without_what_differs(result) == without_what_differs(without)
    assert main(node) == flannels


def _result(runtime: Runtime, folder: Path, *plugins: dict[str, Any]) -> dict[str, Any]:
    """Return what the plugins have made of a pod, which has come and gone."""
    with Containerd(runtime, folder, *plugins) as containerd, containerd.pod("web", PORT) as made:
        return made
