"""Pods of jobs as Multus and the API server describe them."""

from __future__ import annotations

import json
from typing import Any

STATUS = "k8s.v1.cni.cncf.io/network-status"


def interface(
    network: str, ifname: str, *ips: str, pci: str = "", rdma: str = "", default: bool = False
) -> dict[str, Any]:
    """Return one interface as Multus writes it."""
    entry: dict[str, Any] = {"name": network, "interface": ifname, "ips": list(ips), "dns": {}}
    if default:
        entry["default"] = True
    if pci:
        device = {"pci-address": pci} | ({"rdma-device": rdma} if rdma else {})
        entry["device-info"] = {"type": "pci", "version": "1.1.0", "pci": device}
    return entry


def status(number: int = 0, *, rdma: bool = True) -> str:
    """Return a training pod's annotation: eth0, two rails of the GPUs, one for storage."""
    devices = [f"mlx5_{10 * number + index}" if rdma else "" for index in range(3)]
    return json.dumps([
        interface("cilium", "eth0", f"10.20.50.{number + 10}", default=True),
        interface(
            "ai-train/roce-a", "net1", f"10.60.0.{number + 10}", pci="0000:21:10.0", rdma=devices[0]
        ),
        interface(
            "ai-train/roce-b", "net2", f"10.61.0.{number + 10}", pci="0000:41:10.0", rdma=devices[1]
        ),
        interface(
            "ai-train/sto-a", "net3", f"10.70.0.{number + 10}", pci="0000:61:10.0", rdma=devices[2]
        ),
    ])  # fmt: skip


def pod(
    name: str, annotation: str | None = "", *, gpus: int = 8, **metadata: Any
) -> dict[str, Any]:
    """Return a pod; None for one that Multus has not attached yet."""
    number = int("".join(char for char in name if char.isdecimal()) or 0) % 200
    text = status(number) if annotation == "" else annotation
    annotations = {} if text is None else {STATUS: text}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations, **metadata},
        "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}]},
        "status": {"phase": "Running"},
    }
