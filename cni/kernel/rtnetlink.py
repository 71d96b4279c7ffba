"""The verbs of a namespace as rtnetlink requests, by whatever `IPRoute` a subclass hands them."""

from __future__ import annotations

import errno
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from cni.kernel import frames, messages, netns, sysctl
from cni.kernel.function_verbs import FunctionVerbs
from cni.kernel.interface import Namespace
from cni.kernel.messages import Message
from cni.kernel.types import (
    Interface,
    KernelError,
    Link,
    NetnsId,
    Route,
    Rule,
    kernel_errors,
)

_IFNAMSIZ = 16
_RTEXT_FILTER_SKIP_STATS = 8
_NLM_F_DUMP_INTR = 0x10
_DUMP_ATTEMPTS = 10
_ALL_FAMILIES = 255
"""The kernel has no such family, and dumps every one's routes; 0 would mean IPv4 alone."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
"""Seconds between two looks at the carrier, doubling from the first to the second."""

IPRoute: TypeAlias = Any
T = TypeVar("T")


class RtnetlinkNamespace(FunctionVerbs):
    """One network namespace of the running kernel; keeps the `Namespace` protocol."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._identity: NetnsId | None = None

    @abstractmethod
    def _call(self, request: Callable[[IPRoute], T]) -> T:
        """Send a request through a netlink socket of the namespace.

        Raises:
            OSError: what the kernel answered.
        """

    @property
    def identity(self) -> NetnsId:
        """Ask once: stat(2) and SO_NETNS_COOKIE."""
        if self._identity is None:
            with kernel_errors("ip netns identify"), self.descriptor() as descriptor:
                self._identity = self._run(lambda: netns.identify(descriptor))
        return self._identity

    def links(self) -> Sequence[Link]:
        """`ip -d link show`."""
        skip_stats = _RTEXT_FILTER_SKIP_STATS
        dump = self._dump(lambda rtnl: rtnl.link("dump", ext_mask=skip_stats), "link show")
        return [messages.link(message) for message in dump]

    def link(self, index: int) -> Link | None:
        """RTM_GETLINK by index."""
        return self._get_link(index=index)

    def find(self, name: str) -> Link | None:
        """`ip -d link show dev NAME`."""
        # Wherever altnames exist IFLA_IFNAME finds them as well, but only the short ones.
        attribute = "ifname" if len(name.encode()) < _IFNAMSIZ else "altname"
        return self._get_link(**{attribute: name})

    def set_up(self, index: int) -> None:
        """`ip link set dev X up`."""
        self._set_link(index, "up", state="up")

    def set_down(self, index: int) -> None:
        """`ip link set dev X down`."""
        self._set_link(index, "down", state="down")

    def set_mtu(self, index: int, mtu: int) -> None:
        """`ip link set dev X mtu N`."""
        self._set_link(index, f"mtu {mtu}", mtu=mtu)

    def set_mac(self, index: int, mac: str) -> None:
        """`ip link set dev X address MAC`."""
        self._set_link(index, f"address {mac}", address=mac)

    def rename(self, index: int, name: str) -> None:
        """`ip link set dev X name Y`."""
        self._set_link(index, f"name {name}", ifname=name)

    def add_altname(self, index: int, name: str) -> None:
        """`ip link property add dev X altname Y`."""
        self._change_altname("add", index, name)

    def remove_altname(self, index: int, name: str) -> None:
        """`ip link property del dev X altname Y`."""
        self._change_altname("del", index, name)

    def move(self, index: int, target: Namespace, name: str) -> None:
        """`ip link set dev X netns T name Y`, in one message."""
        if not isinstance(target, RtnetlinkNamespace):
            raise TypeError(f"{target!r} is no namespace of this kernel")
        words = f"netns {target.path} name {name}"
        with target.descriptor() as descriptor:
            self._set_link(index, words, net_ns_fd=descriptor, ifname=name)

    def addresses(self, index: int) -> Sequence[Interface]:
        """`ip address show dev X`."""
        dump = self._dump(lambda rtnl: rtnl.addr("dump", index=index), "address show", index)
        return [messages.address(message) for message in dump]

    def add_address(self, index: int, address: Interface) -> None:
        """`ip address add A dev X nodad`."""
        arguments = messages.address_request(index, address)
        words = f"address add {address}"
        self._request(lambda rtnl: rtnl.addr("add", **arguments), words, index, "nodad")

    def routes(self, index: int) -> Sequence[Route]:
        """`ip route show table all dev X`, of both families."""
        words = "route show table all"
        dump = self._dump(lambda rtnl: rtnl.route("dump", family=_ALL_FAMILIES), words, index)
        return [route for message in dump for route in messages.routes(message, index)]

    def add_route(self, route: Route) -> None:
        """`ip route add …`."""
        self._change_route("add", route, messages.scope_of(route))

    def remove_route(self, route: Route) -> None:
        """`ip route del …`, whatever its scope."""
        self._change_route("del", route, messages.RT_SCOPE_NOWHERE)

    def rules(self) -> Sequence[Rule]:
        """`ip rule show; ip -6 rule show`."""
        dump = self._dump(lambda rtnl: rtnl.rule("dump"), "rule show")
        return [rule for rule in map(messages.rule, dump) if rule]

    def add_rule(self, rule: Rule) -> None:
        """`ip rule add from S lookup T priority P`."""
        self._change_rule("add", rule)

    def remove_rule(self, rule: Rule) -> None:
        """`ip rule del from S lookup T priority P`."""
        self._change_rule("del", rule)

    def sysctl(self, key: str) -> str | None:
        """`sysctl net/KEY`."""
        with kernel_errors(f"sysctl net/{key}"):
            return self._run(lambda: sysctl.read(key))

    def set_sysctl(self, key: str, value: str) -> None:
        """`sysctl -w net/KEY=VALUE`."""
        with kernel_errors(f"sysctl -w net/{key}={value}"):
            self._run(lambda: sysctl.write(key, value), apart=True)

    def wait_for_carrier(self, index: int, seconds: float) -> bool:
        """Look again and again.

        A socket for link events would have to be bound before `up`, and can overrun.
        """
        deadline = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        while (link := self.link(index)) and not link.carrier:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
        return link is not None

    def announce(self, index: int, addresses: Iterable[Interface]) -> None:
        """Send the frames by a packet socket (`arping -U`, `ndsend`)."""
        link = self.link(index)
        if link is None:
            raise KernelError(f"announce on if{index}", errno.ENODEV, "no such device")
        with kernel_errors(f"announce on {link.name}"):
            packets = [frames.announcement(link.mac, address.ip) for address in addresses]
            self._run(lambda: frames.send(link.name, packets))

    def _get_link(self, **wanted: Any) -> Link | None:
        skip_stats = _RTEXT_FILTER_SKIP_STATS
        try:
            (message,) = self._request(
                lambda rtnl: rtnl.link("get", ext_mask=skip_stats, **wanted), "link show"
            )
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        return messages.link(message)

    def _set_link(self, index: int, words: str, **attributes: Any) -> None:
        self._request(
            lambda rtnl: rtnl.link("set", index=index, **attributes), "link set", index, words
        )

    def _change_altname(self, action: str, index: int, name: str) -> None:
        self._request(
            lambda rtnl: rtnl.link(f"property_{action}", index=index, altname=name),
            f"link property {action}",
            index,
            f"altname {name}",
        )

    def _change_route(self, action: str, route: Route, scope: int) -> None:
        arguments = messages.route_request(route)
        words = f"route {action} {messages.route_words(route)}"
        self._request(lambda rtnl: rtnl.route(action, scope=scope, **arguments), words, route.index)

    def _change_rule(self, action: str, rule: Rule) -> None:
        arguments = messages.rule_request(rule)
        words = f"rule {action} {messages.rule_words(rule)}"
        self._request(lambda rtnl: rtnl.rule(action, **arguments), words)

    def _dump(
        self, request: Callable[[IPRoute], Iterable[Message]], words: str, index: int = 0
    ) -> tuple[Message, ...]:
        """Read a whole table; again, when it changed under the reading."""
        for _ in range(_DUMP_ATTEMPTS):
            dump = self._request(lambda rtnl: tuple(request(rtnl)), words, index)
            if not any(message["header"]["flags"] & _NLM_F_DUMP_INTR for message in dump):
                return dump
        raise KernelError(f"ip {words}", errno.EAGAIN, "the table kept changing")

    def _request(
        self, request: Callable[[IPRoute], T], words: str, index: int = 0, more: str = ""
    ) -> T:
        """Send a request.

        Args:
            request: what to send.
            words: what iproute2 calls it, for the error.
            index: of the link whose name belongs between those words and the others.
            more: the words after it.
        """
        try:
            return self._call(request)
        except OSError as error:
            device = f" dev {self._name(index)}" if index else ""
            raise KernelError.of(f"ip {words}{device} {more}".rstrip(), error) from error
