"""rail-hostgw's five verbs: chained, fail-open, and how the program is wired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from cni.host import logs
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.hostgw import config as hostgw_config
from cni.hostgw.config import HostgwConfig
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.hostgw.refresh import differences, refresh
from cni.protocol.chaining import previous_result
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Json, Request

log = logging.getLogger(__name__)


class PathKeeper(Protocol):
    """An agent that proves paths all the time: then a request has nothing to prove."""

    def pods_changed(self) -> None:
        """Take notice of a pod that has come or gone."""
        ...

    def collected(self, network: str) -> None:
        """Take notice of a GC of a network: what no runtime knows of has lost its address."""
        ...

    def impairments(self) -> Sequence[str]:
        """Return why no path can be proven, or none used that is, in words."""
        ...


class RailHostgw:
    """The plugin, on the ports of one node; it knows no pod, and touches none.

    Args:
        node: the ports.
        agent: what proves paths all the time, None where a request is alone.
    """

    def __init__(self, node: Node, agent: PathKeeper | None = None) -> None:
        self._node = node
        self._agent = agent

    def add(self, request: Request) -> Mapping[str, Json]:
        """Hand on what the plugins before have made, to the letter."""
        result = previous_result(request)
        config = hostgw_config.read(request)
        config.warn()
        self._attempt(lambda: self._refresh(config), strict=config.strict)
        return result

    def check(self, request: Request) -> None:
        """Compare the host's routes with what an ADD leaves; only `strict` makes it an error."""
        previous_result(request)
        config = hostgw_config.read(request)
        self._attempt(lambda: self._compare(config), strict=config.strict)

    def delete(self, request: Request) -> None:
        """Prove the peers anew; the pod's end never waits for us, nor for a configuration."""
        try:
            config = hostgw_config.read(request)
        except CniError as error:
            log.warning("nothing is proven anew: %s", error)
            return
        self._attempt(lambda: self._refresh(config), strict=False)

    def collect(self, request: Request) -> None:
        """Prove the peers anew: no attachment holds anything of ours (GC)."""
        config = hostgw_config.read(request)
        _ = request.valid_attachments  # which must be well-formed all the same
        if self._agent:
            self._agent.collected(request.network)
        self._attempt(lambda: self._refresh(config), strict=config.strict)

    def status(self, request: Request) -> None:
        """Prove the peers anew; raise when an ADD would fail, as only a strict one does."""
        config = hostgw_config.read(request)
        try:
            self._attempt(lambda: self._refresh(config), strict=config.strict)
        except (CniError, OSError) as error:
            details = error.details if isinstance(error, CniError) else ""
            words = error.msg if isinstance(error, CniError) else str(error)
            raise CniError(Code.NOT_AVAILABLE, words, details) from None
        if config.strict and self._agent and (found := self._agent.impairments()):
            raise CniError(Code.NOT_AVAILABLE, "; ".join(found), "see `railctl peers`")

    def _refresh(self, config: HostgwConfig) -> None:
        if self._agent:
            self._agent.pods_changed()
        else:
            refresh(self._node, config)

    def _compare(self, config: HostgwConfig) -> None:
        found = differences(self._node, config) if self._agent is None else ()
        if found:
            raise CniError(Code.CHECK_FAILED, "; ".join(found), "the next ADD mends it")

    def _attempt(self, work: Callable[[], None], *, strict: bool) -> None:
        """Do what must fail no pod: a failure is logged, and counted there."""
        try:
            work()
        except Exception as error:
            if strict:
                raise
            expected = isinstance(error, CniError | OSError)
            log.error(  # noqa: TRY400 - of what is foreseen, words are enough
                "pods go over the overlay, or as before: %s (failure %s since the boot)",
                error, self._count(), exc_info=None if expected else error,
            )  # fmt: skip

    def _count(self) -> str:
        """Count one more failure; where that fails, too, nobody knows how many there are."""
        node = self._node
        try:
            with node.locks.host_routes(1):
                kept = node.notes.read(node.kernel.boot_id())
                node.notes.write(kept.model_copy(update={"failures": kept.failures + 1}))
        except (CniError, OSError):
            return "?"
        return str(kept.failures + 1)


def make_plugin(request: Request) -> RailHostgw:
    """Wire rail-hostgw for one request of this process."""
    from cni.kernel.linux import LinuxKernel
    from cni.kernel.sysfs import LinuxSysfs

    paths = Paths.of(request.environ)
    logs.configure(request, paths.logs)
    node = Node(LinuxKernel(), LinuxSysfs(), Locks(paths.locks), Notes(paths.hostgw))
    return RailHostgw(node)
