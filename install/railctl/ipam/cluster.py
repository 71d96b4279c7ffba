"""How a command reaches the registry, how long it waits, and how it says what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from cni.host.paths import Paths
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError
from install.railctl.output import say

if TYPE_CHECKING:
    from ipam.etcd.interface import Etcd
    from ipam.node_file import NodeFile
    from ipam.registry.keys import Layout
    from ipam.registry.operator import Operator
    from ipam.registry.overview import Overview, Pace
    from ipam.wiring import Wiring

_WHOLE = 60.0
"""Seconds that all readings and changes of one command may take; a single one: `etcd.timeout`."""


class RefusedError(Exception):
    """A command does not do what it was asked; the message is one line for a person."""


@dataclass(frozen=True)
class Cluster:
    """The registry, as this node reaches it."""

    file: NodeFile
    etcd: Etcd
    layout: Layout
    pace: Pace

    def overview(self, noted: Callable[[int], None] | None = None) -> Overview:
        """Return a reading of it that has yet to begin."""
        from ipam.registry.overview import Overview

        return Overview(self.etcd, self.layout, self.pace, noted)

    def operator(self) -> Operator:
        """Return what changes it."""
        from ipam.registry.operator import Operator

        return Operator(self.etcd, self.layout, self.pace)


def wiring() -> Wiring:
    """Return the parts of this node."""
    from ipam.wiring import Wiring

    return Wiring(Paths.of(os.environ))


@contextmanager
def cluster(node: Wiring) -> Iterator[Cluster]:
    """Reach the registry by the node file (RefusedError when it names none)."""
    from ipam.registry.keys import Layout
    from ipam.registry.overview import Pace

    file = node.node_file
    if file is None or file.etcd is None:
        raise RefusedError(
            f"{node.paths.node_file} {'is missing' if file is None else 'has no [etcd]'}: expected "
            "the node file that says where the cluster's registry is; this node's own addresses: "
            "railctl addresses"
        )
    etcd = file.etcd
    with closing(node.connect(etcd.settings)) as client:
        yield Cluster(file, client, Layout(etcd.prefix), Pace(etcd.timeout, _WHOLE))


@contextmanager
def explained() -> Iterator[None]:
    """End the command with one line and exit code 1 when something went wrong."""
    from ipam.etcd.errors import EtcdError
    from ipam.registry.interface import RegistryError
    from ipam.registry.records import RecordError

    try:
        yield
    except (RefusedError, RegistryError, RecordError, EtcdError, CniError, KernelError) as error:
        say(f"railctl: {said(error)}", err=True)
        raise typer.Exit(1) from None


def said(error: Exception) -> str:
    """Return what went wrong and what to do about it, in one line."""
    from ipam.etcd.errors import UnavailableError
    from ipam.registry.interface import RegistryError

    advice = error.advice if isinstance(error, RegistryError) else ""
    if isinstance(error, UnavailableError):
        tried = ", ".join(error.tried)
        advice = f"see that etcd answers{': ' if tried else ''}{tried}"
    return f"{error} ({advice})" if advice else str(error)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """Show on a terminal's stderr how many things have been looked at."""
    if not sys.stderr.isatty():
        yield lambda count: None  # noqa: ARG005 - a pipe is told nothing
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …") as status:
        yield lambda count: status.update(f"{what} … {count}")


def confirm(question: str, expected: str, *, yes: bool) -> None:
    """Let a person type a word before something is done (RefusedError)."""
    if yes:
        return
    typed = typer.prompt(
        f"{question}\nType {expected} to go on", err=True, default="", show_default=False
    )
    if typed.strip() != expected:
        raise RefusedError(f"{expected} was not typed: nothing was changed (--yes does not ask)")
