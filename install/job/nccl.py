"""The variables by which NCCL and UCX use exactly a pod's own rails.

Sources: NVIDIA NCCL user guide, "Environment Variables"; OpenUCX, "Frequently Asked Questions".
"""

from __future__ import annotations

from collections.abc import Sequence

from install.job.errors import JobError
from install.job.status import Attached

_PORT = 1
"""A VF has one port."""


def variables(
    rails: Sequence[Attached], *, cross_nic: int | None = None, rdma: bool = True
) -> dict[str, str]:
    """Return the variables' values.

    NCCL takes a name for the beginning of names: `=` makes it the whole, so that mlx5_1 is not
    mlx5_10 of another pod, too.

    Args:
        rails: one at least, with their RDMA devices.
        cross_nic: NCCL_CROSS_NIC; None: 1 where there are several rails, 0 for one.
        rdma: by RDMA; else by sockets alone.

    Raises:
        JobError: a rail has no RDMA device.
    """
    names = ",".join(rail.ifname for rail in rails)
    crossing = (1 if len(rails) > 1 else 0) if cross_nic is None else cross_nic
    found = {"NCCL_SOCKET_IFNAME": f"={names}", "NCCL_CROSS_NIC": str(crossing)}
    if not rdma:
        return found | {"NCCL_IB_DISABLE": "1", "UCX_NET_DEVICES": names}
    for rail in rails:
        if not rail.rdma_device:
            where = rail.pci_address or "a PCI address that nobody told"
            raise JobError(
                f"{rail.ifname} ({rail.network}) has no RDMA device at {where}: is the RDMA driver "
                "loaded on the node (rdma link show), and the VF not bound to vfio-pci? Without "
                "RDMA say --sockets"
            )
    ports = [f"{rail.rdma_device}:{_PORT}" for rail in rails]
    return found | {
        "NCCL_IB_HCA": f"={','.join(ports)}",
        "UCX_NET_DEVICES": ",".join(ports),
    }
