"""A node of a cluster in memory, with an agent, and all that may happen to that."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_interface
from pathlib import Path

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.keys import Key, Keys
from cni.agent.hostgw.probe import Attached
from cni.agent.hostgw.prover import Prover
from cni.agent.hostgw.settings import HostgwSettings
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.kernel.fake import FakeSysfs
from cni.kernel.types import KernelError, Route
from cni.protocol.errors import CniError, Code
from tests.scenario.hostgw.host import ANY, Host

TIMES = {"interval": 1, "up": 1, "limit": 3, "hold": 4, "longestHold": 12}
LIMIT = 3.0
LOOKS = "looks"
"""What `refuses` may be besides: whatever the agent looks at."""
GOOD, NEW, BAD = (Key.of(bytes([n]) * 32) for n in range(3))


class DiedError(BaseException):
    """The agent's process has been killed, at this very verb."""


class Station(Host):
    """One node, where an agent may run.

    Args:
        number: which one.
        folder: for its files.
        versions: of IP.
    """

    def __init__(self, number: int, folder: Path, versions: tuple[int, ...]) -> None:
        super().__init__(number, versions)
        paths = Paths(state=folder / f"{number}/state", logs=folder / f"{number}/logs")
        sysfs = FakeSysfs(self.kernel)
        self.node = Node(self.kernel, sysfs, Locks(paths.locks), Notes(paths.hostgw))
        self.prover: Prover | None = None
        self.attached: Attached | None = None
        self.keys = [GOOD]
        self.hangs_until = 0.0
        self.crash_in: int | None = None
        """So many changes from now on the agent dies."""
        self.refuses = ""
        """What the kernel refuses: the beginning of a verb."""
        self.slow = 0.0
        """Seconds that a change of a route, a rule, a setting or a table takes."""
        self.put_back: Callable[[], None] = lambda: None
        """Is called when the agent is about to make a way."""
        self.inspect: Callable[[], None] = lambda: None
        """Is called between any two changes of its kernel by the agent."""
        self._numbers = itertools.count(9)
        self._probe = ExitStack()

    @property
    def now(self) -> float:
        """Return the time."""
        return self.kernel.uptime() / 1e9

    def start(self, mode: str = "wifi", *, attach: bool = True) -> None:
        """Start an agent."""
        assert self.prover is None
        if attach:
            self.attach()
        settings = HostgwSettings.model_validate({"mode": mode, **TIMES})
        self.prover = Prover(self.node, settings, self._read_keys, self._read_attached)

    def attach(self) -> None:
        """Give it a pod of its own, with an address that nobody had before."""
        self.detach()
        with self.outside():
            namespace = self._probe.enter_context(self.kernel.new_namespace())
            number = next(self._numbers)
            self.kernel.add_veth(f"veth{number}", "eth0", peer_path=namespace.path)
            self.host.set_up(self.link(f"veth{number}").index)
            end = namespace.find("eth0")
            assert end
            namespace.set_up(end.index)
            for version, place in self.places.items():
                own = ip_interface((place.pod(number), place.pods.prefixlen))
                namespace.add_address(end.index, own)
                namespace.add_route(Route(ANY[version], end.index, place.pod(1)))
        pods = {version: place.pod(number) for version, place in self.places.items()}
        networks = frozenset(place.pods for place in self.places.values())
        self.attached = Attached(namespace, pods, networks, {})

    def detach(self) -> None:
        """Take its pod away."""
        self.attached = None
        self._probe.close()

    def turn(self) -> bool:
        """Let the agent do what it does in one round; return whether it has done all of it."""
        if self.prover is None or self.now < self.hangs_until:
            return False
        try:
            self.prover._take_news()
            for way in Way:
                self.prover.receive(way)
            self.prover.turn()
        except DiedError:
            self.die()
        except (KernelError, CniError):
            assert self.refuses
            self.prover.look_soon()
            self.hangs_until = self.now + 1
        else:
            return True
        return False

    def stop(self) -> None:
        """Let the agent end as it should; it may die of it."""
        try:
            if self.prover:
                self.prover.close()
        except DiedError:
            self.die()
        except KernelError:
            assert self.refuses
        self.prover = None
        self.detach()

    def die(self) -> None:
        """Let go of what a process has, when it is no more."""
        if self.prover:
            self.prover.post.sockets.close()
            self.prover._open.close()
        self.prover, self.crash_in = None, None
        self.detach()

    def _before(self, verb: str) -> None:
        if self._is_outside:
            return
        self.inspect()
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise DiedError(verb)
        if self.refuses and self.refuses in verb:
            raise KernelError(verb, 1, "not today")
        if verb.startswith(("ip route add", "ip rule add")):
            self.put_back()
        if "element" not in verb:  # marks are relative: what takes them long is another matter
            self.kernel.advance(self.slow)

    def _read_keys(self) -> Keys:
        if BAD in self.keys:
            raise CniError(Code.INVALID_CONFIG, "no key")
        return Keys(tuple(self.keys))

    def _read_attached(self) -> tuple[Attached | None, str]:
        if self.refuses == LOOKS:
            raise KernelError("ip link show", errno.EMFILE, "Too many open files")
        return self.attached, "" if self.attached else "it has been taken away"
