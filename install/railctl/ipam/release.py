"""`railctl ipam release`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from cni.host.paths import Paths
from cni.rail.attachment import Attachments, Record
from install.railctl.ipam import namespaces
from install.railctl.ipam.cluster import RefusedError, cluster, explained, said, wiring
from install.railctl.output import Output, say

if TYPE_CHECKING:
    from ipam.journal.transaction import Held, Transaction
    from ipam.wiring import Wiring

_SHORTEST = 8
"""Characters that tell a container's name from others'."""


def release(
    target: Annotated[str, typer.Argument(help="An address, or a container's ID.")],
    force: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--force", help="Also while the kernel shows that it is used.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Take an address back on this node that nobody uses any more.

    The container runtime does that by itself (DEL, GC); this is for what it has forgotten.
    """
    with explained():
        here = wiring()
        freed, records = _release(here, target, force=force)
        told = _tell(here)
    if output is Output.JSON:
        say(json.dumps({"released": freed, "told": told, "devices": _devices(records)}))
        return
    for row in freed:
        say(
            f"{row['addresses']} of container {row['container']} is free: slot {row['slot']} of "
            f"fabric {row['fabric']}, after its quarantine"
        )
    for device in _devices(records):
        say(f"rail-sriov has a record of device {device} still: see railctl attachments")
    say(told)


def _release(
    here: Wiring, target: str, *, force: bool
) -> tuple[list[dict[str, str]], list[Record]]:
    """Take a container's claims out of the journal, while no other request of its is served."""
    container = _container(here, target)
    records = _records(here.paths, container)
    with here.locks.container(container):
        with here.journal() as journal, journal.rehearsal() as tx:
            addresses = _addresses(tx, _wanted(tx, target))
        if not force:
            _refuse_alive(addresses, records)
        with here.journal() as journal, journal.transaction() as tx:
            now, freed = here.now(), []
            for held in _wanted(tx, target):
                freed.append(_row(tx, held))
                tx.detach(held, now)
    return freed, records


def _container(here: Wiring, target: str) -> str:
    """Return the one container that is meant (RefusedError)."""
    found: list[Held] = []
    if here.paths.journal.exists():
        with here.journal() as journal, journal.rehearsal() as tx:
            found = _wanted(tx, target)
    containers = sorted({held.attachment.container_id for held in found})
    if not containers:
        raise RefusedError(_whose(here, target))
    if len(containers) > 1:
        raise RefusedError(f"{target} is the beginning of several: {', '.join(containers)}")
    return containers[0]


def _wanted(tx: Transaction, target: str) -> list[Held]:
    """Return what a container holds, or what shares the slot of an address."""
    everything = tx.all_held()
    if not _is_address(target):
        containers = {held.attachment.container_id for held in everything}
        named = {target} & containers or {one for one in containers if _begins(one, target)}
        return [held for held in everything if held.attachment.container_id in named]
    wanted, rails = ip_address(target), tx.rails()
    slots = {
        (held.fabric, held.slot)
        for held in everything
        for rail in rails[held.fabric].values()
        if any(each.ip == wanted for each in rail.addresses(held.slot))
    }
    return [held for held in everything if (held.fabric, held.slot) in slots]


def _begins(container: str, target: str) -> bool:
    return len(target) >= _SHORTEST and container.startswith(target)


def _is_address(target: str) -> bool:
    try:
        ip_address(target)
    except ValueError:
        return False
    return True


def _addresses(tx: Transaction, wanted: Sequence[Held]) -> set[str]:
    """Return the addresses of the slots on all rails."""
    rails = tx.rails()
    return {
        str(each.ip)
        for held in wanted
        for rail in rails[held.fabric].values()
        for each in rail.addresses(held.slot)
    }


def _row(tx: Transaction, held: Held) -> dict[str, str]:
    rail = tx.rails()[held.fabric][held.rail]
    return {
        "addresses": " ".join(str(each.ip) for each in rail.addresses(held.slot)),
        "fabric": held.fabric,
        "rail": held.rail,
        "slot": str(held.slot),
        "container": held.attachment.container_id,
        "interface": held.attachment.ifname,
    }


def _records(paths: Paths, container: str) -> list[Record]:
    return [
        record
        for record in Attachments(paths.attachments).all()
        if record.attachment.container_id == container and not record.released
    ]


def _refuse_alive(addresses: set[str], records: Sequence[Record]) -> None:
    """Refuse while a namespace has one of the addresses, or is the container's (RefusedError)."""
    view = namespaces.look(namespaces.running_kernel())
    used = [f"{one.address} is on {one}" for one in view.seen if str(one.address) in addresses]
    used += [
        f"the container's namespace is {view.namespaces[record.netns]}"
        for record in records
        if record.netns in view.namespaces
    ]
    if used:
        raise RefusedError(
            f"{'; '.join(used)}: end the pod, or take the address away there; --force frees it "
            "nevertheless, and then two may have it"
        )


def _devices(records: Sequence[Record]) -> list[str]:
    return sorted(record.device.pci_address or record.device.host_name for record in records)


def _whose(here: Wiring, target: str) -> str:
    """Return why there is nothing to release on this node."""
    nobody = f"nobody holds {target} on this node"
    if not _is_address(target):
        return f"no container {target} holds an address on this node: railctl addresses"
    if here.node_file is None or here.node_file.etcd is None:
        return nobody
    from install.railctl.ipam.rows import locate
    from ipam.etcd.errors import EtcdError

    try:
        with cluster(here) as joined:
            overview = joined.overview()
            definitions = [one.definition for one in overview.fabrics().values()]
            found = locate(definitions, ip_address(target))
            place = overview.place(found[0], found[2]) if found else None
    except EtcdError as error:
        return f"{nobody}, and whose it is cannot be told: {said(error)}"
    owner = place and (place.single or place.block)
    if not owner:
        return f"{nobody}, and it lies in no node's block"
    if owner.record.node == joined.file.node:
        return f"{nobody}, though its block is this node's: railctl ipam verify"
    return f"{target} lies in what node {owner.record.node} owns: release it there"


def _tell(here: Wiring) -> str:
    """Let the registry be told; return what has come of it."""
    from ipam.holding import upkeep
    from ipam.upkeep import RETURN_AFTER

    if here.node_file is None or here.node_file.etcd is None:
        return "this node has no registry to tell"
    with here.locks.upkeep() as alone:
        if not alone:
            return "the registry is being told by rail-upkeep"
        if upkeep.run(here.shared_desk, RETURN_AFTER):
            return "the registry is told"
    return "the registry is told as soon as it answers"
