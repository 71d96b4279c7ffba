"""The verbs of a namespace for VFs and RDMA devices, by a plain netlink socket."""

from __future__ import annotations

import errno
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from cni.kernel import netlink, rdma, vf_messages
from cni.kernel.functions import RdmaDevice, VfSettings
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Link, kernel_errors

T = TypeVar("T")

_STARTING = frozenset({errno.EAGAIN, errno.EBUSY})
_VF_PATIENCE, _VF_PAUSE = 2.0, 0.05
"""Seconds that a VF gets to start anew, and from one look to the next."""


class FunctionVerbs(ABC):
    """What a namespace of the running kernel does with VFs and RDMA devices."""

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def descriptor(self) -> AbstractContextManager[int]:
        """Lend a descriptor of the namespace."""

    @abstractmethod
    def link(self, index: int) -> Link | None:
        """Return one link by index."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace.

        Args:
            work: what to do there.
            apart: in a thread that may leave its mount namespace for good.
        """

    def vf(self, index: int, number: int) -> VfSettings | None:
        """`ip link show dev PF`."""
        request = vf_messages.show_request(index)
        try:
            with kernel_errors("ip link show"):
                answers = self._run(lambda: netlink.ask(netlink.ROUTE, request))
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        return vf_messages.settings(answers[0], number)

    def set_vf(self, index: int, number: int, settings: VfSettings) -> None:
        """`ip link set dev PF vf N …`, property by property."""
        for one in settings.each():
            self._impose(index, number, one)

    def rdma_devices(self) -> Sequence[RdmaDevice]:
        """`rdma dev show`."""
        with kernel_errors("rdma dev show"):
            return self._run(rdma.devices)

    def move_rdma(self, index: int, target: Namespace) -> None:
        """`rdma dev set D netns T`."""
        if not isinstance(target, FunctionVerbs):
            raise TypeError(f"{target!r} is no namespace of this kernel")
        with target.descriptor() as descriptor:
            self._set_rdma(index, f"netns {target.path}", lambda: rdma.move(index, descriptor))

    def rename_rdma(self, index: int, name: str) -> None:
        """`rdma dev set D name N`."""
        self._set_rdma(index, f"name {name}", lambda: rdma.rename(index, name))

    def _impose(self, index: int, number: int, one: VfSettings) -> None:
        request = vf_messages.set_request(index, number, one)
        try:
            self._run(lambda: _ask_patiently(request))
        except OSError as error:
            words = f"vf {number} {vf_messages.words(one)}"
            raise KernelError.of(f"ip link set dev {self._name(index)} {words}", error) from error

    def _set_rdma(self, index: int, words: str, work: Callable[[], None]) -> None:
        try:
            # The kernel takes the device from the namespace of the thread that asks.
            self._run(work)
        except OSError as error:
            known = {device.index: device.name for device in self.rdma_devices()}
            name = known.get(index, f"index{index}")
            raise KernelError.of(f"rdma dev set {name} {words}", error) from error

    def _name(self, index: int) -> str:
        link = self.link(index)
        return link.name if link else f"if{index}"


def _ask_patiently(request: bytes) -> None:
    """Ask a PF; again, while its VF starts anew for the property before (i40e, ice)."""
    deadline = time.monotonic() + _VF_PATIENCE
    while True:
        try:
            netlink.ask(netlink.ROUTE, request)
        except OSError as error:
            if error.errno not in _STARTING or time.monotonic() > deadline:
                raise
            time.sleep(_VF_PAUSE)
        else:
            return
