"""A namespace of our own on the primary network: Debian's plugins on the running kernel."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from netns import NetNS

from cni.delegate.chain import Chain, read_chain
from cni.delegate.program import Target
from cni.protocol.errors import CniError
from tests.spec.node import PATIENCE, Namespace
from tests.spec.runtime import DEBIANS

pytestmark = pytest.mark.netns

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


class Primary:
    """A node with Debian's bridge as its primary network, and a namespace for us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node, self.ours = Namespace("node"), Namespace("ours")
        self.node.ip("link", "set", "lo", "up")
        environ = {"PATH": os.environ["PATH"]}
        self.target = Target("agent", "eth0", self.ours.path, (str(DEBIANS),), environ)

    def delete(self) -> None:
        self.ours.delete()
        self.node.delete()

    def chain(self, version: str, *plugins: dict[str, Any]) -> Chain:
        """Write the network, with a plugin of ours dropped in, and read it."""
        ranges = [[{"subnet": "10.42.0.0/24"}]]
        ipam = {"type": "host-local", "ranges": ranges, "dataDir": str(self.folder / "ipam")}
        bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipam": ipam}
        document = {"cniVersion": version, "name": "cbr0", "plugins": [bridge, *plugins]}
        (self.folder / "net.d/cbr0").mkdir(parents=True)
        (self.folder / "net.d/10-x.conflist").write_text(json.dumps(document))
        (self.folder / "net.d/cbr0/90-rail-hostgw.conf").write_text('{"type": "rail-hostgw"}')
        return read_chain(self.folder / "net.d")

    @property
    def held(self) -> list[str]:
        """The addresses that host-local has given."""
        return sorted(each.name for each in (self.folder / "ipam/cbr0").glob("10.*"))

    def is_clean(self) -> bool:
        """Tell whether nothing is left of an attachment; the bridge stays for the next."""
        links = self.node.links()
        return not self.held and self.ours.links() == ["lo"] and set(links) <= {"lo", "cni0"}


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Primary]:
    made = Primary(tmp_path)
    try:
        yield made
    finally:
        made.delete()


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_it_gets_an_address_that_answers(primary: Primary, version: str) -> None:
    chain = primary.chain(version, PORTMAP)
    with NetNS(nspath=primary.node.path):
        result = chain.add(primary.target)
        assert result["cniVersion"] == version
        assert [ip["address"] for ip in result["ips"]] == ["10.42.0.2/24"]
        assert primary.ours.addresses("eth0") == ["10.42.0.2/24"]
        primary.node.run("ping", "-c1", "-W5", "10.42.0.2")
        chain.check(primary.target, result)
        chain.delete(primary.target, result)
        assert primary.is_clean()
        chain.delete(primary.target)  # and once more, without the memory of it
    assert primary.is_clean()


def test_check_sees_what_is_gone(primary: Primary) -> None:
    chain = primary.chain("1.0.0", PORTMAP)
    with NetNS(nspath=primary.node.path):
        result = chain.add(primary.target)
        primary.ours.ip("address", "flush", "dev", "eth0")
        with pytest.raises(CniError, match="bridge CHECK"):
            chain.check(primary.target, result)
        chain.delete(primary.target, result)
    assert primary.is_clean()


def test_an_add_that_fails_at_the_end_leaves_nothing(primary: Primary, tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\ncat >/dev/null\n[ $CNI_COMMAND = DEL ]\n")
    failing.chmod(0o755)
    chain = primary.chain("1.0.0", PORTMAP, {"type": "failing"})
    target = replace(primary.target, path=(str(DEBIANS), str(tmp_path)))
    with NetNS(nspath=primary.node.path), pytest.raises(CniError, match="failing ADD") as caught:
        chain.add(target)
    assert not hasattr(caught.value, "__notes__")
    assert primary.is_clean()


def test_a_namespace_that_is_gone_is_detached(primary: Primary) -> None:
    chain = primary.chain("1.0.0", PORTMAP)
    with NetNS(nspath=primary.node.path):
        result = chain.add(primary.target)
        primary.ours.delete()
        chain.delete(primary.target, result)
    assert primary.held == []
    deadline = time.monotonic() + PATIENCE
    while primary.node.links() != ["cni0", "lo"]:  # the kernel takes it down with the namespace
        assert time.monotonic() < deadline
        time.sleep(0.05)
