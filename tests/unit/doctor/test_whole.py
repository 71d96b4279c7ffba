"""The whole node: what brings the subjects together, on the fake and below a root of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.host.paths import Paths
from cni.kernel.fake import FakeKernel, FakeSysfs
from install.doctor.findings import Severity
from install.doctor.whole import Place, Wishes, look, look_at_registry, may_be_on_the_air

RELEASE = "6.8.0-45-generic"
NAD = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: roce-a, namespace: ai-train}
spec:
  config: '{"cniVersion": "1.0.0", "type": "rail-sriov", "ipam": {"type": "host-local"}}'
"""
RIGHT = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: roce-a
  annotations: {k8s.v1.cni.cncf.io/resourceName: rdma/hca_shared_a}
spec:
  config: '{"cniVersion": "1.0.0", "name": "roce-a", "type": "rail-sriov", "rail": "roce-a",
    "ipam": {"type": "rail-ipam", "fabric": "backend", "rail": "roce-a"}}'
"""
NODE_FILE = """
[fabrics.backend]
rails.roce-a = { subnet = "10.60.0.0/16", resource = "rdma/hca_shared_a" }
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    kernel = FakeKernel()
    kernel.add_physical_function("ens1", pci="0000:3b:00.0", mtu=9000)
    kernel.add_virtual_function("ens1", pci="0000:3b:10.0")
    for folder in ("opt/cni/bin", "etc/cni/net.d", "etc/railcni"):
        (tmp_path / folder).mkdir(parents=True)
    paths = Paths(tmp_path / "state", tmp_path / "log", tmp_path / "etc/railcni")
    return Place(paths, kernel, FakeSysfs(kernel), tmp_path)


def test_all_subjects_are_looked_at(place: Place) -> None:
    files, findings = look(place, Wishes())
    assert files.node_file is None
    found = {one.check for one in findings}
    assert {"sriov", "pf-mtu", "runtime", "multus", "programs", "agent", "clock"} <= found
    assert found.isdisjoint({"nad", "resource", "etcd", "settings"})
    assert look_at_registry(place, files) == []


def test_what_a_person_names_is_judged_along(place: Place, tmp_path: Path) -> None:
    (tmp_path / "nad.yaml").write_text(NAD)
    place.paths.agent_file.write_text("grace = 0\n")
    plugin = tmp_path / "gone.json"
    _, findings = look(place, Wishes(device_plugin=plugin, nads=[tmp_path / "nad.yaml"]))
    assert [one.check for one in findings[:2]] == ["settings", "resource"]
    nads = [one for one in findings if one.check == "nad"]
    assert nads
    assert all(one.what.startswith(f"{tmp_path}/nad.yaml:") for one in nads)
    assert {one.severity for one in nads} >= {Severity.ERROR}


def test_nads_are_judged_by_the_nodes_own_file(place: Place, tmp_path: Path) -> None:
    place.paths.node_file.write_text(NODE_FILE)
    (tmp_path / "nad.yaml").write_text(RIGHT)
    files, findings = look(place, Wishes(nads=[tmp_path / "nad.yaml"]))
    assert files.declares_rails
    assert [(one.severity, one.what) for one in findings if one.check == "nad"] == [
        (Severity.OK, "nothing is wrong with the NADs of 1 files")
    ]


@pytest.mark.parametrize(
    ("tunnel", "expected"), [("flannel.1", True), ("cilium_vxlan", False), ("vxlan.calico", False)]
)
def test_flannels_overlay_is_looked_at(
    place: Place,
    tunnel: str,
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    kernel = place.kernel
    assert isinstance(kernel, FakeKernel)
    kernel.add_tunnel(tunnel)
    assert may_be_on_the_air(place, RELEASE) is expected


def test_radios_and_wsl_are_looked_at(place: Place) -> None:
    kernel = place.kernel
    assert isinstance(kernel, FakeKernel)
    assert not may_be_on_the_air(place, RELEASE)
    assert may_be_on_the_air(place, "5.15.153.1-microsoft-standard-WSL2")
    link = kernel.add_physical("wlan0")
    kernel.make_wireless("wlan0")
    assert not may_be_on_the_air(place, RELEASE)
    kernel.host.set_up(link.index)
    assert may_be_on_the_air(place, RELEASE)
