"""`railctl doctor`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cni.host.paths import Paths
from install.railctl.output import Output

if TYPE_CHECKING:
    from install.doctor.findings import Finding, Severity
    from install.doctor.wifi.node import Node

doctor = typer.Typer(no_args_is_help=True)

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue", "ok": "green"}
_INDENT = " " * 9
"""As wide as the longest word and two blanks."""


@doctor.callback()
def _group() -> None:
    """Say what is wrong with this node, why it matters, and which command mends it."""


@doctor.command()
def wifi(
    overlay: Annotated[
        list[str] | None, typer.Option(help="A device of the overlay; every vxlan by default.")
    ] = None,
    wireless: Annotated[
        bool | None,
        typer.Option(
            "--wireless/--wired", help="What the uplink is, where the node cannot see it."
        ),
    ] = None,
    strict: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--strict", help="Let warnings count as well.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Look at WiFi, overlay and firewall, and measure the paths to the peers.

    It takes a few seconds, changes nothing, and ends with exit code 1 when there is an error.
    """
    from cni.kernel.types import KernelError
    from install.doctor.findings import Severity, worst
    from install.doctor.wifi.checks import check
    from install.doctor.wifi.gathering import Wishes, gather

    try:
        facts = gather(this_node(), Wishes(tuple(overlay or ()), wireless))
    except KernelError as error:
        typer.echo(f"railctl: {error}", err=True)
        raise typer.Exit(1) from None
    findings = check(facts)
    write(findings, output)
    tolerated = Severity.INFO if strict else Severity.WARNING
    if worst(findings) > tolerated:
        raise typer.Exit(1)


def this_node() -> Node:
    """Return the ports of the node that this runs on."""
    from cni.kernel.linux import LinuxKernel
    from cni.kernel.sysfs import LinuxSysfs
    from install.doctor.wifi.measuring import measure
    from install.doctor.wifi.node import Node

    agent_file = Paths.of(os.environ).agent_file
    return Node(LinuxKernel(), LinuxSysfs(), measure, platform.release(), agent_file)


def write(findings: Sequence[Finding], output: Output) -> None:
    """Write findings, as lines or as a JSON list."""
    if output is Output.JSON:
        rows = [
            {
                "severity": one.severity.word,
                "check": one.check,
                "what": one.what,
                "why": one.why,
                "mend": list(one.mend),
            }
            for one in findings
        ]
        typer.echo(json.dumps(rows))
        return
    for one in findings:
        typer.echo(f"{_word(one.severity)}{one.what}")
        for line in filter(None, (one.why, *(f"→ {command}" for command in one.mend))):
            typer.echo(f"{_INDENT}{line}")


def _word(severity: Severity) -> str:
    return typer.style(severity.word.ljust(len(_INDENT)), fg=_COLOURS[severity.word])
