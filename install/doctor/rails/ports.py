"""What is judged of the rails' ports on the host.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cni.kernel.types import Link
from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.rails.facts import Facts, Port

_AGGREGATES = frozenset({"bond", "team"})
_LEAST_OF_INFINIBAND = 2044
"""Bytes of an IPoIB packet in datagram mode with the fabric's least usual MTU of 2048."""
_ROOT_OF_FIRMWARE = "devlink dev info pci/{address}"


def carrier(facts: Facts) -> Iterator[Finding]:
    """Say which rail's port carries nothing."""
    for port in facts.ports:
        if port.link is None:
            yield error(
                "carrier",
                f"the PF {port.pf.address} has no interface on the host",
                "its VFs have no link",
                f"lspci -ks {port.pf.address}; dmesg | grep {port.pf.address}",
            )
        elif not port.link.up:
            yield error(
                "carrier",
                f"{port.name} is down",
                "its VFs have no link either",
                f"ip link set dev {port.name} up",
            )
        elif not port.link.carrier:
            yield error(
                "carrier",
                f"{port.name} has no carrier",
                "the rail is cut off: cable, transceiver or the switch's port",
                f"ethtool {port.name}; ethtool -m {port.name}",
            )
        else:
            yield ok("carrier", f"{port.name} has carrier")
        yield from _rdma_ports(port)


def mtu(facts: Facts) -> Iterator[Finding]:
    """Say which PF cuts off what its rail must carry."""
    for port in facts.ports:
        link = port.link
        if link is None:
            continue
        least = _LEAST_OF_INFINIBAND if port.is_infiniband else port.least_mtu
        if link.mtu >= least:
            yield ok("pf-mtu", f"{port.name} has MTU {link.mtu}")
            continue
        yield error(
            "pf-mtu",
            f"{port.name} has MTU {link.mtu}, expected at least {least}",
            "whatever its VFs are set to, the port drops what is longer: small messages pass and "
            "large ones hang",
            *_larger(link, least),
        )


def bonding(facts: Facts) -> Iterator[Finding]:
    """Say which rail is bonded: several rails are the framework's to use, each by itself."""
    together: dict[str, list[str]] = defaultdict(list)
    for port in facts.ports:
        master = port.master
        if master and (master.kind in _AGGREGATES or master.name in facts.bonds):
            together[master.name].append(port.name)
        elif master:
            yield warning(
                "bonding",
                f"{port.name} is a port of the {master.kind or 'device'} {master.name}",
                "frames of the rail take a way through the host that nobody expects",
                f"ip link set dev {port.name} nomaster",
            )
    for name, ports in together.items():
        yield error(
            "bonding",
            f"{' and '.join(ports)} {'are' if len(ports) > 1 else 'is'} bonded in {name}",
            "a rail is never bonded: NCCL and the storage's multipath use rails one by one, and a "
            "bond hashes a flow onto any of them and moves RoCE's queue pairs when a link fails",
            *(f"ip link set dev {port} nomaster" for port in ports),
            f"and take {name} out of the host's network configuration",
        )
    if facts.ports and not together:
        yield ok("bonding", "no rail is bonded")


def drivers(facts: Facts) -> Iterator[Finding]:
    """Say what drives the ports, and whether ports of one driver have one firmware."""
    firmware: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for port in facts.ports:
        driver = port.driver
        if driver is None:
            yield info("driver", f"{port.name} does not tell its driver")
            continue
        told = f", firmware {driver.firmware}" if driver.firmware else ""
        vfs = sorted({f.vf.driver for f in port.functions if f.vf.driver})
        of_vfs = f"; its VFs: {', '.join(vfs)}" if vfs else ""
        yield ok("driver", f"{port.name} is driven by {driver.name} {driver.version}{told}{of_vfs}")
        if driver.firmware:
            firmware[driver.name][driver.firmware].append(port.name)
    for name, versions in firmware.items():
        if len(versions) > 1:
            listed = "; ".join(f"{v} on {', '.join(ports)}" for v, ports in versions.items())
            yield warning(
                "firmware",
                f"ports of {name} differ in their firmware: {listed}",
                "rails of one node that behave differently are hard to tell from a bad cable",
                *(
                    f"{_ROOT_OF_FIRMWARE.format(address=port.pf.address)}  # {port.name}"
                    for port in facts.ports
                    if port.driver and port.driver.name == name
                ),
            )


def _rdma_ports(port: Port) -> Iterator[Finding]:
    for rdma in port.rdma_ports:
        if not rdma.is_active:
            yield error(
                "rdma-port",
                f"the RDMA port {rdma.device}/{rdma.number} of {port.name} is {rdma.state}",
                "no queue pair comes up on it",
                f"rdma link show {rdma.device}/{rdma.number}; ibstat {rdma.device}",
                *(("start the fabric's subnet manager",) if port.is_infiniband else ()),
            )


def _larger(link: Link, least: int) -> Iterator[str]:
    if link.max_mtu and link.max_mtu < least:
        yield f"{link.name} takes {link.max_mtu} at most: another adapter, or a smaller rail"
        return
    yield f"ip link set dev {link.name} mtu {least}"
    yield "and in the host's network configuration, so that it lasts; the switch's port likewise"
