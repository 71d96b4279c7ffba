"""`rail-install run`: the loop that keeps a node as it should be, and its pages."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from cni.agent import http
from cni.agent import log as agent_log
from cni.agent.config import Endpoint
from cni.agent.making_way import MakingWay
from install.installer.gathering import Site, Wishes
from install.installer.source import Source
from install.installer.upkeep import LOOK, Upkeep

log = logging.getLogger(__name__)

_HANGS = 180.0
"""Seconds of one look, from which on the installer counts as dead: a full copy takes 10."""


def run(site: Site, source: Source, wishes: Wishes, endpoint: Endpoint | None) -> NoReturn:
    """Install, and see to it that it stays, until SIGTERM, which ends it at once.

    Every step can be killed, so nothing has to be waited for; what is installed stays.
    """
    agent_log.configure("info")
    logging.getLogger("install").setLevel(logging.INFO)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    upkeep = Upkeep(site, source, wishes, time.monotonic)
    pages = _Pages(endpoint, upkeep)
    way = MakingWay(Path(sys.executable), None, lambda: os._exit(0))
    log.info("keeping %s installed", source.name)
    while True:
        pages.open()
        upkeep.turn()
        way.look()
        time.sleep(LOOK)


class _Pages:
    """The pages, served as soon as their address is free."""

    def __init__(self, endpoint: Endpoint | None, upkeep: Upkeep) -> None:
        self._endpoint = endpoint
        self._upkeep = upkeep
        self._server: http.Server | None = None
        self._problem = ""

    def open(self) -> None:
        """Serve them, unless they are."""
        if self._server or self._endpoint is None:
            return
        views = http.Views(
            self._metrics, self._is_alive, lambda: self._upkeep.problems, name="the installer"
        )
        try:
            self._server = http.serve(self._endpoint, views)
        except OSError as error:
            if self._problem != str(error):
                self._problem = str(error)
                reason = os.strerror(error.errno or 0)
                log.warning("no health: cannot listen on %s: %s", self._endpoint, reason)

    def _is_alive(self) -> bool:
        return time.monotonic() - self._upkeep.turned < _HANGS

    def _metrics(self) -> bytes:
        return (
            "# HELP railcni_install_problems What is not as it should be on this node.\n"
            "# TYPE railcni_install_problems gauge\n"
            f"railcni_install_problems {len(self._upkeep.problems)}\n"
            "# HELP railcni_install_steps_total What was written, mended or removed.\n"
            "# TYPE railcni_install_steps_total counter\n"
            f"railcni_install_steps_total {self._upkeep.repairs}\n"
        ).encode()
