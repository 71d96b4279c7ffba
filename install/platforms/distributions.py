"""The distributions of Kubernetes that are known, and how each is told.  Pure.

A distribution is found by its files; `Signs` say whether it is also the one that runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from install.platforms import containerd, crio
from install.platforms.platform import (
    DEFAULT_BIN,
    DEFAULT_CONF,
    Files,
    Name,
    Platform,
    PlatformError,
    checked_folder,
)

_RANCHER = PurePosixPath("/var/lib/rancher")
_RANCHER_SOCKET = PurePosixPath("/run/k3s/containerd/containerd.sock")
"""Of K3s and of RKE2."""
_DOCKER_SOCKET = PurePosixPath("/run/k3s/cri-dockerd/cri-dockerd.sock")
_SNAP = PurePosixPath("/var/snap/microk8s/current")
_SNAP_COMMON = PurePosixPath("/var/snap/microk8s/common")
_KUBEADM = tuple(
    map(PurePosixPath, ("/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/kubeadm-flags.env"))
)
_KUBELET = tuple(
    PurePosixPath("/var/lib/kubelet", name)
    for name in ("config.yaml", "instance-config.yaml", "kubeadm-flags.env")
)
"""Where kubeadm says which runtime the kubelet is to use; a later one wins."""
_ENDPOINT = re.compile(
    r"(?:--container-runtime-endpoint=|\bcontainerRuntimeEndpoint:\s*)[\"']?(?:unix://)?(/[^\s\"']+)"
)
_DATA_DIR = re.compile(r"""(?:\bdata-dir|_DATA_DIR)['"]?(?:\s*[:=]\s*|[\\\s]+)['"]?(/[^\s'"\\]+)""")
"""In YAML, a unit or its environment: `data-dir: X`, `--data-dir=X`, `'--data-dir' \\ 'X'`."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells a distribution that runs from one that was left."""

    has_socket: bool = False
    """The runtime's socket is there."""
    has_program: bool = False
    """Its kubelet's process is seen."""
    has_kubelet: bool = False
    """A kubelet's files of its own are there."""


@dataclass(frozen=True, slots=True)
class Found:
    """One distribution whose files are there."""

    name: Name
    signs: Signs
    platform: Platform | None
    problem: str = ""
    """Why there is no platform."""


def found(files: Files) -> list[Found]:
    """Return every distribution whose files are there."""
    return [*_rancher(files, Name.K3S), *_rancher(files, Name.RKE2), *_microk8s(files),
            *_containerd(files), *_crio(files)]  # fmt: skip


def _judged(name: Name, signs: Signs, decide: Callable[[], Platform]) -> Found:
    try:
        platform = decide()
    except PlatformError as error:
        return Found(name, signs, None, str(error))
    return Found(platform.name, signs, platform)


# ── K3s and RKE2 ─────────────────────────────────────────────────────────────────────────────────


def _rancher(files: Files, name: Name) -> Iterator[Found]:
    data = _RANCHER / name
    try:
        data = _data_dir(files, name) or data
    except PlatformError as error:
        yield Found(name, Signs(), None, str(error))
        return
    if not files.has(data / "agent") and not files.has(data / "data"):
        return
    sockets = [_RANCHER_SOCKET, *([_DOCKER_SOCKET] if name is Name.K3S else [])]
    signs = Signs(
        any(map(files.has, sockets)),
        bool(files.programs() & {str(name), f"{name}-server", f"{name}-agent"}),
        files.has(data / "agent/kubelet.kubeconfig"),
    )
    yield _judged(name, signs, lambda: _rancher_platform(files, name, data))


def _data_dir(files: Files, name: Name) -> PurePosixPath | None:
    """Return the folder that was chosen instead of the usual one, None where none was."""
    etc = PurePosixPath("/etc/rancher") / name
    dropped_in = etc / "config.yaml.d"
    units = [f"{name}{unit}.service" for unit in ("", "-server", "-agent")]
    places = [
        *(PurePosixPath("/etc/systemd/system", one) for one in units),
        *(PurePosixPath("/etc/systemd/system", f"{one}.env") for one in units),
        etc / "config.yaml",
        *(dropped_in / one for one in files.names(dropped_in) if one.endswith((".yaml", ".yml"))),
    ]
    chosen = None
    for place in places:
        lines = (files.text(place) or "").splitlines()
        text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
        for said in _DATA_DIR.finditer(text):
            chosen = checked_folder(said[1], f"{place}: data-dir")
    return chosen


def _rancher_platform(files: Files, name: Name, data: PurePosixPath) -> Platform:
    file = data / "agent/etc/containerd/config.toml"
    said = containerd.settings(files, file)
    if said and (said.says_cni or name is Name.RKE2):
        bins, conf, why = said.bins[0], said.conf, f"{file} says so"
    elif said:
        # K3s writes no folders where its own flannel is off (k3s#54).
        bins, conf = DEFAULT_BIN, DEFAULT_CONF
        why = f"{file} names no folders: containerd's own, as with --flannel-backend=none"
    elif name is Name.RKE2:
        bins, conf = DEFAULT_BIN, DEFAULT_CONF
        why = f"{file} is not there: containerd's own folders"
    else:
        bins, conf = _k3s_bin(files, data), data / "agent/etc/cni/net.d"
        why = f"{file} is not there, as with --docker: K3s's own folders"
    return Platform(
        name,
        bins,
        conf,
        socket=(said.socket if said else None) or _RANCHER_SOCKET,
        storage=(said.storage if said else None) or data / "agent/containerd",
        snapshotter=said.snapshotter if said else "",
        images=data / "agent/images",
        has_drop_ins=bool(said and said.has_many_bins),
        evidence=(why,),
    )


def _k3s_bin(files: Files, data: PurePosixPath) -> PurePosixPath:
    """Return where K3s has its plugins: since October 2024 in a folder that upgrades leave.

    Raises:
        PlatformError: they are nowhere.
    """
    tried = [data / "data/cni", data / "data/current/bin"]
    tried += [data / "data" / name / "bin" for name in files.names(data / "data")]
    for folder in tried:
        if files.has(folder / "host-local"):
            return folder
    raise PlatformError(
        f"K3s's plugins are neither in {tried[0]} nor in {tried[1]}: start K3s once, or name the "
        "folder with --cni-bin"
    )


# ── MicroK8s ─────────────────────────────────────────────────────────────────────────────────────


def _microk8s(files: Files) -> Iterator[Found]:
    """Find the snap; its template has names of folders in it that snapd knows."""
    template = _SNAP / "args/containerd-template.toml"
    if not files.has(template):
        return
    socket = _SNAP_COMMON / "run/containerd.sock"
    signs = Signs(
        files.has(socket), "kubelite" in files.programs(), files.has(_SNAP / "args/kubelet")
    )

    def decide() -> Platform:
        said = containerd.settings(_InSnap(files), template) or containerd.Settings()
        return Platform(
            Name.MICROK8S,
            said.bins[0],
            said.conf,
            socket=socket,
            storage=_SNAP_COMMON / "var/lib/containerd",
            snapshotter=said.snapshotter,
            has_drop_ins=said.has_many_bins,
            evidence=(f"{template} says so",),
        )

    yield _judged(Name.MICROK8S, signs, decide)


class _InSnap:
    """The files, with the snap's variables filled in: `current` outlives a refresh of the snap."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.has, self.names, self.programs = files.has, files.names, files.programs

    def text(self, path: PurePosixPath) -> str | None:
        text = self._files.text(path)
        values = {"${SNAP_DATA}": _SNAP, "${SNAP_COMMON}": _SNAP_COMMON}
        for variable, value in values.items():
            text = text and text.replace(variable, str(value))
        return text


# ── containerd and CRI-O by themselves, and kubeadm's ────────────────────────────────────────────


def _containerd(files: Files) -> Iterator[Found]:
    """Find it where a kubelet can use it."""
    if not files.has(containerd.SETTINGS) and not files.has(containerd.SOCKET):
        return
    try:
        said = containerd.settings(files, containerd.SETTINGS) or containerd.Settings()
    except PlatformError as error:
        yield Found(Name.CONTAINERD, _signs(files, containerd.SOCKET), None, str(error))
        return
    if not said.has_cri:
        return
    socket = said.socket or containerd.SOCKET
    why = f"{containerd.SETTINGS} says so" if said.says_cni else "containerd's own folders"
    platform = Platform(
        Name.KUBEADM if _is_kubeadm(files) else Name.CONTAINERD,
        said.bins[0],
        said.conf,
        socket=socket,
        storage=said.storage or containerd.STORAGE,
        snapshotter=said.snapshotter,
        has_drop_ins=said.has_many_bins,
        evidence=(why,),
    )
    yield Found(platform.name, _signs(files, socket), platform)


def _crio(files: Files) -> Iterator[Found]:
    if crio.is_there(files):
        yield _judged(Name.CRIO, _signs(files, crio.SOCKET), lambda: crio.platform(files))


def _signs(files: Files, socket: PurePosixPath) -> Signs:
    """Return the signs of a runtime that kubeadm's kubelet may be using."""
    said = _ENDPOINT.findall("\n".join(files.text(path) or "" for path in _KUBELET))
    is_meant = _is_kubeadm(files) and (not said or said[-1].removeprefix("/var") == str(socket))
    return Signs(files.has(socket), is_meant and "kubelet" in files.programs(), is_meant)


def _is_kubeadm(files: Files) -> bool:
    return any(map(files.has, _KUBEADM))
