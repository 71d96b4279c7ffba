"""The verbs of a namespace as rtnetlink requests, sent by whatever thread a subclass works in."""

from __future__ import annotations

import errno
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from cni.kernel import (
    codec,
    frames,
    link_messages,
    messages,
    netns,
    route_messages,
    rule_messages,
    sysctl,
)
from cni.kernel.adapter_verbs import AdapterVerbs
from cni.kernel.datagram_verbs import DatagramVerbs
from cni.kernel.function_verbs import FunctionVerbs
from cni.kernel.guarding_verbs import GuardingVerbs
from cni.kernel.interface import Namespace
from cni.kernel.marking_verbs import MarkingVerbs
from cni.kernel.messages import Ask
from cni.kernel.neighbour_verbs import NeighbourVerbs
from cni.kernel.settling import settled
from cni.kernel.types import (
    Address,
    Interface,
    KernelError,
    Link,
    NetnsId,
    Route,
    Rule,
    kernel_errors,
)
from cni.kernel.watching_verbs import WatchingVerbs

_NO_WAY = frozenset({
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EAFNOSUPPORT,
    errno.EOPNOTSUPP,
})  # fmt: skip
"""What a route that is missing or forbids is refused with, and a kernel without IPv6."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
"""Seconds between two looks, doubling from the first to the second."""


class RtnetlinkNamespace(
    AdapterVerbs,
    DatagramVerbs,
    FunctionVerbs,
    GuardingVerbs,
    MarkingVerbs,
    NeighbourVerbs,
    WatchingVerbs,
):
    """One network namespace of the running kernel; keeps the `Namespace` protocol."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._identity: NetnsId | None = None

    @abstractmethod
    def _ask(self, request: bytes, *, strictly: bool) -> list[bytes]:
        """Ask rtnetlink of the namespace (`netlink.ask`)."""

    @property
    def identity(self) -> NetnsId:
        """Ask once: stat(2) and SO_NETNS_COOKIE."""
        if self._identity is None:
            with kernel_errors("ip netns identify"), self.descriptor() as descriptor:
                self._identity = self._run(lambda: netns.identify(descriptor))
        return self._identity

    def links(self) -> Sequence[Link]:
        """`ip -d link show`."""
        return list(map(link_messages.link, self._dump(link_messages.list_request(), "link show")))

    def link(self, index: int) -> Link | None:
        """RTM_GETLINK by index."""
        return self._show_link(link_messages.show_request(index))

    def find(self, name: str) -> Link | None:
        """`ip -d link show dev NAME`."""
        return self._show_link(link_messages.show_request(name=name), name)

    def set_up(self, index: int) -> None:
        """`ip link set dev X up`."""
        self._set_link(index, "up", up=True)

    def set_down(self, index: int) -> None:
        """`ip link set dev X down`."""
        self._set_link(index, "down", up=False)

    def set_mtu(self, index: int, mtu: int) -> None:
        """`ip link set dev X mtu N`."""
        self._set_link(index, f"mtu {mtu}", link_messages.mtu(mtu))

    def set_mac(self, index: int, mac: str) -> None:
        """`ip link set dev X address MAC`."""
        self._set_link(index, f"address {mac}", link_messages.mac(mac))

    def rename(self, index: int, name: str) -> None:
        """`ip link set dev X name Y`."""
        self._set_link(index, f"name {name}", link_messages.name(name))

    def add_altname(self, index: int, name: str) -> None:
        """`ip link property add dev X altname Y`."""
        self._change_altname(index, name, add=True)

    def remove_altname(self, index: int, name: str) -> None:
        """`ip link property del dev X altname Y`."""
        self._change_altname(index, name, add=False)

    def move(self, index: int, target: Namespace, name: str) -> None:
        """`ip link set dev X netns T name Y`, in one message."""
        if not isinstance(target, RtnetlinkNamespace):
            raise TypeError(f"{target!r} is no namespace of this kernel")
        words = f"netns {target.path} name {name}"
        with target.descriptor() as descriptor:
            attributes = link_messages.netns(descriptor) | link_messages.name(name)
            self._set_link(index, words, attributes)

    def addresses(self, index: int) -> Sequence[Interface]:
        """`ip address show dev X`."""
        found = self._list(messages.addresses_request(index), "address show", index)
        decoded = (codec.decode("address", body) for body in found)
        # Before Linux 4.20 it tells those of every link.
        return [messages.address(message) for message in decoded if message["index"] == index]

    def add_address(self, index: int, address: Interface) -> None:
        """`ip address add A dev X nodad`."""
        request = codec.encode(messages.address_request(index, address))
        self._request(request, f"address add {address}", index, "nodad")

    def routes(self, index: int) -> Sequence[Route]:
        """`ip route show table all dev X`, of both families."""
        found = self._list(messages.routes_request(index), "route show table all", index)
        return [
            route for body in found for route in route_messages.routes(body) if route.index == index
        ]

    def table(self, number: int) -> Sequence[Route]:
        """`ip route show table T; ip -6 route show table T`."""
        ask = messages.table_request(number)
        found = self._dump(codec.encode(ask), f"route show table {number}", narrow=True)
        routes = [route for body in found for route in route_messages.routes(body)]
        # Before Linux 4.20 it tells those of every table.
        return [route for route in routes if route.table == number]

    def way_to(self, destination: Address) -> Route | None:
        """`ip route get DESTINATION`."""
        request = route_messages.way_request(destination)
        try:
            (body,) = self._request(request, f"route get {destination}")
        except KernelError as error:
            if error.errno not in _NO_WAY:
                raise
            return None
        return route_messages.way(body)

    def add_route(self, route: Route) -> None:
        """`ip route add …`."""
        self._change_route(route, add=True)

    def remove_route(self, route: Route) -> None:
        """`ip route del …`, whatever its scope."""
        self._change_route(route, add=False)

    def rules(self) -> Sequence[Rule]:
        """`ip rule show; ip -6 rule show`."""
        found = self._dump(rule_messages.list_request(), "rule show")
        return [rule for rule in map(rule_messages.rule, found) if rule]

    def add_rule(self, rule: Rule) -> None:
        """`ip rule add …`."""
        self._change_rule(rule, add=True)

    def remove_rule(self, rule: Rule) -> None:
        """`ip rule del …`."""
        self._change_rule(rule, add=False)

    def sysctl(self, key: str) -> str | None:
        """`sysctl net/KEY`."""
        with kernel_errors(f"sysctl net/{key}"):
            return self._run(lambda: sysctl.read(key))

    def ensure_sysctls(self, values: Mapping[str, str]) -> None:
        """`sysctl -w` for what is there and is otherwise, in one hand-over."""

        def ensure() -> None:
            for key, value in values.items():
                with kernel_errors(f"sysctl -w net/{key}={value}"):
                    if sysctl.read(key) not in {None, value}:
                        sysctl.write(key, value)

        self._run(ensure, apart=True)

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

    def _show_link(self, request: bytes, name: str = "") -> Link | None:
        try:
            (body,) = self._request(request, "link show")
        except KernelError as error:
            if error.errno not in link_messages.absent(name):
                raise
            return None
        return link_messages.link(body)

    def _set_link(
        self,
        index: int,
        words: str,
        attributes: Mapping[int, bytes] | None = None,
        *,
        up: bool | None = None,
    ) -> None:
        request = link_messages.set_request(index, attributes or {}, up=up)
        self._request(request, "link set", index, words)

    def _change_altname(self, index: int, name: str, *, add: bool) -> None:
        request = link_messages.altname_request(index, name, add=add)
        words = f"link property {'add' if add else 'del'}"
        self._request(request, words, index, f"altname {name}")

    def _change_route(self, route: Route, *, add: bool) -> None:
        request = codec.encode(messages.route_request(route, add=add))
        words = f"route {'add' if add else 'del'} {messages.route_words(route)}"
        self._request(request, words, route.index)

    def _change_rule(self, rule: Rule, *, add: bool) -> None:
        request = rule_messages.request(rule, add=add)
        self._request(request, f"rule {'add' if add else 'del'} {rule_messages.words(rule)}")

    def _list(self, ask: Ask, words: str, index: int = 0) -> list[bytes]:
        """Read what there is of a link, nothing when it has gone."""
        try:
            return self._dump(codec.encode(ask), words, index)
        except KernelError as error:
            if error.errno != errno.ENODEV:
                raise
            return []

    def _dump(
        self, request: bytes, words: str, index: int = 0, *, narrow: bool = False
    ) -> list[bytes]:
        """Read a whole table, or what the request names of it; again, when it changed meanwhile."""
        strictly = narrow or index > 0
        return settled(
            f"ip {words}", lambda: self._request(request, words, index, strictly=strictly)
        )

    def _request(
        self, request: bytes, words: str, index: int = 0, more: str = "", *, strictly: bool = False
    ) -> list[bytes]:
        """Send a request.

        Args:
            request: what to send.
            words: what iproute2 calls it, for the error.
            index: of the link whose name belongs between those words and the others.
            more: the words after it.
            strictly: as `netlink.ask` has it.
        """
        try:
            return self._ask(request, strictly=strictly)
        except OSError as error:
            device = f" dev {self._name(index)}" if index else ""
            raise KernelError.of(f"ip {words}{device} {more}".rstrip(), error) from error
