"""CRI, the interface from a kubelet to its container runtime (k8s.io/cri-api, runtime/v1).

Each message is encoded here, and its fields' numbers are named nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import grpc

from tests.spec.node import PATIENCE
from tests.spec.podspec import Container, Mount, Pod, Resources, Security
from tests.spec.protobuf import (
    Fields,
    decode,
    mapping,
    message,
    number,
    pairs,
    text,
    text_of,
    texts,
)

_POD, _CONTAINER, _NODE = range(3)
"""NamespaceMode: whose."""
_RUNNING, _EXITED = 1, 2
"""ContainerState."""
_PROPAGATION = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}
_SECCOMP = {"RuntimeDefault": 0, "Unconfined": 1}
_SELINUX = {"user": 1, "role": 2, "type": 3, "level": 4}
_PERIOD = 100_000
"""Microseconds, in which a quota of the processor may be used up."""
# What the kubelet hides from a container that is not privileged (pkg/securitycontext/util.go).
_MASKED = ("/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
           "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
           "/sys/firmware")  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class State(NamedTuple):
    """What has become of a container."""

    running: bool
    exited: bool
    exit_code: int


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod that the runtime has made a place for."""

    id: str
    config: bytes


class Runtime:
    """A container runtime that listens on a socket; it is asked no more after this context."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix://{socket}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def run_sandbox(self, pod: Pod, logs: Path, cgroup: str) -> Sandbox:
        """Make a place for a pod.

        Args:
            pod: which.
            logs: the folder of its containers' logs, on the node.
            cgroup: the parent of its control groups.

        Raises:
            grpc.RpcError: there is none, and nothing is left of it.
        """
        metadata = text(1, pod.name) + text(2, f"uid-{pod.name}") + text(3, pod.namespace)
        privileged = any(one.security.privileged for one in (*pod.first, *pod.containers))
        security = message(1, _namespaces(pod)) + number(6, privileged)
        linux = text(1, cgroup) + message(2, security)
        ports = (message(5, number(2, own) + number(3, port)) for port, own in pod.ports.items())
        config = message(1, metadata) + text(3, str(logs)) + b"".join(ports) + message(8, linux)
        answer = self._call("RunPodSandbox", message(1, config))
        return Sandbox(text_of(answer, 1), config)

    def network(self) -> str:
        """Return what the runtime has read of the pods' network, in words of its own."""
        return self._told("Status", number(1, 1))["cniconfig"]

    def namespace(self, sandbox: Sandbox) -> Path:
        """Return a pod's network namespace, on the node."""
        told = json.loads(
            self._told("PodSandboxStatus", text(1, sandbox.id) + number(2, 1))["info"]
        )
        namespaces = told["runtimeSpec"]["linux"]["namespaces"]
        (found,) = (Path(one["path"]) for one in namespaces if one["type"] == "network")
        return Path("/run/netns", found.name)  # its /var/run is a link to /run

    def remove_sandbox(self, sandbox: Sandbox) -> None:
        """End a pod, whatever still runs in it, and remove it."""
        self._call("StopPodSandbox", text(1, sandbox.id))
        self._call("RemovePodSandbox", text(1, sandbox.id))

    def start(
        self, sandbox: Sandbox, pod: Pod, container: Container, folders: Mapping[str, Path]
    ) -> str:
        """Start a container; return its id.

        Args:
            sandbox: the place of its pod.
            pod: of which it is a part.
            container: what it is.
            folders: where the content of each volume is, on the node.
        """
        linux = message(1, _resources(container.resources))
        linux += message(2, _security(container.security, pod))
        config = b"".join((
            message(1, text(1, container.name)),
            message(2, text(1, container.image)),
            texts(3, container.command), texts(4, container.args), pairs(6, container.env),
            *(message(7, _mount(mount, folders[mount.volume])) for mount in container.mounts),
            text(11, f"{container.name}.log"),
            message(15, linux),
        ))  # fmt: skip
        request = text(1, sandbox.id) + message(2, config) + message(3, sandbox.config)
        made = text_of(self._call("CreateContainer", request), 1)
        self._call("StartContainer", text(1, made))
        return made

    def state(self, container: str) -> State:
        """Return what has become of a container."""
        encoded = self._call("ContainerStatus", text(1, container))[1]
        assert isinstance(encoded, bytes)
        status = decode(encoded)
        state, code = status.get(3, 0), status.get(7, 0)
        assert isinstance(code, int)
        return State(state == _RUNNING, state == _EXITED, code)

    def stop(self, container: str, grace: int) -> None:
        """End a container with SIGTERM, and after so many seconds with SIGKILL."""
        self._call("StopContainer", text(1, container) + number(2, grace))

    def execute(self, container: str, command: tuple[str, ...]) -> tuple[int, str]:
        """Execute a command in a container; return its exit code and what it printed."""
        request = text(1, container) + texts(2, command) + number(3, PATIENCE)
        answer = self._call("ExecSync", request)
        code = answer.get(3, 0)
        assert isinstance(code, int)
        return code, text_of(answer, 1) + text_of(answer, 2)

    def _told(self, verb: str, request: bytes) -> dict[str, str]:
        """Return what an answer tells beside what CRI prescribes."""
        return mapping(self._ask(verb, request), 2)

    def _call(self, verb: str, request: bytes) -> Fields:
        return decode(self._ask(verb, request))

    def _ask(self, verb: str, request: bytes) -> bytes:
        call: Callable[..., bytes] = self._channel.unary_unary(
            f"/runtime.v1.RuntimeService/{verb}", bytes, bytes
        )
        return call(request, timeout=2 * PATIENCE)


def _namespaces(pod: Pod) -> bytes:
    """Encode a NamespaceOption."""
    network = _NODE if pod.host_network else _POD
    return number(1, network) + number(2, _NODE if pod.host_pid else _CONTAINER)


def _security(security: Security, pod: Pod) -> bytes:
    """Encode a LinuxContainerSecurityContext."""
    selinux = b"".join(text(_SELINUX[key], value) for key, value in security.selinux.items())
    hidden = b"" if security.privileged else texts(13, _MASKED) + texts(14, _READ_ONLY)
    return b"".join((
        message(1, texts(1, security.add) + texts(2, security.drop)),
        number(2, security.privileged),
        message(3, _namespaces(pod)),
        message(4, selinux) if selinux else b"",
        _optional(5, security.user),
        number(7, security.read_only_root),
        b"" if pod.group is None else number(8, pod.group),
        number(11, security.no_new_privileges),
        _optional(12, security.group),
        hidden,
        message(15, number(1, _SECCOMP[security.seccomp])),
    ))  # fmt: skip


def _resources(resources: Resources) -> bytes:
    """Encode LinuxContainerResources."""
    quota = number(1, _PERIOD) + number(2, resources.quota) if resources.quota else b""
    return quota + number(3, resources.shares) + number(4, resources.memory)


def _mount(mount: Mount, folder: Path) -> bytes:
    propagation = number(5, _PROPAGATION[mount.propagation])
    return text(1, mount.path) + text(2, str(folder)) + number(3, mount.read_only) + propagation


def _optional(field: int, value: int | None) -> bytes:
    """Encode an Int64Value."""
    return b"" if value is None else message(field, number(1, value))
