"""`railctl doctor`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from cni.host.paths import Paths
from install.railctl.output import Output, plain, say

if TYPE_CHECKING:
    from install.doctor import whole
    from install.doctor.findings import Finding, Severity
    from install.doctor.whole import Place
    from install.doctor.wifi.node import Node

doctor = typer.Typer()

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue", "ok": "green"}
_INDENT = " " * 9
"""As wide as the longest word and two blanks."""


PluginOption = Annotated[
    Path | None,
    typer.Option(help="The SR-IOV device plugin's config.json, or the ConfigMap that has it."),
]
NadOption = Annotated[
    list[Path] | None, typer.Option(help="A file with NADs, judged as by nad lint.")
]
BinOption = Annotated[
    str, typer.Option(help="The folder of the plugins; else as the runtime's files say.")
]
ConfOption = Annotated[str, typer.Option(help="The folder of the networks, likewise.")]
MtuOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PEER",
        help="Send packets of the rails' full length to a pod, and look at nothing else: an "
        "address on a rail, or NAMESPACE/NAME.",
    ),
]
PodOption = Annotated[
    str, typer.Option(help="With --mtu: the pod to send from; else the one with most rails.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="What the agents of all nodes have found, out of etcd.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Let warnings count as well.")]
OutputOption = Annotated[Output, typer.Option(help="How to write it.")]
_FAILED = 1


@doctor.callback(invoke_without_command=True)
def node(  # noqa: PLR0913 - a command's options
    context: typer.Context,
    *,
    device_plugin: PluginOption = None,
    nad: NadOption = None,
    cni_bin: BinOption = "",
    cni_conf: ConfOption = "",
    mtu: MtuOption = None,
    pod: PodOption = "",
    all_nodes: AllOption = False,
    strict: StrictOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say what is wrong with this node, why it matters, and which command mends it.

    It changes nothing, and ends with exit code 1 when there is an error.
    """
    if context.invoked_subcommand:
        return
    from install.doctor import whole

    if all_nodes and mtu:
        raise typer.BadParameter("either --all or --mtu: one reads, the other sends")
    if pod and not mtu:
        raise typer.BadParameter("--pod without --mtu PEER has no effect")
    wishes = whole.Wishes(
        device_plugin, nad or (), _folder(cni_bin, "--cni-bin"), _folder(cni_conf, "--cni-conf")
    )
    place = whole.this_node(Paths.of(os.environ))
    try:
        if all_nodes:
            findings = _all_nodes()
        elif mtu:
            findings = _long_packets(place, pod, mtu)
        else:
            findings = _whole_node(place, wishes)
    except OSError as error:
        root = "" if os.geteuid() == 0 else " (run it as root)"
        say(f"railctl: {error}{root}", err=True)
        raise typer.Exit(_FAILED) from None
    tell(findings, output, strict=strict)


def _whole_node(place: Place, wishes: whole.Wishes) -> list[Finding]:
    from install.doctor import whole
    from install.doctor.wifi.checks import check
    from install.doctor.wifi.gathering import Wishes, gather

    files, findings = whole.look(place, wishes)
    findings += whole.look_at_registry(place, files)
    if whole.may_be_on_the_air(place, platform.release()):
        findings += check(gather(this_node(), Wishes()))
    return findings


def _long_packets(place: Place, pod: str, peers: Sequence[str]) -> list[Finding]:
    from install.doctor.files import read
    from install.doctor.path.proof import prove

    files = read(place.paths, None, ())
    return [*files.unread, *prove(place, files.node_file, pod, peers)]


def _all_nodes() -> list[Finding]:
    from install.doctor.report import judge
    from install.railctl.ipam.cluster import cluster, explained, wiring

    with explained(), cluster(wiring()) as registry:
        overview = registry.overview()
        census, reports = overview.census(), overview.reports()
        for words in overview.unreadable:
            say(words, err=True)
    return judge(
        {name: one.record for name, one in census.nodes.items()},
        {name: one.record for name, one in census.heartbeats.items()},
        {name: one.record for name, one in reports.items()},
    )


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
    *,
    strict: StrictOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at WiFi, overlay and firewall, and measure the paths to the peers.

    It takes a few seconds, changes nothing, and ends with exit code 1 when there is an error.
    """
    from cni.kernel.types import KernelError
    from install.doctor.wifi.checks import check
    from install.doctor.wifi.gathering import Wishes, gather

    try:
        facts = gather(this_node(), Wishes(tuple(overlay or ()), wireless))
    except KernelError as error:
        say(f"railctl: {error}", err=True)
        raise typer.Exit(_FAILED) from None
    tell(check(facts), output, strict=strict)


def tell(findings: Sequence[Finding], output: Output, *, strict: bool) -> None:
    """Write findings, the worst first, and end with exit code 1 when they are bad enough."""
    from install.doctor.findings import Severity, in_order, worst

    write(in_order(findings), output)
    tolerated = Severity.INFO if strict else Severity.WARNING
    if worst(findings) > tolerated:
        raise typer.Exit(_FAILED)


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
                **({"node": one.node} if one.node else {}),
            }
            for one in findings
        ]
        say(json.dumps(rows))
        return
    for one in findings:
        node = f"{one.node}: " if one.node else ""
        typer.echo(f"{_word(one.severity)}{_indented(node + one.what)}")
        for line in filter(None, (one.why, *(f"→ {command}" for command in one.mend))):
            typer.echo(f"{_INDENT}{_indented(line)}")


def _folder(given: str, option: str) -> PurePosixPath | None:
    from install.platforms.platform import PlatformError, checked_folder

    try:
        return checked_folder(given, option) if given else None
    except PlatformError as error:
        raise typer.BadParameter(str(error)) from None


def _indented(text: str) -> str:
    """Return what a terminal may get: no line of it looks like a finding of its own."""
    return plain(text).replace("\n", f"\n{_INDENT}")


def _word(severity: Severity) -> str:
    return typer.style(severity.word.ljust(len(_INDENT)), fg=_COLOURS[severity.word])
