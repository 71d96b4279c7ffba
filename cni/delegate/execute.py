"""Any IPAM plugin, executed from CNI_PATH as the specification says (section 4, "Delegation")."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cni.delegate.interface import Allocation
from cni.delegate.program import PATIENCE, Program, Target, find
from cni.protocol import results
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import RULES, Command

log = logging.getLogger(__name__)


class ExecutedIpam:
    """An IPAM plugin that is a program of its own.

    It gets the runtime's environment and the main plugin's configuration, both as they came.

    Args:
        name: the program's.
        path: the folders of CNI_PATH.
        is_wanted: tells whether the runtime still waits for its ADD.
    """

    def __init__(
        self, name: str, path: tuple[str, ...], is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        file = find(name, path, key="ipam.type", cure="install it there, or use rail-ipam")
        self._program = Program(file, PATIENCE, is_wanted)

    def allocate(self, request: Request) -> Allocation:
        """Execute ADD; what the fabric's prefixes are, an executed plugin cannot tell."""
        answer = self._run(Command.ADD, request)
        return Allocation(results.parse(answer, below=f"the result of {self._program.name}"))

    def release(self, request: Request) -> None:
        """Execute DEL; a plugin that does not speak the version cannot have held anything in it."""
        try:
            self._run(Command.DEL, request)
        except CniError as error:
            if error.code != Code.INCOMPATIBLE_VERSION:
                raise
            log.warning("%s", error)

    def check(self, request: Request) -> None:
        """Execute CHECK."""
        self._run(Command.CHECK, request)

    def collect(self, request: Request) -> None:
        """Execute GC."""
        self._run(Command.GC, request)

    def status(self, request: Request) -> None:
        """Execute STATUS."""
        self._run(Command.STATUS, request)

    def _run(self, command: Command, request: Request) -> Any:
        if command not in RULES[request.version].commands:
            return None  # the configuration's version does not know it
        return self._program.execute(command, request.config, _target(request))


def _target(request: Request) -> Target:
    return Target(
        container_id=request.container_id,
        ifname=request.ifname,
        netns=request.netns,
        path=request.path,
        environ=request.environ,
        args=";".join(f"{key}={value}" for key, value in request.args.items()),
    )
