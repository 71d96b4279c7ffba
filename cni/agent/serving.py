"""One call of a plugin's process, served: the same functions, with warm parts and its own log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cni import programs, wire
from cni.agent import log as logs
from cni.agent.metrics import Metrics
from cni.agent.plugins import Circumstances, Maker
from cni.agent.server import Errand, Reply
from cni.agent.stopwatch import Stopwatch
from cni.host.paths import Paths
from cni.protocol import skel
from cni.protocol.errors import CniError, Code
from cni.protocol.plugin import Plugin
from cni.protocol.request import Request

_NETNS = Path("/proc/self/ns/net")


@dataclass(frozen=True, slots=True)
class Home:
    """What a plugin's process must have in common with the agent, to be served by it."""

    build: bytes
    """Of the bundle (`cni.build`)."""
    paths: Paths
    netns: int
    """Inode number of the network namespace."""

    @classmethod
    def here(cls, build: bytes, paths: Paths) -> Home:
        """Return this process's own."""
        return cls(build, paths, _NETNS.stat().st_ino)


class Serving:
    """Serves calls (`cni.agent.server.Service`); any number of threads at once.

    Args:
        home: the agent's own.
        makers: the plugins, by name.
        metrics: where requests are counted.
        budget: seconds from a call's arrival after which an ADD gives up.
    """

    def __init__(
        self, home: Home, makers: Mapping[str, Maker], metrics: Metrics, budget: float
    ) -> None:
        self._home = home
        self._makers = makers
        self._metrics = metrics
        self._budget = budget

    def refusal(self, call: wire.Call) -> str:
        """Return why a call is its process's own work, empty when it is the agent's."""
        if call.build != self._home.build:
            return "other bundle"
        if call.netns != self._home.netns:
            return "other network namespace"
        if Paths.of(call.environ) != self._home.paths:
            return "other folders"
        return "" if call.program in self._makers else "other program"

    def refused(self, reason: str) -> None:
        """Note that somebody was sent away."""
        self._metrics.refused(reason)

    def serve(self, errand: Errand) -> Reply:
        """Serve a call that was taken."""
        call = errand.call
        environ = programs.original_environment(call.environ)
        stopwatch = Stopwatch()
        with logs.logged(call.program, environ) as request_log:

            def make_plugin(request: Request) -> Plugin:
                stopwatch.add("parse", stopwatch.so_far())
                request_log.begin(request, self._home.paths.logs)
                self._check_time(errand.waiting() or 0)
                here = Circumstances(errand.netns, stopwatch, wanted)
                return self._makers[call.program](request, here)

            def wanted() -> bool:
                waited = errand.waiting()
                return waited is not None and waited <= self._budget

            # What was attached while a GC waited here, its runtime did not know of.
            served = skel.serve(make_plugin, environ, call.stdin, errand.arrived)
            reply = _traceable(served, request_log.id)
            code = int(reply.document["code"]) if reply.exit_code and reply.document else 0
            seconds = stopwatch.seconds()
            request_log.summary(code, reply.document, seconds)
            self._metrics.served(call.program, environ.get("CNI_COMMAND", ""), code, seconds)
            return Reply(reply.exit_code, reply.text().encode(), request_log.stderr.encode())

    def late(self, call: wire.Call, waited: float) -> Reply | None:
        """Return the reply to who has waited too long, None while it has not."""
        try:
            self._check_time(waited)
        except CniError as error:
            return Reply(1, skel.failure(error, call.stdin).text().encode(), b"")
        return None

    def _check_time(self, waited: float) -> None:
        if waited > self._budget:
            raise CniError(
                Code.TRY_AGAIN,
                f"rail-agent has not come to this request within {waited:.0f} s, and has not begun "
                f"it: it may take {self._budget:g} s (budget)",
                "see what the agent is busy with: railctl attachments, and its log",
            )


def _traceable(reply: skel.Reply, request_id: str) -> skel.Reply:
    """Return an error with the words that find the request in the agent's log."""
    if not reply.exit_code or reply.document is None:
        return reply
    told = str(reply.document.get("details", ""))
    found = f"request {request_id} in the log of rail-agent"
    details = f"{told}; {found}" if told else found
    return replace(reply, document={**reply.document, "details": details})
