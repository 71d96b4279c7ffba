"""Which fabric of the node file a network configuration means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cni.protocol.errors import CniError, Code
from ipam import forms
from ipam.definition import Definition
from ipam.ranges import Address, Network, listing

if TYPE_CHECKING:
    from ipam.node_file import NodeFile


@dataclass(frozen=True, slots=True)
class Declared:
    """A rail of a fabric that the node file declares."""

    definition: Definition
    rail: str
    gateway: tuple[Address, ...]
    """The rail's, where it has any."""
    shared: bool
    """etcd says who owns the fabric's slots, not this node."""

    @property
    def rails(self) -> dict[str, tuple[Network, ...]]:
        """The subnets of each rail."""
        return {rail.name: rail.subnets for rail in self.definition.rails}

    def contradiction(
        self, subnets: tuple[Network, ...], rails: Mapping[str, tuple[Network, ...]]
    ) -> str:
        """Return in what a network's own words differ from the node file, empty when in nothing.

        Args:
            subnets: the rail's, as the network has them.
            rails: the fabric's, empty when the network says nothing of them.
        """
        theirs = f"what the node file says of fabric {self.definition.name}"
        if rails and rails != self.rails:
            return f"ipam.rails is {_table(rails)}, expected {theirs}: {_table(self.rails)}"
        if subnets != self.rails[self.rail]:
            return (
                f"ipam.subnet is {listing(subnets)}, expected {theirs} and its rail {self.rail}: "
                f"{listing(self.rails[self.rail])}"
            )
        return ""


def find(section: Mapping[str, Any], node_file: NodeFile) -> Declared | None:
    """Return the rail that an `ipam` object means; None: the object has to tell all by itself.

    It is named by fabric and rail, or by its subnet alone.  What cannot be read is left to the
    model to complain about.

    Raises:
        CniError: code 7, when the fabric has no such rail, or when it is not declared on a node of
            a cluster: the same addresses could be given on another node.
    """
    fabric, rail = section.get("fabric"), section.get("rail")
    if fabric is None and rail is None:
        subnets = _subnets(section.get("subnet"))
        found = _rail_with(subnets, node_file)
        if found is None and subnets:
            _refuse_undeclared("subnet", section["subnet"], node_file)
        return found
    if not isinstance(fabric, str) or not isinstance(rail, str):
        return None
    if fabric not in node_file.fabrics:
        _refuse_undeclared("fabric", fabric, node_file)
        return None
    rails = node_file.fabrics[fabric].rails
    if rail not in rails:
        raise CniError(
            Code.INVALID_CONFIG,
            f"ipam.rail is {rail!r}, expected a rail that the node file declares of fabric "
            f"{fabric}: {listing(rails)}",
        )
    return _declared(node_file, fabric, rail)


def _rail_with(subnets: tuple[Network, ...], node_file: NodeFile) -> Declared | None:
    for name, fabric in node_file.fabrics.items():
        for rail, theirs in fabric.subnets.items():
            if theirs == subnets:
                return _declared(node_file, name, rail)
    return None


def _declared(node_file: NodeFile, fabric: str, rail: str) -> Declared:
    return Declared(
        definition=node_file.definitions[fabric],
        rail=rail,
        gateway=node_file.fabrics[fabric].rails[rail].gateway,
        shared=node_file.is_shared(fabric),
    )


def _subnets(value: object) -> tuple[Network, ...]:
    try:
        return forms.one_per_family(forms.subnet)(value)
    except ValueError:
        return ()


def _refuse_undeclared(key: str, value: object, node_file: NodeFile) -> None:
    if node_file.etcd is None:
        return
    declared = [f"{name} ({_table(fabric.subnets)})" for name, fabric in node_file.fabrics.items()]
    raise CniError(
        Code.INVALID_CONFIG,
        f"ipam.{key} is {value!r}, expected a {key} that the node file declares: "
        f"{listing(declared) or 'it declares none'}",
        "this node shares its fabrics by etcd, and what it gave by itself another node could give "
        'too: declare the fabric in the node file, with registry = "local" if no other node has it',
    )


def _table(rails: Mapping[str, tuple[Network, ...]]) -> str:
    return listing(f"{name} {listing(nets)}" for name, nets in rails.items())
