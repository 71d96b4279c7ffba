"""Multus, as its installer leaves it on a node."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from install.platforms.detection import detect
from install.platforms.multus import Multus, find
from tests.unit.platforms.given import K3S, K3S_NEW, KUBEADM, Node, make

CONF, BIN = PurePosixPath("/etc/cni/net.d"), PurePosixPath("/opt/cni/bin")
NETWORK = '{"cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus"}'
LIST = '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "multus-shim"}]}'
FLANNEL = '{"cniVersion": "1.0.0", "name": "cbr0", "plugins": [{"type": "flannel"}]}'


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({}, None),
        ({f"{CONF}/10-flannel.conflist": FLANNEL, f"{CONF}/00-multus.conf.bak": NETWORK}, None),
        ({f"{CONF}/00-garbage.conf": "{", f"{CONF}/01-list.conf": "[]"}, None),
        (
            {f"{CONF}/00-multus.conf": NETWORK, f"{CONF}/10-flannel.conflist": FLANNEL,
             f"{BIN}/multus": ""},
            Multus(CONF / "00-multus.conf", comes_first=True, type="multus", binary=BIN / "multus"),
        ),
        (
            {f"{CONF}/70-multus.conflist": LIST, f"{CONF}/10-flannel.conflist": FLANNEL},
            Multus(CONF / "70-multus.conflist", comes_first=False, type="multus-shim", binary=None),
        ),
        (
            {f"{BIN}/multus-shim": ""},
            Multus(None, comes_first=False, type="multus-shim", binary=BIN / "multus-shim"),
        ),
    ],
    ids=["none", "another's", "garbage", "whole", "behind, without its program", "program alone"],
)  # fmt: skip
def test_what_there_is(tmp_path: Path, node: Node, expected: Multus | None) -> None:
    root = make(tmp_path, KUBEADM, node)
    assert find(root, detect(root)) == expected


def test_it_is_looked_for_where_the_runtime_looks(tmp_path: Path) -> None:
    folder = f"{K3S}/agent/etc/cni/net.d"
    root = make(tmp_path, K3S_NEW, {f"{folder}/00-multus.conf": NETWORK})
    found = find(root, detect(root))
    assert found is not None
    assert str(found.config) == f"{folder}/00-multus.conf"
