"""`railctl hostfile`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install.job.forms import SECRETS, HostForm
from install.railctl.output import say

if TYPE_CHECKING:
    from install.job.ranks import Rank

_STDIN = Path("-")
_PORT = 29500
_PATIENCE = 600.0
"""Seconds; a large job's last pod may have to pull an image first."""
_JOB_LABEL = "job-name"
"""Jobs of every Kubernetes give it to their pods."""


def hostfile(  # noqa: PLR0913 - a command's options
    *,
    job: Annotated[str, typer.Option(help="The Job whose pods are the ranks.")] = "",
    selector: Annotated[str, typer.Option(help="Or the labels that the pods have.")] = "",
    namespace: Annotated[str, typer.Option(help="The pods'; else this pod's own.")] = "",
    pods: Annotated[
        Path | None,
        typer.Option(help="Read them from here (kubectl get pods -o json; - for stdin)."),
    ] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="How many ranks there are.")] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="The rail by whose address they meet; the first by default."),
    ] = None,
    slots: Annotated[
        int | None, typer.Option(min=1, help="Processes on each; else as many as it has GPUs.")
    ] = None,
    form: Annotated[HostForm, typer.Option(help="Who reads it.")] = HostForm.MPI,
    pod: Annotated[str, typer.Option(help="This pod, for torchrun; else the host's name.")] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Rank 0's, for torchrun.")] = _PORT,
    file: Annotated[Path | None, typer.Option(help="Where to write; else to stdout.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait; 600, for a file 0.")
    ] = None,
    secrets: Annotated[Path, typer.Option(help="Where the service account's token is.")] = SECRETS,
) -> None:
    """Write which pod of a job is which rank, by the rails' addresses.

    It waits until all ranks have their rails.
    """
    from install.job.delivery import deliver
    from install.job.errors import JobError
    from install.job.hostfiles import Rendezvous, torchrun
    from install.job.hostfiles import hostfile as lines
    from install.job.ranks import ranks
    from install.job.waiting import until

    chosen = selector or (f"{_JOB_LABEL}={job}" if job else "")
    if pods is None and not (chosen and nodes):
        raise typer.BadParameter("--job or --selector is missing, or --nodes: whose pods are it?")
    try:
        look = _from_file(pods) if pods else _from_api(namespace, chosen, secrets)
        patience = _patience(pods) if timeout is None else timeout

        def complete() -> Sequence[Rank]:
            return ranks(look(), network or (), nodes)

        found = until(complete, patience)
        if form is HostForm.TORCHRUN:
            own = pod or os.environ.get("POD_NAME") or os.uname().nodename
            text = torchrun(found, slots, Rendezvous(own, port, job or "railcni"))
        else:
            text = lines(found, slots)
        deliver(text, file)
    except JobError as error:
        say(f"railctl: {error}", err=True)
        raise typer.Exit(1) from None


def _patience(pods: Path | None) -> float:
    """Return how many seconds to wait: what is written in a file seldom changes."""
    return _PATIENCE if pods is None else 0.0


def _from_file(file: Path) -> Callable[[], list[dict[str, Any]]]:
    from install.job.api import pods_in
    from install.job.errors import JobError, NotYetError

    def look() -> list[dict[str, Any]]:
        try:
            return pods_in(sys.stdin.read() if file == _STDIN else file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", error)
            raise NotYetError(f"{file} cannot be read: {reason}") from None
        except NotYetError as reason:
            raise NotYetError(f"{file}: {reason}") from None
        except JobError as reason:
            raise JobError(f"{file}: {reason}") from None

    return look


def _from_api(namespace: str, selector: str, secrets: Path) -> Callable[[], list[dict[str, Any]]]:
    from install.job.api import Api

    api = Api.of(os.environ, secrets)
    where = namespace or api.namespace
    return lambda: api.pods(where, selector)
