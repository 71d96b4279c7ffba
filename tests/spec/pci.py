"""VFs on a node of the tests: netdevs of the kernel, and what PCI would say of them.

Real VFs are in the laboratory (`tests/vm`).
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.spec.host import Host

_DEVICES = "/sys/bus/pci/devices"
_PF = "0000:3b:00.0"


def plug(host: Host, netdevs: Sequence[str]) -> list[str]:
    """Put a VF for each netdev on the PCI bus that programs of a node see; return their addresses.

    It takes the place of the machine's, whose devices are none of the node's.
    """
    host.run("mount", "-t", "tmpfs", "node", "/sys/bus")
    devices = host.file(_DEVICES)
    (devices / _PF).mkdir(parents=True)
    (devices / _PF / "sriov_totalvfs").write_text(str(len(netdevs)))
    # A PF's functions from 1 on, eight to a device.
    addresses = [f"0000:3b:{n // 8:02x}.{n % 8}" for n in range(1, len(netdevs) + 1)]
    for number, (address, netdev) in enumerate(zip(addresses, netdevs, strict=True)):
        vf = devices / address
        (vf / "net" / netdev).mkdir(parents=True)
        (vf / "infiniband" / f"mlx5_{number}").mkdir(parents=True)
        (vf / "driver").symlink_to("../../drivers/mlx5_core")
        (vf / "physfn").symlink_to(f"../{_PF}")
        (devices / _PF / f"virtfn{number}").symlink_to(f"../{address}")
    return addresses
