"""Which runtime a node has, told by files as each distribution writes them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.platforms.containerd import understood
from install.platforms.detection import detect
from install.platforms.platform import PlatformError
from tests.unit.platforms.given import (
    CRIO,
    DEFAULTS_2_1,
    DOCKERS,
    FOLDER,
    K3S,
    K3S_DOCKER,
    K3S_NEW,
    K3S_OLD,
    KUBEADM,
    KUBEADM_FLAGS,
    RKE2,
    RKE2_NODE,
    SNAP,
    SNAPPED,
    V1,
    V2,
    V3,
    Node,
    make,
)

MINE = V2.format(bin="/mine/bin", conf="/mine/net.d")
USUAL = ("/opt/cni/bin", "/etc/cni/net.d")
CONTAINERD = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
RANCHERS = "/run/k3s/containerd/containerd.sock"
K3S_CONFIG = f"{K3S}/agent/etc/containerd/config.toml"


def told(root: Path, *nodes: Node, programs: tuple[str, ...] = ()) -> tuple[str, str, str]:
    """Return name and folders."""
    found = detect(make(root, *nodes, programs=programs))
    return found.name, str(found.cni_bin), str(found.cni_conf)


def refusal(root: Path, *nodes: Node) -> str:
    with pytest.raises(PlatformError) as refused:
        detect(make(root, *nodes))
    return str(refused.value)


# ── one distribution ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (K3S_NEW, ("k3s", f"{K3S}/data/cni", f"{K3S}/agent/etc/cni/net.d")),
        (K3S_OLD, ("k3s", f"{K3S}/data/current/bin", f"{K3S}/agent/etc/cni/net.d")),
        (K3S_DOCKER, ("k3s", f"{K3S}/data/3dfc/bin", f"{K3S}/agent/etc/cni/net.d")),
        ({K3S_CONFIG: "version = 3\n"}, ("k3s", *USUAL)),
        (RKE2_NODE, ("rke2", *USUAL)),
        ({f"{RKE2}/agent/kubelet.kubeconfig": ""}, ("rke2", *USUAL)),
        (
            {f"{RKE2}/agent/etc/containerd/config.toml": V2.format(
                bin="/opt/cni/bin", conf=f"{RKE2}/agent/etc/cni/net.d")},
            ("rke2", "/opt/cni/bin", f"{RKE2}/agent/etc/cni/net.d"),
        ),
        (KUBEADM, ("kubeadm", *USUAL)),
        ({CONTAINERD: V1}, ("containerd", "/usr/lib/cni", "/etc/cni/other")),
        ({CONTAINERD: MINE}, ("containerd", "/mine/bin", "/mine/net.d")),
        (
            {CONTAINERD: V3.format(key="bin_dir", bin='"/mine/bin"', conf="/mine/net.d")},
            ("containerd", "/mine/bin", "/mine/net.d"),
        ),
        ({CONTAINERD: DEFAULTS_2_1}, ("containerd", *USUAL)),
        ({CONTAINERD: ""}, ("containerd", *USUAL)),
        ({SOCKET: ""}, ("containerd", *USUAL)),
        (SNAPPED, ("microk8s", f"{SNAP}/opt/cni/bin", f"{SNAP}/args/cni-network")),
        (CRIO, ("cri-o", "/var/lib/cni/bin", "/etc/kubernetes/cni/net.d")),
        ({"/etc/crio/crio.conf": ""}, ("cri-o", *USUAL)),
        (
            {"/etc/crio/crio.conf": '[crio.network]\nplugin_dir = "/old/cni"\n'},
            ("cri-o", "/old/cni", "/etc/cni/net.d"),
        ),
        ({USUAL[0]: FOLDER, USUAL[1]: FOLDER}, ("unknown", *USUAL)),
    ],
    ids=["k3s", "k3s before October 2024", "k3s with docker", "k3s without flannel", "rke2",
         "rke2 before its first start", "rke2 with folders", "kubeadm", "version 1", "version 2",
         "version 3", "containerd 2.1", "empty", "no file", "microk8s", "cri-o",
         "cri-o with defaults", "cri-o of old", "folders alone"],
)  # fmt: skip
def test_its_folders(tmp_path: Path, node: Node, expected: tuple[str, str, str]) -> None:
    assert told(tmp_path, node) == expected


def test_what_else_is_known_of_k3s(tmp_path: Path) -> None:
    found = detect(make(tmp_path, K3S_NEW))
    assert (found.is_k3s, found.has_drop_ins) == (True, True)
    assert found.socket == PurePosixPath(RANCHERS)
    assert found.storage == PurePosixPath(f"{K3S}/agent/containerd")
    assert found.images == PurePosixPath(f"{K3S}/agent/images")
    assert found.evidence == (f"{K3S_CONFIG} says so",)


def test_a_socket_and_a_folder_of_images_that_containerd_was_given(tmp_path: Path) -> None:
    content = 'root = "/big/containerd"\n[grpc]\naddress = "/run/other.sock"\n'
    found = detect(make(tmp_path, {CONTAINERD: content}))
    assert (str(found.socket), str(found.storage)) == ("/run/other.sock", "/big/containerd")
    assert (found.images, found.has_drop_ins) == (None, False)


def test_a_socket_as_version_4_has_it(tmp_path: Path) -> None:
    content = "version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/run/4.sock'\n"
    assert str(detect(make(tmp_path, {CONTAINERD: content})).socket) == "/run/4.sock"


@pytest.mark.parametrize(
    ("content", "snapshotter"),
    [
        ("[plugins.cri.containerd]\nsnapshotter = 'native'\n", "native"),
        ('[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "zfs"\n', "zfs"),
        ("[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'stargz'\n", "stargz"),
        ("[plugins.'io.containerd.cri.v1.images']\nsnapshotter = '${SNAPSHOTTER}'\n", ""),
        ("", ""),
    ],
)
def test_what_images_are_unpacked_with(tmp_path: Path, content: str, snapshotter: str) -> None:
    assert detect(make(tmp_path, {CONTAINERD: content})).snapshotter == snapshotter


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("/etc/rancher/k3s/config.yaml", "docker: true\ndata-dir: /big/k3s\n"),
        ("/etc/rancher/k3s/config.yaml", 'data-dir: "/big/k3s" # the large disk\n'),
        ("/etc/rancher/k3s/config.yaml.d/10-disk.yaml", "data-dir: '/big/k3s'\n"),
        ("/etc/systemd/system/k3s.service", "ExecStart=/bin/k3s server --data-dir=/big/k3s\n"),
        (
            "/etc/systemd/system/k3s-agent.service",
            "ExecStart=/usr/local/bin/k3s \\\n\tagent \\\n\t'--data-dir' \\\n\t'/big/k3s' \\\n",
        ),
        ("/etc/systemd/system/k3s.service.env", "K3S_DATA_DIR=/big/k3s\n"),
    ],
)
def test_k3s_elsewhere(tmp_path: Path, file: str, content: str) -> None:
    node = {"/big/k3s/agent/kubelet.kubeconfig": "", "/big/k3s/data/cni/host-local": ""}
    expected = ("k3s", "/big/k3s/data/cni", "/big/k3s/agent/etc/cni/net.d")
    assert told(tmp_path, node, {file: content}) == expected


def test_a_comment_is_not_said(tmp_path: Path) -> None:
    config = {"/etc/rancher/k3s/config.yaml": "# data-dir: /big/k3s\n"}
    assert told(tmp_path, K3S_NEW, config)[1] == f"{K3S}/data/cni"


def test_imports_are_laid_over_in_the_order_in_which_they_are_met(tmp_path: Path) -> None:
    node = {
        CONTAINERD: 'imports = ["conf.d/*.toml", "/else/last.toml", "config.toml"]\n' + MINE,
        "/etc/containerd/conf.d/10-gpu.toml": '[plugins."io.containerd.grpc.v1.cri".containerd]\n',
        "/etc/containerd/conf.d/20-cni.toml": V2.format(bin="/20/bin", conf="/20/net.d"),
        "/etc/containerd/conf.d/README": "no TOML",
        "/else/last.toml": '[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "/last/net.d"\n',
    }
    assert told(tmp_path, node) == ("containerd", "/20/bin", "/last/net.d")


# ── several ──────────────────────────────────────────────────────────────────────────────────────


def test_dockers_containerd_serves_no_kubelet(tmp_path: Path) -> None:
    node = {CONTAINERD: DOCKERS, SOCKET: ""}
    assert told(tmp_path, K3S_DOCKER, node)[0] == "k3s"
    assert "no container runtime is found" in refusal(tmp_path / "alone", node)


def test_the_one_whose_socket_is_there(tmp_path: Path) -> None:
    crio = {**CRIO, "/run/crio/crio.sock": ""}
    assert told(tmp_path, K3S_DOCKER, crio)[0] == "cri-o"


def test_the_one_whose_kubelet_runs(tmp_path: Path) -> None:
    both = (K3S_NEW, RKE2_NODE, {RANCHERS: ""})
    assert "several" in refusal(tmp_path / "neither", *both)
    assert told(tmp_path / "a", *both, programs=("systemd", "k3s-agent"))[0] == "k3s"
    assert told(tmp_path / "b", *both, programs=("rke2", "kubelet"))[0] == "rke2"


def test_the_one_that_has_a_kubelets_files(tmp_path: Path) -> None:
    other = {CONTAINERD: MINE, SOCKET: "", RANCHERS: ""}
    assert told(tmp_path, K3S_NEW, other)[0] == "k3s"


@pytest.mark.parametrize(
    "said",
    [
        {"/var/lib/kubelet/kubeadm-flags.env": KUBEADM_FLAGS.format("/var/run/crio/crio.sock")},
        {"/var/lib/kubelet/config.yaml": "containerRuntimeEndpoint: unix:///run/crio/crio.sock\n",
         "/var/lib/kubelet/kubeadm-flags.env": ""},
    ],
    ids=["flags", "config"],
)  # fmt: skip
def test_the_one_that_kubeadm_names(tmp_path: Path, said: Node) -> None:
    sockets = {SOCKET: "", "/run/crio/crio.sock": ""}
    assert told(tmp_path, {**KUBEADM, CONTAINERD: MINE}, CRIO, sockets, said)[0] == "cri-o"


def test_several_that_agree_are_no_question(tmp_path: Path) -> None:
    assert told(tmp_path, RKE2_NODE, {CONTAINERD: ""})[1:] == USUAL


def test_several_that_differ_are_named_and_so_is_what_to_do(tmp_path: Path) -> None:
    said = refusal(tmp_path, K3S_NEW, SNAPPED)
    assert f"k3s with {K3S}/data/cni" in said
    assert "microk8s with" in said
    assert "--cni-bin DIR --cni-conf DIR" in said


def test_why_one_was_chosen_is_said(tmp_path: Path) -> None:
    found = detect(make(tmp_path, K3S_NEW, SNAPPED, {RANCHERS: ""}))
    assert found.evidence[1] == "of k3s and microk8s, its runtime's socket is there"


# ── what a person says ───────────────────────────────────────────────────────────────────────────

BIN, CONF = PurePosixPath("/my/bin"), PurePosixPath("/my/net.d")


def test_what_is_said_wins(tmp_path: Path) -> None:
    found = detect(make(tmp_path, K3S_NEW), cni_bin=BIN)
    assert (found.name, found.cni_bin) == ("k3s", BIN)
    assert str(found.cni_conf) == f"{K3S}/agent/etc/cni/net.d"
    assert found.evidence[-1] == "--cni-bin /my/bin"


def test_who_says_both_needs_no_detection(tmp_path: Path) -> None:
    found = detect(make(tmp_path, {CONTAINERD: "garbage"}), BIN, CONF)
    assert (found.name, found.cni_bin, found.cni_conf) == ("unknown", BIN, CONF)
    with pytest.raises(PlatformError, match="no TOML"):
        detect(make(tmp_path, {CONTAINERD: "garbage"}), BIN)


# ── what cannot be understood ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({}, "no container runtime is found"),
        ({CONTAINERD: "version = "}, "is no TOML"),
        ({CONTAINERD: "x = " + "[" * 5000}, "is no TOML"),
        ({CONTAINERD: V2.format(bin="opt/cni/bin", conf="/x")}, "expected an absolute path"),
        ({CONTAINERD: V2.format(bin="/opt/../bin", conf="/x")}, "without '..'"),
        ({CONTAINERD: V2.format(bin="//", conf="/x")}, "expected a folder below /"),
        ({CONTAINERD: V2.format(bin="/x", conf="/a\\u0000b")}, "expected an absolute path"),
        ({CONTAINERD: 'root = 7\n[plugins."io.containerd.grpc.v1.cri"]\ncni = 1'}, "root is 7"),
        ({"/etc/crio/crio.conf": "[crio.network]\nplugin_dirs = [1]\n"}, "plugin_dirs is 1"),
        ({f"{K3S}/agent/x": ""}, "K3s's plugins are neither in"),
        (
            {**K3S_NEW, "/etc/rancher/k3s/config.yaml": "data-dir: /a/../b"},
            "config.yaml: data-dir is '/a/../b'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path: Path, node: Node, said: str) -> None:
    words = refusal(tmp_path, node)
    assert said in words
    assert "--cni-bin" in words


def test_garbage_of_a_runtime_that_is_not_in_use_is_no_obstacle(tmp_path: Path) -> None:
    assert told(tmp_path, K3S_NEW, {CONTAINERD: "garbage", RANCHERS: ""})[0] == "k3s"


def test_garbage_of_the_one_that_is_in_use_lets_no_other_take_its_place(tmp_path: Path) -> None:
    node = {**K3S_NEW, K3S_CONFIG: "garbage", RANCHERS: "", CONTAINERD: MINE}
    assert f"{K3S_CONFIG} is no TOML" in refusal(tmp_path, node)


def test_imports_that_are_too_many(tmp_path: Path) -> None:
    many = {f"/etc/containerd/conf.d/{number}.toml": "" for number in range(201)}
    said = refusal(tmp_path, {CONTAINERD: 'imports = ["conf.d/*"]\n', **many})
    assert "imports more than 200 files" in said


PLUGINS = ("cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime",
           "io.containerd.cri.v1.images", "io.containerd.server.v1.grpc")  # fmt: skip
TABLES = ("cni", "containerd", "bin_dir", "bin_dirs", "conf_dir", "address", "snapshotter")
JUNK = st.sampled_from(
    [7, True, "", "x", "/", "/x", "//", "/a/../b", "/a\nb", [], {}, ["/x"], [[]]]
)
ANY = st.dictionaries(
    st.sampled_from(TABLES), JUNK | st.dictionaries(st.sampled_from(TABLES), JUNK)
)
DOCUMENTS = st.fixed_dictionaries(
    {"plugins": JUNK | st.dictionaries(st.sampled_from(PLUGINS), JUNK | ANY)},
    optional={"root": JUNK, "grpc": JUNK | ANY, "disabled_plugins": JUNK},
)


@given(DOCUMENTS)
def test_whatever_stands_in_settings_is_taken_or_refused(document: dict[str, Any]) -> None:
    with suppress(PlatformError):
        said = understood(document, "config.toml")
        for folder in (*said.bins, said.conf):
            assert folder.is_absolute()
            assert folder.parent != folder
            assert ".." not in folder.parts
