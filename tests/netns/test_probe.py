"""The agent's own pod, attached by Debian's plugins on the running kernel."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from netns import NetNS

from cni.agent.hostgw.probe import Probe
from cni.delegate.chain import read_chain
from cni.kernel.linux import LinuxKernel
from tests.netns.test_chain import PORTMAP, Primary

pytestmark = pytest.mark.netns


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Primary]:
    """A node with a primary network."""
    made = Primary(tmp_path)
    try:
        made.chain("1.0.0", PORTMAP)
        yield made
    finally:
        made.delete()


@pytest.fixture
def probe(primary: Primary) -> Iterator[Probe]:
    """The agent's pod there, not attached yet; this thread is on the node."""
    chain = partial(read_chain, primary.folder / "net.d")
    with NetNS(nspath=primary.node.path):
        made = Probe(LinuxKernel(), chain, primary.target.path, primary.target.environ)
        yield made
        made.detach()


def address(probe: Probe) -> str:
    assert probe.attached
    return str(probe.attached.addresses[4])


def test_it_stays_what_it_is(primary: Primary, probe: Probe) -> None:
    probe.ensure()
    first = probe.attached
    assert primary.held == [address(probe)]
    primary.node.run("ping", "-c1", "-W5", address(probe))
    probe.ensure()
    assert probe.attached is first
    probe.detach()
    assert primary.held == []


def test_what_a_killed_agent_has_left_is_given_back(primary: Primary, probe: Probe) -> None:
    probe.ensure()
    chain = partial(read_chain, primary.folder / "net.d")
    another = Probe(LinuxKernel(), chain, primary.target.path, primary.target.environ)
    another.ensure()
    assert primary.held == [address(another)]
    another.detach()


def test_an_address_that_was_given_away_is_left(primary: Primary, probe: Probe) -> None:
    probe.ensure()
    before = address(probe)
    primary.node.ip("link", "add", "other", "type", "veth", "peer", "name", "eth0", "netns",
                    Path(primary.ours.path).name)  # fmt: skip
    primary.node.ip("link", "set", "other", "master", "cni0", "up")
    primary.ours.ip("link", "set", "eth0", "up")
    primary.ours.ip("address", "add", f"{before}/24", "dev", "eth0")
    probe.ensure()
    assert address(probe) != before
    assert primary.held == [address(probe)]


def test_what_has_lost_its_device_is_attached_anew(primary: Primary, probe: Probe) -> None:
    probe.ensure()
    assert probe.attached
    link = probe.attached.namespace.find("eth0")
    assert link
    primary.node.ip("link", "delete", "cni0")
    other = next(name for name in primary.node.links() if name.startswith("veth"))
    primary.node.ip("link", "delete", other)
    probe.ensure()
    primary.node.run("ping", "-c1", "-W5", address(probe))
