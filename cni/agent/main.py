"""rail-agent: how its parts are put together, and how it begins, reloads and ends."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from cni import programs
from cni.agent import chores, config, http, log, pid_one, plugins, sight, socket_file
from cni.agent.attending import Attending
from cni.agent.config import AgentConfig, Endpoint
from cni.agent.hostgw.part import HostgwPart
from cni.agent.interface import Chore, Family, Part
from cni.agent.making_way import MakingWay
from cni.agent.metrics import Metrics
from cni.agent.server import Server
from cni.agent.serving import Home, Serving
from cni.agent.systemd import ServiceManager
from cni.agent.work import Work
from cni.build import BUILD
from cni.delegate.choose import ipam_for
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.hostgw import node as hostgw
from cni.hostgw.kept import Notes
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from cni.protocol.errors import CniError
from cni.rail.attachment import Attachments
from cni.rail.node import Node

logger = logging.getLogger(__name__)

_FAILURE = 1
_LAST_WORDS = 30.0
"""Seconds that chores get to end what they are at, and requests whose callers have gone."""
_AGAIN = 2.0
"""Seconds until listening for who asks after metrics and health is tried again."""
_HANGS = 10.0
"""Seconds without a turn of the loop, from which on the agent counts as dead."""
_BUNDLE = "/opt/cni/bin/railcni.d/railcni"


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM; return the exit code."""
    options = _parse(arguments)
    if options.node:
        try:
            pid_one.execute_there(options.bundle, ["rail-agent", "--make-way"])
        except pid_one.NotOnTheNodeError as error:
            sys.stderr.write(f"rail-agent: {error}\n")
            return _FAILURE
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a request takes up to a dozen
    paths = Paths.of(os.environ)
    try:
        log.configure("info")
        # Before the settings are read: who changes them from now on is seen.
        way = _making_way(paths) if options.make_way else None
        settings = config.load(paths.agent_file)
        log.configure(settings.log_level)
        Agent(paths, settings, way).run()
    except (CniError, OSError) as error:
        sys.stderr.write(f"rail-agent: {error}\n")
        return _FAILURE
    return 0


class Agent:
    """The agent of this node."""

    def __init__(self, paths: Paths, settings: AgentConfig, making_way: MakingWay | None) -> None:
        self._paths = paths
        self._settings = settings
        self._metrics = Metrics()
        self._manager = ServiceManager(os.environ)
        self._work = Work(settings.requests, settings.waiting)
        self._turned = time.monotonic()
        self._reload_wanted = False
        kernel = LinuxKernel()
        self._ipam = programs.load(programs.IPAM_PART)(
            paths,
            reclaim=settings.reclaim,
            reclaim_after=settings.reclaim_after,
            namespaces=partial(sight.all_there_are, kernel),
        )
        self._kept = {"rail-ipam": self._ipam.warm.ipam}
        self._node = Node(
            kernel=kernel,
            sysfs=LinuxSysfs(),
            attachments=Attachments(paths.attachments),
            locks=Locks(paths.locks),
            ipam_for=partial(ipam_for, kept=self._kept),
            stripped=self._metrics.stripped,
        )
        self._hostgw = hostgw.Node(
            kernel, self._node.sysfs, self._node.locks, Notes(paths.hostgw)
        )  # fmt: skip
        self._attending = Attending(
            self._node, grace=settings.grace, pfs=settings.pfs, least_mtu=settings.least_mtu,
            path=settings.cni_path,
        )  # fmt: skip
        self._making_way = making_way
        self._paths_part = self._look_after_paths()
        doctor = programs.load(programs.DOCTOR_PART)(
            paths, kernel, self._node.sysfs, self._ipam.warm.using
        )
        self._parts: tuple[Part, ...] = (
            self._attending, self._ipam, doctor, *filter(None, (self._paths_part,)),
        )  # fmt: skip

    def run(self) -> None:
        """Serve, and see to the node, until SIGTERM."""
        makers = {
            "rail-sriov": plugins.rail_sriov(
                replace(self._node, outages=self._attending.outages), self._kept
            ),
            "rail-hostgw": plugins.rail_hostgw(self._hostgw, self._paths_part),
            "rail-ipam": plugins.rail_ipam(self._ipam.warm.plugin),
        }
        home = Home.here(BUILD, self._paths)
        serving = Serving(home, makers, self._metrics, self._settings.budget)
        with ExitStack() as ending:
            listener = ending.enter_context(socket_file.listening(self._paths.state))
            server = Server(listener, serving, self._work, self._tick())
            ending.callback(server.close)
            self._see_to_chores(ending)
            signal.signal(signal.SIGHUP, lambda *_: self._ask_for_reload())
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop(server))
            gc.freeze()  # what is there now stays, and need not be looked through again
            logger.info("serving, bundle %s", home.build.decode())
            self._manager.ready("serving")
            server.run()
            self._work.finish(_LAST_WORDS)  # of those whose callers have gone
            logger.info("ended: every request that was begun has its reply")

    def _see_to_chores(self, ending: ExitStack) -> None:
        """Begin what is done from time to time; showing how it is, is part of that."""
        wanted = [chore for part in self._parts for chore in part.chores]
        if self._settings.metrics:
            peers = self._paths_part.page if self._paths_part else None
            views = http.Views(self._metrics.page, self._is_alive, self._problems, peers)
            pages = _Pages(self._settings.metrics, views)
            wanted.append(Chore("pages", _AGAIN, pages.open))
            ending.callback(pages.close)
        if self._making_way:
            wanted.append(self._making_way.chore)
        running = chores.Chores(wanted, self._metrics)
        for figures in (*(part.figures for part in self._parts), self._figures, running.figures):
            self._metrics.add(figures)
        for part in self._parts:
            ending.callback(part.close)
        running.start()
        self._ipam.waken = running.wake
        if self._paths_part:
            self._paths_part.waken = running.wake
        ending.callback(running.stop, _LAST_WORDS)

    def _look_after_paths(self) -> HostgwPart | None:
        """Return the part that proves direct paths, None where nobody wants any."""
        settings = self._settings.hostgw
        if settings is None or settings.mode == "off":
            return None
        environ = programs.original_environment(os.environ)
        return HostgwPart(self._hostgw, settings, self._settings.cni_path, environ)

    def _figures(self) -> list[Family]:
        text = "Requests that wait or are being served."
        problems = "Reasons why new pods might not start; /readyz has them in words."
        return [
            Family.of("requests_under_way", text, {(): self._work.taken}),
            Family.of("problems", problems, {(): len(self._problems())}),
        ]

    def _problems(self) -> list[str]:
        return [problem for part in self._parts for problem in part.problems()]

    def _is_alive(self) -> bool:
        return time.monotonic() - self._turned < _HANGS

    def _tick(self) -> Callable[[], None]:
        """Return what the loop does now and then: note that it lives, and what signals ask for."""
        period, told = self._manager.watchdog_period(), 0.0

        def tick() -> None:
            nonlocal told
            self._turned = time.monotonic()
            if period and self._turned - told >= period:
                told = self._turned
                self._manager.alive()
            if self._reload_wanted:
                self._reload_wanted = False
                self._reload()

        return tick

    def _ask_for_reload(self) -> None:
        """Have the loop reload: a signal may come while this thread logs, or has a lock."""
        self._reload_wanted = True

    def _reload(self) -> None:
        """Read the node file again; of the agent's own settings, the log level."""
        self._manager.reloading()
        self._ipam.warm.reload()
        try:
            log.configure(config.load(self._paths.agent_file).log_level)
        except (CniError, OSError) as error:
            logger.error("the settings stay as they are: %s", error)  # noqa: TRY400 - words enough
        logger.info("reloaded")
        self._manager.ready("serving")

    def _stop(self, server: Server) -> None:
        self._manager.stopping("finishing what was begun")
        server.stop()


def _making_way(paths: Paths) -> MakingWay:
    def leave() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    return MakingWay(Path(sys.executable), paths.agent_file, leave)


class _Pages:
    """Metrics and health, served as soon as their address is free."""

    def __init__(self, endpoint: Endpoint, views: http.Views) -> None:
        self._endpoint = endpoint
        self._views = views
        self._server: http.Server | None = None

    def open(self) -> None:
        """Serve them, unless they are (OSError: not yet)."""
        self._server = self._server or http.serve(self._endpoint, self._views)

    def close(self) -> None:
        """Serve them no more."""
        if self._server:
            self._server.close()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="rail-agent",
        description="Serve the plugins of this node from one warm process, and see to what no "
        "request does. Settings are in /etc/railcni/agent.toml.",
    )
    parser.add_argument(
        "--node", action="store_true",
        help="from a container with hostNetwork and hostPID: become the node's own rail-agent",
    )  # fmt: skip
    parser.add_argument(
        "--make-way", action="store_true",
        help="end when another version is installed, or agent.toml has changed: for who starts it "
        "again then",
    )  # fmt: skip
    parser.add_argument("--bundle", default=_BUNDLE, help="the bundle's executable on the node")
    return parser.parse_args(arguments)
