"""`railctl hostgw`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install.conflist.folder import COPY
from install.conflist.ways import Way
from install.railctl.output import Output, say, write

if TYPE_CHECKING:
    from install.conflist.folder import Files
    from install.conflist.ways import Plan

hostgw = typer.Typer(no_args_is_help=True)

_FOLDER = Path("/etc/cni/net.d")
ConfDir = Annotated[Path, typer.Option(help="Where the runtime has its networks.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


@hostgw.callback()
def _group() -> None:
    """Bring rail-hostgw into the primary's network, and out of it."""


@hostgw.command("chain")
def chain(  # noqa: PLR0913 - a command's options
    *,
    conf_dir: ConfDir = _FOLDER,
    way: Annotated[Way | None, typer.Option(help="How; else the one that suits.")] = None,
    keys: Annotated[str, typer.Option(help="The plugin's keys, as JSON.")] = "{}",
    drops_in: Annotated[
        bool, typer.Option("--drops-in", help="The runtime has libcni 1.3 or later.")
    ] = False,
    k3s: Annotated[bool, typer.Option("--k3s", help="K3s's own flannel is the primary.")] = False,
    dry_run: DryRun = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Chain rail-hostgw after the primary plugin; done again, it follows what has changed."""
    from install.conflist import ways

    def planned(files: Files) -> Plan:
        chosen = way or ways.choose(files, drops_in=drops_in, is_k3s=k3s)
        return ways.chain(files, _parse(keys), chosen)

    _carry_out(planned, conf_dir, output, dry_run=dry_run)


@hostgw.command("unchain")
def unchain(
    *,
    conf_dir: ConfDir = _FOLDER,
    copy_unused: Annotated[
        bool, typer.Option("--copy-unused", help="K3s has no flannel-cni-conf of ours any more.")
    ] = False,
    dry_run: DryRun = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Take rail-hostgw out of the primary's network; to be done before the program is removed."""
    from install.conflist import ways

    def planned(files: Files) -> Plan:
        return ways.unchain(files, is_copied=not copy_unused)

    _carry_out(planned, conf_dir, output, dry_run=dry_run)
    if output is Output.TEXT:
        _say_who_has_a_copy(conf_dir)


def _carry_out(
    planned: Callable[[Files], Plan], conf_dir: Path, output: Output, *, dry_run: bool
) -> None:
    from install.conflist import writing
    from install.conflist.document import ConflistError

    try:
        plan = planned(writing.read_folder(conf_dir))
        if not dry_run:
            writing.write(conf_dir, plan)
    except ConflistError as error:
        say(f"railctl: {error}", err=True)
        raise typer.Exit(1) from None
    rows = _rows(plan, "would be" if dry_run else "is")
    write(str(conf_dir), rows, output, empty=f"{conf_dir} is as it should be")
    if output is Output.TEXT:
        _say_what_is_left_to_do(conf_dir, plan)


def _parse(text: str) -> dict[str, Any]:
    import json

    try:
        keys = json.loads(text)
    except ValueError:
        keys = None
    if not isinstance(keys, dict):
        raise typer.BadParameter(f'{text!r}, expected an object such as {{"agentless": true}}')
    return keys


def _rows(plan: Plan, verb: str) -> list[dict[str, str]]:
    return [
        {"file": change.name, "what": f"{verb} {'removed' if change.after is None else 'written'}"}
        for change in plan.changes
    ]


def _say_what_is_left_to_do(conf_dir: Path, plan: Plan) -> None:
    for change in plan.changes:
        if not change.name.endswith(COPY) or change.after is None:
            continue
        say(
            f"K3s copies {change.name} at its next start, where /etc/rancher/k3s/config.yaml says "
            f"flannel-cni-conf: {conf_dir / change.name}.  It does not start without the file: "
            "take that line out and restart K3s before `railctl hostgw unchain --copy-unused`."
        )


def _say_who_has_a_copy(conf_dir: Path) -> None:
    from install.conflist import folder, writing

    for name in folder.copies(writing.read_folder(conf_dir)):
        say(
            f"{name} has rail-hostgw in delegates, copied when Multus started: restart Multus, so "
            "that it copies the network anew, before the program is removed."
        )
