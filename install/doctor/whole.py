"""The whole node, looked at and judged: for `railctl doctor`, and for the agent's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cni.build import BUILD
from cni.host.paths import Paths
from cni.kernel.clock import clock
from cni.kernel.interface import Kernel, Sysfs
from cni.rail.attachment import Attachments
from install.doctor.files import Files, read
from install.doctor.findings import Finding
from install.doctor.host import gathering as host_gathering
from install.doctor.host.asking import ask
from install.doctor.host.checks import check as check_host
from install.doctor.rails import gathering as rails_gathering
from install.doctor.rails.checks import check as check_rails
from install.platforms.root import Root

_KUBELETS = (
    Path("/var/lib/kubelet/device-plugins"),
    Path("/var/snap/microk8s/common/var/lib/kubelet/device-plugins"),
)

_OVERLAY, _FLANNEL = "vxlan", "flannel"
"""The overlay that `railctl doctor wifi` knows: others have tools of their own."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person adds, or knows better."""

    device_plugin: Path | None = None
    """The device plugin's configuration."""
    nads: Sequence[Path] = ()
    cni_bin: PurePosixPath | None = None
    cni_conf: PurePosixPath | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The node that is looked at."""

    paths: Paths
    kernel: Kernel
    sysfs: Sysfs
    root: Path = Path("/")
    """Where its files are."""


def this_node(paths: Paths) -> Place:
    """Return the node that this runs on."""
    from cni.kernel.linux import LinuxKernel
    from cni.kernel.sysfs import LinuxSysfs

    return Place(paths, LinuxKernel(), LinuxSysfs())


def look(place: Place, wishes: Wishes) -> tuple[Files, list[Finding]]:
    """Return what the node's files say, and what is found without asking any other node.

    Raises:
        KernelError: not even the node's links can be looked at.
    """
    files = read(place.paths, wishes.device_plugin, wishes.nads)
    kubelets = [place.root.joinpath(*folder.parts[1:]) for folder in _KUBELETS]
    node = rails_gathering.Node(
        place.kernel,
        place.sysfs,
        Attachments(place.paths.attachments).all(),
        files.settings,
        next((folder for folder in kubelets if folder.is_dir()), kubelets[0]),
    )
    rails = rails_gathering.gather(node, files.stated)
    names = {port.pf.netdev for port in rails.ports}
    host = host_gathering.gather(
        host_gathering.Node(
            place.kernel,
            Root(place.root),
            BUILD.decode(),
            lambda: ask(place.paths, files.settings.metrics, BUILD),
            clock,
        ),
        (wishes.cni_bin, wishes.cni_conf),
        names,
        wants_rails=bool(rails.ports) or files.declares_rails,
    )
    judged = [*files.unread, *check_rails(rails), *check_host(host)]
    return files, [*judged, *_of_nads(files)] if files.nads else judged


def _of_nads(files: Files) -> list[Finding]:
    from install.doctor.nads import check
    from install.nad.remarks import Measure

    return check(files.nads, Measure(node_file=files.node_file))


def look_at_registry(place: Place, files: Files) -> list[Finding]:
    """Return what is found by asking etcd, where the node file names one."""
    file = files.node_file
    if file is None or file.etcd is None:
        return []
    from install.doctor.registry.checks import check
    from install.doctor.registry.endpoints import look as ask_endpoints
    from install.doctor.registry.gathering import Node, gather
    from ipam.wiring import connect

    node = Node(connect, ask_endpoints, place.kernel.boot_id())
    return check(gather(node, file, file.etcd))


def may_be_on_the_air(place: Place, release: str) -> bool:
    """Tell whether pod traffic may suffer as it does on WiFi: a radio, flannel's overlay, or WSL.

    Args:
        place: the node.
        release: of its kernel (`uname -r`).
    """
    return "microsoft" in release.lower() or any(
        (link.kind == _OVERLAY and link.name.startswith(_FLANNEL))
        or (link.up and place.sysfs.is_wireless(link.name))
        for link in place.kernel.host.links()
    )
