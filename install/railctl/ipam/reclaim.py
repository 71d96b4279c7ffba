"""`railctl ipam reclaim`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from install.railctl.ipam.cluster import RefusedError, cluster, confirm, explained, progress, wiring
from install.railctl.output import Output, say

if TYPE_CHECKING:
    from ipam.node_file import NodeFile
    from ipam.registry.lost import Reclaim
    from ipam.registry.operator import Step
    from ipam.wiring import Wiring

_QUARANTINE = 60
_LONGEST = 86400


def reclaim(  # noqa: PLR0913, PLR0917 - a command's options
    node: Annotated[str, typer.Option(help="The node that is lost.")],
    fenced: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--fenced", help="Its machine is powered off, for certain.")
    ] = False,
    hardware: Annotated[
        str, typer.Option(help="Which machine, where several have had this name.")
    ] = "",
    fabric: Annotated[str, typer.Option(help="Only what it has of this fabric.")] = "",
    quarantine: Annotated[
        int, typer.Option(min=0, max=_LONGEST, help="Seconds in which nobody claims its blocks.")
    ] = _QUARANTINE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Give back the blocks and addresses of a node that is proven to be gone.

    The proof is its own record of a later boot, or your word that it is powered off (--fenced).
    While it has a heartbeat nothing is taken.  What was interrupted is done by doing it again.
    """
    from ipam.registry.lost import proven, remains

    with explained(), cluster(here := wiring()) as joined:
        if fenced:
            _refuse_this_node(here, joined.file, node, hardware)
        with progress("reading the registry") as noted:
            overview = joined.overview(noted)
            left = remains(overview, node, fabric)
        lost = proven(left, joined.layout, fenced=fenced, hardware=hardware)
        for problem in overview.unreadable:
            say(f"left alone: {problem}", err=True)
        if fenced and not lost.empty:
            confirm(_question(lost), node, yes=yes)
        steps: list[Step] = []
        try:
            for step in joined.operator().reclaim(lost, quarantine):
                steps.append(step)
                if output is Output.TEXT:
                    say(step.what)
        finally:  # an interruption leaves the list true
            _conclude(node, steps, output)
    if not all(step.done for step in steps):
        raise typer.Exit(1)


def _refuse_this_node(here: Wiring, file: NodeFile, node: str, hardware: str) -> None:
    """Refuse to take this very machine for one that is powered off (RefusedError)."""
    from ipam.identity import hardware_identity

    if node == file.node and hardware in ("", hardware_identity(here.sys, file.node_id)):
        raise RefusedError(
            f"node {node} is this machine, and it runs; of another one that had its name before: "
            "--hardware"
        )


def _question(lost: Reclaim) -> str:
    what = f"{len(lost.blocks)} blocks and {len(lost.singles)} single addresses"
    return (
        f"{what} of node {lost.node} go back.  If a pod of it still runs, another pod will get its "
        "address."
    )


def _conclude(node: str, steps: list[Step], output: Output) -> None:
    if output is Output.JSON:
        say(json.dumps([{"what": step.what, "done": step.done} for step in steps]))
    elif not steps:
        say(f"nothing of node {node} was given back")
