"""Device plugins' configurations and kubelet's file, as they are found on nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cni.host.paths import Paths
from cni.kernel.functions import PciDevice, VirtualFunction
from install.doctor.files import read
from install.doctor.rails.resources import ConfigError, Selector, config, kubelet
from install.doctor.rails.told import told

VF = VirtualFunction(
    "0000:3b:02.1", 1, "0000:3b:00.0", "ens1f0", "ens1f0v1", "mlx5_core", 0, "mlx5_3"
)
ON_BUS = PciDevice("0000:3b:02.1", "15b3", "101e", "0200", 0)
A = {"resourcePrefix": "rdma", "resourceName": "hca_shared_a", "selectors": {"pfNames": ["ens1f0"]}}


def selector(**stated: Any) -> Selector:
    (resource,) = config({"resourceList": [{"resourceName": "x", "selectors": stated}]})
    return resource.selectors[0]


@pytest.mark.parametrize(
    ("stated", "selected"),
    [
        ({}, True),
        ({"vendors": ["15b3"], "devices": ["101e"], "drivers": ["mlx5_core"]}, True),
        ({"vendors": ["8086"]}, False),
        ({"devices": ["10ca"]}, False),
        ({"drivers": ["vfio-pci"]}, False),
        ({"pfNames": ["ens1f0"]}, True),
        ({"pfNames": ["ens1f1", "ens1f0#0-1"]}, True),
        ({"pfNames": ["ens1f0#0,2-7"]}, False),
        ({"pfNames": ["ens1f0#x"]}, False),
        ({"rootDevices": ["0000:3b:00.0#1"]}, True),
        ({"rootDevices": ["0000:3b:00.1"]}, False),
        ({"pciAddresses": ["0000:3b:02.1"]}, True),
        ({"pciAddresses": ["0000:3b:02.2"]}, False),
        ({"vendors": ["15b3"], "pfNames": ["ens1f1"]}, False),
    ],
)
def test_which_vf_is_selected(stated: dict[str, list[str]], selected: bool) -> None:  # noqa: FBT001
    assert selector(**stated).selects(VF, ON_BUS) is selected


def test_a_pf_without_an_interface_is_no_ones_name() -> None:
    nameless = VirtualFunction("0000:3b:02.1", 1, "0000:3b:00.0", "", "", "", None, "")
    assert not selector(pfNames=[""]).selects(nameless, None)


def test_a_resource_of_several_selectors_and_the_usual_prefix() -> None:
    listed = [{"pfNames": ["ens9"]}, {"drivers": ["mlx5_core"]}]
    (resource,) = config({"resourceList": [{"resourceName": "x", "selectors": listed}]})
    assert resource.name == "intel.com/x"
    assert resource.selects(VF, ON_BUS)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "resourceList"),
        ({"resourceList": {}}, "resourceList"),
        ({"resourceList": [{}]}, r"resourceList\[0\] has no resourceName"),
        ({"resourceList": [{"resourceName": "x", "selectors": [1]}]}, "selectors of x"),
        (
            {"resourceList": [{"resourceName": "x", "selectors": {"vendors": "15b3"}}]},
            "vendors of x is '15b3', expected a list",
        ),
    ],
)
def test_what_is_no_configuration(document: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(document)


CONFIG_MAP = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: sriovdp-config, namespace: kube-system}}
data:
  config.json: |
    {json.dumps({"resourceList": [A]})}
  other: "no json"
"""


@pytest.mark.parametrize("text", [json.dumps({"resourceList": [A]}), CONFIG_MAP])
def test_a_file_or_the_config_map_around_it(text: str) -> None:
    found = told(text)
    assert [one.name for one in found.resources or ()] == ["rdma/hca_shared_a"]
    assert not found.shared


def test_the_shared_plugin_is_told_from_the_other() -> None:
    found = told(json.dumps({"configList": [{"resourceName": "hca_shared_a", "rdmaHcaMax": 63}]}))
    assert (found.resources, found.shared) == (None, True)


@pytest.mark.parametrize("text", ["", "{}", "kind: ConfigMap\ndata: {a: '{}'}\n", "a: [", "[1]"])
def test_a_file_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="no resourceList"):
        told(text)


@pytest.mark.parametrize(
    "devices", [["0000:3b:02.0"], {"-1": ["0000:3b:02.0"]}, {"0": ["0000:3b:02.0"]}]
)
def test_what_kubelet_keeps_in_each_of_its_forms(devices: object) -> None:
    entry = {"PodUID": "u", "ContainerName": "c", "ResourceName": "rdma/a", "DeviceIDs": devices}
    registered = {"rdma/a": ["0000:3b:02.0", "0000:3b:02.1"], "nvidia.com/gpu": None}
    kept = kubelet(json.dumps(
        {"Data": {"PodDeviceEntries": [entry], "RegisteredDevices": registered}, "Checksum": 1}
    ))  # fmt: skip
    assert kept.allocated == {"0000:3b:02.0": "u"}
    assert kept.registered == {
        "rdma/a": {"0000:3b:02.0", "0000:3b:02.1"}, "nvidia.com/gpu": frozenset(),
    }  # fmt: skip


def test_devices_are_texts_whatever_the_file_has() -> None:
    kept = kubelet('{"Data": {"RegisteredDevices": {"x": ["b", 1, null]}}}')
    assert sorted(kept.registered["x"]) == ["1", "None", "b"]


def test_kubelet_without_any_device() -> None:
    kept = kubelet('{"Data": {"PodDeviceEntries": null, "RegisteredDevices": {}}, "Checksum": 0}')
    assert (kept.allocated, kept.registered) == ({}, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Data": 1}'])
def test_what_kubelet_never_wrote(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, or ours
        kubelet(text)


# ── the files that say what a node should be ─────────────────────────────────────────────────────

NODE_FILE = """
[fabrics.backend]
rails.roce-a = { subnet = "10.60.0.0/16", resource = "rdma/hca_shared_a" }
rails.roce-b = { subnet = "10.61.0.0/16" }
"""


def test_all_files_are_read(tmp_path: Path) -> None:
    paths = Paths(config=tmp_path)
    paths.node_file.write_text(NODE_FILE)
    paths.agent_file.write_text('pfs = ["ens1f0"]\n')
    plugin, nad = tmp_path / "config.json", tmp_path / "nad.yaml"
    plugin.write_text(json.dumps({"resourceList": [A]}))
    nad.write_text("kind: NetworkAttachmentDefinition\n")
    files = read(paths, plugin, [nad])
    assert files.unread == []
    assert files.settings.pfs == ("ens1f0",)
    assert files.stated.declared == {"roce-a": "rdma/hca_shared_a"}
    assert files.stated.wanted
    assert [one.name for one in files.stated.resources or ()] == ["rdma/hca_shared_a"]
    assert [one.file for one in files.nads] == [str(nad)]


def test_what_cannot_be_read_is_said_and_nothing_ends(tmp_path: Path) -> None:
    paths = Paths(config=tmp_path)
    paths.node_file.write_text("[fabrics.backend]\nrails = 7\n")
    paths.agent_file.write_text("grace = 0\n")
    (tmp_path / "latin.yaml").write_bytes(b"\xe9")
    (tmp_path / "empty.json").write_text("{}")
    files = read(paths, tmp_path / "empty.json", [tmp_path / "gone.yaml", tmp_path / "latin.yaml"])
    settings, named = files.unread[:2], files.unread[2:]
    assert [(one.check, one.what.partition(":")[0]) for one in settings] == [
        ("settings", str(paths.agent_file)), ("settings", str(paths.node_file)),
    ]  # fmt: skip
    said = [(one.check, one.what.removeprefix(f"{tmp_path}/")) for one in named]
    assert said[0][0] == "resource"
    assert said[0][1].startswith("empty.json: there is no resourceList")
    assert said[1:] == [
        ("nad", "gone.yaml cannot be read: No such file or directory"),
        ("nad", "latin.yaml cannot be read: it is not UTF-8"),
    ]
    assert (files.node_file, files.stated.resources, files.nads) == (None, None, [])


def test_without_files_nothing_is_stated(tmp_path: Path) -> None:
    files = read(Paths(config=tmp_path), None, [])
    assert (files.node_file, files.unread, files.declares_rails) == (None, [], False)
