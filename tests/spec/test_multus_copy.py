"""rail-hostgw in the copy that Multus makes of the pods' network: pods start at every stage."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.spec import api_server, cri
from tests.spec.api_server import Cluster, Endpoint
from tests.spec.host import CNI_BIN, Host
from tests.spec.multus import daemon_set
from tests.spec.neighbour import PORTMAP, bridge
from tests.spec.node import Node, wait_until
from tests.spec.on_host import NAMESPACE, define, install, pod

pytestmark = [pytest.mark.netns, pytest.mark.containerd, pytest.mark.multus]


def test_rail_install_waits_for_multus_to_start_again(
    node: Node, multus_programs: Path, tmp_path: Path
) -> None:
    cluster = Cluster()
    cluster.apply(json.dumps({
        "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "web"}]},
        "metadata": {"name": "web", "namespace": NAMESPACE, "annotations": {}},
    }))  # fmt: skip

    @contextmanager
    def multus(endpoint: Endpoint, *, is_chained: bool) -> Iterator[None]:
        with daemon_set.running(host, multus_programs, endpoint, tmp_path):
            wait_until(lambda: _is_read(containerd, is_chained=is_chained), "Multus' network")
            yield

    with (
        Host(node, tmp_path / "host", []) as host,
        cri.Runtime(host.socket) as containerd,
        api_server.serving(cluster, node, tmp_path / "pki") as endpoint,
    ):
        define(host, bridge(Path("/var/lib/cni/held")), PORTMAP)
        before = host.files(CNI_BIN)
        (tmp_path / "config").mkdir()
        install(host, tmp_path / "config", None, "--chain-hostgw")
        with multus(endpoint, is_chained=True):
            _try(host, containerd)
            leaving = host.command(CNI_BIN / "rail-install", "uninstall")
            done = subprocess.run(leaving, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert "Restart Multus" in done.stderr
            _try(host, containerd)
        with multus(endpoint, is_chained=False):
            host.run(CNI_BIN / "rail-install", "uninstall")
            _try(host, containerd)
        assert host.files(CNI_BIN) - before == {"multus"}


def _is_read(containerd: cri.Runtime, *, is_chained: bool) -> bool:
    network = containerd.network()
    return '"multus"' in network and ("rail-hostgw" in network) is is_chained


def _try(host: Host, containerd: cri.Runtime) -> None:
    """Let a pod start and stop."""
    with pod(host, containerd, "web") as inside:
        assert inside.addresses("eth0")
