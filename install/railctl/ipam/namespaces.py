"""Which addresses this node's network namespaces have, as the kernel says."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import Address, KernelError, NetnsId


@dataclass(frozen=True, slots=True)
class Seen:
    """An address in a namespace."""

    address: Address
    link: str
    path: str
    """Of the namespace: a mount of it, or `/proc/PID/ns/net`."""

    def __str__(self) -> str:
        return f"{self.link} in {self.path}"


@dataclass(frozen=True, slots=True)
class View:
    """All namespaces that are mounted or have a process."""

    seen: tuple[Seen, ...]
    namespaces: dict[NetnsId, str]
    """Each one's path."""


def running_kernel() -> Kernel:
    """Return this node's kernel."""
    from cni.kernel.linux import LinuxKernel

    return LinuxKernel()


def look(kernel: Kernel, noted: Callable[[int], None] | None = None) -> View:
    """Look into every namespace.

    Args:
        kernel: whose namespaces.
        noted: is told how many have been looked into.

    Raises:
        KernelError: some could not be looked into.
    """
    seen: list[Seen] = []
    namespaces: dict[NetnsId, str] = {}

    def enter(namespace: Namespace) -> bool:
        namespaces[namespace.identity] = namespace.path
        seen.extend(_addresses(namespace))
        if noted:
            noted(len(namespaces))
        return False  # the next one too

    with kernel.search(enter):
        return View(tuple(seen), namespaces)


def _addresses(namespace: Namespace) -> Iterator[Seen]:
    for link in namespace.links():
        try:
            found = namespace.addresses(link.index)
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            continue  # it went while we looked
        for address in found:
            yield Seen(address.ip, link.name, namespace.path)
