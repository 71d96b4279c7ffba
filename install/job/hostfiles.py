"""The ranks of a job as launchers read them.

Sources: Open MPI, mpirun(1); DeepSpeed, "Getting Started: Resource Configuration"; PyTorch,
torchrun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from install.job.errors import JobError
from install.job.ranks import Rank, number_of
from ipam.ranges import Address


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Where torchrun's nodes meet, and which one this is."""

    pod: str
    """This pod's name."""
    port: int
    id: str
    """The same on all nodes of one run."""


def hostfile(found: Sequence[Rank], slots: int | None) -> str:
    """Return a line for each rank, as Open MPI and DeepSpeed read it.

    Args:
        found: the ranks in order.
        slots: processes on each; None for as many as it has GPUs.

    Raises:
        JobError: a rank has no GPU, and nobody says how many processes it takes.
    """
    return "".join(f"{rank.address} slots={_slots(rank, slots)}\n" for rank in found)


def torchrun(found: Sequence[Rank], slots: int | None, meeting: Rendezvous) -> str:
    """Return the options of torchrun on one of the ranks, in one line.

    Raises:
        JobError: it is none of the ranks, or nobody says how many processes it takes.
    """
    own = found[number_of(found, meeting.pod)]
    options = {
        "nnodes": len(found),
        "nproc-per-node": _slots(own, slots),
        "node-rank": own.number,
        # The c10d backend hands out ranks by itself; this one keeps to the order.
        "rdzv-backend": "static",
        "rdzv-endpoint": f"{_bracketed(found[0].address)}:{meeting.port}",
        "rdzv-id": meeting.id,
        "local-addr": own.address,
    }
    return " ".join(f"--{name}={value}" for name, value in options.items()) + "\n"


def _slots(rank: Rank, slots: int | None) -> int:
    if slots is None and not rank.gpus:
        raise JobError(f"{rank.pod} asks for no GPU: say with --slots how many processes it takes")
    return slots or rank.gpus


def _bracketed(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
