"""What a NAD should be: one for each rail of a node file, as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from install.nad.devices import ANNOTATION
from install.nad.document import API_VERSION, KIND
from install.nad.kinds import OUR_IPAM, OURS
from install.nad.rails import DeclaredRail, rails_of
from install.nad.remarks import JUMBO
from install.nad.shape import is_name

if TYPE_CHECKING:
    from ipam.node_file import NodeFile

VERSION = "1.0.0"
"""Of the CNI specification, for a NAD that names none: every Multus since 4.0 speaks it."""
_INDENT = " " * 4


class RenderError(Exception):
    """A rail cannot be rendered, in words for the person who must act."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a node file does not say of its NADs."""

    namespace: str = ""
    """Empty to leave it to kubectl."""
    mtu: int = JUMBO
    version: str = VERSION
    resources: Mapping[str, str] = field(default_factory=dict)
    """By rail; before what the node file says."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A NAD that is to be written."""

    name: str
    namespace: str
    resource: str
    """Empty where nobody has said it."""
    config: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The same as YAML."""
        lines = [f"apiVersion: {API_VERSION}", f"kind: {KIND}", "metadata:"]
        lines.append(f"  name: {quoted(self.name)}")
        if self.namespace:
            lines.append(f"  namespace: {quoted(self.namespace)}")
        if self.resource:
            lines += ["  annotations:", f"{_INDENT}{ANNOTATION}: {quoted(self.resource)}"]
        elif "device" not in self.config:
            lines.append(f"  # annotations: {{{ANNOTATION}: the resource of the rail's VFs}}")
        lines += ["spec:", "  config: |"]
        lines += [f"{_INDENT}{line}" for line in json.dumps(self.config, indent=2).splitlines()]
        return "\n".join([*lines, ""])


def nads(node_file: NodeFile, wishes: Wishes) -> Iterator[Rendered]:
    """Return a NAD for each rail of a node file.

    Raises:
        RenderError: a rail's resource is not known, its name is none for Kubernetes, or two rails
            would get the same name.
    """
    names: dict[str, DeclaredRail] = {}
    for rail in rails_of(node_file):
        made = nad(rail, wishes)
        if not made.resource:
            raise RenderError(
                f"fabrics.{rail.fabric}.rails.{rail.name}.resource is missing, expected what the "
                f"device plugin calls the rail's VFs, such as rdma/hca_{rail.name}: write it "
                f"there, or say --resource {rail.name}=PREFIX/NAME"
            )
        if made.name in names:
            twin = names[made.name]
            raise RenderError(
                f"rail {rail.name} of fabric {rail.fabric} and rail {twin.name} of fabric "
                f"{twin.fabric} would both be called {made.name}: render one fabric at a time, "
                "into different namespaces"
            )
        names[made.name] = rail
        yield made


def nad(rail: DeclaredRail, wishes: Wishes, kept: Mapping[str, Any] | None = None) -> Rendered:
    """Return the NAD of one rail.

    Args:
        rail: as the node file declares it.
        wishes: what it does not say.
        kept: keys of the plugin that somebody has chosen, such as a VLAN.

    Raises:
        RenderError: its name is none for Kubernetes.
    """
    name = rail.name.lower().replace("_", "-")
    if not is_name(name):
        raise RenderError(f"the rail's name, {rail.name!r}, makes no name that Kubernetes takes")
    ipam = {"type": OUR_IPAM, "fabric": rail.fabric, "rail": rail.name}
    resource = wishes.resources.get(rail.name, rail.resource)
    named = {"rail": rail.name, **(kept or {})}
    return Rendered(name, wishes.namespace, resource, configuration(name, wishes, named, ipam))


def configuration(
    name: str, wishes: Wishes, keys: Mapping[str, Any], ipam: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a rail's network configuration.

    Args:
        name: the NAD's.
        wishes: MTU and version.
        keys: further ones of the plugin.
        ipam: its `ipam`.
    """
    return {
        "cniVersion": wishes.version,
        "name": name,
        "type": OURS,
        **keys,
        "mtu": wishes.mtu,
        # Multus then passes the file in which others find the VF's RDMA device.
        "capabilities": {"CNIDeviceInfoFile": True},
        "ipam": dict(ipam),
    }


def quoted(text: str) -> str:
    """Return a text as YAML: plain where no reader could take it for anything else."""
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    is_plain = text[:1].isalpha() and text.isascii() and text.casefold() not in words
    tame = is_plain and all(char.isalnum() or char in "-./_" for char in text)
    return text if tame else json.dumps(text, ensure_ascii=False)
