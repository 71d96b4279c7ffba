"""The verbs of a namespace, on the fake's state."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Interface, IPv6Network

from cni.kernel import frames, messages, rule_messages
from cni.kernel.fake import lifecycle, releases, routing
from cni.kernel.fake.adapter_verbs import AdapterVerbs
from cni.kernel.fake.datagram_verbs import DatagramVerbs
from cni.kernel.fake.expiring import SECOND
from cni.kernel.fake.function_verbs import FunctionVerbs
from cni.kernel.fake.guarding_verbs import GuardingVerbs
from cni.kernel.fake.marking_verbs import MarkingVerbs
from cni.kernel.fake.model import Announcement, Device
from cni.kernel.fake.neighbour_verbs import NeighbourVerbs
from cni.kernel.fake.verbs import refused
from cni.kernel.fake.watching_verbs import WatchingVerbs
from cni.kernel.interface import Namespace
from cni.kernel.types import (
    Interface,
    KernelError,
    Link,
    Route,
    Rule,
    kernel_errors,
)
from cni.kernel.watching import News

_LONGEST_NAME = 15
_NAME = re.compile(r"[^/:\s]+")
_GROUP_ADDRESS = 1
"""The bit of a MAC's first octet that makes it a group's."""


class FakeNamespace(
    AdapterVerbs,
    DatagramVerbs,
    FunctionVerbs,
    GuardingVerbs,
    MarkingVerbs,
    NeighbourVerbs,
    WatchingVerbs,
):
    """One network namespace of the fake; keeps the `Namespace` protocol."""

    def links(self) -> Sequence[Link]:
        """`ip -d link show`."""
        return [self.netns.link(device, self._machine.now) for device in self._devices()]

    def link(self, index: int) -> Link | None:
        """RTM_GETLINK by index."""
        return next((link for link in self.links() if link.index == index), None)

    def find(self, name: str) -> Link | None:
        """`ip -d link show dev NAME`."""
        device = self.netns.find(name)
        return self.netns.link(device, self._machine.now) if device else None

    def set_up(self, index: int) -> None:
        """`ip link set dev X up`."""
        device = self._device("link set", index, "up")
        lifecycle.bring_up(self.netns, device, self._machine.now)

    def set_down(self, index: int) -> None:
        """`ip link set dev X down`."""
        lifecycle.bring_down(self.netns, self._device("link set", index, "down"))

    def set_mtu(self, index: int, mtu: int) -> None:
        """`ip link set dev X mtu N`."""
        words = f"mtu {mtu}"
        device = self._device("link set", index, words)
        if not device.min_mtu <= mtu <= device.max_mtu:
            limit = "less than" if mtu < device.min_mtu else "greater than"
            verb = f"link set dev {device.name} {words}"
            raise refused(verb, errno.EINVAL, f"mtu {limit} the device allows")
        if device.vf and device.mtu != mtu:
            device.vf.restart(device)
        device.mtu = mtu
        self.netns.tell(News.LINK)

    def set_mac(self, index: int, mac: str) -> None:
        """`ip link set dev X address MAC`."""
        words = f"address {mac}"
        device = self._device("link set", index, words)
        octets = bytes.fromhex(mac.replace(":", ""))
        if octets[0] & _GROUP_ADDRESS or not any(octets):
            raise refused(f"link set dev {device.name} {words}", errno.EADDRNOTAVAIL)
        if device.vf is None:
            device.mac = mac.lower()
        elif not device.vf.choose_mac(device, mac.lower()):
            raise refused(f"link set dev {device.name} {words}", errno.EADDRNOTAVAIL)
        self.netns.tell(News.LINK)

    def rename(self, index: int, name: str) -> None:
        """`ip link set dev X name Y`."""
        words = f"name {name}"
        device = self._device("link set", index, words)
        self._rename(device, name, f"link set dev {device.name} {words}")

    def add_altname(self, index: int, name: str) -> None:
        """`ip link property add dev X altname Y`."""
        words = f"altname {name}"
        device = self._device("link property add", index, words)
        verb = f"link property add dev {device.name} {words}"
        self._require(releases.ALTNAMES, verb)
        if name in self.netns.names():
            raise refused(verb, errno.EEXIST)
        device.altnames.append(name)
        self.netns.tell(News.LINK)

    def remove_altname(self, index: int, name: str) -> None:
        """`ip link property del dev X altname Y`."""
        words = f"altname {name}"
        device = self._device("link property del", index, words)
        verb = f"link property del dev {device.name} {words}"
        self._require(releases.ALTNAMES, verb)
        if name not in device.altnames:
            number = errno.EINVAL if name in self.netns.names() else errno.ENOENT
            raise refused(verb, number)
        device.altnames.remove(name)
        self.netns.tell(News.LINK)

    def move(self, index: int, target: Namespace, name: str) -> None:
        """`ip link set dev X netns T name Y`: the move, then the renaming."""
        if not isinstance(target, FakeNamespace):
            raise TypeError(f"{target!r} is no namespace of this kernel")
        words = f"netns {target.path} name {name}"
        device = self._device("link set", index, words)
        verb = f"link set dev {device.name} {words}"
        _require_length(name, verb)
        if number := lifecycle.transfer(device, self.netns, target.netns, name):
            raise refused(verb, number)
        target._rename(device, name, verb)  # noqa: SLF001 - a namespace of this very class

    def addresses(self, index: int) -> Sequence[Interface]:
        """`ip address show dev X`."""
        return next((tuple(d.addresses) for d in self._devices() if d.index == index), ())

    def add_address(self, index: int, address: Interface) -> None:
        """`ip address add A dev X nodad`."""
        device = self._device(f"address add {address}", index, "nodad")
        verb = f"address add {address} dev {device.name} nodad"
        if isinstance(address, IPv6Interface):
            self._require_ipv6(verb)
            if not device.ipv6_enabled():
                raise refused(verb, errno.EACCES, "ipv6: IPv6 is disabled on this device")
            if address.is_multicast:
                raise refused(verb, errno.EADDRNOTAVAIL)
        if lifecycle.has_address(device, address):
            raise refused(verb, errno.EEXIST, "Address already assigned")
        lifecycle.add_address(self.netns, device, address)

    def routes(self, index: int) -> Sequence[Route]:
        """`ip route show table all dev X`, of both families."""
        self._devices()
        return [route for route in self.netns.routes if route.index == index]

    def add_route(self, route: Route) -> None:
        """`ip route add …`."""
        device = self._device(f"route add {messages.route_words(route)}", route.index)
        verb = f"route add {messages.route_words(route)} dev {device.name}"
        if isinstance(route.dst, IPv6Network):
            self._require_ipv6(verb)
        if messages.needs_via(route):
            self._require(releases.IPV4_BY_IPV6, verb, errno.EINVAL)
        stored = routing.as_stored(route)
        if refusal := routing.refusal(self.netns, device, stored):
            raise refused(verb, *refusal)
        self.netns.routes.append(stored)
        self.netns.tell(News.ROUTE)

    def remove_route(self, route: Route) -> None:
        """`ip route del …`, whatever its scope."""
        verb = f"route del {messages.route_words(route)}"
        self._change(verb)
        for candidate in self.netns.routes:
            if routing.matches(candidate, route):
                self.netns.routes.remove(candidate)
                self.netns.tell(News.ROUTE)
                return
        raise refused(verb, errno.ESRCH)

    def rules(self) -> Sequence[Rule]:
        """`ip rule show; ip -6 rule show`."""
        return sorted(self.netns.rules, key=lambda rule: (rule.source.version, rule.priority))

    def add_rule(self, rule: Rule) -> None:
        """`ip rule add …`."""
        verb = f"rule add {rule_messages.words(rule)}"
        self._change(verb)
        if isinstance(rule.source, IPv6Network) and not self._machine.ipv6:
            raise refused(verb, errno.EAFNOSUPPORT)
        if rule.port > routing.LAST_PORT_OF_A_RULE:
            raise refused(verb, errno.EINVAL, "Invalid dport range")
        if rule in self.netns.rules:
            raise refused(verb, errno.EEXIST)
        self.netns.rules.append(rule)
        self.netns.tell(News.RULE)

    def remove_rule(self, rule: Rule) -> None:
        """`ip rule del …`."""
        verb = f"rule del {rule_messages.words(rule)}"
        self._change(verb)
        found = next((other for other in self.rules() if routing.is_meant(rule, other)), None)
        if found is None:
            raise refused(verb, errno.ENOENT)
        self.netns.rules.remove(found)
        self.netns.tell(News.RULE)

    def sysctl(self, key: str) -> str | None:
        """`sysctl net/KEY`."""
        settings, name = self._settings(key)
        return settings.get(name)

    def ensure_sysctls(self, values: Mapping[str, str]) -> None:
        """`sysctl -w` for what is there and is otherwise."""
        for key, value in values.items():
            if self.sysctl(key) not in {None, value}:
                self.set_sysctl(key, value)

    def set_sysctl(self, key: str, value: str) -> None:
        """`sysctl -w net/KEY=VALUE`; every file of the fake holds an integer."""
        verb = f"sysctl -w net/{key}={value}"
        settings, name = self._settings(key)
        self._machine.before_change(verb)
        if name not in settings:
            raise KernelError(verb, errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            settings[name] = str(int(value, base=0))
        except ValueError:
            raise KernelError(verb, errno.EINVAL, os.strerror(errno.EINVAL)) from None
        for device in self.netns.devices.values():
            if not device.ipv6_enabled():
                lifecycle.disable_ipv6(self.netns, device)

    def wait_for_carrier(self, index: int, seconds: float) -> bool:
        """Let the time pass until then, at once."""
        device = self.netns.devices.get(index)
        if device is None or device.has_carrier(self._machine.now):
            return device is not None
        deadline = self._machine.now + int(seconds * SECOND)
        self._machine.now = min(max(device.carrier_at, self._machine.now), deadline)
        if device.has_carrier(self._machine.now):
            return True
        self._machine.now = deadline
        return False

    def announce(self, index: int, addresses: Iterable[Interface]) -> None:
        """Record what would be sent."""
        device = self.netns.devices.get(index)
        if device is None:
            raise KernelError(f"announce on if{index}", errno.ENODEV, "no such device")
        with kernel_errors(f"announce on {device.name}"):
            for address in addresses:
                frames.announcement(device.mac, address.ip)
                if not device.up:
                    raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
                sent = Announcement(self.identity, device.name, device.mac, address)
                self._machine.announcements.append(sent)

    def _rename(self, device: Device, name: str, verb: str) -> None:
        if name == device.name:
            return
        _require_length(name, verb)
        if not _NAME.fullmatch(name) or name in {".", ".."}:
            raise refused(verb, errno.EINVAL)
        if name in self.netns.names():
            raise refused(verb, errno.EEXIST)
        if device.up:
            self._require(releases.RENAMING_WHILE_UP, verb, errno.EBUSY)
        device.name = name
        self.netns.tell(News.LINK)

    def _require_ipv6(self, verb: str) -> None:
        if not self._machine.ipv6:
            raise refused(verb, errno.EOPNOTSUPP)

    def _settings(self, key: str) -> tuple[dict[str, str], str]:
        """Return where a setting is, and under which name."""
        if not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise KernelError(f"sysctl net/{key}", errno.EINVAL, "the key leads out")
        match key.split("/"):
            case [family, folder, group, name] if group not in {"all", "default"}:
                owner = next((d for d in self._devices() if d.name == group), None)
                return (owner.sysctls if owner else {}), f"{family}/{folder}/{name}"
        return self.netns.sysctls, key


def _require_length(name: str, verb: str) -> None:
    if len(name.encode()) > _LONGEST_NAME:
        raise refused(verb, errno.ERANGE, "Attribute failed policy validation")
