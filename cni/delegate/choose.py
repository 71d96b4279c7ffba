"""From the name in `ipam.type` to the plugin behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from cni.delegate.interface import Ipam
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request

IN_PROCESS = {"rail-ipam": "ipam.plugin:make_ipam"}
"""Plugins of our own, by name, called without a process; text, so that none is imported unasked."""

_NOT_IPAM = frozenset({"rail-sriov"})
"""Plugins of our own that give no addresses: executing one would wait for its own caller's lock."""


def ipam_for(
    request: Request,
    kept: Mapping[str, Callable[[Request], Ipam]] | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Ipam | None:
    """Return the IPAM plugin that a network configuration names, None when it names none.

    Args:
        request: the main plugin's.
        kept: plugins of our own that this process keeps, by name.
        is_wanted: tells whether the runtime still waits for its ADD; an executed one is ended else.

    Raises:
        CniError: code 7, when `ipam` is malformed or the plugin is not in CNI_PATH.
    """
    ipam = request.config.get("ipam")
    if ipam is None or ipam == {}:
        return None
    name = ipam.get("type") if isinstance(ipam, dict) else None
    if not isinstance(name, str) or not name:
        raise CniError(
            Code.INVALID_CONFIG,
            f"ipam is {ipam!r}, expected an object with the plugin's name in type",
        )
    if name in _NOT_IPAM:
        raise CniError(
            Code.INVALID_CONFIG,
            f"ipam.type is {name!r}, expected an IPAM plugin, such as rail-ipam",
        )
    if kept and name in kept:
        return kept[name](request)
    if name in IN_PROCESS:
        module, _, factory = IN_PROCESS[name].partition(":")
        made: Ipam = getattr(import_module(module), factory)(request)
        return made
    from cni.delegate.execute import ExecutedIpam

    return ExecutedIpam(name, request.path, is_wanted)
