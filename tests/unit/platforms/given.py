"""Nodes of the tests: the files by which each distribution is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from install.platforms.root import Root

K3S = "/var/lib/rancher/k3s"
RKE2 = "/var/lib/rancher/rke2"
SNAP = "/var/snap/microk8s/current"
FOLDER = None
"""In place of a content: a folder."""

KUBEADM_FLAGS = 'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://{} --pod-infra=x"\n'

V1 = """\
disabled_plugins = []
root = "/data/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins]
  [plugins.cri]
    [plugins.cri.cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/other"
"""
V2 = """\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.9"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{bin}"
  conf_dir = "{conf}"
"""
V3 = """\
version = 3
[plugins.'io.containerd.grpc.v1.cri']
  stream_server_port = "10010"
[plugins.'io.containerd.cri.v1.runtime'.cni]
  {key} = {bin}
  conf_dir = "{conf}"
"""
DEFAULTS_2_1 = """\
version = 3
root = '/var/lib/containerd'
[grpc]
  address = '/run/containerd/containerd.sock'
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dir = ''
  bin_dirs = ['/opt/cni/bin', '/usr/lib/cni']
  conf_dir = '/etc/cni/net.d'
"""
MICROK8S = """\
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "${SNAPSHOTTER}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${SNAP_DATA}/opt/cni/bin"
  conf_dir = "${SNAP_DATA}/args/cni-network"
"""
DOCKERS = 'disabled_plugins = ["cri"]\n'

Node = Mapping[str, str | None]

K3S_NEW: Node = {
    f"{K3S}/agent/etc/containerd/config.toml": V3.format(
        key="bin_dirs", bin=f'["{K3S}/data/cni"]', conf=f"{K3S}/agent/etc/cni/net.d"
    ),
    f"{K3S}/agent/kubelet.kubeconfig": "",
    f"{K3S}/data/cni/host-local": "",
}
K3S_OLD: Node = {
    f"{K3S}/agent/etc/containerd/config.toml": V2.format(
        bin=f"{K3S}/data/current/bin", conf=f"{K3S}/agent/etc/cni/net.d"
    ),
    f"{K3S}/agent/kubelet.kubeconfig": "",
    f"{K3S}/data/3dfc/bin/host-local": "",
}
K3S_DOCKER: Node = {
    f"{K3S}/agent/kubelet.kubeconfig": "",
    f"{K3S}/data/3dfc/bin/host-local": "",
}
RKE2_NODE: Node = {
    f"{RKE2}/agent/etc/containerd/config.toml": 'version = 2\nstate = "/run/k3s/containerd"\n',
    f"{RKE2}/agent/kubelet.kubeconfig": "",
}
KUBEADM: Node = {
    "/etc/containerd/config.toml": V2.format(bin="/opt/cni/bin", conf="/etc/cni/net.d"),
    "/etc/kubernetes/kubelet.conf": "",
    "/var/lib/kubelet/kubeadm-flags.env": KUBEADM_FLAGS.format("/run/containerd/containerd.sock"),
}
SNAPPED: Node = {
    f"{SNAP}/args/containerd-template.toml": MICROK8S,
    f"{SNAP}/args/kubelet": "",
}
CRIO: Node = {
    "/etc/crio/crio.conf": '[crio.network]\nplugin_dirs = ["/usr/libexec/cni"]\n',
    "/etc/crio/crio.conf.d/10-crio.conf": '[crio.image]\npause_image = "x"\n',
    "/etc/crio/crio.conf.d/20-ours.conf": (
        '[crio.network]\nnetwork_dir = "/etc/kubernetes/cni/net.d/"\n'
        'plugin_dirs = ["/var/lib/cni/bin/", "/usr/libexec/cni"]\n'
    ),
}


def make(folder: Path, *nodes: Node, programs: tuple[str, ...] = ()) -> Root:
    """Make the files of a node below a folder."""
    processes = {f"/proc/{pid}/comm": f"{name}\n" for pid, name in enumerate(programs, 100)}
    for node in (*nodes, processes):
        for path, content in node.items():
            file = folder / path.lstrip("/")
            (file if content is FOLDER else file.parent).mkdir(parents=True, exist_ok=True)
            if content is not FOLDER:
                file.write_text(content)
    return Root(folder)
