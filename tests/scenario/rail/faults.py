"""Failing each call that a plugin makes to the world outside, in turn.

The calls are found by making them: a first run counts, the following ones fail the first, the
second, … call.  Nobody keeps a list of steps.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from cni.kernel.types import KernelError
from cni.protocol.errors import CniError, Code
from cni.rail.node import Node


class Mode(Enum):
    """How a call fails."""

    REFUSED = "nothing was done"
    LOST = "it was done, and an error came back"
    HALF = "a link was moved but not renamed, and an error came back"


@dataclass
class Faults:
    """Counts the calls, and fails one of them.

    Args:
        at: which call fails, counted from 0; -1 for none.
        mode: how.
    """

    at: int = -1
    mode: Mode = Mode.REFUSED
    calls: list[str] = field(default_factory=list)

    def around(self, node: Node) -> Node:
        """Return the node with every port behind this."""
        ports: dict[str, Any] = {
            "kernel": _Kernel(node.kernel, self),
            "sysfs": _Port(node.sysfs, self, _io_error),
            "attachments": _Port(node.attachments, self, _io_error),
            "ipam_for": lambda request: _Port(node.ipam_for(request), self, _ipam_error),
        }
        return replace(node, **ports)

    def call(self, name: str, real: Callable[[], Any], error: Exception, half: Any = None) -> Any:
        """Count one call, and make it or fail it."""
        number = len(self.calls)
        self.calls.append(name)
        if number != self.at:
            return real()
        if self.mode is Mode.HALF and half:
            half()
        elif self.mode is not Mode.REFUSED:
            real()
        raise error


def _io_error(name: str) -> Exception:
    return OSError(errno.ENOSPC, f"No space left on device: {name}")


def _ipam_error(name: str) -> Exception:
    return CniError(Code.TRY_AGAIN, f"{name} failed")


def _kernel_error(name: str) -> Exception:
    return KernelError(name, errno.EEXIST if name == "move" else errno.EIO, "Injected")


class _Port:
    """Any object, its calls counted."""

    def __init__(self, real: Any, faults: Faults, error: Callable[[str], Exception]) -> None:
        self._real = real
        self._faults = faults
        self._error = error

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            return self._faults.call(name, lambda: found(*args, **kwargs), self._error(name))

        return counted


class _Namespace(_Port):
    """A namespace; a move can also be half applied."""

    def move(self, index: int, target: Any, name: str) -> None:
        real_target = getattr(target, "_real", target)
        link = self._real.link(index)
        self._faults.call(
            "move",
            lambda: self._real.move(index, real_target, name),
            _kernel_error("move"),
            half=lambda: self._real.move(index, real_target, link.name),
        )


class _Kernel(_Port):
    """A kernel whose namespaces are counted as well."""

    def __init__(self, real: Any, faults: Faults) -> None:
        super().__init__(real, faults, _kernel_error)

    @property
    def host(self) -> Any:
        return _Namespace(self._real.host, self._faults, _kernel_error)

    def open(self, path: str) -> AbstractContextManager[Any]:
        return self._counted("open", lambda: self._real.open(path))

    def search(self, wanted: Any) -> AbstractContextManager[Any]:
        return self._counted("search", lambda: self._real.search(wanted))

    @contextmanager
    def _counted(self, name: str, make: Callable[[], AbstractContextManager[Any]]) -> Any:
        opened = self._faults.call(name, make, _kernel_error(name))
        with opened as namespace:
            yield namespace and _Namespace(namespace, self._faults, _kernel_error)
