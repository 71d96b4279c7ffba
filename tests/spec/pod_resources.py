"""The kubelet's word on which devices a pod has.

Source: `pod-resources/v1/api.proto` of k8s.io/kubelet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from tests.spec.host import Host
from tests.spec.protobuf import message, text, texts

_SOCKET = "/var/lib/kubelet/pod-resources/kubelet.sock"

Devices = Mapping[str, Sequence[str]]
"""Device ids by resource."""


@dataclass
class Allocated:
    """What a kubelet has allocated; tests change it while it serves."""

    pods: dict[tuple[str, str], Devices] = field(default_factory=dict)
    """By namespace and name."""

    def listed(self, *_: object) -> bytes:
        """Return ListPodResourcesResponse."""
        return b"".join(
            message(1, text(1, name) + text(2, namespace) + message(3, _container(devices)))
            for (namespace, name), devices in self.pods.items()
        )


def _container(devices: Devices) -> bytes:
    return text(1, "trainer") + b"".join(
        message(2, text(1, resource) + texts(2, ids)) for resource, ids in devices.items()
    )


@contextmanager
def serving(allocated: Allocated, host: Host) -> Iterator[None]:
    """Serve the pod resources of a node where Multus asks for them."""
    socket = host.file(_SOCKET)
    socket.parent.mkdir(parents=True)
    methods = {"List": grpc.unary_unary_rpc_method_handler(allocated.listed)}
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        handler = grpc.method_handlers_generic_handler("v1.PodResourcesLister", methods)
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        try:
            yield
        finally:
            server.stop(None).wait()
