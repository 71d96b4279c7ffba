"""A pod of this agent's own, that paths are proven from and to.

It is a network namespace without a process, attached by the primary network's own plugins: what
reaches it is forwarded, filtered and masqueraded as what reaches any pod.  It is mounted nowhere,
and dies with the agent; of an agent that was killed, only the address is still held, and given back
before the next one attaches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_interface
from threading import Lock
from typing import Any

from cni.delegate.chain import Chain
from cni.delegate.program import Target
from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import Address, Interface, Network
from cni.protocol.errors import CniError, Code

log = logging.getLogger(__name__)

_CONTAINER = "rail-hostgw-probe"
"""The same one always: so the address that a killed agent's had can be given back."""
_IFNAME = "eth0"
_NOBODY = IPv4Address(0)
_ANSWERING = 0.3
"""Seconds that another pod gets to say that our address is its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Attached:
    """The pod, as long as it is there."""

    namespace: Namespace
    addresses: Mapping[int, Address]
    """By IP version."""
    networks: frozenset[Network]
    """Those that they are in: this node's own pod networks."""
    result: Mapping[str, Any]
    """What the plugins have made of it."""
    mtu: int = 0
    """Of its link, in octets; 0 when nobody knows."""


class Probe:
    """Attaches the pod, and sees to it that it stays attached.

    Args:
        kernel: makes its namespace.
        chain: reads the primary network's plugins as they are now (CniError).
        path: folders of CNI_PATH.
        environ: what plugins inherit.
    """

    def __init__(
        self,
        kernel: Kernel,
        chain: Callable[[], Chain],
        path: tuple[str, ...],
        environ: Mapping[str, str],
    ) -> None:
        self._kernel = kernel
        self._read_chain = chain
        self._path = path
        self._environ = environ
        self._busy = Lock()
        self._undo = ExitStack()
        self._chain: Chain | None = None
        self.attached: Attached | None = None
        self.problem = ""
        """Why it is not attached, in words."""

    @property
    def network(self) -> str:
        """The name of the network that it is attached to; empty while it is not."""
        return self._chain.name if self._chain and self.attached else ""

    def ensure(self) -> None:
        """Attach it unless it is, and again when its network is another one, or says it is gone.

        Raises:
            CniError, KernelError: it could not be attached; `problem` says so too.
        """
        try:
            with self._busy:
                chain = self._read_chain()
                if self.attached and (chain != self._chain or not self._is_sound(self.attached)):
                    self._detach()
                if not self.attached:
                    self._attach(chain)
        except (CniError, OSError) as error:
            self._say(str(error))
            raise
        self._say("")

    def detach(self, patience: float = -1) -> None:
        """Give its address back, and let it die; a plugin that fails is logged.

        Args:
            patience: seconds to wait for an `ensure` that is under way, and for each plugin; as
                long as it takes when negative.
        """
        if not self._busy.acquire(timeout=patience):
            log.warning("a plugin hangs: the address that paths are proven from stays held")
            return
        try:
            if self._chain and patience >= 0:
                self._chain = replace(self._chain, patience=patience)
            self._detach()
        finally:
            self._busy.release()

    def _detach(self) -> None:
        attached, self.attached = self.attached, None
        if attached and self._chain:
            self._delete(self._chain, attached.namespace.path, attached.result)
        self._undo.close()

    def _attach(self, chain: Chain) -> None:
        self._delete(chain, "", None)  # of an agent that was killed
        with ExitStack() as made:
            namespace = made.enter_context(self._kernel.new_namespace())
            result = chain.add(self._target(namespace.path))
            try:
                interfaces = _interfaces(result)
            except CniError:
                self._delete(chain, namespace.path, result)
                raise
            link = namespace.find(_IFNAME)
            self._undo = made.pop_all()
        self._chain = chain
        addresses = {version: interface.ip for version, interface in interfaces.items()}
        networks = frozenset(interface.network for interface in interfaces.values())
        self.attached = Attached(namespace, addresses, networks, result, link.mtu if link else 0)
        shown = ", ".join(map(str, addresses.values()))
        log.info("paths are proven from %s, a pod of the network %s", shown, chain.name)

    def _is_sound(self, attached: Attached) -> bool:
        link = attached.namespace.find(_IFNAME)
        if self._chain is None or link is None:
            return False
        if taken := self._who_else_has_it(attached, link.index):
            log.warning("%s is another pod's as well: ours takes another one", taken)
            return False
        try:
            self._chain.check(self._target(attached.namespace.path), attached.result)
        except CniError as error:
            log.warning("the pod that paths are proven from is attached anew: %s", error)
            return False
        return True

    def _who_else_has_it(self, attached: Attached, index: int) -> Address | None:
        """Return our address if somebody answers for it: not every plugin's CHECK would notice.

        Who asks by no address changes nobody's neighbours (RFC 5227, "ARP probe").
        """
        own = attached.addresses.get(4)
        if own is None or not attached.namespace.solicit(index, {own: _NOBODY}, _ANSWERING):
            return None
        return own

    def _delete(self, chain: Chain, netns: str, result: Mapping[str, Any] | None) -> None:
        try:
            chain.delete(self._target(netns), result)
        except CniError as error:
            log.warning("an address of the network %s may stay held: %s", chain.name, error)

    def _target(self, netns: str) -> Target:
        return Target(_CONTAINER, _IFNAME, netns, self._path, self._environ)

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.warning("no path can be proven: %s", problem)
        self.problem = problem


def _interfaces(result: Mapping[str, Any]) -> dict[int, Interface]:
    """Return the first address of each family, with its prefix (CniError: 999 without any)."""
    found: dict[int, Interface] = {}
    try:
        for each in result.get("ips") or ():
            address = ip_interface(each["address"])
            found.setdefault(address.version, address)
    except (TypeError, KeyError, ValueError):
        found = {}
    if not found:
        raise CniError(
            Code.DELEGATE_FAILED, "the primary network's plugins have given the pod no address"
        )
    return found
