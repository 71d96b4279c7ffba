"""A pod with rails, as a cluster makes one: containerd, real Multus, NADs by `railctl nad render`.

What is not real: the API server and the kubelet, of which Multus asks only which networks and which
devices a pod has; and that the node's devices are VFs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.spec import agent, api_server, cri, pci, pod_resources
from tests.spec.api_server import NETWORKS, STATUS, Cluster
from tests.spec.host import CNI_BIN, Host
from tests.spec.multus import daemon_set
from tests.spec.neighbour import PORTMAP, bridge
from tests.spec.node import Node, wait_until
from tests.spec.on_host import NAMESPACE, HostRuntime, Inside, define, install, pod
from tests.spec.pod_resources import Allocated

pytestmark = [pytest.mark.netns, pytest.mark.containerd, pytest.mark.multus]

RAILS = ("roce-a", "roce-b", "sto-a", "sto-b")
RESOURCES = tuple(f"nvidia.com/{rail.replace('-', '_')}" for rail in RAILS)
IFNAMES = tuple(f"net{number}" for number in range(1, 5))
SUBNETS = ("10.60.0.0/16", "10.61.0.0/16", "10.70.0.0/16", "10.71.0.0/16")
NODE_FILE = """
[fabrics.backend]
registry = "local"
[fabrics.backend.rails.roce-a]
subnet = "10.60.0.0/16"
gateway = "10.60.0.1"
resource = "nvidia.com/roce_a"
[fabrics.backend.rails.roce-b]
subnet = "10.61.0.0/16"
gateway = "10.61.0.1"
resource = "nvidia.com/roce_b"
[fabrics.storage]
registry = "local"
[fabrics.storage.rails.sto-a]
subnet = "10.70.0.0/16"
resource = "nvidia.com/sto_a"
[fabrics.storage.rails.sto-b]
subnet = "10.71.0.0/16"
resource = "nvidia.com/sto_b"
"""
FOREIGN = f"""
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: foreign
  namespace: {NAMESPACE}
  annotations: {{k8s.v1.cni.cncf.io/resourceName: nvidia.com/sto_a}}
spec:
  config: |
    {{"cniVersion": "0.3.1", "name": "foreign", "type": "rail-sriov",
      "ipam": {{"type": "static", "addresses": [{{"address": "10.70.0.77/16"}}],
               "routes": [{{"dst": "0.0.0.0/0", "gw": "10.70.0.1"}}]}}}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A node of a cluster, ready for pods."""

    host: Host
    node: Node
    plugins: HostRuntime
    containerd: cri.Runtime
    cluster: Cluster
    allocated: Allocated
    netdevs: Sequence[str]
    """Of VFs, one on each rail and then another one."""
    vfs: Sequence[str]
    """Their addresses."""

    def want(self, number: int, networks: str = ",".join(RAILS)) -> str:
        """Create a pod that asks for networks, and has a device of each rail; return its name."""
        name = f"job-{number}"
        self.cluster.apply(json.dumps({
            "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "trainer"}]},
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": {NETWORKS: networks}},
        }))  # fmt: skip
        own = self.vfs[number * len(RAILS) :]
        devices = {resource: [vf] for resource, vf in zip(RESOURCES, own, strict=False)}
        self.allocated.pods[NAMESPACE, name] = devices
        return name

    def pod(self, name: str) -> AbstractContextManager[Inside]:
        """Let a pod run."""
        return pod(self.host, self.containerd, name)

    def annotations(self, name: str) -> dict[str, str]:
        """Return a pod's annotations, as they are now."""
        wanted: dict[str, Any] = self.cluster.objects["pods", NAMESPACE, name]
        annotations: dict[str, str] = wanted["metadata"]["annotations"]
        return annotations

    def railctl(self, *words: str | Path) -> str:
        """Return what railctl prints on the node."""
        return self.host.run(CNI_BIN / "railctl", *words)

    def state(self) -> dict[str, Any]:
        """Return what must be again as it was, when pods have come and gone."""
        return {
            "devices": [self.node.link(netdev) for netdev in self.netdevs],
            "links": [link for link in self.node.links() if link != "cni0"],
            "records": self.plugins.records(),
            "held": self.plugins.held(),
            "namespaces": self.host.files("/run/netns"),
            "device-info": self.host.files("/run/k8s.cni.cncf.io/devinfo/cni"),
            "multus": self.host.files("/var/lib/cni/multus/results"),
        }


@pytest.fixture(scope="module", params=["alone", "with agent"])
def site(
    request: pytest.FixtureRequest, multus_programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A node with what rail-install wrote, without an agent and with one: nothing may differ."""
    folder, cluster, allocated = tmp_path_factory.mktemp("site"), Cluster(), Allocated()
    with ExitStack() as started:
        node = Node()
        started.callback(node.delete)
        host = started.enter_context(Host(node, folder / "host", []))
        _install(host, folder / "config")
        plugins = HostRuntime.on(host, node)
        if request.param == "with agent":
            started.enter_context(agent.running(plugins, folder))
        endpoint = started.enter_context(api_server.serving(cluster, node, folder / "pki"))
        started.enter_context(pod_resources.serving(allocated, host))
        started.enter_context(daemon_set.running(host, multus_programs, endpoint, folder))
        containerd = started.enter_context(cri.Runtime(host.socket))
        wait_until(lambda: '"multus"' in containerd.network(), "that containerd has read it")
        for rail in RAILS:
            node.switch(f"sw-{rail}")
        netdevs = [node.device(switch=f"sw-{rail}") for rail in RAILS * 2]
        vfs = pci.plug(host, netdevs)
        yield Site(host, node, plugins, containerd, cluster, allocated, netdevs, vfs)


def _install(host: Host, configuration: Path) -> None:
    configuration.mkdir()
    (configuration / "node.toml").write_text(NODE_FILE)
    define(host, bridge(Path("/var/lib/cni/held")), PORTMAP)
    install(host, configuration, None, "--chain-hostgw")


@pytest.fixture(autouse=True)
def _nads(site: Site) -> Iterator[None]:
    """Multus asks for nothing that it may not have, in any test."""
    site.cluster.apply(site.railctl("nad", "render", "--namespace", NAMESPACE))
    yield
    site.cluster.away = False
    assert site.cluster.refused == []


def test_pods_have_their_rails_beside_eth0(site: Site, tmp_path: Path) -> None:
    before, names = site.state(), [site.want(number) for number in range(2)]
    with site.pod(names[0]) as one, site.pod(names[1]) as other:
        for pod in (one, other):
            assert pod.links() == ["eth0", "lo", *IFNAMES]
            addresses = [ip_interface(pod.addresses(ifname)[0]) for ifname in IFNAMES]
            assert [str(address.network) for address in addresses] == list(SUBNETS)
            slots = [address.packed[2:] for address in addresses]
            assert (slots[0], slots[2]) == (slots[1], slots[3])
            assert [pod.link(ifname)["mtu"] for ifname in IFNAMES] == [9000] * len(RAILS)
            defaults = pod.show("route", "show", "default", "table", "all")
            assert [route["dev"] for route in defaults] == ["eth0"]
        for ifname in IFNAMES:
            address = str(ip_interface(other.addresses(ifname)[0]).ip)
            one.run("ping", "-c1", "-W5", "-M", "do", "-s", "8972", "-I", ifname, address)
        _check_what_multus_tells(site, names, [one, other], tmp_path)
    assert site.state() == before


def _check_what_multus_tells(
    site: Site, names: Sequence[str], pods: Sequence[Inside], folder: Path
) -> None:
    """See that a job finds in its annotations what it needs."""
    for number, (name, one) in enumerate(zip(names, pods, strict=True)):
        told = json.loads(site.annotations(name)[STATUS])
        assert [(rail["interface"], rail["name"], rail["ips"]) for rail in told[1:]] == [
            (ifname, f"{NAMESPACE}/{rail}", [one.addresses(ifname)[0].partition("/")[0]])
            for ifname, rail in zip(IFNAMES, RAILS, strict=True)
        ]
        own = site.vfs[number * len(RAILS) :][: len(RAILS)]
        assert [rail["device-info"]["pci"]["pci-address"] for rail in told[1:]] == own

    # As the downward API writes them.
    (folder / "annotations").write_text(
        "".join(f"{key}={json.dumps(text)}\n" for key, text in site.annotations(names[1]).items())
    )
    nowhere = ("--sysfs", str(folder / "none"), "--device-info", str(folder / "none"))
    variables = site.railctl(
        "nccl-env", "--annotations", str(folder / "annotations"), "--form", "env",
        "--network", "roce-*", *nowhere,
    )  # fmt: skip
    assert {"NCCL_SOCKET_IFNAME==net1,net2", "NCCL_IB_HCA==mlx5_4:1,mlx5_5:1"} <= {
        *variables.splitlines()
    }

    (folder / "pods.json").write_text(json.dumps({"kind": "List", "items": site.cluster.pods()}))
    ranks = site.railctl("hostfile", "--pods", str(folder / "pods.json"), "--slots", "8")
    addresses = [one.addresses("net1")[0].partition("/")[0] for one in pods]
    assert ranks.splitlines() == [f"{address} slots=8" for address in addresses]


def test_a_rail_that_fails_takes_the_others_back(site: Site) -> None:
    before, name = site.state(), site.want(0)
    devices = site.allocated.pods[NAMESPACE, name]
    site.allocated.pods[NAMESPACE, name] = {**devices, RESOURCES[2]: ["0000:3b:1f.7"]}
    with pytest.raises(grpc.RpcError, match=r"0000:3b:1f\.7.*no such PCI device"):
        site.pod(name).__enter__()
    assert STATUS not in site.annotations(name)
    assert site.state() == before


@pytest.mark.parametrize("site", ["with agent"], indirect=True)
def test_a_pod_stops_while_the_api_server_is_away(site: Site) -> None:
    before = site.state()
    with site.pod(site.want(0)):
        assert len(site.plugins.records()) == len(RAILS)
        site.cluster.away = True
    assert site.state() == before


@pytest.mark.parametrize("site", ["with agent"], indirect=True)
def test_nads_of_other_versions_and_with_a_default_route(site: Site) -> None:
    """The default route is of another's IPAM, and never gets into the pod."""
    for fabric, version in (("backend", "0.3.1"), ("storage", "1.1.0")):
        words = ("--namespace", NAMESPACE, "--fabric", fabric, "--cni-version", version)
        site.cluster.apply(site.railctl("nad", "render", *words))
    site.cluster.apply(FOREIGN)
    before, name = site.state(), site.want(0, "roce-a,roce-b,foreign,sto-b")
    with site.pod(name) as inside:
        told = json.loads(site.annotations(name)[STATUS])
        assert inside.addresses("net3") == ["10.70.0.77/16"]
        assert ["gateway" in one for one in told] == [True, False, False, False, False]
        assert [one.get("mtu") for one in told[1:]] == [None, None, None, 9000]  # of 1.1.0 alone
        defaults = inside.show("route", "show", "default", "table", "all")
        assert [route["dev"] for route in defaults] == ["eth0"]
    assert site.state() == before
