"""rail-hostgw in containerd's network, behind Debian's bridge and portmap, by rail-install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.spec import cri
from tests.spec.agent import running
from tests.spec.host import CNI_BIN, CNI_CONF, Host
from tests.spec.neighbour import (
    DIRECT,
    HOSTGW,
    KEY,
    PORTMAP,
    bridge,
    direct,
    main,
    next_door,
    proving,
    without_what_differs,
)
from tests.spec.node import Namespace, Node, wait_until
from tests.spec.on_host import HostRuntime, define, install, pod

pytestmark = [pytest.mark.netns, pytest.mark.containerd]

PORT = 8080
SECRETS = Path("/etc/railcni/tls")


@pytest.fixture
def peer(node: Node) -> Iterator[Namespace]:
    with next_door(node) as other:
        yield other


@pytest.fixture
def host(node: Node, tmp_path: Path) -> Iterator[Host]:
    with Host(node, tmp_path / "host", []) as made:
        yield made


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    """What an operator gives to rail-install: configuration and secrets."""
    configuration, secrets = tmp_path / "config", tmp_path / "secrets"
    configuration.mkdir()
    secrets.mkdir()
    (configuration / "agent.toml").write_text(proving(CNI_CONF, SECRETS / "hostgw.key"))
    (secrets / "hostgw.key").write_text(KEY)
    return configuration, secrets


@pytest.mark.usefixtures("containerd", "bundle", "peer")
@pytest.mark.parametrize("has_agent", [False, True], ids=["alone", "with agent"])
def test_its_pods_get_the_same_result(
    node: Node, host: Host, given: tuple[Path, Path], tmp_path: Path, *, has_agent: bool
) -> None:
    primary = bridge(Path("/var/lib/cni/held")), PORTMAP
    flannels = main(node)
    define(host, *primary)
    before = [host.files(folder) for folder in (CNI_BIN, CNI_CONF, "/etc/railcni")]
    with cri.Runtime(host.socket) as containerd:
        without = _result(host, containerd, is_chained=False)
        install(host, *given, *(["--chain-hostgw"] if has_agent else []))
        if not has_agent:
            define(host, *primary, HOSTGW)
        with running(HostRuntime.on(host, node), tmp_path) if has_agent else nullcontext() as agent:
            result = _result(host, containerd, is_chained=True)
            if agent:
                added, *deleted = (line["command"] for line in agent.served())
                assert (added, set(deleted)) == ("ADD", {"DEL"})  # it is deleted twice
            assert direct(node) == ({} if has_agent else DIRECT)
        assert without_what_differs(result) == without_what_differs(without)
        assert main(node) == flannels
        host.run(CNI_BIN / "rail-install", "uninstall")
        define(host, *primary)
        assert _result(host, containerd, is_chained=False)["ips"]
    assert [host.files(folder) for folder in (CNI_BIN, CNI_CONF, "/etc/railcni")] == before


def _result(host: Host, containerd: cri.Runtime, *, is_chained: bool) -> dict[str, Any]:
    """Return what the plugins have made of a pod, which has come and gone."""
    wait_until(lambda: ("rail-hostgw" in containerd.network()) is is_chained, "the network is read")
    with pod(host, containerd, "web", {PORT: 80}) as inside:
        return inside.result
