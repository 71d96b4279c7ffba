"""`railctl nccl-env`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from install.job.forms import ANNOTATIONS, DEVICE_INFO, SYSFS, VariableForm
from install.railctl.output import say

if TYPE_CHECKING:
    from install.job.status import Attached

_MOST_CROSSING = 2


def nccl_env(  # noqa: PLR0913 - a command's options
    *,
    network: Annotated[
        list[str] | None,
        typer.Option(help="A rail by network or interface, or a pattern; all by default."),
    ] = None,
    annotations: Annotated[
        Path, typer.Option(help="The pod's annotations, a file of the downward API.")
    ] = ANNOTATIONS,
    file: Annotated[Path | None, typer.Option(help="Where to write; else to stdout.")] = None,
    form: Annotated[
        VariableForm, typer.Option(help="For a shell to source, or NAME=VALUE.")
    ] = VariableForm.SHELL,
    sockets: Annotated[bool, typer.Option("--sockets", help="Without RDMA.")] = False,
    cross_nic: Annotated[
        int | None,
        typer.Option(min=0, max=_MOST_CROSSING, help="NCCL_CROSS_NIC; else 1 for several rails."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the rails.")] = 120,
    sysfs: Annotated[Path, typer.Option(help="Where sysfs is.")] = SYSFS,
    device_info: Annotated[
        Path, typer.Option(help="Where the node's device-info files are.")
    ] = DEVICE_INFO,
) -> None:
    """Write the variables by which NCCL and UCX use exactly this pod's rails.

    For an init container: it waits until Multus has said which rails the pod has.
    """
    from install.job.delivery import deliver
    from install.job.devices import Places, with_devices
    from install.job.errors import JobError
    from install.job.nccl import variables
    from install.job.variables import written
    from install.job.waiting import until

    try:
        rails = until(lambda: _rails(annotations, network or ()), timeout)
        found = with_devices(rails, Places(sysfs, device_info))
        values = variables(found, cross_nic=cross_nic, rdma=not sockets)
        deliver(written(values, form), file)
    except JobError as error:
        say(f"railctl: {error}", err=True)
        raise typer.Exit(1) from None


def _rails(file: Path, patterns: list[str] | tuple[()]) -> tuple[Attached, ...]:
    from install.job.annotations import status_in
    from install.job.errors import NotYetError
    from install.job.status import rails, read

    try:
        content = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotYetError(
            f"{file} cannot be read: {getattr(error, 'strerror', error)}: mount the pod's "
            "metadata.annotations there (downwardAPI)"
        ) from None
    return rails(read(status_in(content)), patterns)
